"""Appointments on the wire: INT_R03, profiles FrAppointmentSAS and sas-sos-appointment (guide, « INT_R03 »).

Accepted liberally: unprefixed practitioner ids, the orientation category of guide 1.2.0, `needs-action` for SOS.
Emitted: what the machine-readable profiles of 1.1.0 accept; the SOS one allows no extension but the operator, so
its category goes unsaid (the profile says it).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

import orjson

from sandbox.fhir.document import IDENTIFIER_SHAPE, Check, Node, Problems, Shape, check_rest, load_resource
from sandbox.fhir.models import check_model
from sandbox.fhir.practitioner import check_type, render_identifier
from sandbox.kernel.clock import fhir_instant, parse_datetime
from sandbox.kernel.errors import RequestError, malformed
from sandbox.kernel.flows import AppointmentStatus, OrientationCategory
from sandbox.kernel.identifiers import SYSTEM_PERSON, TYPES, Identifier, prefixed_person
from sandbox.kernel.model import Appointment

PROFILE = "http://sas.fr/fhir/StructureDefinition/FrAppointmentSAS"
PROFILE_SOS = "https://interop.esante.gouv.fr/ig/fhir/sas/StructureDefinition/sas-sos-appointment"
OPERATOR = "http://interopsante.org/fhir/StructureDefinition/FrAppointmentOperator"
CATEGORY = "https://interop.esante.gouv.fr/ig/fhir/sas/StructureDefinition/sas-categorie-orientation"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"

_SYSTEM_SAS_CATEGORY = "https://interop.esante.gouv.fr/ig/fhir/sas/CodeSystem/categorie-orientation-sas-codesystem"
_SYSTEM_R66 = "https://mos.esante.gouv.fr/NOS/TRE_R66-CategorieEtablissement/FHIR/TRE-R66-CategorieEtablissement"

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


def parse_appointment(body: bytes, *, check: Check = check_model) -> Appointment:
    """The appointment in a body of INT_R03.

    Raises RequestError with all that is wrong, each with its FHIRPath: 400 malformed or incomplete, 422 refused by
    a rule only. `check` judges elements outside those that the guide names.
    """
    document = load_resource(body, "Appointment")
    problems = Problems()
    sos = _is_sos(problems, document)
    operator, category = _extensions(problems, document, sos)
    identifier = _identifier(problems, document)
    status = _status(problems, document)
    start, end = (_instant(problems, document, key) for key in ("start", "end"))
    if start is not None and end is not None and start >= end:
        problems.refused("start is not before end", "Appointment.start")
    created = _created(problems, document)
    practitioner, participation = _participants(problems, document, sos)
    check_rest(problems, document, _SHAPE, check)
    problems.raise_any()
    if start is None or end is None or status is None or operator is None:
        raise AssertionError("a problem was noted for each of them")
    return Appointment(identifier, operator, status, start, end, created, practitioner, category, sos, participation)


def _is_sos(problems: Problems, document: Node) -> bool:
    meta = document.get("meta", {})
    profiles = meta.get("profile", []) if isinstance(meta, dict) else None
    if not isinstance(profiles, list) or not all(isinstance(profile, str) for profile in profiles):
        problems.malformed("meta.profile is not a list of canonical URLs", "Appointment.meta.profile")
        return False
    return any(profile.partition("|")[0] == PROFILE_SOS for profile in profiles)


def _extensions(problems: Problems, document: Node, sos: bool) -> tuple[Identifier | None, OrientationCategory | None]:
    operators: list[Identifier] = []
    categories: list[OrientationCategory | None] = []
    for row, path in problems.rows(document, "extension", "Appointment"):
        url = problems.text(row, "url", path)
        if url == OPERATOR:
            operators.append(_operator(problems, row, path))
        elif url == CATEGORY:
            categories.append(_category(problems, row, path))
        elif sos and url:
            problems.refused(f"extension '{url}' is not admitted by the SOS profile", f"{path}.url")
    if len(categories) > 1:
        problems.refused("the orientation category is given more than once", "Appointment.extension")
    if len(operators) != 1 and document.get("extension"):
        problems.malformed(
            f"exactly one extension {OPERATOR} is expected, found {len(operators)}",
            "Appointment.extension",
            "required",
        )
    given = categories[0] if categories else None
    return (operators[0] if operators else None), OrientationCategory.SOS if sos else given


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
    return Identifier(system, value, code)


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
        except ValueError as error:  # the right form, but no such day or time, or a year that no flow carries
            wrong = str(error)
    problems.malformed(wrong, f"Appointment.{key}", "value")
    return None


def _created(problems: Problems, document: Node) -> datetime | None:
    if "created" not in document:
        return None
    text = problems.text(document, "created", "Appointment")
    try:
        return parse_datetime(text) if text else None
    except ValueError as error:
        problems.malformed(str(error), "Appointment.created", "value")
        return None


def _participants(problems: Problems, document: Node, sos: bool) -> tuple[str | None, str]:
    """The practitioner's prefixed national id (None: not known yet) and the status of his participation."""
    rows = problems.rows(document, "participant", "Appointment")
    found = [(_practitioner(problems, *row), _participation(problems, *row, sos)) for row in rows]
    known = [(who, status) for who, status in found if who is not None]
    if known or not rows:
        return known[0] if known else (None, "accepted")
    first, path = rows[0]
    if sos:
        _check_unknown(problems, first, path, found[0][1])
    else:
        problems.malformed("no participant names the practitioner", f"{path}.actor.identifier", "required")
    return found[0]


def _participation(problems: Problems, row: Node, path: str, sos: bool) -> str:
    status = problems.text(row, "status", path)
    admitted = ("accepted", "needs-action") if sos else ("accepted",)
    if status and status not in admitted:
        problems.refused(
            f"participant status '{status}' is not admitted (expected {' or '.join(admitted)})",
            f"{path}.status",
            "value",
        )
    return status


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
    return prefixed_person(value)


def _check_unknown(problems: Problems, row: Node, path: str, status: str) -> None:
    """SOS: a doctor who is not known yet is announced as type ADM, status `needs-action`."""
    if not _is_adm(row.get("type")):
        problems.malformed(
            f"neither an actor with an identifier nor type {PARTICIPATION}|ADM", f"{path}.type", "required"
        )
    if status == "accepted":
        problems.refused("a doctor who is not known yet is 'needs-action'", f"{path}.status")


def _is_adm(types: Any) -> bool:
    concepts = types if isinstance(types, list) else []
    codings = [
        coding
        for concept in concepts
        if isinstance(concept, dict) and isinstance(concept.get("coding"), list)
        for coding in concept["coding"]
    ]
    return any(isinstance(coding, dict) and coding.get("code") == "ADM" for coding in codings)


def render_appointment(appointment: Appointment, *, id: str | None = None) -> bytes:
    """The Appointment resource of the profile that `appointment.sos` chooses."""
    extensions: list[dict[str, Any]] = [
        {
            "url": OPERATOR,
            "valueReference": {"identifier": render_identifier(appointment.operator)},
        }
    ]
    if appointment.category is not None and not appointment.sos:
        extensions.append(_render_category(appointment.category))
    document: dict[str, Any] = {"resourceType": "Appointment"}
    if id is not None:
        document["id"] = id
    document |= {
        "meta": {"profile": [PROFILE_SOS if appointment.sos else PROFILE]},
        "extension": extensions,
        "identifier": [{"system": appointment.identifier.system, "value": appointment.identifier.value}],
        "status": appointment.status.value,
        "start": fhir_instant(appointment.start),
        "end": fhir_instant(appointment.end),
    }
    if appointment.created is not None:
        document["created"] = fhir_instant(appointment.created)
    document["participant"] = [_render_participant(appointment)]
    return orjson.dumps(document)


def _render_category(category: OrientationCategory) -> dict[str, Any]:
    code = _CODE_OF_CATEGORY[category]
    system = _SYSTEM_SAS_CATEGORY if code.startswith("0") else _SYSTEM_R66
    return {"url": CATEGORY, "valueCodeableConcept": {"coding": [{"system": system, "code": code}]}}


def _render_participant(appointment: Appointment) -> dict[str, Any]:
    if appointment.practitioner is None:
        administrative = {"coding": [{"system": PARTICIPATION, "code": "ADM"}]}
        return {"type": [administrative], "status": "needs-action"}
    identifier = {
        "type": {"coding": [{"system": TYPES, "code": "IDNPS"}]},
        "system": SYSTEM_PERSON,
        "value": prefixed_person(appointment.practitioner),
    }
    return {"actor": {"identifier": identifier}, "status": appointment.participant_status}


@dataclass(frozen=True, slots=True)
class Conditional:
    """The identifier that a conditional update looks for. `system` None: any system; '' : explicitly none."""

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
