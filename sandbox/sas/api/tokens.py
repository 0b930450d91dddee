"""Signed Bearer tokens of the SAS API. Time and a logout end them, a restart of the SAS core does not."""

from __future__ import annotations

from datetime import UTC, datetime

from itsdangerous import BadSignature, URLSafeSerializer

from sandbox.net.context import Context
from sandbox.store.protocol import Store
from sandbox.web.ended_sessions import EndedSessions


class Tokens:
    """Tokens that name the account that they were given to; valid for `session_hours` of real time."""

    def __init__(self, context: Context, store: Store) -> None:
        self._life = context.settings.session_hours * 3600
        self._clock = context.clock
        self._signer = URLSafeSerializer(context.secret("named-tokens:sas-api"))
        self._ended = EndedSessions(context, store, "ended.tokens")

    def give(self, account: str) -> tuple[str, datetime]:
        """A new token of an account (its id) and when it ends."""
        token = self._signer.dumps([account, self._ended.name()])
        ends = datetime.fromtimestamp(self._clock.real() + self._life, UTC)
        return token if isinstance(token, str) else token.decode(), ends

    def account(self, token: str) -> str:
        """Id of the account that the token was given to; "" for one that was not given here or has ended."""
        account, name = self._read(token)
        return account if not self._ended.over(name) else ""

    async def end(self, token: str) -> None:
        """End the token, durably. Raises StoreError."""
        await self._ended.end(self._read(token)[1])

    def _read(self, token: str) -> tuple[str, str]:
        try:
            account, name = self._signer.loads(token)
        except (BadSignature, UnicodeError):
            return "", ""
        return str(account), str(name)
