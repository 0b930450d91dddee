"""« Mot de passe oublié »: links with which the holder of an account chooses a new password, once within 30 minutes.

Nothing is mailed: the message that would be sent is shown in the sandbox's « boîte d'envoi ». Asking for a link does
not reveal whether an account exists: it takes as long and has the same answer. A link is the number of its row and a
code that only this editor can compute, so links cannot be read from the store. There is one valid link per account, so
the table has at most as many rows as there are accounts.
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
_NOBODY = "-"  # number of the row that is written when no account fits


class Reset(msgspec.Struct, frozen=True):
    """Row of TABLE: whose password, and when the link was asked for. `account` is empty when no account fits."""

    account: str
    asked: datetime


@dataclass(frozen=True, slots=True)
class Message:
    """What would be mailed: to whom, when, with the token of which link, valid until when."""

    to: AccountRecord
    asked: datetime
    until: datetime
    token: str


class Recovery:
    """The valid links of one editor. `secret`: the key of their codes."""

    def __init__(self, store: Store, accounts: Accounts, clock: Clock, entropy: Entropy, secret: str) -> None:
        self._store, self._accounts, self._clock, self._entropy = store, accounts, clock, entropy
        self._secret = secret.encode()

    async def ask(self, email: str) -> None:
        """Make a link for the active account of that e-mail, replacing an earlier one; returns once it is durable.

        For an unknown e-mail a row without an account is written, to take as long. Raises StoreError.
        """
        record = self._accounts.of_email(email)
        now = self._clock.now()
        number = self._entropy.token(16)
        account = record.id if record is not None else ""
        old = [
            Delete(TABLE, key)
            for key, reset in self._rows()
            if reset.account == account or not self._is_valid(reset, now)
        ]
        row = _encode(Reset(account, now))
        await self._store.commit(*old, Put(TABLE, number if record is not None else _NOBODY, row))

    def messages(self) -> list[Message]:
        """The messages whose links still work, the latest first; at most MOST_SHOWN."""
        now = self._clock.now()
        found = [
            Message(record, reset.asked, reset.asked + LIFETIME, self._token(number))
            for number, reset in self._rows()
            if self._is_valid(reset, now) and (record := self._holder(reset)) is not None
        ]
        return sorted(found, key=lambda message: message.asked, reverse=True)[:MOST_SHOWN]

    def owner(self, token: str) -> AccountRecord | None:
        """The account whose password a link may change now; None for one that is used, replaced, too old or forged."""
        number = token.partition(".")[0]
        row = self._store.get(TABLE, number)
        if row is None or not hmac.compare_digest(self._token(number).encode(), token.encode()):
            return None
        reset = _decode(row)
        return self._holder(reset) if self._is_valid(reset, self._clock.now()) else None

    async def change(self, token: str, password: str) -> bool:
        """Use the link: the new password and the removal of the link are one commit. False when it is no longer valid.

        Raises StoreError.
        """
        hashed = await self._accounts.hashed(password)
        record = self.owner(token)  # after the slow hash: the link may have been used meanwhile
        if record is None:
            return False
        await self._accounts.set_password(record, hashed, Delete(TABLE, token.partition(".")[0]))
        return True

    def _rows(self) -> list[tuple[str, Reset]]:
        return [(number, _decode(row)) for number, row in self._store.items(TABLE)]

    def _is_valid(self, reset: Reset, now: datetime) -> bool:
        return now < reset.asked + LIFETIME

    def _holder(self, reset: Reset) -> AccountRecord | None:
        record = self._accounts.get(reset.account)
        return record if record is not None and record.active else None

    def _token(self, number: str) -> str:
        return f"{number}.{hmac.new(self._secret, number.encode(), hashlib.sha256).hexdigest()}"


def password_errors(password: str, again: str) -> dict[str, str]:
    """The errors of a new password by field, in French for its owner."""
    if not SHORTEST <= len(password) <= LONGEST:
        return {"password": f"Choisissez {SHORTEST} à {LONGEST} caractères."}
    return {} if password == again else {"again": "Les deux saisies diffèrent."}


_decode = msgspec.json.Decoder(Reset).decode
_encode = msgspec.json.Encoder().encode
