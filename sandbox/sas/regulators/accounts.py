"""The regulators' accounts of the SAS core: person, territory and rights, and the history of their changes.

The accounts of the persona files exist from the start; a change of one, and every account made here, is a row of the
store. A deleted account keeps its row, because the LRM must still receive messages about the appointments of its
regulator. What changed, when and who changed it is kept too (`history`), except passwords.

The pair (system, value) identifies an account. No two accounts that may log in have the same identifier or e-mail; a
new account may have those of a withdrawn one (guide, « Comptes régulateurs »). An identifier that an account had before
still names it as long as no other account has it: an editor that does not know the change yet goes on using it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum

import msgspec

from sandbox.fhir.practitioner import is_email
from sandbox.kernel.entropy import Entropy
from sandbox.kernel.errors import Issue, RequestError, refused
from sandbox.kernel.identifiers import (
    SYSTEM_PERSON,
    SYSTEM_SAS,
    Identifier,
    regulator_identifier,
    regulator_login,
)
from sandbox.kernel.model import Regulator
from sandbox.net.context import Context
from sandbox.population.people import persona_key
from sandbox.store.protocol import Delete, Put, Store

log = logging.getLogger(__name__)

TABLE, HISTORY = "regulators", "regulators.history"
MOST_ACCOUNTS = 5_000  # including the deleted ones
MOST_HISTORY = 5_000  # number of changes that are kept; older ones are deleted
LONGEST = 100  # longest name, identifier or password, in characters
SYSTEMS = {"IDNPS": SYSTEM_PERSON, "INTRN": SYSTEM_SAS}

_NATIONAL = re.compile(r"[0-9][0-9A-Za-z/._-]{2,99}")


class Right(StrEnum):
    """What an account may do: search and orient patients; manage the accounts of everybody."""

    ORIENTATION = "orientation"
    ADMINISTRATION = "administration"


class Account(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One account. `id`: the SAS core's own, which never changes; `password`: of the demonstration account at Pro Santé
    Connect; `former`: identifiers that it had before; `deleted` ones are never `active`."""

    id: str
    identifier: Identifier
    family: str
    given: str
    email: str
    territory: str
    password: str
    rights: tuple[Right, ...] = tuple(Right)
    active: bool = True
    deleted: bool = False
    former: tuple[Identifier, ...] = ()

    @property
    def regulator(self) -> Regulator:
        """The person, as pages and messages show it."""
        return Regulator(self.identifier, self.family, self.given, self.email, self.territory, self.password)

    @property
    def orients(self) -> bool:
        """True when editors should admit this regulator (`active` of INT_R02)."""
        return self.active and Right.ORIENTATION in self.rights


class Draft(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a person or a program wants an account to be. `type`: IDNPS (national id) or INTRN (an id of the SAS core:
    an empty `value` keeps the present one, or makes a UUID); an empty password keeps the present one, or makes one."""

    type: str
    value: str = ""
    family: str
    given: str
    email: str
    territory: str
    rights: tuple[str, ...] = (Right.ORIENTATION,)
    active: bool = True
    password: str = ""


class Change(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of the history. `by`: who did it; `fields`: name -> (before, after)."""

    at: str
    by: str
    action: str
    account: str
    fields: dict[str, tuple[str, str]] = {}


_decode = msgspec.json.Decoder(Account).decode
_decode_change = msgspec.json.Decoder(Change).decode
_encode = msgspec.json.Encoder().encode


class RegulatorAccounts:
    """All accounts. `announce` returns writes that are committed together with each change."""

    def __init__(self, context: Context, store: Store, announce: Callable[[Account], tuple[Put, ...]]) -> None:
        self._context, self._store, self._announce = context, store, announce
        self._watchers: list[Callable[[Account], None]] = []
        self._last_change = max((int(key) for key, _ in store.items(HISTORY)), default=0)
        self._begin()
        context.population.watch(self._begin)

    def _begin(self) -> None:
        """Load the accounts of the store, then those of the persona files in their present state."""
        rows = (_prefixed(_decode(row)) for _, row in self._store.items(TABLE))
        self._accounts: dict[str, Account] = {account.id: account for account in rows}
        for regulator in self._context.population.regulators:
            self._settle(_persona(regulator))
        self._names = _Names(self._accounts.values())

    def watch(self, watcher: Callable[[Account], None]) -> None:
        """Call `watcher` with each changed account, once the change is durable."""
        self._watchers.append(watcher)

    def listed(self) -> list[Account]:
        """All accounts but the deleted ones, ordered by territory and name."""
        present = (account for account in self._accounts.values() if not account.deleted)
        return sorted(present, key=lambda one: (one.territory, one.family.casefold(), one.given.casefold()))

    def all(self) -> Iterator[Account]:
        """Every account, including the deleted ones."""
        return iter(list(self._accounts.values()))

    def get(self, id: str) -> Account | None:
        """The account with this id of the SAS core, unless it is deleted."""
        account = self._accounts.get(id)
        return None if account is None or account.deleted else account

    def latest(self, account: Account) -> Account:
        """The present state of that account, deleted or not."""
        return self._accounts.get(account.id, account)

    def named(self, identifier: Identifier) -> Account | None:
        """The account that has this pair (system, value), withdrawn or not; else the one that had it before."""
        id = self._names.id_of(identifier)
        return self._accounts[id] if id is not None else None

    def person(self, identifier: Identifier) -> Regulator | None:
        """The regulator whose account `named` gives."""
        account = self.named(identifier)
        return account.regulator if account is not None else None

    def entering(self, login: str) -> Account | None:
        """The account that may log in under that name: `system|value`, the value alone, or the e-mail address in any
        case."""
        id = self._names.of_login(login)
        account = self._accounts[id] if id is not None else None
        return account if account is not None and account.active else None

    def history(self, id: str | None = None, most: int = 50) -> list[Change]:
        """The latest changes, newest first, of one account or of all."""
        changes = (_decode_change(row) for _, row in reversed(list(self._store.items(HISTORY))))
        found = (change for change in changes if id is None or change.account == id)
        return [change for change, _ in zip(found, range(most), strict=False)]

    async def create(self, draft: Draft, by: str) -> Account:
        """A new account, durable when this returns. Raises RequestError 422 with all that is wrong, field by field."""
        if len(self._accounts) >= MOST_ACCOUNTS:
            raise refused(f"there are {MOST_ACCOUNTS} accounts: no more can be made", code="too-costly")
        account = _drafted(draft, None, self._context.entropy)
        self._check(account)
        return await self._keep(None, account, "create", by)

    async def change(self, id: str, draft: Draft, by: str) -> Account:
        """Change an account, its identifier included. Raises RequestError 404, or 422 with all that is wrong."""
        before = self._present(id)
        after = _drafted(draft, before, self._context.entropy)
        self._check(after)
        if after == before:
            return before
        withdrawn = before.active and not after.active
        restored = after.active and not before.active
        action = "withdraw" if withdrawn else "restore" if restored else "change"
        return await self._keep(before, after, action, by)

    async def set_active(self, id: str, active: bool, by: str) -> Account:
        """Withdraw an account or give it back. Raises RequestError 404, 422 when another one has its identifier."""
        before = self._present(id)
        after = msgspec.structs.replace(before, active=active)
        self._check(after)
        return before if after == before else await self._keep(before, after, "restore" if active else "withdraw", by)

    async def delete(self, id: str, by: str) -> None:
        """Delete an account: nobody sees it any more, the editors are told. Raises RequestError 404."""
        before = self._present(id)
        await self._keep(before, msgspec.structs.replace(before, active=False, deleted=True), "delete", by)

    def _present(self, id: str) -> Account:
        account = self.get(id)
        if account is None:
            raise RequestError(404, Issue("not-found", f"no regulator account '{id}'", "id"))
        return account

    def _check(self, account: Account) -> None:
        """Raises RequestError 422: each issue names its field, and its code says what is wrong with it."""
        issues = [*_wrong_fields(account, frozenset(self._context.population.territories)), *self._taken(account)]
        if issues:
            raise RequestError(422, *issues)

    def _taken(self, account: Account) -> Iterator[Issue]:
        if not account.active:
            return
        others = [one for one in self._accounts.values() if one.active and one.id != account.id]
        if any(one.identifier.key == account.identifier.key for one in others):
            yield Issue("duplicate", f"another account has the identifier {account.identifier.key}", "value")
        if any(one.email.casefold() == account.email.casefold() for one in others):
            yield Issue("duplicate", f"another account has the e-mail address {account.email}", "email")

    async def _keep(self, before: Account | None, after: Account, action: str, by: str) -> Account:
        self._last_change += 1
        change = Change(
            self._context.clock.now().isoformat(timespec="seconds"), by, action, after.id, _differences(before, after)
        )
        written = self._store.commit(
            Put(TABLE, after.id, _encode(after)),
            Put(HISTORY, str(self._last_change), _encode(change)),
            Delete(HISTORY, str(self._last_change - MOST_HISTORY)),
            *self._announce(after),
        )
        self._accounts[after.id] = after
        self._names = _Names(self._accounts.values())
        try:
            await written
        finally:  # also after StoreError: the store writes the change later, and nothing would call the watchers then
            for watcher in self._watchers:
                watcher(after)
        return after

    def _settle(self, persona: Account) -> None:
        """Add a regulator of the persona files unless it was changed here or its identifier or e-mail is in use."""
        if persona.id in self._accounts:
            return
        if any(self._taken(persona)):
            log.warning("regulator %s of the persona files: an account made here has his place", persona.identifier.key)
            return
        self._accounts[persona.id] = persona


class _Names:
    """The ids of accounts by identifier and by login. Accounts that may log in have priority, former identifiers come
    last."""

    def __init__(self, accounts: Iterable[Account]) -> None:
        self._identifiers: dict[str, str] = {}
        self._logins: dict[str, str] = {}
        ranked = sorted(accounts, key=lambda one: (not one.active, one.deleted))
        for account in ranked:
            self._identifiers.setdefault(account.identifier.key, account.id)
            for login in (account.identifier.value, account.email):
                self._logins.setdefault(login.casefold(), account.id)
        for account in ranked:
            for identifier in account.former:
                self._identifiers.setdefault(identifier.key, account.id)

    def id_of(self, identifier: Identifier) -> str | None:
        """The account that an identifier names."""
        return self._identifiers.get(regulator_identifier(identifier).key)

    def of_login(self, login: str) -> str | None:
        """The account that a person means by typing `login`."""
        names = (regulator_login(login), login)  # an id of the SAS core may also have eleven digits
        found = (self._identifiers.get(name) or self._logins.get(name.strip().casefold()) for name in names)
        return next((one for one in found if one), None)


def _prefixed(account: Account) -> Account:
    former = tuple(map(regulator_identifier, account.former))
    return msgspec.structs.replace(account, identifier=regulator_identifier(account.identifier), former=former)


def _persona(regulator: Regulator) -> Account:
    return Account(
        id=persona_key(regulator),
        identifier=regulator.identifier,
        family=regulator.family,
        given=regulator.given,
        email=regulator.email,
        territory=regulator.territory,
        password=regulator.password,
    )


def _drafted(draft: Draft, before: Account | None, entropy: Entropy) -> Account:
    """The account that the draft describes, not yet checked."""
    system, value = SYSTEMS.get(draft.type, ""), draft.value.strip()
    if draft.type == "INTRN" and not value:
        value = before.identifier.value if before and before.identifier.system == system else entropy.uuid()
    identifier = regulator_identifier(Identifier(system, value, draft.type))
    return Account(
        id=before.id if before else entropy.uuid(),
        identifier=identifier,
        family=draft.family.strip(),
        given=draft.given.strip(),
        email=draft.email.strip(),
        territory=draft.territory,
        password=draft.password or (before.password if before else entropy.token(6)),
        rights=tuple(dict.fromkeys(draft.rights)),  # type: ignore[arg-type]  # checked next
        active=draft.active,
        former=_former(before, identifier),
    )


def _former(before: Account | None, identifier: Identifier) -> tuple[Identifier, ...]:
    if before is None:
        return ()
    known = (*before.former, before.identifier)
    return tuple(dict.fromkeys(one for one in known if one.key != identifier.key))


def _wrong_fields(account: Account, territories: frozenset[str]) -> Iterator[Issue]:
    yield from _wrong_identifier(account.identifier)
    for name, text in (("family", account.family), ("given", account.given), ("email", account.email)):
        if not text:
            yield Issue("required", f"{name} is missing", name)
        elif not text.isprintable():
            yield Issue("value", f"{name} has control characters", name)
        elif len(text) > LONGEST:
            yield Issue("value", f"{name} is longer than {LONGEST} characters", name)
    if account.email and not is_email(account.email):
        yield Issue("value", f"'{account.email}' is no e-mail address", "email")
    if account.territory not in territories:
        yield Issue("value", f"no territory '{account.territory}' ({', '.join(sorted(territories))})", "territory")
    if any(right not in [*Right] for right in account.rights):
        yield Issue("value", f"rights are among {', '.join(Right)}", "rights")
    if len(account.password) > LONGEST:
        yield Issue("value", f"the password is longer than {LONGEST} characters", "password")


def _wrong_identifier(identifier: Identifier) -> Iterator[Issue]:
    if identifier.type not in SYSTEMS:
        yield Issue("value", f"type is one of {', '.join(SYSTEMS)}, not '{identifier.type}'", "type")
    elif not identifier.value:
        yield Issue("required", "a national id needs its value", "value")
    elif not _fits(identifier):
        yield Issue("value", f"'{identifier.value}' is no identifier of type {identifier.type}", "value")


def _fits(identifier: Identifier) -> bool:
    if identifier.system == SYSTEM_PERSON:
        return _NATIONAL.fullmatch(identifier.value) is not None
    return len(identifier.value) <= LONGEST and "|" not in identifier.value and identifier.value.isprintable()


def _differences(before: Account | None, after: Account) -> dict[str, tuple[str, str]]:
    """What changed, as text: (before, after) by field. A changed password is named, but not shown."""
    old, new = _texts(before), _texts(after)
    found = {name: (old.get(name, ""), text) for name, text in new.items() if old.get(name, "") != text}
    if before is not None and before.password != after.password:
        found["password"] = ("", "")
    return found


def _texts(account: Account | None) -> dict[str, str]:
    if account is None:
        return {}
    return {
        "identifier": f"{account.identifier.type} {account.identifier.value}",
        "family": account.family,
        "given": account.given,
        "email": account.email,
        "territory": account.territory,
        "rights": ", ".join(account.rights),
        "active": "yes" if account.active else "no",
    }
