"""The message model a second time, as a table in our words, and what judges by it: both statements always agree.

The published schemas are asked the same in `test_official_model.py`, where they are at hand; this proves the same
rules without them. A row is a path and what may stand there: `text`, `flag`, `number`, `rpps`, `instant` (RFC 3339),
`local` (with an offset and no decimals), the values of a list joined by `|`, or `anything` (an object of any content).
`?` after a step: it may be missing. `[+]`: a list of at least one. `*` after a step: an object
that may hold more than what the table names.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given, settings

from sandbox.edxl import build
from sandbox.edxl.codes import HubCode
from sandbox.edxl.schemas import STEPS
from sandbox.edxl.validation import validate
from sandbox.kernel.clock import PARIS
from tests.unit.edxl.corpus import APPOINTMENT as FULL
from tests.unit.edxl.corpus import VALUES, appointment, error, mutated, parent, places, reference

HEADER = """
messageId                           text
sender.name                         text
sender.URI                          text
sentAt                              local
kind                                Report|Update|Cancel|Ack|Error
status                              Actual|Exercise|System
recipient[+].name                   text
recipient[+].URI                    text
"""
APPOINTMENT = """
appointment.appointmentId           text
appointment.method                  CreateAppointment|UpdateAppointment
appointment.created                 local
appointment.start                   local
appointment.end?                    local
appointment.status                  pending|booked|fulfilled|noshow|cancelled
appointment.orientationCategory?    CPTS|MSP|CDS|SOS|PS|PDM
appointment.practitioner?.rppsId            rpps
appointment.practitioner?.lastName          text
appointment.practitioner?.firstName         text
appointment.practitioner?.specialityCode?   text
appointment.practitioner?.specialityUrl?    text
appointment.practitioner?.professionCode?   text
appointment.practitioner?.professionUrl?    text
appointment.organization?.organizationId    text
appointment.organization?.name              text
appointment.regulator.regulatorId?          text
appointment.regulator.regulatorName         text
appointment.regulator.regulatorFirstname    text
appointment.regulator.regulatorEmail        text
"""
REFERENCE = """
reference.distributionID            text
reference.refused?                  flag
reference.errorDistributionID?      text
reference.step?                     RECU|ERREUR|INTEGRE|CONSULTE|SUPPRIME
"""
ERROR = """
error.errorCode.statusCode          number
error.errorCode.statusString        text
error.errorCause                    text
error.sourceMessage?                anything
error.referencedDistributionID      text
"""
ENVELOPE = """
distributionID                                      text
senderID                                            text
dateTimeSent                                        instant
dateTimeExpires                                     instant
distributionStatus                                  Actual|Exercise
distributionKind                                    Report|Update|Cancel|Ack|Error
descriptor.language                                 text
descriptor.explicitAddress.explicitAddressScheme    text
descriptor.explicitAddress.explicitAddressValue     text
content[+].jsonContent.embeddedJsonContent*.message anything
"""
CONTENTS = {"appointment": HEADER + APPOINTMENT, "reference": HEADER + REFERENCE, "error": ERROR}

STEP = re.compile(r"(?P<name>\w+)(?P<list>\[\+\])?(?P<open>\*)?(?P<optional>\?)?")


def is_instant(value: Any) -> bool:
    """RFC 3339, of a time that a calendar holds."""
    if not isinstance(value, str) or not re.match(
        r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$", value
    ):
        return False
    try:
        datetime.fromisoformat(value.upper())
    except ValueError:
        return False
    return True


LEAVES: dict[str, Callable[[Any], bool]] = {
    "text": lambda value: isinstance(value, str),
    "flag": lambda value: isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "rpps": lambda value: isinstance(value, str) and re.fullmatch("81[0-9]{10}", value) is not None,
    "instant": is_instant,
    "local": lambda value: is_instant(value) and len(value) == 25,
    "anything": lambda value: isinstance(value, dict),
}


def meets(table: str, value: Any, *, more: bool = False) -> bool:
    """Has the object what the table says, and, unless `more`, nothing else."""
    rows = [row.split() for row in table.splitlines() if row]
    return isinstance(value, dict) and _object([(path.split("."), kind) for path, kind in rows], value, more)


def _object(rows: list[tuple[list[str], str]], value: dict[str, Any], more: bool) -> bool:
    groups: dict[str, list[tuple[list[str], str]]] = {}
    for (step, *rest), kind in rows:
        groups.setdefault(step, []).append((rest, kind))
    steps = {str(match["name"]): match for match in map(STEP.fullmatch, groups) if match}
    if not more and value.keys() - steps.keys():
        return False
    return all(
        _member(match, groups[match.string], value[name]) if name in value else bool(match["optional"])
        for name, match in steps.items()
    )


def _member(step: re.Match[str], rows: list[tuple[list[str], str]], value: Any) -> bool:
    if step["list"]:
        if not isinstance(value, list) or not value:
            return False
        return all(_single(step, rows, each) for each in value)
    return _single(step, rows, value)


def _single(step: re.Match[str], rows: list[tuple[list[str], str]], value: Any) -> bool:
    (rest, kind), *_ = rows
    if rest:
        return isinstance(value, dict) and _object(rows, value, bool(step["open"]))
    leaf = LEAVES.get(kind)
    return leaf(value) if leaf else isinstance(value, str) and value in kind.split("|")


def accepts(document: Any) -> bool:
    """The verdict of the tables: an envelope around messages with one of the three contents each."""
    return meets(ENVELOPE, document) and all(
        accepts_message(item["jsonContent"]["embeddedJsonContent"]["message"]) for item in document["content"]
    )


def accepts_message(message: dict[str, Any]) -> bool:
    held = [name for name in CONTENTS if name in message]
    return len(held) == 1 and meets(CONTENTS[held[0]], message, more=True)


CHANGES: tuple[Any, ...] = (None, True, 1, 1.5, "", "x", [], {}, ["x"], {"x": 1}, "Exercise", "Cancel", "810000000002")
CHANGES += (
    "2026-11-22T10:00:00Z",
    "2026-11-22T10:00:00.5+01:00",
    "2026-11-22T10:00:00+01:00",
    "2026-02-30T10:00:00Z",
    ...,
)


@pytest.mark.parametrize("make", [appointment, reference, error])
def test_both_statements_agree_on_every_single_change(make: Any) -> None:
    verdicts = set()
    for path in places(make()):
        for value in CHANGES:
            document = make()
            container = parent(document, path)
            if value is ...:
                del container[path[-1]]
            else:
                container[path[-1]] = copy.deepcopy(value)
            verdicts.add(accepts(document))
            assert (validate(document) == []) is accepts(document), (path, value)
    assert verdicts == {True, False}


@settings(max_examples=200)
@given(document=mutated())
def test_both_statements_agree_on_several_changes(document: Any) -> None:
    assert (validate(document) == []) is accepts(document)


@given(value=VALUES)
def test_what_is_no_envelope_is_accepted_by_none(value: Any) -> None:
    assert not accepts(value)
    assert validate(value)


@pytest.mark.parametrize("status", ["booked", "fulfilled", "noshow", "cancelled"])
@pytest.mark.parametrize("category", ["PS", "MSP", "SOS", None])
def test_an_appointment_of_each_state_may_lack_all_that_is_optional(status: str, category: str | None) -> None:
    """A doctor whom the editor does not name: neither practitioner nor structure need be told."""
    document = appointment()
    message = document["content"][0]["jsonContent"]["embeddedJsonContent"]["message"]
    told = message["appointment"]
    for name in ("end", "practitioner", "organization", "orientationCategory"):
        del told[name]
    told |= {"method": "UpdateAppointment", "status": status} | ({"orientationCategory": category} if category else {})
    told["regulator"].pop("regulatorId")
    assert accepts(document)
    assert validate(document) == []


def test_what_we_build_is_accepted() -> None:
    now = datetime(2026, 11, 22, 10, tzinfo=PARIS)
    at = build.Address("a_1", "a", "b", now, now + timedelta(hours=1))
    bodies = [
        build.report(at, FULL),
        *(build.ack(at, "b_1", step=step) for step in (None, *STEPS)),
        build.ack(at, "b_1", refused_by="a_2"),
        *(build.error(at, code, "why", source={"x": 1}, referenced="") for code in HubCode),
    ]
    assert all(accepts(orjson.loads(body)) for body in bodies)
