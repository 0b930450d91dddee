"""An editor's accounts in memory, written from the guide alone, with switchable defects, for the checker to examine.

`AccountServer` has the methods of `sandbox.check.wire.Wire` that the groups of checks call.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sandbox.check.evidence import Exchange
from sandbox.check.group import Subject
from sandbox.check.target import Target

NATIONAL, TECHNICAL = "urn:oid:1.2.250.1.71.4.2.1", "urn:oid:1.2.250.1.213.3.6"
BASE = "https://agenda.example/fhir"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")

# Each defect with the requirement that must find it.
DEFECTS: Mapping[str, str] = {
    "a creation is answered 200": "R02-1",
    "a POST has no Location": "R02-1",
    "a POST has a Location of something else": "R02-1",
    "both identifiers at once are refused": "R02-1",
    "a new account has another family name": "R02-1",
    "the same identifier twice is accepted": "R02-2",
    "the same e-mail twice is accepted": "R02-2",
    "doubles are answered 500": "R02-2",
    "a refused double changes the account": "R02-2",
    "accepts: identifier": "R02-3",
    "accepts: name": "R02-3",
    "accepts: family": "R02-3",
    "accepts: empty family": "R02-3",
    "accepts: given": "R02-3",
    "accepts: telecom": "R02-3",
    "accepts: empty e-mail": "R02-3",
    "accepts: no e-mail": "R02-3",
    "accepts: phone": "R02-3",
    "accepts: active": "R02-3",
    "accepts: type": "R02-3",
    "accepts everything by PUT": "R02-3",
    "wrong bodies are answered 500": "R02-3",
    "a refused creation creates": "R02-3",
    "a refused update updates": "R02-3",
    "refusals are not explained": "R02-3",
    "updates are answered 204": "R02-4",
    "an update has no Location": "R02-4",
    "a Location is new at each answer": "R02-4",
    "the name never changes": "R02-4",
    "the e-mail never changes": "R02-4",
    "e-mails that were left are kept": "R02-4",
    "the identifier never changes": "R02-5",
    "a change of identifier is refused": "R02-5",
    "nobody is found by the identifier of the body": "R02-6",
    "nobody is found by e-mail": "R02-6",
    "unknown people are not created by PUT": "R02-7",
    "a creation by PUT has no Location": "R02-7",
    "inactive people are not created": "R02-7",
    "the same PUT again is refused": "R02-7",
    "identifiers are never released": "R02-8",
    "identifiers of active accounts are given away": "R02-9",
    "a held identifier is answered 409": "R02-9",
    "identity is the value alone": "R02-10",
    "a UUID is no national identifier": "R02-10",
    "technical identifiers are UUIDs": "R02-11",
    "meta.source is required": "R02-11",
    "application/json is refused": "R02-11",
    "nobody is withdrawn": "R02-12",
    "withdrawn people are deleted": "R02-12",
    "the id of the body is the key": "R02-13",
    "the id of the body goes first": "R02-13",
}
TOLERATED = {"a held identifier is answered 409", "refusals are not explained"}

Json = dict[str, Any]
Pair = tuple[str, str]


class Refused(Exception):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass
class Account:
    id: str
    pairs: list[Pair]
    person: Json
    active: bool
    email: str
    earlier: set[str] = field(default_factory=set)


class AccountServer:
    """`defects`: those that are switched on; `accounts`: by id; `lost`: nothing is answered from that call on."""

    def __init__(self, *defects: str, readable: bool = True, lost: int | None = None) -> None:
        assert set(defects) <= set(DEFECTS)
        self.defects, self.readable, self.lost = defects, readable, lost
        self.accounts: dict[str, Account] = {}
        self.calls: list[Exchange] = []
        self._bodies: dict[bytes, int] = {}

    async def get(self, path: str) -> Exchange:
        account = self.accounts.get(path.rpartition("/")[2])
        if account is None or not self.readable:
            return self._made("GET", path, b"", 404, {}, {})
        pairs = [_identifier(pair) for pair in account.pairs]
        body = {**account.person, "id": account.id, "identifier": pairs, "active": account.active}
        body["telecom"] = [{"system": "email", "value": account.email}]
        return self._made("GET", path, b"", 200, {}, body)

    async def call(self, method: str, path: str, *, headers: Mapping[str, str], body: bytes) -> Exchange:
        if self.lost is not None and len(self.calls) >= self.lost:
            made = Exchange(method, f"{BASE}/{path}", "sas", {}, body, failure="timeout", why="no answer within 12 s")
            self.calls.append(made)
            return made
        try:
            status, account = self._answer(method, path, headers, json.loads(body))
        except Refused as refused:
            outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "invalid"}]}
            explained = "refusals are not explained" not in self.defects
            return self._made(method, path, body, refused.status, {}, outcome if explained else {})
        id = str(uuid.uuid4()) if "a Location is new at each answer" in self.defects else account.id
        found = {"Location": f"{BASE}/Practitioner/{id}/_history/1"}
        kind = "a POST" if method == "POST" else "a creation by PUT" if status == 201 else "an update"
        if f"{kind} has a Location of something else" in self.defects:
            found = {"Location": f"{BASE}/Patient/{id}"}
        if f"{kind} has no Location" in self.defects:
            found = {}
        return self._made(method, path, body, status, found, {})

    def _made(self, method: str, path: str, sent: bytes, status: int, headers: Json, body: Json) -> Exchange:
        content = json.dumps(body).encode()
        made = Exchange(method, f"{BASE}/{path}", "sas", {}, sent, status, headers, content, 1.0)
        self.calls.append(made)
        return made

    def _answer(self, method: str, path: str, headers: Mapping[str, str], person: Json) -> tuple[int, Account]:
        defects = self.defects
        if "application/json is refused" in defects and headers["Content-Type"] == "application/json":
            raise Refused(415, "fhir+json")
        try:
            self._judge(method, person)
        except Refused as refused:
            if refused.status == 400 and "a refused creation creates" in defects and method == "POST":
                self._create(person)
            if refused.status == 400 and "a refused update updates" in defects and method == "PUT":
                query = parse_qs(urlsplit(path).query)["identifier"][0].rpartition("|")
                for account in self._with([(query[0], query[2])]):
                    account.person = {**account.person, "name": [{"family": "SPOILT", "given": ["X"]}]}
            raise
        if method == "POST":
            return self._post(person)
        system, _, value = parse_qs(urlsplit(path).query)["identifier"][0].rpartition("|")
        if "a UUID is no national identifier" in defects and system == NATIONAL and UUID.fullmatch(value):
            raise Refused(400, "a national identifier is expected")
        return self._put((system, value), person)

    def _post(self, person: Json) -> tuple[int, Account]:
        defects, pairs, email = self.defects, _pairs(person), _email(person)
        if "both identifiers at once are refused" in defects and len(pairs) > 1:
            raise Refused(400, "one identifier")
        if "the id of the body is the key" in defects and person.get("id") in self.accounts:
            raise Refused(409, "id")
        holders = [one for one in self._with(pairs) if not self._gives(one, pairs)]
        mailed = [one for one in self.accounts.values() if email and email in ({one.email} | one.earlier)]
        if "the same identifier twice is accepted" in defects:
            holders = []
        if "the same e-mail twice is accepted" in defects:
            mailed = []
        if holders or mailed:
            if "a refused double changes the account" in defects:
                (holders or mailed)[0].email = email
            raise Refused(500 if "doubles are answered 500" in defects else 409, "exists")
        return (200 if "a creation is answered 200" in defects else 201), self._create(person)

    def _put(self, named: Pair, person: Json) -> tuple[int, Account]:
        defects, pairs, email = self.defects, _pairs(person), _email(person)
        found = self._find(named, pairs, email, person)
        inactive = person.get("active") is False
        if inactive and "nobody is withdrawn" in defects and found is not None:
            raise Refused(422, "active is true here")
        others = [one for one in self._with(pairs) if one is not found and not self._gives(one, pairs)]
        if others and "identifiers of active accounts are given away" in defects:
            for one in others:
                one.pairs = [pair for pair in one.pairs if pair not in pairs]
        elif others:
            raise Refused(409 if "a held identifier is answered 409" in defects else 422, "held by another")
        if any(one is not found and one.active and email and email == one.email for one in self.accounts.values()):
            raise Refused(422, "e-mail of another")
        if found is None:
            if "unknown people are not created by PUT" in defects:
                raise Refused(404, "unknown")
            if inactive and "inactive people are not created" in defects:
                raise Refused(404, "unknown")
            return 201, self._create(person)
        if "a change of identifier is refused" in defects and found.pairs != pairs:
            raise Refused(422, "identifiers are for ever")
        self._update(found, person, pairs)
        return (204 if "updates are answered 204" in defects else 200), found

    def _find(self, named: Pair, pairs: list[Pair], email: str, person: Json) -> Account | None:
        defects = self.defects
        if "the id of the body goes first" in defects and person.get("id") in self.accounts:
            return self.accounts[person["id"]]
        ways = [self._with([named])]
        if "nobody is found by the identifier of the body" not in defects:
            ways.append(self._with(pairs))
        mailed = [one for one in self.accounts.values() if one.email == email]
        for way in ways:
            for one in way:
                if one.active or one.email == email:
                    return one
        return mailed[0] if mailed and "nobody is found by e-mail" not in defects else None

    def _update(self, account: Account, person: Json, pairs: list[Pair]) -> None:
        defects, email = self.defects, _email(person)
        if person.get("active") is False and "withdrawn people are deleted" in defects:
            del self.accounts[account.id]
        again = (account.pairs, account.person, account.active, account.email)
        if "the same PUT again is refused" in defects and again == (pairs, person, person["active"], email):
            raise Refused(409, "nothing to change")
        if "e-mails that were left are kept" in defects:
            account.earlier.add(account.email)
        if "the name never changes" not in defects:
            account.person = person
        if "the identifier never changes" not in defects:
            account.pairs = pairs
        if "the e-mail never changes" not in defects:
            account.email = email
        account.active = person.get("active", True)

    def _create(self, person: Json) -> Account:
        if "a new account has another family name" in self.defects:
            person = {**person, "name": [{**person["name"][0], "family": "OTHER"}]}
        key = person.get("id") if "the id of the body is the key" in self.defects else None
        made = Account(key or str(uuid.uuid4()), _pairs(person), person, person.get("active", True), _email(person))
        self.accounts[made.id] = made
        return made

    def _with(self, pairs: list[Pair]) -> list[Account]:
        """Accounts that hold one of the pairs, the active ones first."""
        alone = "identity is the value alone" in self.defects
        wanted = {pair[alone:] for pair in pairs}
        found = [one for one in self.accounts.values() if wanted & {pair[alone:] for pair in one.pairs}]
        return sorted(found, key=lambda one: not one.active)

    def _gives(self, account: Account, pairs: list[Pair]) -> bool:
        """A national identifier of an inactive account is free."""
        held = [pair for pair in account.pairs if pair in pairs]
        if "identifiers are never released" in self.defects or account.active:
            return False
        return all(system == NATIONAL for system, _ in held)

    def _judge(self, method: str, person: Json) -> None:
        """Raise Refused for a body that breaks the rules."""
        for what, broken in self._broken(person):
            lenient = "accepts everything by PUT" in self.defects and method == "PUT"
            if broken and not lenient and f"accepts: {what}" not in self.defects:
                raise Refused(500 if "wrong bodies are answered 500" in self.defects else 400, what)

    def _broken(self, person: Json) -> list[tuple[str, bool]]:
        name = (person.get("name") or [{}])[0]
        telecom = (person.get("telecom") or [{}])[0]
        pairs = person.get("identifier", [])
        codes = {NATIONAL: "IDNPS", TECHNICAL: "INTRN"}
        value, phone = telecom.get("value"), telecom.get("system") == "phone"
        strict = "technical identifiers are UUIDs" in self.defects
        return [
            ("identifier", not pairs),
            ("type", any(codes[one["system"]] != one["type"]["coding"][0]["code"] for one in pairs)),
            ("uuid", strict and any(one["system"] == TECHNICAL and not UUID.fullmatch(one["value"]) for one in pairs)),
            ("name", not person.get("name")),
            ("family", bool(name) and "family" not in name),
            ("empty family", name.get("family") == ""),
            ("given", bool(name) and not name.get("given")),
            ("telecom", not person.get("telecom")),
            ("empty e-mail", value == ""),
            ("no e-mail", bool(value) and not phone and "@" not in value),
            ("phone", phone),
            ("active", "active" not in person),
            ("meta", "meta.source is required" in self.defects and "source" not in person.get("meta", {})),
        ]


def _pairs(person: Json) -> list[Pair]:
    return [(one["system"], one["value"]) for one in person.get("identifier", [])]


def _identifier(pair: Pair) -> Json:
    code = "IDNPS" if pair[0] == NATIONAL else "INTRN"
    types = "http://interopsante.org/fhir/CodeSystem/fr-v2-0203"
    return {"type": {"coding": [{"system": types, "code": code}]}, "system": pair[0], "value": pair[1]}


def _email(person: Json) -> str:
    return next((one.get("value", "") for one in person.get("telecom", [])), "")


TARGET = Target(
    name="agenda",
    fhir=BASE,
    ui="",
    flows=("INT_R02",),
    ca=None,
    good=None,
    bad={},
    examples={},
    regulators=(),
    psc="",
    control="",
    document={},
)


def subject_of(server: AccountServer, wanted: frozenset[str]) -> Subject:
    """An examination of that server."""
    return Subject(TARGET, server, datetime(2026, 11, 23, 9, tzinfo=UTC), wanted, seed=7)  # type: ignore[arg-type]
