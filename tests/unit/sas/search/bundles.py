"""Answers of editors, made by hand: as little as the SAS core needs to read them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import orjson

from sandbox.kernel.clock import fhir_instant
from sandbox.kernel.identifiers import LOCATION_TYPES, SYSTEM_PERSON, SYSTEM_STRUCTURE, TYPES
from sandbox.kernel.model import ConsultationSite, Place, Practitioner, SosAssociation

R314 = "https://mos.esante.gouv.fr/NOS/TRE_R314-TypeCreneau/FHIR/TRE-R314-TypeCreneau"
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
BOOKING = "http://terminology.hl7.org/CodeSystem/v2-0276"
BASE = "http://editor.example/fhir"
_OLD = "http://sas.fr/fhir/StructureDefinition/"
_NEW = "https://interop.esante.gouv.fr/ig/fhir/sas/StructureDefinition/"


def slot(schedule: str, start: datetime, *, profile: str = f"{_OLD}FrSlotAgregateur", **changes: Any) -> dict[str, Any]:
    """A bookable quarter of an hour."""
    id = changes.pop("id", f"{schedule}.{start:%Y%m%dT%H%M}")
    return {
        "resourceType": "Slot",
        "id": id,
        "meta": {"profile": [profile], "security": [{"system": R314, "code": "PUBLIC"}]},
        "serviceType": [{"coding": [{"system": ACT, "code": "AMB"}]}],
        "appointmentType": {"coding": [{"system": BOOKING, "code": "ROUTINE"}]},
        "schedule": {"reference": f"Schedule/{schedule}"},
        "status": "free",
        "start": fhir_instant(start),
        "end": fhir_instant(start + timedelta(minutes=15)),
        "comment": f"http://editor.example/rdv?slot={id}",
        **changes,
    }


def bundle(slots: Iterable[dict[str, Any]], included: Iterable[dict[str, Any]], **changes: Any) -> bytes:
    """A searchset."""
    slots = list(slots)
    entries = [
        {"fullUrl": f"{BASE}/{each['resourceType']}/{each['id']}", "resource": each, "search": {"mode": mode}}
        for mode, some in (("match", slots), ("include", included))
        for each in some
    ]
    document: dict[str, Any] = {
        "resourceType": "Bundle",
        "meta": {"profile": [f"{_OLD}BundleAgregateur"]},
        "type": "searchset",
        "total": len(slots),
        "link": [{"relation": "self", "url": f"{BASE}/Slot"}],
    }
    if entries:
        document["entry"] = entries
    return orjson.dumps({**document, **changes})


def practitioner_resources(person: Practitioner, places: Iterable[Place] | None = None) -> list[dict[str, Any]]:
    """The Practitioner, and one Schedule and PractitionerRole per place."""
    resources: list[dict[str, Any]] = [
        {
            "resourceType": "Practitioner",
            "id": f"p-{person.id}",
            "meta": {"profile": [f"{_OLD}FrPractitionerAgregateur"]},
            "identifier": [_identifier(SYSTEM_PERSON, person.id, TYPES, "IDNPS")],
            "name": [{"family": person.family, "given": [person.given]}],
        }
    ]
    for place in person.places if places is None else places:
        resources += [_schedule(place, person), _role(place, person)]
    return resources


def _schedule(place: Place, person: Practitioner) -> dict[str, Any]:
    actors = [{"reference": f"Practitioner/p-{person.id}"}, {"reference": f"PractitionerRole/r-{place.id}"}]
    profile = [f"{_OLD}FrScheduleAgregateur"]
    return {"resourceType": "Schedule", "id": place.id, "meta": {"profile": profile}, "actor": actors}


def _role(place: Place, person: Practitioner) -> dict[str, Any]:
    location = {
        "resourceType": "Location",
        "id": "l1",
        "meta": {"profile": [f"{_OLD}FrLocationAgregateur"]},
        "identifier": [_identifier("urn:oid:1.2.3", place.local_id, LOCATION_TYPES, "INTRN")],
        "address": {"line": [place.line], "city": place.city, "postalCode": place.postal_code},
    }
    return {
        "resourceType": "PractitionerRole",
        "id": f"r-{place.id}",
        "meta": {"profile": [f"{_OLD}FrPractitionerRoleExerciceAgregateur"]},
        "contained": [location],
        "practitioner": {"reference": f"Practitioner/p-{person.id}"},
        "organization": {"identifier": _identifier(SYSTEM_STRUCTURE, place.structure, TYPES, "IDNST")},
        "location": [{"reference": "#l1"}],
        "telecom": [{"system": "phone", "value": "+33102030405"}],
    }


def practitioner_bundle(*people: tuple[Practitioner, Iterable[datetime]], **changes: Any) -> bytes:
    """Slots at the given times, at each person's first place."""
    slots = [slot(person.places[0].id, start) for person, starts in people for start in starts]
    included = [each for person, _ in people for each in practitioner_resources(person)]
    return bundle(slots, included if slots else [], **changes)


def sos_bundle(association: SosAssociation, starts: Iterable[datetime]) -> bytes:
    """Slots at the given times on every site."""
    profile = f"{_NEW}sas-sos-slot-aggregator"
    slots = [slot(site.id, start, profile=profile) for site in association.sites for start in starts]
    included: list[dict[str, Any]] = [
        {
            "resourceType": "Organization",
            "id": f"o-{association.siret}",
            "meta": {"profile": [f"{_NEW}sas-sos-organization-aggregator"]},
            "identifier": [_identifier(SYSTEM_STRUCTURE, association.siret, LOCATION_TYPES, "IDNST")],
            "name": association.name,
        }
    ]
    for site in association.sites:
        included += _site(site, association)
    return bundle(slots, included if slots else [])


def _site(site: ConsultationSite, association: SosAssociation) -> list[dict[str, Any]]:
    return [
        {
            "resourceType": "Schedule",
            "id": site.id,
            "meta": {"profile": [f"{_NEW}sas-sos-schedule-aggregator"]},
            "actor": [{"reference": f"Location/{site.id}"}],
        },
        {
            "resourceType": "Location",
            "id": site.id,
            "meta": {"profile": [f"{_NEW}sas-sos-location-aggregator"]},
            "identifier": [_identifier("urn:oid:1.2.3", site.id, LOCATION_TYPES, "INTRN")],
            "name": site.name,
            "address": {"line": [site.line], "city": site.city, "postalCode": site.postal_code},
            "managingOrganization": {"reference": f"Organization/o-{association.siret}"},
        },
    ]


def _identifier(system: str, value: str, type_system: str, code: str) -> dict[str, Any]:
    return {"type": {"coding": [{"system": type_system, "code": code}]}, "system": system, "value": value}
