"""The resources that accompany slots, each as FHIR JSON bytes: people, places, CPTS, associations. Pure.

Empty elements are never sent, ids always carry their prefix, phones always have the national form, whatever the
agenda stores (guide, « Identifiants »). One `meta.profile` each; references are relative.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import orjson

from sandbox.fhir import nos
from sandbox.kernel.flows import IG_VERSIONS
from sandbox.kernel.identifiers import (
    LOCATION_TYPES,
    SYSTEM_PERSON,
    SYSTEM_STRUCTURE,
    TYPES,
    national_phone,
    prefixed_person,
    prefixed_structure,
)
from sandbox.kernel.model import (
    ConsultationSite,
    Cpts,
    OpeningHours,
    Place,
    Practitioner,
    SosAssociation,
)

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CONTAINED = "lieu"  # id of the Location contained in its PractitionerRole

Specialty = tuple[str | None, str | None]  # TRE_R38 code, free text


def practitioner_resource(practitioner: Practitioner) -> bytes:
    """Practitioner, profile FrPractitionerAgregateur (R01-16..18, R01-33..36)."""
    return _PRACTITIONER % (
        practitioner.id.encode(),
        orjson.dumps(prefixed_person(practitioner.stored_id or practitioner.id)),
        orjson.dumps(practitioner.family),
        orjson.dumps(practitioner.given),
        _telecom_part(practitioner.phone),
    )


def role_resource(practitioner: Practitioner, place: Place, system: str) -> bytes:
    """PractitionerRole at one place, its Location contained (R01-20..22, R01-37..40)."""
    return _ROLE % (
        place.id.encode(),
        orjson.dumps(system),
        orjson.dumps(place.local_id),
        orjson.dumps(place.line),
        orjson.dumps(place.city),
        orjson.dumps(place.postal_code),
        practitioner.id.encode(),
        orjson.dumps(prefixed_structure(place.structure)),
        _specialty_part((practitioner.specialty, practitioner.specialty_text)),
        _telecom_part(practitioner.phone),
    )


def schedule_resource(practitioner: Practitioner, place: Place) -> bytes:
    """Schedule of a practitioner at one place: actors are the Practitioner and the PractitionerRole."""
    key = place.id.encode()
    return _SCHEDULE % (key, practitioner.id.encode(), key, b"")


def site_schedule_resource(site: ConsultationSite) -> bytes:
    """Schedule of a consultation site: its actor is the Location."""
    return dumps(
        {
            "resourceType": "Schedule",
            "id": site.id,
            "meta": {"profile": [nos.SOS_SCHEDULE_PROFILE]},
            "actor": [{"reference": f"Location/{site.id}"}],
        }
    )


def service_resource(cpts: Cpts) -> bytes:
    """HealthcareService of a CPTS: there is one per Organization, so it has the same FINESS."""
    return dumps(
        {
            "resourceType": "HealthcareService",
            "id": cpts.finess,
            "meta": {"profile": [nos.CPTS_SERVICE_PROFILE]},
            "providedBy": {"reference": f"Organization/{cpts.finess}"},
        }
    )


def cpts_resource(cpts: Cpts, ig: str = IG_VERSIONS[0]) -> bytes:
    """Organization of a CPTS (R04-1..6), valid according to that version of the guide."""
    return dumps(
        {
            "resourceType": "Organization",
            "id": cpts.finess,
            "meta": {"profile": [nos.CPTS_ORGANIZATION_PROFILE]},
            "identifier": [_identifier(nos.CPTS_ORGANIZATION_TYPES[ig], "IDNST", SYSTEM_STRUCTURE, cpts.finess)],
            "name": cpts.name,
            "telecom": _telecom(cpts.phone),
        }
    )


def site_resource(sos: SosAssociation, site: ConsultationSite, system: str) -> bytes:
    """Location of a consultation site, under the editor's own id (the 1.1.0 profile only admits INTRN)."""
    return dumps(
        {
            "resourceType": "Location",
            "id": site.id,
            "meta": {"profile": [nos.SOS_LOCATION_PROFILE]},
            "identifier": [_identifier(LOCATION_TYPES, "INTRN", system, site.id)],
            "name": site.name,
            "telecom": _telecom(site.phone),
            "address": {"line": [site.line], "city": site.city, "postalCode": site.postal_code},
            "managingOrganization": {"reference": f"Organization/{sos.siret}"},
            "hoursOfOperation": [_hours(hours) for hours in site.hours],
        }
    )


def sos_resource(sos: SosAssociation) -> bytes:
    """Organization of an association: SIRET and name."""
    return dumps(
        {
            "resourceType": "Organization",
            "id": sos.siret,
            "meta": {"profile": [nos.SOS_ORGANIZATION_PROFILE]},
            "identifier": [_identifier(LOCATION_TYPES, "IDNST", SYSTEM_STRUCTURE, sos.siret)],
            "name": sos.name,
        }
    )


def _hours(hours: OpeningHours) -> dict[str, Any]:
    days = [_DAYS[day] for day in hours.days]
    if hours.opens == hours.closes:
        return {"daysOfWeek": days, "allDay": True}
    # FHIR's time has no 24:00: until the end of the day is written as its last minute.
    closing = "23:59:00" if not (hours.closes.hour or hours.closes.minute) else f"{hours.closes:%H:%M:%S}"
    return {"daysOfWeek": days, "openingTime": f"{hours.opens:%H:%M:%S}", "closingTime": closing}


def _identifier(types: str, code: str, system: str, value: str) -> dict[str, Any]:
    return {"type": {"coding": [{"system": types, "code": code}]}, "system": system, "value": value}


def _telecom(phone: str | None) -> list[dict[str, str]]:
    """One phone in the national form; none when it is unknown or is not a valid number."""
    number = national_phone(phone) if phone else None
    return [{"system": "phone", "value": number}] if number else []


def specialties(specialty: Specialty) -> list[dict[str, Any]]:
    """`specialty` of a role or slot: one concept with the code, the text, or both; none when neither is known."""
    code, text = specialty
    concept: dict[str, Any] = {"coding": [{"system": nos.SPECIALTY, "code": code}]} if code else {}
    if text:
        concept["text"] = text
    return [concept] if concept else []


def dumps(document: dict[str, Any]) -> bytes:
    """JSON less the parts that are empty (`""`, `[]`, `{}`, None are never sent); the parts themselves contain no empty
    values."""
    return orjson.dumps({key: value for key, value in document.items() if value not in _EMPTY})


_EMPTY: tuple[object, ...] = (None, "", [], {})


@lru_cache(maxsize=512)
def _telecom_part(phone: str | None) -> bytes:
    return _part(telecom=_telecom(phone))


@lru_cache(maxsize=512)
def _specialty_part(specialty: Specialty) -> bytes:
    return _part(specialty=specialties(specialty))


def _part(**members: object) -> bytes:
    """Members that follow others in an object; nothing when there are none."""
    body = dumps(members)[1:-1]
    return b"," + body if body else b""


def _template(document: dict[str, Any]) -> bytes:
    """A bytes template of a resource that is rendered by the thousand: `_TEXT` is a JSON string to be filled in,
    `_ID` an id; members of which there may be none come last.
    """
    body = dumps(document).replace(b"%", b"%%")
    return body.replace(orjson.dumps(_TEXT), b"%b").replace(_ID.encode(), b"%b")[:-1] + b"%b}"


_TEXT, _ID = "$text", "$id"
_PRACTITIONER = _template(
    {
        "resourceType": "Practitioner",
        "id": _ID,
        "meta": {"profile": [nos.PRACTITIONER_PROFILE]},
        "identifier": [_identifier(TYPES, "IDNPS", SYSTEM_PERSON, _TEXT)],
        "name": [{"family": _TEXT, "given": [_TEXT]}],
    }
)
_ROLE = (
    _template(
        {
            "resourceType": "PractitionerRole",
            "id": _ID,
            "meta": {"profile": [nos.ROLE_PROFILE]},
            "contained": [
                {
                    "resourceType": "Location",
                    "id": _CONTAINED,
                    "meta": {"profile": [nos.LOCATION_PROFILE]},
                    "identifier": [_identifier(LOCATION_TYPES, "INTRN", _TEXT, _TEXT)],
                    "address": {"line": [_TEXT], "city": _TEXT, "postalCode": _TEXT},
                }
            ],
            "location": [{"reference": f"#{_CONTAINED}"}],
            "practitioner": {"reference": f"Practitioner/{_ID}"},
            "organization": {"identifier": _identifier(TYPES, "IDNST", SYSTEM_STRUCTURE, _TEXT)},
        }
    )[:-1]
    + b"%b}"
)
_SCHEDULE = _template(
    {
        "resourceType": "Schedule",
        "id": _ID,
        "meta": {"profile": [nos.SCHEDULE_PROFILE]},
        "actor": [{"reference": f"Practitioner/{_ID}"}, {"reference": f"PractitionerRole/{_ID}"}],
    }
)
