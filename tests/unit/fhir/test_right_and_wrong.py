"""One right resource of each profile, in the shapes that vendors choose, and what becomes wrong when an element goes.

The examples of the guide are asked the same in `test_profiles.py`, where they are at hand; these people, places and
editors are ours.
"""

from __future__ import annotations

import copy
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.fhir import nos
from sandbox.fhir.profiles import PROFILES, check
from sandbox.kernel.identifiers import LOCATION_TYPES, SYSTEM_PERSON, SYSTEM_SAS, SYSTEM_STRUCTURE, TYPES

Json = dict[str, Any]


def of(profile: str, kind: str, key: str, **elements: Any) -> Json:
    security = elements.pop("security", None)
    meta = {"profile": [profile]} | ({"security": security} if security else {})
    return {"resourceType": kind, "id": key, "meta": meta, **elements}


def typed(system: str, code: str, where: str, value: str) -> Json:
    return {"type": {"coding": [{"system": system, "code": code}]}, "system": where, "value": value}


def seen_by(*codes: str) -> list[Json]:
    return [{"system": nos.VISIBILITY, "code": code} for code in codes]


def coded(system: str, *codes: str) -> list[Json]:
    return [{"coding": [{"system": system, "code": code}]} for code in codes]


def cpts(key: str) -> Json:
    reference = {"url": nos.SERVICE_TYPE, "valueReference": {"reference": f"HealthcareService/{key}"}}
    return {"extension": [reference], **coded(nos.ESTABLISHMENT, "604")[0]}


ADDRESS = {"line": ["3 quai des Essais"], "city": "Port-Modèle", "postalCode": "29999"}
PHONE = [{"system": "phone", "value": "+33199000011"}]
SITE = of(nos.LOCATION_PROFILE, "Location", "salle", address=ADDRESS)
SITE["identifier"] = [typed(LOCATION_TYPES, "INTRN", "https://agenda.example", "salle-3")]
SLOT: Json = {
    "serviceType": [*coded(nos.CONSULTATION, "AMB", "VR"), {"text": "Bilan annuel"}],
    "specialty": coded(nos.SPECIALTY, "SM54", "SM26"),
    "appointmentType": coded(nos.BOOKING, "ROUTINE")[0],
    "schedule": {"reference": "Schedule/lundi"},
    "status": "free",
    "start": "2026-11-23T18:40:00.000+00:00",
    "end": "2026-11-23T19:00:00.000+00:00",
    "comment": "http://agenda.example/prendre/7",
}
WALK_IN = {**SLOT, "appointmentType": coded(nos.BOOKING, "WALKIN")[0], "serviceType": coded(nos.CONSULTATION, "HH")}
del WALK_IN["comment"]


def role(**elements: Any) -> Json:
    whole = {
        "contained": [SITE],
        "practitioner": {"reference": "Practitioner/odile"},
        "organization": {"identifier": typed(TYPES, "IDNST", SYSTEM_STRUCTURE, "1299900011")},
        "location": [{"reference": "#salle"}],
    }
    return of(nos.ROLE_PROFILE, "PractitionerRole", "odile-3", **{**whole, **elements})


def doctor(value: str, **elements: Any) -> Json:
    identifier = [typed(TYPES, "IDNPS", SYSTEM_PERSON, value)]
    return of(nos.PRACTITIONER_PROFILE, "Practitioner", "odile", identifier=identifier, **elements)


def regulator(*identifiers: Json) -> Json:
    name = [{"family": "Keravel", "given": ["Odile"]}]
    mail = [{"system": "email", "value": "odile.keravel@regulation.example"}]
    whole = {"identifier": list(identifiers), "active": True, "name": name, "telecom": mail}
    return of(nos.REGULATOR_PROFILE, "Practitioner", "42", **whole)


def appointment(profile: str, status: str, *participants: Json, **elements: Any) -> Json:
    operator = {"identifier": typed(TYPES, "INTRN", SYSTEM_SAS, "2f0a")}
    whole = {
        "extension": [{"url": nos.OPERATOR, "valueReference": operator}],
        "identifier": [{"system": "https://agenda.example", "value": "rdv-7"}],
        "status": status,
        "start": "2026-11-23T18:40:00+01:00",
        "end": "2026-11-23T19:00:00+01:00",
        "participant": list(participants),
    }
    return of(profile, "Appointment", "7", **{**whole, **elements})


KNOWN = {"actor": {"identifier": typed(TYPES, "IDNPS", SYSTEM_PERSON, "810000000129")}, "status": "accepted"}
SOUGHT = {"type": coded(nos.PARTICIPATION, "ADM"), "status": "needs-action"}
HOURS = [{"daysOfWeek": ["mon", "sun"], "openingTime": "08:00:00", "closingTime": "23:59:59"}, {"daysOfWeek": ["wed"]}]
SOS_SITE: Json = {
    "identifier": SITE["identifier"],
    "name": "Point de consultation du Port",
    "address": ADDRESS,
    "managingOrganization": {"reference": "Organization/sos"},
}
BY_CPTS = {**SLOT, "serviceType": [*SLOT["serviceType"], cpts("iroise"), cpts("leon")]}
RIGHT: dict[str, Json] = {
    "slot": of(nos.SLOT_PROFILE, "Slot", "a", security=seen_by("PUBLIC"), **SLOT),
    "slot of professionals": of(nos.SLOT_PROFILE, "Slot", "a", security=seen_by("PUBLIC", "PRO"), **SLOT),
    "walk-in": of(nos.SLOT_PROFILE, "Slot", "a", security=seen_by("PRO"), **WALK_IN),
    "slot of two CPTS": of(nos.CPTS_SLOT_PROFILE, "Slot", "a", security=seen_by("PUBLIC", "CPTS"), **BY_CPTS),
    "slot of an association": of(nos.SOS_SLOT_PROFILE, "Slot", "a", security=seen_by("PUBLIC", "SNP"), **SLOT),
    "schedule": of(
        nos.SCHEDULE_PROFILE, "Schedule", "lundi",
        actor=[{"reference": "Practitioner/odile"}, {"reference": "https://agenda.example/PractitionerRole/odile-3"}],
    ),
    "schedule of a site": of(nos.SOS_SCHEDULE_PROFILE, "Schedule", "lundi", actor=[{"reference": "Location/port"}]),
    "doctor": doctor("810000000129", name=[{"family": "Keravel", "given": ["Odile", "Anne"], "prefix": ["DR"]}]),
    "doctor with ADELI number and telephone": doctor("0299900012", telecom=PHONE),
    "place of work": role(),
    "place of work with SIRET and telephone": role(
        organization={"identifier": typed(TYPES, "IDNST", SYSTEM_STRUCTURE, "399990000000018")}, telecom=PHONE
    ),
    "place of work with RPPS-rang": role(
        organization={"identifier": typed(TYPES, "IDNST", SYSTEM_STRUCTURE, "499990000000018")}
    ),
    "location": SITE,
    "service of a CPTS": of(
        nos.CPTS_SERVICE_PROFILE, "HealthcareService", "iroise", providedBy={"reference": "Organization/cpts-iroise"}
    ),
    "CPTS": of(
        nos.CPTS_ORGANIZATION_PROFILE, "Organization", "cpts-iroise", name="CPTS d'Iroise", telecom=PHONE,
        identifier=[typed(LOCATION_TYPES, "IDNST", SYSTEM_STRUCTURE, "1299900029")],
    ),
    "site": of(nos.SOS_LOCATION_PROFILE, "Location", "port", telecom=PHONE, hoursOfOperation=HOURS, **SOS_SITE),
    "site of which little is known": of(nos.SOS_LOCATION_PROFILE, "Location", "port", **SOS_SITE),
    "association": of(
        nos.SOS_ORGANIZATION_PROFILE, "Organization", "sos", name="SOS Médecins de Port-Modèle",
        identifier=[typed(LOCATION_TYPES, "IDNST", SYSTEM_STRUCTURE, "399990000000026")],
    ),
    "appointment": appointment(nos.APPOINTMENT_PROFILE, "booked", KNOWN, created="2026-11-22T18:40:00+01:00"),
    "appointment at SOS Médecins": appointment(nos.SOS_APPOINTMENT_PROFILE, "fulfilled", KNOWN),
    "appointment at SOS Médecins that seeks its doctor": appointment(nos.SOS_APPOINTMENT_PROFILE, "pending", SOUGHT),
    "appointment of a marketplace": appointment(nos.MARKETPLACE_APPOINTMENT_PROFILE, "pending", SOUGHT),
    "regulator": regulator(typed(TYPES, "IDNPS", SYSTEM_PERSON, "3299900003/42")),
    "regulator with a technical identifier": regulator(typed(TYPES, "INTRN", SYSTEM_SAS, "2f0a")),
}  # fmt: skip

# What each may not lack, by our reading of the guide: path of the element that goes, requirement that is named then.
NEEDED = {
    "slot": {
        "meta.security": "R01-23", "schedule": "R01-12", "schedule.reference": "R01-12", "status": "R01-10",
        "start": "R01-45", "end": "R01-45", "appointmentType": "R01-49", "appointmentType.coding.0.code": "R01-49",
        "comment": "R01-25",
    },
    "slot of two CPTS": {"serviceType.3.extension": "R04-2", "meta.security.1": "R04-2"},
    "slot of an association": {"schedule": "R01-12", "start": "R01-45"},
    "schedule": {"actor": "R01-12", "actor.1.reference": "R01-42"},
    "schedule of a site": {"actor": "SOS-4"},
    "doctor": {
        "identifier": "R01-16", "identifier.0.type": "R01-17", "identifier.0.system": "R01-17",
        "identifier.0.value": "R01-17",
    },
    "doctor with ADELI number and telephone": {"telecom.0.value": "R01-35"},
    "place of work": {
        "practitioner": "R01-21", "contained": "R01-22", "contained.0.id": "R01-22", "location": "R01-22",
        "organization": "R01-20", "organization.identifier.type": "R01-20", "organization.identifier.value": "R01-20",
        "contained.0.address.line": "R01-38", "contained.0.address.city": "R01-39",
        "contained.0.address.postalCode": "R01-40",
    },
    "location": {"identifier": "R01-37", "address": "R01-37"},
    "service of a CPTS": {"id": "R04-2", "providedBy": "R04-3"},
    "CPTS": {"identifier": "R04-4", "identifier.0.value": "R04-4"},
    "site": {"name": "SOS-5", "managingOrganization": "SOS-5", "address.city": "R01-39"},
    "association": {"identifier": "SOS-6"},
    "appointment": {
        "extension": "R03-7", "extension.0.valueReference.identifier.type": "R03-7",
        "extension.0.valueReference.identifier.value": "R03-7", "identifier": "R03-9", "identifier.0.system": "R03-9",
        "identifier.0.value": "R03-9", "status": "R03-9", "start": "R03-9", "end": "R03-9", "participant": "R03-9",
        "participant.0.actor": "R03-9", "participant.0.actor.identifier.value": "R03-9",
        "participant.0.status": "R03-9",
    },
    "appointment at SOS Médecins that seeks its doctor": {
        "status": "R03-11", "participant.0.type": "R03-9", "extension": "R03-7",
    },
    "appointment of a marketplace": {"identifier": "R03-9", "start": "R03-9", "end": "R03-9"},
    "regulator": {
        "identifier": "R02-1", "identifier.0.system": "R02-1", "active": "R02-1", "name": "R02-1",
        "name.0.family": "R02-1", "name.0.given": "R02-1", "telecom": "R02-1", "telecom.0.value": "R02-1",
    },
}  # fmt: skip


def without(resource: Json, path: str) -> Json:
    damaged = copy.deepcopy(resource)
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    node: Any = damaged
    for step in steps:
        node = node[step]
    del node[last]
    return damaged


def needed() -> Iterator[tuple[str, str, str]]:
    for name, paths in NEEDED.items():
        yield from ((name, path, requirement) for path, requirement in paths.items())


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_has_no_findings(name: str) -> None:
    assert check(RIGHT[name]) == []


def test_the_official_profiles_find_them_right_too(shared: Path) -> None:
    errors = runpy.run_path(str(shared / "tools" / "profile_check.py"))["errors"]
    published = {name: resource for name, resource in RIGHT.items() if "marketplace" not in name}  # that one is not yet
    assert {name: found for name, resource in published.items() if (found := errors(resource))} == {}


def test_there_is_one_of_each_profile() -> None:
    assert {resource["meta"]["profile"][0] for resource in RIGHT.values()} == set(PROFILES)


@pytest.mark.parametrize(("name", "path", "requirement"), list(needed()))
def test_what_is_missing_is_found_with_its_requirement(name: str, path: str, requirement: str) -> None:
    assert requirement in {finding.requirement for finding in check(without(RIGHT[name], path))}


def test_regulator_whose_system_is_that_of_structures_is_found() -> None:
    findings = check(regulator(typed(TYPES, "IDNPS", SYSTEM_STRUCTURE, "3299900003/42")))
    assert [finding.requirement for finding in findings] == ["R02-1"]
    assert findings[0].path == "Practitioner.identifier[0].system"


def test_structure_with_neither_type_nor_system_is_found_twice() -> None:
    findings = check(role(organization={"identifier": {"value": "499990000000018"}}))
    assert [finding.requirement for finding in findings] == ["R01-20", "R01-20"]
