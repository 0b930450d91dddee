"""« Mot de passe oublié »: links that let the holder of an account choose a new password, each once and for a while.

Nothing is mailed: the message that would be sent stands in the sandbox's « boîte d'envoi ». Asking says nothing about
whether an account exists: it costs and answers the same. A link is its row's number and a code that only this editor
can make, so no link can be read from the store. One link lives per account; the table is bounded by the accounts.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from sandbox.editor.accounts.accounts import AccountRecord, Accounts
from sandbox.kernel.clock import Clock
from sandbox.kernel.entropy import Entropy
from sandbox.store.protocol import Delete, Put, Store

TABLE = "resets"
LIFETIME = timedelta(minutes=30)
MOST_SHOWN = 50  # messages in the « boîte d'envoi »
SHORTEST, LONGEST = 12, 200  # characters of a password
_NOBODY = "-"  # number of the row that is written when nobody can be meant


class Reset(msgspec.Struct, frozen=True):
    """Row of TABLE: whose password, and when the link was asked for. `account` is empty where nobody is meant."""

    account: str
    asked: datetime


@dataclass(frozen=True, slots=True)
class Message:
    """What would be mailed: to whom, when, with which link (its token), good until when."""

    to: AccountRecord
    asked: datetime
    until: datetime
    token: str


class Recovery:
    """The live links of one editor. `secret` makes their codes."""

    def __init__(self, store: Store, accounts: Accounts, clock: Clock, entropy: Entropy, secret: str) -> None:
        self._store, self._accounts, self._clock, self._entropy = store, accounts, clock, entropy
        self._secret = secret.encode()

    async def ask(self, email: str) -> None:
        """A link for the active account of that e-mail, in place of an earlier one; returns once it is durable.

        For an unknown e-mail a row is written too, which leads nowhere. Raises StoreError.
        """
        record = self._accounts.of_email(email)
        now = self._clock.now()
        number = self._entropy.token(16)
        account = record.id if record is not None else ""
        old = [
            Delete(TABLE, key) for key, reset in self._rows() if reset.account == account or not self._lives(reset, now)
        ]
        row = _encode(Reset(account, now))
        await self._store.commit(*old, Put(TABLE, number if record is not None else _NOBODY, row))

    def messages(self) -> list[Message]:
        """The messages whose links still work, the latest first; at most MOST_SHOWN."""
        now = self._clock.now()
        found = [
            Message(record, reset.asked, reset.asked + LIFETIME, self._token(number))
            for number, reset in self._rows()
            if self._lives(reset, now) and (record := self._holder(reset)) is not None
        ]
        return sorted(found, key=lambda message: message.asked, reverse=True)[:MOST_SHOWN]

    def owner(self, token: str) -> AccountRecord | None:
        """Whose password a link may change now; None for one that is used, replaced, too old or not ours."""
        number = token.partition(".")[0]
        row = self._store.get(TABLE, number)
        if row is None or not hmac.compare_digest(self._token(number).encode(), token.encode()):
            return None
        reset = _decode(row)
        return self._holder(reset) if self._lives(reset, self._clock.now()) else None

    async def change(self, token: str, password: str) -> bool:
        """Use the link: the new password and the end of the link are one commit. False when it is good no more.

        Raises StoreError.
        """
        hashed = await self._accounts.hashed(password)
        record = self.owner(token)  # only now: somebody may have used the link meanwhile
        if record is None:
            return False
        await self._accounts.set_password(record, hashed, Delete(TABLE, token.partition(".")[0]))
        return True

    def _rows(self) -> list[tuple[str, Reset]]:
        return [(number, _decode(row)) for number, row in self._store.items(TABLE)]

    def _lives(self, reset: Reset, now: datetime) -> bool:
        return now < reset.asked + LIFETIME

    def _holder(self, reset: Reset) -> AccountRecord | None:
        record = self._accounts.get(reset.account)
        return record if record is not None and record.active else None

    def _token(self, number: str) -> str:
        return f"{number}.{hmac.new(self._secret, number.encode(), hashlib.sha256).hexdigest()}"


def password_errors(password: str, again: str) -> dict[str, str]:
    """What is wrong with a new password, by field, in words for its owner."""
    if not SHORTEST <= len(password) <= LONGEST:
        return {"password": f"Choisissez {SHORTEST} à {LONGEST} caractères."}
    return {} if password == again else {"again": "Les deux saisies diffèrent."}


_decode = msgspec.json.Decoder(Reset).decode
_encode = msgspec.json.Encoder().encode
