"""The request to a community to take a patient (marketplace), as a FHIR R4 ServiceRequest.

The guide describes how the community's editor reports (INT_R03, profile sas-pdm-appointment) and no call for the
request, so this one is the sandbox's own. It carries no patient. The value of its identifier is that of the
appointment in the reports; a withdrawal is the same resource with the status `revoked`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

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
from sandbox.fhir.practitioner import check_type, render_identifier
from sandbox.kernel.clock import fhir_instant, parse_datetime
from sandbox.kernel.identifiers import Identifier, regulator_identifier

LONGEST_NEED = 200  # characters
UNKNOWN_PATIENT = "patient non transmis"
ACTIVE, REVOKED = "active", "revoked"

_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")  # FHIR R4, « id »: the value is also the id of the resource
_TOWN = re.compile(r"[0-9AB]{5}")
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})")
_CODED: Shape = {"text": str, "coding": {"system": str, "code": str, "display": str}}
_SHAPE: Shape = {
    "resourceType": str,
    "id": str,
    "identifier": {"system": str, "value": str},
    "status": str,
    "intent": str,
    "code": {"text": str},
    "subject": {"display": str},
    "occurrencePeriod": {"start": str, "end": str},
    "authoredOn": str,
    "requester": {"identifier": IDENTIFIER_SHAPE},
    "performer": {"identifier": {"system": str, "value": str}, "display": str},
    "locationCode": _CODED,
}


@dataclass(frozen=True, slots=True)
class CareRequest:
    """What a community is asked. `identifier`: system of its editor and UUID of the request; `need` in a few words;
    `start`, `end`: the time to answer in, aware; `authored`: when it was made, aware; `requester`: the regulator as
    INT_R03 names the operator; `community`: id at its editor, with its `name`; `town`: INSEE code of where the patient
    is, with the town's name; `revoked`: it is withdrawn."""

    identifier: Identifier
    need: str
    start: datetime
    end: datetime
    authored: datetime
    requester: Identifier
    community: str
    name: str
    town: str
    town_name: str
    revoked: bool = False


def parse_request(body: bytes, *, check: Check = check_model) -> CareRequest:
    """The request in a body.

    Raises RequestError with all that is wrong, each with its FHIRPath: 400 malformed or incomplete, 422 refused by a
    rule only. `check` validates elements other than those that `render_request` sends.
    """
    document = load_resource(body, "ServiceRequest")
    problems = Problems()
    check_strings(problems, body, document)
    identifier = _identifier(problems, document)
    revoked = _status(problems, document)
    need = _need(problems, document)
    _subject(problems, document)
    start, end = _period(problems, document)
    authored = _instant(problems, document, "authoredOn", "ServiceRequest")
    requester = _requester(problems, document)
    community, name = _performer(problems, document)
    town, town_name = _location(problems, document)
    check_rest(problems, document, _SHAPE, check)
    problems.raise_any()
    if start is None or end is None or authored is None:
        raise AssertionError("a problem was noted for each of them")
    return CareRequest(identifier, need, start, end, authored, requester, community, name, town, town_name, revoked)


def _identifier(problems: Problems, document: Node) -> Identifier:
    rows = problems.rows(document, "identifier", "ServiceRequest")
    if len(rows) > 1:
        problems.refused("a request has exactly one identifier", "ServiceRequest.identifier", "structure")
    if not rows:
        return Identifier("", "")
    row, path = rows[0]
    system, value = problems.text(row, "system", path), problems.text(row, "value", path)
    if value and not _ID.fullmatch(value):
        problems.refused("the value is no id (1 to 64 letters, digits, '-' or '.')", f"{path}.value", "value")
    return Identifier(system, value)


def _status(problems: Problems, document: Node) -> bool:
    status = problems.text(document, "status", "ServiceRequest")
    if status and status not in (ACTIVE, REVOKED):
        expected = f"expected {ACTIVE} or {REVOKED}"
        problems.refused(f"status '{status}' is not used here ({expected})", "ServiceRequest.status", "value")
    intent = problems.text(document, "intent", "ServiceRequest")
    if intent and intent != "proposal":
        problems.refused(f"intent '{intent}' is not used here (expected proposal)", "ServiceRequest.intent", "value")
    return status == REVOKED


def _need(problems: Problems, document: Node) -> str:
    code = problems.child(document, "code", "ServiceRequest")
    need = problems.text(code, "text", "ServiceRequest.code") if code else ""
    if len(need) > LONGEST_NEED:
        detail = f"the need has {len(need)} characters (at most {LONGEST_NEED})"
        problems.refused(detail, "ServiceRequest.code.text", "too-long")
    return need


def _subject(problems: Problems, document: Node) -> None:
    """The subject is mandatory in FHIR; here it must not lead to a patient."""
    subject = problems.child(document, "subject", "ServiceRequest")
    for name in ("reference", "identifier"):
        if name in subject:
            problems.refused("no patient may be named", f"ServiceRequest.subject.{name}")
    if "contained" in document:
        problems.refused("no resource may be contained", "ServiceRequest.contained")


def _period(problems: Problems, document: Node) -> tuple[datetime | None, datetime | None]:
    path = "ServiceRequest.occurrencePeriod"
    period = problems.child(document, "occurrencePeriod", "ServiceRequest")
    if not period:
        return None, None
    start, end = (_instant(problems, period, key, path) for key in ("start", "end"))
    if start is not None and end is not None and start >= end:
        problems.refused("start is not before end", f"{path}.start")
    return start, end


def _instant(problems: Problems, node: Node, key: str, path: str) -> datetime | None:
    text = problems.text(node, key, path)
    if not text:
        return None
    wrong = f"'{text}' is not an instant with offset (YYYY-MM-DDThh:mm:ss+hh:mm)"
    if _INSTANT.fullmatch(text):
        try:
            return parse_datetime(text)
        except ValueError as error:  # the right form, but not an existing day or time
            wrong = str(error)
    problems.malformed(wrong, f"{path}.{key}", "value")
    return None


def _requester(problems: Problems, document: Node) -> Identifier:
    requester = problems.child(document, "requester", "ServiceRequest")
    where = "ServiceRequest.requester"
    node = problems.child(requester, "identifier", where) if requester else {}
    if not node:
        return Identifier("", "")
    where += ".identifier"
    code = problems.type_code(node, where)
    system, value = problems.text(node, "system", where), problems.text(node, "value", where)
    check_type(problems, code, system, where)
    return regulator_identifier(Identifier(system, value, code))


def _performer(problems: Problems, document: Node) -> tuple[str, str]:
    rows = problems.rows(document, "performer", "ServiceRequest")
    if len(rows) > 1:
        problems.refused("a request is made to exactly one community", "ServiceRequest.performer", "structure")
    if not rows:
        return "", ""
    row, path = rows[0]
    node = problems.child(row, "identifier", path)
    value = problems.text(node, "value", f"{path}.identifier") if node else ""
    return value, problems.text(row, "display", path)


def _location(problems: Problems, document: Node) -> tuple[str, str]:
    rows = problems.rows(document, "locationCode", "ServiceRequest")
    if not rows:
        return "", ""
    row, path = rows[0]
    name = problems.text(row, "text", path)
    codings = problems.rows(row, "coding", path)
    code = problems.text(codings[0][0], "code", codings[0][1]) if codings else ""
    if code and not _TOWN.fullmatch(code):
        problems.refused(f"'{code}' is no INSEE code of a town", f"{codings[0][1]}.code", "value")
    return code, name


def render_request(request: CareRequest, *, id: str | None = None) -> bytes:
    """The ServiceRequest resource."""
    system = request.identifier.system
    town = {"system": nos.TOWNS, "code": request.town, "display": request.town_name}
    document: dict[str, Any] = {"resourceType": "ServiceRequest"}
    if id is not None:
        document["id"] = id
    document |= {
        "identifier": [{"system": system, "value": request.identifier.value}],
        "status": REVOKED if request.revoked else ACTIVE,
        "intent": "proposal",
        "code": {"text": request.need},
        "subject": {"display": UNKNOWN_PATIENT},
        "occurrencePeriod": {"start": fhir_instant(request.start), "end": fhir_instant(request.end)},
        "authoredOn": fhir_instant(request.authored),
        "requester": {"identifier": render_identifier(request.requester)},
        "performer": [{"identifier": {"system": system, "value": request.community}, "display": request.name}],
        "locationCode": [{"coding": [town], "text": request.town_name}],
    }
    return orjson.dumps(document)
