"""Bearer tokens of the SAS API: signed, held nowhere. A restart ends none of them, their time does."""

from __future__ import annotations

from datetime import datetime, timedelta

from itsdangerous import BadSignature, URLSafeSerializer

from sandbox.net.context import Context


class Tokens:
    """Tokens that say to which account they were given and when they end (`session_hours`), signed by the sandbox."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._life = timedelta(hours=context.settings.session_hours)
        self._signer = URLSafeSerializer(context.secret("tokens:sas-api"))

    def give(self, account: str) -> tuple[str, datetime]:
        """A new token of an account (its id) and when it ends."""
        ends = self._context.clock.now() + self._life
        token = self._signer.dumps([account, ends.timestamp()])
        return token if isinstance(token, str) else token.decode(), ends

    def account(self, token: str) -> str:
        """Whose token it is: the account's id; "" for one that was not given here or has ended."""
        try:
            account, ends = self._signer.loads(token)
        except (BadSignature, UnicodeError):
            return ""
        return str(account) if ends > self._context.clock.now().timestamp() else ""
