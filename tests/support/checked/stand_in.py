"""An agenda in memory that answers the checker as a correct vendor's server would, and does wrong what it is told to.

`StandIn` takes the place of `Wire`. Defects (`defects.py`) edit the answers to searches, or are among the behaviours
that the methods here know by name.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from sandbox.check.evidence import Exchange
from sandbox.check.target import Target
from sandbox.check.wire import Wire
from sandbox.fhir import nos
from sandbox.fhir.outcome import operation_outcome
from sandbox.fhir.queries.search import parse_schedule_query, parse_slot_query, written_ids
from sandbox.kernel.clock import PARIS, fhir_instant
from sandbox.kernel.errors import RequestError
from sandbox.kernel.identifiers import (
    LOCATION_TYPES,
    SYSTEM_PERSON,
    SYSTEM_STRUCTURE,
    TYPES,
    prefixed_person,
    prefixed_structure,
)

Json = dict[str, Any]
Edit = Callable[[Json, str], None]  # changes an answer in place; the second argument is the query

BASE = "https://agenda.invalid/fhir"
NOW = datetime(2026, 10, 24, 10, 0, tzinfo=PARIS)  # summer time ends in the night that follows
ONE, TWO, PHONELESS, IDLE = "819900000011", "819900000029", "819900000037", "819900000045"
PAIR = ("819900000052", "819900000060")
IN_CPTS, BOTH, EITHER = "819900000078", "819900000086", "819900000094"
SOS_ONE, SOS_TWO = "399990000000016", "399990000000024"
CPTS = ("1999000016", "1999000024")
PLACES: Mapping[str, tuple[str, ...]] = {
    ONE: ("a",), TWO: ("b", "c"), PHONELESS: ("d",), PAIR[0]: ("e",), PAIR[1]: ("f",), IN_CPTS: ("g",), BOTH: ("h",),
    EITHER: ("i",), SOS_ONE: ("s",), SOS_TWO: ("t", "u"),
}  # fmt: skip


def target(**more: Any) -> Target:
    """What is known of the stand-in."""
    known: dict[str, Any] = {
        "name": "stand-in", "fhir": BASE, "ui": "", "flows": ("INT_R01", "INT_R04", "SOS"), "ca": None, "good": None,
        "bad": {}, "regulators": (), "psc": "", "control": "", "document": {},
        "examples": {
            "practitioner_one_site": (ONE,), "practitioner_two_sites": (TWO,), "practitioner_pair": PAIR,
            "practitioner_no_phone": (PHONELESS,), "practitioner_no_slots": (IDLE,), "practitioner_cpts": (IN_CPTS,),
            "practitioner_two_cpts_one_slot": (BOTH,), "practitioner_two_cpts_two_slots": (EITHER,),
            "sos_one_site": (SOS_ONE,), "sos_two_sites": (SOS_TWO,), "sos_associations": (SOS_ONE, SOS_TWO),
        },
    }  # fmt: skip
    return Target(**{**known, **more})


def identifier(system: str, value: str, code: str, types: str) -> Json:
    return {"type": {"coding": [{"system": types, "code": code}]}, "system": system, "value": value}


def resource(kind: str, id: str, profile: str, **rest: Any) -> Json:
    return {"resourceType": kind, "id": id, "meta": {"profile": [profile]}, **rest}


def _phone() -> list[Json]:
    return [{"system": "phone", "value": "+33536490001"}]


def _place(place: str) -> Json:
    return {"line": [f"{ord(place)} rue du Test"], "city": "Bordeaux", "postalCode": "33000"}


def starts(place: str) -> list[datetime]:
    """When slots begin: on both sides of the end of summer time, at other hours at each place."""
    shift = timedelta(hours=ord(place) % 4, minutes=5 * (ord(place) % 3))
    days = [datetime(2026, 10, day, hour, tzinfo=PARIS) for day in (24, 25, 26) for hour in (11, 15)]
    return [datetime.fromtimestamp((each + shift).timestamp(), PARIS) for each in days]


def slot(owner: str, place: str, number: int, start: datetime, profile: str) -> Json:
    seen = _cpts_of(owner, number)
    types: list[Json] = [{"coding": [{"system": nos.CONSULTATION, "code": "AMB"}]}, {"text": "Consultation"}]
    types += [
        {
            "coding": [{"system": nos.ESTABLISHMENT, "code": nos.CPTS}],
            "extension": [{"url": nos.SERVICE_TYPE, "valueReference": {"reference": f"HealthcareService/{each}"}}],
        }
        for each in seen
    ]
    end = datetime.fromtimestamp(start.timestamp() + 900, PARIS)
    made = resource(
        "Slot", f"{place}-{number}", profile, schedule={"reference": f"Schedule/{place}"}, status="free",
        start=fhir_instant(start), end=fhir_instant(end), comment=f"https://agenda.invalid/rdv?slot={place}-{number}",
        serviceType=types, appointmentType={"coding": [{"system": nos.BOOKING, "code": nos.ROUTINE}]},
        specialty=[{"coding": [{"system": nos.SPECIALTY, "code": "SM54"}]}],
    )  # fmt: skip
    codes = ["CPTS"] if seen else ["PUBLIC", "SNP"]
    made["meta"]["security"] = [{"system": nos.VISIBILITY, "code": code} for code in codes]
    return made


def _cpts_of(owner: str, number: int) -> tuple[str, ...]:
    named = {IN_CPTS: CPTS[:1], BOTH: CPTS, EITHER: CPTS[number % 2 :][:1]}
    return named.get(owner, ())


def people(owner: str, place: str) -> list[Json]:
    """Schedule, Practitioner and PractitionerRole of a practitioner at a place."""
    phone = {} if owner == PHONELESS else {"telecom": _phone()}
    location = resource(
        "Location", "lieu", nos.LOCATION_PROFILE, address=_place(place),
        identifier=[identifier("urn:oid:1.2.250.1.999.77", place, "INTRN", LOCATION_TYPES)],
    )  # fmt: skip
    person, role = f"p{owner}", f"r-{place}"
    actors = [{"reference": f"Practitioner/{person}"}, {"reference": f"PractitionerRole/{role}"}]
    return [
        resource("Schedule", place, nos.SCHEDULE_PROFILE, actor=actors),
        resource(
            "Practitioner", person, nos.PRACTITIONER_PROFILE, name=[{"family": "TEST", "given": ["Anne"]}],
            identifier=[identifier(SYSTEM_PERSON, owner, "IDNPS", TYPES)], **phone,
        ),
        resource(
            "PractitionerRole", role, nos.ROLE_PROFILE, contained=[location], location=[{"reference": "#lieu"}],
            practitioner={"reference": f"Practitioner/{person}"},
            organization={"identifier": identifier(SYSTEM_STRUCTURE, "1990000019", "IDNST", TYPES)},
            specialty=[{"coding": [{"system": nos.SPECIALTY, "code": "SM54"}]}], **phone,
        ),
    ]  # fmt: skip


def community(finess: str) -> list[Json]:
    """HealthcareService and Organization of a CPTS."""
    return [
        resource(
            "HealthcareService", finess, nos.CPTS_SERVICE_PROFILE,
            providedBy={"reference": f"Organization/o{finess}"},
        ),
        resource(
            "Organization", f"o{finess}", nos.CPTS_ORGANIZATION_PROFILE, name=f"CPTS {finess}", telecom=_phone(),
            identifier=[identifier(SYSTEM_STRUCTURE, finess, "IDNST", LOCATION_TYPES)],
        ),
    ]  # fmt: skip


def site(siret: str, place: str) -> list[Json]:
    """Schedule, Location and Organization of a consultation site."""
    return [
        resource("Schedule", place, nos.SOS_SCHEDULE_PROFILE, actor=[{"reference": f"Location/{place}"}]),
        resource(
            "Location", place, nos.SOS_LOCATION_PROFILE, name=f"Site {place}", telecom=_phone(),
            identifier=[identifier("urn:oid:1.2.250.1.999.77", place, "INTRN", LOCATION_TYPES)],
            address=_place(place), managingOrganization={"reference": f"Organization/{siret}"},
            hoursOfOperation=[{"daysOfWeek": ["mon"], "openingTime": "08:00:00", "closingTime": "20:00:00"}],
        ),
        resource(
            "Organization", siret, nos.SOS_ORGANIZATION_PROFILE, name="SOS Test",
            identifier=[identifier(SYSTEM_STRUCTURE, siret, "IDNST", LOCATION_TYPES)],
        ),
    ]  # fmt: skip


def searchset(profile: str, kind: str, query: str, found: Iterable[Json]) -> Json:
    """A Bundle with these resources; a resource that comes twice is sent once."""
    unique = {f"{each['resourceType']}/{each['id']}": each for each in found}
    matched = "Schedule" if kind == "Schedule" else "Slot"
    bundle: Json = {
        "resourceType": "Bundle",
        "meta": {"profile": [profile]},
        "type": "searchset",
        "total": sum(each["resourceType"] == "Slot" for each in unique.values()),
        "link": [{"relation": "self", "url": f"{BASE}/{kind}?{query}"}],
        "entry": [
            {
                "fullUrl": f"{BASE}/{key}",
                "resource": each,
                "search": {"mode": "match" if each["resourceType"] == matched else "include"},
            }
            for key, each in unique.items()
        ],
    }
    if not bundle["entry"]:
        del bundle["entry"]
    return bundle


class StandIn(Wire):
    """The server. `edits`: of every answer to a search; `behaviours`: by name, those that the methods know."""

    def __init__(self, known: Target, edits: Iterable[Edit] = (), behaviours: Iterable[str] = ()) -> None:
        super().__init__(known)
        self._edits, self.does = tuple(edits), frozenset(behaviours)

    async def call(
        self,
        method: str,
        path: str,
        *,
        identity: str = "sas",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout: float = 12.0,
    ) -> Exchange:
        """The answer, at once."""
        url = path if path.startswith("https://") else f"{BASE}/{path}"
        self.exchanges += 1
        split = urlsplit(url)
        try:
            status, document = self._answer(method, split.path.removeprefix("/fhir/"), split.query, headers, body)
        except RequestError as error:
            status, document = error.status, json.loads(operation_outcome(error))
            if "crashes" in self.does:
                status = 500
            if "plain-errors" in self.does:
                document = {"error": str(error)}
        kind = "text/html" if "html" in self.does else "application/fhir+json"
        late = 1500.0 if "slow" in self.does else 8000.0 if "too-slow" in self.does else 4.0
        answered = {"Content-Type": kind}
        return Exchange(
            method, url, identity, headers or {}, body or b"", status, answered, json.dumps(document).encode(), late
        )

    def _answer(
        self, method: str, path: str, query: str, headers: Mapping[str, str] | None, body: bytes | None
    ) -> tuple[int, Json]:
        kind, _, rest = path.partition("/")
        if kind == "metadata":
            return 200, self._metadata()
        if len(query) > 60_000:
            return (500 if "chokes" in self.does else 414), _outcome("too long")
        if rest == "_search":
            if "Content-Type" not in (headers or {}) or "form" not in (headers or {})["Content-Type"]:
                return (200 if "takes-anything" in self.does else 415), _outcome("not a form")
            if "no-post" in self.does:
                return 405, _outcome("POST is not served")
            query, rest = (body or b"").decode(), ""
        if rest:
            return self._read(kind, rest)
        if kind not in ("Slot", "Schedule"):
            return 404, _outcome("unknown type")
        return self._search(kind, query)

    def _metadata(self) -> Json:
        rows = [{"type": kind, "interaction": [{"code": "search-type"}]} for kind in ("Slot", "Schedule")]
        if "undeclared" in self.does:
            rows = rows[:1]
        return {
            "resourceType": "CapabilityStatement",
            "kind": "requirements" if "odd-kind" in self.does else "instance",
            "fhirVersion": "3.0.2" if "old-fhir" in self.does else "4.0.1",
            "rest": [{"mode": "server", "resource": rows}],
        }

    def _read(self, kind: str, id: str) -> tuple[int, Json]:
        if "no-reads" in self.does or "inconnu" in id or kind == "Nimporte":
            return (200 if "reads-anything" in self.does else 404), _outcome("unknown")
        return 200, {"resourceType": kind, "id": id}

    def _search(self, kind: str, query: str) -> tuple[int, Json]:
        if "encoded-pipe" in self.does and "%7C" in query and "_count" in query.split("&")[0]:
            return 500, _outcome("pipe")
        lenient = "lenient" in self.does
        found = self._slots(query, lenient) if kind == "Slot" else self._sites(query, lenient)
        bundle = searchset(self._profile(kind, query, found), kind, self._self(query), found)
        if "pages" in self.does:
            _cut(bundle, kind, query)
        for edit in self._edits:
            edit(bundle, query)
        if not bundle.get("entry") and "absent-if-empty" in self.does:
            return 404, _outcome("nothing found")
        if not bundle.get("entry") and "fails-if-empty" in self.does:
            return 500, _outcome("nothing found")
        return 200, bundle

    def _self(self, query: str) -> str:
        return query if "lenient" not in self.does else query.replace("&couleur=bleue", "")

    def _profile(self, kind: str, query: str, found: list[Json]) -> str:
        if kind == "Schedule":
            return nos.SOS_BUNDLE_PROFILE
        seen = any(each["meta"]["profile"] == [nos.CPTS_SLOT_PROFILE] for each in found)
        return nos.CPTS_BUNDLE_PROFILE if seen else nos.BUNDLE_PROFILE

    def _slots(self, query: str, lenient: bool) -> list[Json]:
        status = "status=busy" in query and "any-status" in self.does
        asked = parse_slot_query(query.replace("status=busy", "status=free") if status else query, lenient=lenient)
        written = written_ids(query)
        cpts = "Slot:service-type-reference" in query
        slots, others = [], []
        for owner in asked.practitioners:
            if prefixed_person(written[owner]) != written[owner] and "wants-prefix" in self.does:
                continue
            if prefixed_person(written[owner]) == written[owner] and "wants-no-prefix" in self.does:
                continue
            for place in PLACES.get(owner, ()):
                profile = nos.CPTS_SLOT_PROFILE if cpts and _cpts_of(owner, 0) else nos.SLOT_PROFILE
                mine = [
                    slot(owner, place, number, start, profile)
                    for number, start in enumerate(starts(place))
                    if self._within(start, asked.start, asked.end)
                ]
                slots += mine
                if mine and ("_include=Slot:schedule" in query or "includes-all" in self.does):
                    iterated = "iterate=Schedule:actor" in query or "includes-all" in self.does
                    others += people(owner, place)[: 3 if iterated else 1]
                if mine and cpts:
                    others += [each for finess in _cpts_of(owner, 0) + _cpts_of(owner, 1) for each in community(finess)]
        return slots + others

    def _sites(self, query: str, lenient: bool) -> list[Json]:
        if "only-plain" in self.does and "_has:" not in query:
            raise RequestError(400)
        asked = parse_schedule_query(query, lenient=lenient)
        written = written_ids(query)
        schedules, rest = [], []
        for siret in asked.sirets:
            if prefixed_structure(written[siret]) != written[siret] and "wants-prefix" in self.does:
                continue
            for place in PLACES.get(siret, ()) if siret in (SOS_ONE, SOS_TWO) else ():
                mine = [
                    slot(siret, place, number, start, nos.SOS_SLOT_PROFILE)
                    for number, start in enumerate(starts(place))
                    if self._within(start, asked.start, asked.end)
                ]
                if mine:
                    schedule, *more = site(siret, place)
                    schedules.append(schedule)
                    rest += [*mine, *more]
        return schedules + rest

    def _within(self, start: datetime, first: datetime, last: datetime) -> bool:
        if "first-day-only" in self.does and start.day != 24:
            return False
        late_enough = start >= max(first, NOW) or "ignores-start" in self.does
        return late_enough and (start <= last or "ignores-end" in self.does)


def _cut(bundle: Json, kind: str, query: str) -> None:
    """Only one page of two Slots, with what is included, and the link to the next."""
    query, _, after = query.partition("&_after=")
    slots = [each for each in bundle.get("entry", ()) if each["resource"]["resourceType"] == "Slot"]
    first = int(after or 0)
    if kind == "Slot" and len(slots) > 2:
        rest = [each for each in bundle["entry"] if each["resource"]["resourceType"] != "Slot"]
        bundle["entry"] = slots[first : first + 2] + rest
        bundle["link"][0]["url"] = f"{BASE}/Slot?{query}"
        if first + 2 < len(slots):
            bundle["link"].append({"relation": "next", "url": f"{BASE}/Slot?{query}&_after={first + 2}"})


def _outcome(text: str) -> Json:
    return {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": "invalid", "diagnostics": text}],
    }
