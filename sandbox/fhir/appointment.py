"""Appointments on the wire: INT_R03, profiles FrAppointmentSAS, sas-sos-appointment, sas-pdm-appointment (guide,
« INT_R03 »).

Accepted is what any version of the guide admits: unprefixed practitioner ids, the orientation category of 1.2.0, a
doctor who is still sought (`needs-action`) in every profile. What is accepted though a requirement says otherwise is
a finding. Emitted is what the profiles admit; those of SOS and of the marketplace have no extension but the operator,
so the category that they imply goes unsaid.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

import orjson

from sandbox.fhir import nos
from sandbox.fhir.document import (
    IDENTIFIER_SHAPE,
    Check,
    Node,
    Problems,
    Shape,
    check_rest,
    check_strings,
    load_resource,
)
from sandbox.fhir.models import check_model
from sandbox.fhir.nos import CATEGORY, OPERATOR
from sandbox.fhir.practitioner import check_type, render_identifier
from sandbox.fhir.queries.search import unfit_text
from sandbox.fhir.rules import Finding
from sandbox.kernel.clock import fhir_instant, parse_datetime, parse_period
from sandbox.kernel.errors import RequestError, malformed
from sandbox.kernel.flows import AppointmentStatus, OrientationCategory
from sandbox.kernel.identifiers import SYSTEM_PERSON, TYPES, Identifier, prefixed_person, regulator_identifier
from sandbox.kernel.model import Appointment

# Codes of the extension `sas-categorie-orientation` (guide 1.2.0): its own system, and TRE_R66 for structures.
CATEGORY_CODES = {
    "001": OrientationCategory.PS,
    "002": OrientationCategory.PDM,
    "003": OrientationCategory.SOS,
    "604": OrientationCategory.CPTS,
    "603": OrientationCategory.MSP,
    "124": OrientationCategory.CDS,
}
_CODE_OF_CATEGORY = {category: code for code, category in CATEGORY_CODES.items()}
_FHIR_STATUSES = frozenset({"proposed", "arrived", "entered-in-error", "checked-in", "waitlist"})
_PRACTITIONER = re.compile(r"8\d{11}|0[0-9A-Za-z]{9}", re.ASCII)
# The category that a profile implies, without an extension.
_IMPLIED = {
    nos.SOS_APPOINTMENT_PROFILE: OrientationCategory.SOS,
    nos.MARKETPLACE_APPOINTMENT_PROFILE: OrientationCategory.PDM,
}
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})")

_SHAPE: Shape = {
    "resourceType": str,
    "id": str,
    "meta": {"profile": [str]},
    "extension": {
        "url": str,
        "valueReference": {"identifier": IDENTIFIER_SHAPE},
        "valueCodeableConcept": {"coding": {"system": str, "code": str, "display": str}},
    },
    "identifier": {"system": str, "value": str},
    "status": str,
    "start": str,
    "end": str,
    "created": str,
    "participant": {
        "type": {"coding": {"system": str, "code": str, "display": str}},
        "actor": {"identifier": IDENTIFIER_SHAPE},
        "status": str,
    },
}


@dataclass(frozen=True, slots=True)
class Received:
    """An appointment as it came. `findings`: what is accepted though a requirement of the acceptance list denies it."""

    appointment: Appointment
    findings: tuple[Finding, ...]


def receive_appointment(body: bytes, *, check: Check = check_model) -> Received:
    """The appointment in a body of INT_R03, with its findings.

    Raises RequestError with all that is wrong, each with its FHIRPath: 400 malformed or incomplete, 422 refused by a
    rule only. `check` validates elements other than those that the guide names. Only in the marketplace's profile may
    the operator be missing; it is then empty.
    """
    document = load_resource(body, "Appointment")
    problems = Problems()
    check_strings(problems, body, document)
    profile = _profile(problems, document)
    operator, category = _extensions(problems, document, profile)
    identifier = _identifier(problems, document)
    status = _status(problems, document)
    start, end = (_instant(problems, document, key) for key in ("start", "end"))
    if start is not None and end is not None and start >= end:
        problems.refused("start is not before end", "Appointment.start")
    created = _created(problems, document)
    practitioner, participation = _participants(problems, document, status)
    check_rest(problems, document, _SHAPE, check)
    problems.raise_any()
    if start is None or end is None or status is None or operator is None:
        raise AssertionError("a problem was noted for each of them")
    appointment = Appointment(
        identifier, operator, status, start, end, created, practitioner, category or _IMPLIED.get(profile),
        profile == nos.SOS_APPOINTMENT_PROFILE, participation, profile == nos.MARKETPLACE_APPOINTMENT_PROFILE,
    )  # fmt: skip
    return Received(appointment, tuple(problems.findings))


def _profile(problems: Problems, document: Node) -> str:
    """The stated profile, if it has rules of its own; else that of practitioners and CPTS."""
    meta = document.get("meta", {})
    profiles = meta.get("profile", []) if isinstance(meta, dict) else None
    if not isinstance(profiles, list) or not all(isinstance(profile, str) for profile in profiles):
        problems.malformed("meta.profile is not a list of canonical URLs", "Appointment.meta.profile")
        return nos.APPOINTMENT_PROFILE
    stated = [profile.partition("|")[0] for profile in profiles]
    return next((profile for profile in stated if profile in _IMPLIED), nos.APPOINTMENT_PROFILE)


def _extensions(
    problems: Problems, document: Node, profile: str
) -> tuple[Identifier | None, OrientationCategory | None]:
    optional = profile == nos.MARKETPLACE_APPOINTMENT_PROFILE
    operators: list[Identifier] = []
    categories: list[OrientationCategory | None] = []
    rows = problems.rows(document, "extension", "Appointment") if not optional or "extension" in document else []
    for row, path in rows:
        url = problems.text(row, "url", path)
        if url == OPERATOR:
            operators.append(_operator(problems, row, path))
        elif url == CATEGORY:
            categories.append(_category(problems, row, path))
        elif profile in _IMPLIED and url:
            problems.refused(f"extension '{url}' is not admitted by profile {profile}", f"{path}.url")
    if len(categories) > 1:
        problems.refused("the orientation category is given more than once", "Appointment.extension")
    _check_operators(problems, rows, len(operators), optional)
    given = categories[0] if categories else None
    return (operators[0] if operators else Identifier("", "") if optional else None), given


def _check_operators(problems: Problems, rows: list[tuple[Node, str]], count: int, optional: bool) -> None:
    if rows and count != 1 and not (optional and count == 0):
        problems.malformed(
            f"exactly one extension {OPERATOR} is expected, found {count}", "Appointment.extension", "required"
        )
    elif rows and count and rows[0][0].get("url") != OPERATOR:
        problems.finding("R03-12", "FrAppointmentOperator is not the first extension", rows[0][1])


def _operator(problems: Problems, row: Node, path: str) -> Identifier:
    reference = problems.child(row, "valueReference", path)
    where = f"{path}.valueReference"
    node = problems.child(reference, "identifier", where) if reference else {}
    if not node:
        return Identifier("", "")
    where += ".identifier"
    code = problems.type_code(node, where)
    system = problems.text(node, "system", where)
    value = problems.text(node, "value", where)
    check_type(problems, code, system, where)
    if code and code not in ("IDNPS", "INTRN"):
        problems.refused("a regulator is identified by IDNPS or INTRN", f"{where}.type.coding[0].code", "value")
    return regulator_identifier(Identifier(system, value, code))


def _category(problems: Problems, row: Node, path: str) -> OrientationCategory | None:
    """CodeableConcept in guide 1.2.0; a plain Coding or code is read too, since no profile fixes it."""
    codings: list[Any] = []
    concept = row.get("valueCodeableConcept")
    if isinstance(concept, dict) and isinstance(concept.get("coding"), list):
        codings = concept["coding"]
    elif "valueCoding" in row:
        codings = [row["valueCoding"]]
    elif "valueCode" in row:
        codings = [{"code": row["valueCode"]}]
    codes = [coding.get("code") for coding in codings if isinstance(coding, dict)]
    known = [CATEGORY_CODES[code] for code in codes if isinstance(code, str) and code in CATEGORY_CODES]
    if not known:
        expected = ", ".join(CATEGORY_CODES)
        problems.refused(f"orientation category {codes} is unknown (expected one of {expected})", path, "value")
        return None
    return known[0]


def _identifier(problems: Problems, document: Node) -> Identifier:
    rows = problems.rows(document, "identifier", "Appointment")
    if len(rows) > 1:
        problems.refused("an appointment has exactly one identifier", "Appointment.identifier", "structure")
    if not rows:
        return Identifier("", "")
    row, path = rows[0]
    return Identifier(problems.text(row, "system", path), problems.text(row, "value", path))


def _status(problems: Problems, document: Node) -> AppointmentStatus | None:
    text = problems.text(document, "status", "Appointment")
    try:
        return AppointmentStatus(text)
    except ValueError:
        expected = ", ".join(AppointmentStatus)
        if text in _FHIR_STATUSES:
            problems.refused(
                f"status '{text}' is not used by the SAS (expected one of {expected})",
                "Appointment.status",
                "value",
            )
        elif text:
            problems.malformed(
                f"'{text}' is no status (expected one of {expected})", "Appointment.status", "code-invalid"
            )
    return None


def _instant(problems: Problems, document: Node, key: str) -> datetime | None:
    text = problems.text(document, key, "Appointment")
    if not text:
        return None
    wrong = f"'{text}' is not an instant with offset (YYYY-MM-DDThh:mm:ss+hh:mm)"
    if _INSTANT.fullmatch(text):
        try:
            return parse_datetime(text)
        except ValueError as error:  # the right form, but not an existing day or time, or a year that no flow accepts
            wrong = str(error)
    problems.malformed(wrong, f"Appointment.{key}", "value")
    return None


def _created(problems: Problems, document: Node) -> datetime | None:
    if "created" not in document:
        return None
    text = problems.text(document, "created", "Appointment")
    try:
        return parse_period(text)[0] if text else None  # a dateTime, which may be partial
    except ValueError as error:
        problems.malformed(str(error), "Appointment.created", "value")
        return None


def _participants(problems: Problems, document: Node, status: AppointmentStatus | None) -> tuple[str | None, str]:
    """The practitioner's prefixed national id (None: not known yet) and the participation status."""
    rows = problems.rows(document, "participant", "Appointment")
    found = [(_practitioner(problems, *row), _participation(problems, *row, status)) for row in rows]
    known = [(who, participation) for who, participation in found if who is not None]
    if known or not rows:
        return known[0] if known else (None, "accepted")
    _check_unknown(problems, *rows[0], found[0][1], status)
    return found[0]


def _participation(problems: Problems, row: Node, path: str, status: AppointmentStatus | None) -> str:
    participation = problems.text(row, "status", path)
    if participation == "needs-action" and status not in (AppointmentStatus.PENDING, None):
        problems.finding(
            "R03-11", f"a participant 'needs-action' belongs to a 'pending' appointment, this is '{status}'",
            f"{path}.status",
        )  # fmt: skip
    elif participation and participation not in ("accepted", "needs-action"):
        problems.refused(
            f"participant status '{participation}' is not admitted (expected accepted or needs-action)",
            f"{path}.status",
            "value",
        )
    return participation


def _practitioner(problems: Problems, row: Node, path: str) -> str | None:
    """None when the participant has no actor with an identifier."""
    actor = row.get("actor")
    if actor is None:
        return None
    if not isinstance(actor, dict):
        problems.malformed("actor is not an object", f"{path}.actor", "structure")
        return None
    if "identifier" not in actor:
        return None
    node = problems.child(actor, "identifier", f"{path}.actor")
    if not node:
        return None
    where = f"{path}.actor.identifier"
    code = problems.type_code(node, where)
    system = problems.text(node, "system", where)
    value = problems.text(node, "value", where)
    if code and code != "IDNPS":
        problems.refused(f"a practitioner is identified by IDNPS, not '{code}'", f"{where}.type.coding[0].code")
    if system and system != SYSTEM_PERSON:
        problems.refused(f"a practitioner is identified in {SYSTEM_PERSON}, not '{system}'", f"{where}.system")
    if value and not _PRACTITIONER.fullmatch(value):
        problems.finding(
            "R03-9", f"'{value[:40]}' is no prefixed RPPS (8 and 11 digits) nor ADELI (0 and 9 characters)",
            f"{where}.value",
        )  # fmt: skip
    return prefixed_person(value)


def _check_unknown(
    problems: Problems, row: Node, path: str, participation: str, status: AppointmentStatus | None
) -> None:
    """A doctor who is not known yet is sent as type ADM, `needs-action`; a cancelled appointment may never have had a
    doctor."""
    announced = _is_adm(row.get("type"))
    if participation == "needs-action":
        if not announced:
            problems.malformed(
                f"neither an actor with an identifier nor type {nos.PARTICIPATION}|{nos.ADMINISTRATIVE}",
                f"{path}.type",
                "required",
            )
    elif not announced:
        problems.malformed("no participant names the practitioner", f"{path}.actor.identifier", "required")
    elif participation == "accepted" and status is not AppointmentStatus.CANCELLED:
        problems.refused("a doctor who is not known yet is 'needs-action'", f"{path}.status")


def _is_adm(types: Any) -> bool:
    concepts = types if isinstance(types, list) else []
    codings = [
        coding
        for concept in concepts
        if isinstance(concept, dict) and isinstance(concept.get("coding"), list)
        for coding in concept["coding"]
    ]
    return any(isinstance(coding, dict) and coding.get("code") == nos.ADMINISTRATIVE for coding in codings)


def render_appointment(appointment: Appointment, *, id: str | None = None) -> bytes:
    """The Appointment resource of the profile that `sos` and `marketplace` choose."""
    profile = _profile_of(appointment)
    document: dict[str, Any] = {"resourceType": "Appointment"}
    if id is not None:
        document["id"] = id
    document["meta"] = {"profile": [profile]}
    if extensions := _render_extensions(appointment, profile):
        document["extension"] = extensions
    document |= {
        "identifier": [{"system": appointment.identifier.system, "value": appointment.identifier.value}],
        "status": appointment.status.value,
        "start": fhir_instant(appointment.start),
        "end": fhir_instant(appointment.end),
    }
    if appointment.created is not None:
        document["created"] = fhir_instant(appointment.created)
    document["participant"] = [_render_participant(appointment)]
    return orjson.dumps(document)


def _profile_of(appointment: Appointment) -> str:
    if appointment.sos:
        return nos.SOS_APPOINTMENT_PROFILE
    return nos.MARKETPLACE_APPOINTMENT_PROFILE if appointment.marketplace else nos.APPOINTMENT_PROFILE


def _render_extensions(appointment: Appointment, profile: str) -> list[dict[str, Any]]:
    """The operator first (R03-12), then the category unless the profile implies it."""
    extensions: list[dict[str, Any]] = []
    if appointment.operator.value:
        identifier = render_identifier(appointment.operator)
        extensions.append({"url": OPERATOR, "valueReference": {"identifier": identifier}})
    if appointment.category not in (None, _IMPLIED.get(profile)):
        code = _CODE_OF_CATEGORY[appointment.category]
        system = nos.CATEGORY_SYSTEM if code.startswith("0") else nos.ESTABLISHMENT
        concept = {"coding": [{"system": system, "code": code}]}
        extensions.append({"url": CATEGORY, "valueCodeableConcept": concept})
    return extensions


def _render_participant(appointment: Appointment) -> dict[str, Any]:
    if appointment.practitioner is None:
        administrative = {"coding": [{"system": nos.PARTICIPATION, "code": nos.ADMINISTRATIVE}]}
        cancelled = appointment.status is AppointmentStatus.CANCELLED
        return {"type": [administrative], "status": appointment.participant_status if cancelled else "needs-action"}
    identifier = {
        "type": {"coding": [{"system": TYPES, "code": "IDNPS"}]},
        "system": SYSTEM_PERSON,
        "value": prefixed_person(appointment.practitioner),
    }
    return {"actor": {"identifier": identifier}, "status": appointment.participant_status}


@dataclass(frozen=True, slots=True)
class Conditional:
    """The identifier that a conditional update looks for. `system` None: any system; '': explicitly no system."""

    system: str | None
    value: str

    def matches(self, identifier: Identifier) -> bool:
        """True when the token means this identifier."""
        return self.value == identifier.value and self.system in (None, identifier.system)


def parse_conditional(raw_query: str) -> Conditional:
    """The `identifier` of `PUT …?identifier=<system>|<value>`.

    ⚠ The guide also writes `?Identifier=<value>`: both names, with or without system, pipe and colons
    percent-encoded or not. Parameters that begin with `_` are left to others. Raises RequestError 400.
    """
    values = []
    for name, value in parse_qsl(raw_query, keep_blank_values=True):
        if (unfit := unfit_text(name, value)) is not None:
            raise RequestError(400, unfit)
        if name.lower() == "identifier":
            values.append(value.strip())
        elif not name.startswith("_"):
            raise malformed(f"parameter '{name}' is not supported here", f"http.{name}", code="not-supported")
    if len(values) != 1:
        raise _bad_conditional(f"exactly one parameter 'identifier' is expected, found {len(values)}")
    system, pipe, value = values[0].partition("|")
    if not pipe:
        system, value = "", system
    value = value.strip()
    if not value or "|" in value or "," in value:
        raise _bad_conditional(f"identifier '{values[0]}' is not <system>|<value>")
    return Conditional(system.strip() if pipe else None, value)


def _bad_conditional(detail: str) -> RequestError:
    return malformed(detail, "http.identifier", code="required" if "found 0" in detail else "value")
