"""Regulator accounts of one editor (INT_R02): which request creates or changes an account, and their storage.

`decide_post` and `decide_put` are pure rules over an `Index` (guide, « INT_R02 », requirements R02-1..16);
`Accounts` applies them to the store. A person is identified by a pair (system, value), or by e-mail. There is no
deletion: an account whose right is withdrawn stays, inactive, and its national id can be given to another account.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

import msgspec

from sandbox.fhir.appointment import Conditional
from sandbox.fhir.practitioner import RegulatorAccount
from sandbox.kernel.clock import Clock
from sandbox.kernel.entropy import Entropy
from sandbox.kernel.errors import Issue, RequestError
from sandbox.kernel.identifiers import SYSTEM_PERSON, Identifier, regulator_identifier, regulator_login
from sandbox.store.protocol import Delete, Put, Store

TABLE = "accounts"
PASSWORD_OCTETS = 12


class AccountRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One account: the row of its table. `terms`: when the editor's CGU were accepted; `password`: salt and scrypt
    hash, hexadecimal (the password itself is kept nowhere). Datetimes are aware.
    """

    id: str
    identifiers: tuple[Identifier, ...]
    active: bool
    family: str
    given: tuple[str, ...]
    email: str
    created: datetime
    changed: datetime
    password: tuple[str, str]
    terms: datetime | None = None

    def regulator(self) -> RegulatorAccount:
        """The account as INT_R02 carries it."""
        return RegulatorAccount(self.identifiers, self.active, self.family, self.given, self.email)

    @property
    def name(self) -> str:
        """`Given Family`, for pages."""
        return f"{' '.join(self.given)} {self.family}"


class Index:
    """All accounts of an editor, found by id, by identifier and by e-mail (without regard to case)."""

    def __init__(self, records: Iterable[AccountRecord] = ()) -> None:
        self._by_id: dict[str, AccountRecord] = {}
        self._by_value: dict[str, dict[str, None]] = {}  # identifier value -> ids of accounts, oldest first
        self._by_email: dict[str, dict[str, None]] = {}
        for record in records:
            self.put(record)

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, id: str) -> AccountRecord | None:
        """The account of that id."""
        return self._by_id.get(id)

    def put(self, record: AccountRecord) -> None:
        """Add an account, or replace the one of that id."""
        before = self._by_id.get(record.id)
        if before is not None:
            for identifier in before.identifiers:
                self._by_value[identifier.value].pop(before.id, None)
            self._by_email[before.email.lower()].pop(before.id, None)
        self._by_id[record.id] = record
        for identifier in record.identifiers:
            self._by_value.setdefault(identifier.value, {})[record.id] = None
        self._by_email.setdefault(record.email.lower(), {})[record.id] = None

    def holders(self, wanted: Conditional) -> list[AccountRecord]:
        """Accounts with that identifier: the active one (at most one per pair) first, then by the latest change."""
        forms = {wanted.value: wanted}
        if (prefixed := _prefixed(wanted)) is not None:  # an RPPS without its prefix identifies the same person
            forms[prefixed.value] = prefixed
        found = {
            id: self._by_id[id]
            for value, form in forms.items()
            for id in self._by_value.get(value, ())
            if any(form.matches(identifier) for identifier in self._by_id[id].identifiers)
        }
        return _best_first([*found.values()])

    def holder(self, identifier: Identifier) -> AccountRecord | None:
        """The account that holds this pair: the active one, else the one changed last."""
        return next(iter(self.holders(Conditional(identifier.system, identifier.value))), None)

    def of_email(self, email: str) -> AccountRecord | None:
        """The account of that e-mail: the active one, else the one changed last."""
        found = [self._by_id[id] for id in self._by_email.get(email.lower(), ())]
        return next(iter(_best_first(found)), None)


def _prefixed(wanted: Conditional) -> Conditional | None:
    system = SYSTEM_PERSON if wanted.system is None else wanted.system
    value = regulator_identifier(Identifier(system, wanted.value)).value
    return Conditional(system, value) if value != wanted.value else None


def _best_first(records: list[AccountRecord]) -> list[AccountRecord]:
    return sorted(records, key=lambda record: (record.active, record.changed), reverse=True)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a request does: with `target` None it creates an account, else it changes that one."""

    target: AccountRecord | None


def decide_post(index: Index, account: RegulatorAccount) -> Decision:
    """A creation. Raises RequestError 409 when the person exists: same identifier, or same e-mail.

    A national id that an inactive account has released does not count, unless the e-mail is the same too.
    """
    issues = [
        Issue(
            "duplicate",
            f"an account with identifier {identifier.key} exists already",
            f"Practitioner.identifier[{position}]",
            "R02-2",
        )
        for position, identifier in enumerate(account.identifiers)
        if (holder := index.holder(identifier)) is not None and not _released(holder, identifier)
    ]
    if index.of_email(account.email) is not None:
        issues.append(
            Issue(
                "duplicate",
                "an account with this e-mail exists already",
                "Practitioner.telecom[0].value",
                "R02-2",
            )
        )
    if issues:
        raise RequestError(409, *issues)
    return Decision(None)


def decide_put(index: Index, wanted: Conditional, account: RegulatorAccount) -> Decision:
    """A conditional update, which creates the account when the person is not found.

    The person is found by the identifier of the query, else by an identifier of the body, else by its e-mail. An
    inactive holder with another e-mail is passed over for the account of that e-mail: its national id was released.
    Raises RequestError: 412 when the query fits several active accounts, 422 when another active account holds an
    identifier or the e-mail.
    """
    target = _find(index, wanted, account)
    own = target.id if target else None
    issues = []
    for position, identifier in enumerate(account.identifiers):
        holder = index.holder(identifier)
        if holder is not None and holder.id != own and not _released(holder, identifier):
            issues.append(
                Issue(
                    "conflict",
                    f"identifier {identifier.key} is held by another account",
                    f"Practitioner.identifier[{position}]",
                )
            )
    other = index.of_email(account.email)
    if other is not None and other.id != own and other.active:
        issues.append(Issue("conflict", "the e-mail is that of another account", "Practitioner.telecom[0].value"))
    if issues:
        raise RequestError(422, *issues)
    return Decision(target)


def _find(index: Index, wanted: Conditional, account: RegulatorAccount) -> AccountRecord | None:
    holders = index.holders(wanted)
    if sum(holder.active for holder in holders) > 1:
        detail = f"'{wanted.value}' fits several accounts: give <system>|<value>"
        raise RequestError(412, Issue("multiple-matches", detail, "http.identifier"))
    by_body = (index.holder(identifier) for identifier in account.identifiers)
    found = holders[0] if holders else next((one for one in by_body if one is not None), None)
    if found is None or (not found.active and found.email.lower() != account.email.lower()):
        return index.of_email(account.email) or found
    return found


def _decoded(row: bytes) -> AccountRecord:
    record = _decoder.decode(row)
    identifiers = tuple(map(regulator_identifier, record.identifiers))
    return msgspec.structs.replace(record, identifiers=identifiers)


def _released(holder: AccountRecord, identifier: Identifier) -> bool:
    """True for a national id of an inactive account; only these may be given to another person."""
    return not holder.active and identifier.system == SYSTEM_PERSON


def _allow_any(_: AccountRecord | None) -> None:
    """A check that allows every change."""


class Accounts:
    """The accounts of one editor in its store. Every method that changes something returns once it is durable."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy) -> None:
        self._store, self._clock, self._entropy = store, clock, entropy
        self._index = Index(_decoded(row) for _, row in store.items(TABLE))

    def __len__(self) -> int:
        return len(self._index)

    def get(self, id: str) -> AccountRecord | None:
        """The account of that id."""
        return self._index.get(id)

    async def post(self, account: RegulatorAccount) -> AccountRecord:
        """INT_R02 creation. Raises RequestError 409, StoreError."""
        decide_post(self._index, account)
        password = await self._new_password()
        decide_post(self._index, account)  # again: another request may have changed the accounts meanwhile
        return await self._create(account, password)

    async def put(
        self, wanted: Conditional, account: RegulatorAccount, allow: Callable[[AccountRecord | None], None] = _allow_any
    ) -> tuple[AccountRecord, bool]:
        """INT_R02 conditional update: (account, True when it was created). Raises RequestError, StoreError.

        `allow` sees the account as it is (None: there is none) and raises RequestError when it must not be changed.
        """
        decision = decide_put(self._index, wanted, account)
        allow(decision.target)
        if decision.target is None:
            password = await self._new_password()
            decision = decide_put(self._index, wanted, account)  # again, for the same reason
            allow(decision.target)
            if decision.target is None:
                return await self._create(account, password), True
        return await self._update(decision.target, account), False

    def match(self, national_id: str, email: str) -> AccountRecord | None:
        """The account of a person whom Pro Santé Connect identified: by national id, else by e-mail.

        An active account is preferred; an inactive one is returned too, so that the page can say so.
        """
        ids = dict.fromkeys((national_id, regulator_login(national_id)))
        candidates = [self._index.holder(Identifier(SYSTEM_PERSON, id)) for id in ids if id]
        candidates.append(self._index.of_email(email) if email else None)
        found = [one for one in candidates if one is not None]
        return next((one for one in found if one.active), found[0] if found else None)

    async def accept_terms(self, record: AccountRecord) -> None:
        """Store that the regulator accepts the editor's CGU; nothing changes when he did so before."""
        current = self._index.get(record.id) or record
        if current.terms is None:
            await self._save(msgspec.structs.replace(current, terms=self._clock.now()))

    def of_email(self, email: str) -> AccountRecord | None:
        """The active account of an e-mail."""
        record = self._index.of_email(email)
        return record if record is not None and record.active else None

    async def hashed(self, password: str) -> tuple[str, str]:
        """A password as an account keeps it: (new salt, scrypt hash), hexadecimal."""
        salt = self._entropy.token(16)
        return salt, await asyncio.to_thread(_scrypt, password, salt)

    async def set_password(self, record: AccountRecord, password: tuple[str, str], *writes: Put | Delete) -> None:
        """Store a new password (`hashed`) together with the caller's own writes, in one commit. Raises StoreError."""
        current = self._index.get(record.id) or record
        await self._save(msgspec.structs.replace(current, password=password), *writes)

    async def check_password(self, email: str, password: str) -> AccountRecord | None:
        """The active account of an e-mail when the password is right. It takes as long when there is no account."""
        record = self._index.of_email(email)
        salt, expected = record.password if record else ("00" * 16, "")
        given = await asyncio.to_thread(_scrypt, password, salt)
        good = hmac.compare_digest(given, expected)
        return record if record is not None and good and record.active else None

    async def _new_password(self) -> tuple[str, str]:
        return await self.hashed(self._entropy.token(PASSWORD_OCTETS))

    async def _create(self, account: RegulatorAccount, password: tuple[str, str]) -> AccountRecord:
        now = self._clock.now()
        record = AccountRecord(
            id=self._entropy.uuid(),
            identifiers=account.identifiers,
            active=account.active,
            family=account.family,
            given=account.given,
            email=account.email,
            created=now,
            changed=now,
            password=password,
        )
        await self._save(record)
        return record

    async def _update(self, record: AccountRecord, account: RegulatorAccount) -> AccountRecord:
        if record.regulator() == account:
            await self._store.barrier()  # nothing changes, but the answer must not precede the earlier commit
            return record
        changed = msgspec.structs.replace(
            record,
            identifiers=account.identifiers,
            active=account.active,
            family=account.family,
            given=account.given,
            email=account.email,
            changed=self._clock.now(),
        )
        await self._save(changed)
        return changed

    async def _save(self, record: AccountRecord, *writes: Put | Delete) -> None:
        """Change store and index in the same step of the event loop: no request sees only one of them changed."""
        written = self._store.commit(Put(TABLE, record.id, _encoder.encode(record)), *writes)
        self._index.put(record)
        await written


def _scrypt(password: str, salt: str) -> str:
    """Cost parameters for interactive logins (RFC 7914): about 50 ms and 16 MiB; call it in a thread."""
    return hashlib.scrypt(password.encode(), salt=bytes.fromhex(salt), n=1 << 14, r=8, p=1).hex()


def require_active(record: AccountRecord | None) -> AccountRecord:
    """The account, if it exists and is active. Raises RequestError 403 with a French text for the regulator."""
    if record is None:
        detail = "Aucun compte régulateur ne vous correspond chez cet éditeur."
        raise RequestError(403, Issue("forbidden", detail))
    if not record.active:
        detail = "Votre compte régulateur est désactivé chez cet éditeur."
        raise RequestError(403, Issue("forbidden", detail))
    return record


_decoder = msgspec.json.Decoder(AccountRecord)
_encoder = msgspec.json.Encoder()
