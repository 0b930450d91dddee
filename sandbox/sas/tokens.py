"""Bearer tokens of the SAS API: signed, held nowhere. A restart ends none of them, their time does."""

from __future__ import annotations

from datetime import datetime, timedelta

from itsdangerous import BadSignature, URLSafeSerializer

from sandbox.kernel.model import Regulator
from sandbox.net.context import Context


class Tokens:
    """Tokens that say to whom they were given and when they end (`session_hours`), signed by the sandbox."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._life = timedelta(hours=context.settings.session_hours)
        self._signer = URLSafeSerializer(context.secret("tokens:sas-api"))

    def give(self, regulator: Regulator) -> tuple[str, datetime]:
        """A new token and when it ends."""
        ends = self._context.clock.now() + self._life
        token = self._signer.dumps([regulator.identifier.key, ends.timestamp()])
        return token if isinstance(token, str) else token.decode(), ends

    def regulator(self, token: str) -> Regulator | None:
        """Whose token it is; None for one that was not given here, has ended, or whose account is gone."""
        try:
            key, ends = self._signer.loads(token)
        except (BadSignature, UnicodeError):
            return None
        if ends <= self._context.clock.now().timestamp():
            return None
        return self._context.population.regulator(key)
