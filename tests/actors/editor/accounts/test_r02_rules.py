"""INT_R02 on the FHIR port of one editor: which bodies are accepted and refused, by POST and by PUT."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from sandbox.fhir.practitioner import RegulatorAccount, parse_regulator, render_regulator
from sandbox.kernel.identifiers import SYSTEM_PERSON, SYSTEM_SAS, TYPES, Identifier
from tests.support.editors.running_editor import NATIONAL, REGULATOR, LocalEditor

NEW = RegulatorAccount((Identifier(SYSTEM_PERSON, "819800000903", "IDNPS"),), True, "B", ("K",), "karim@samu33.example")
CALLS = {
    "post": ("POST", "/Practitioner", NEW),
    "put-creates": ("PUT", f"/Practitioner?identifier={SYSTEM_PERSON}%7C819800000903", NEW),
    "put-updates": ("PUT", f"/Practitioner?identifier={SYSTEM_PERSON}%7C{NATIONAL.value}", REGULATOR),
}


def coded(code: str, system: str, value: str) -> dict[str, Any]:
    return {"type": {"coding": [{"system": TYPES, "code": code}]}, "system": system, "value": value}


def body(account: RegulatorAccount, **changes: Any) -> bytes:
    """The account as INT_R02 carries it, some elements replaced; None takes one away."""
    document = {**orjson.loads(render_regulator(account)), **changes}
    return orjson.dumps({name: value for name, value in document.items() if value is not None})


@pytest.mark.requirement("R02-3")
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("element", "value"),
    [
        ("identifier", None),
        ("identifier", []),
        ("name", None),
        ("name", [{"family": "", "given": ["A"]}]),
        ("telecom", None),
        ("telecom", [{"system": "email", "value": ""}]),
        ("telecom", [{"system": "email", "value": "nobody"}]),
        ("telecom", [{"system": "phone", "value": "+33102030405"}]),
        ("active", None),
        ("identifier", [coded("INTRN", SYSTEM_PERSON, "819800000903")]),
        ("identifier", [coded("IDNPS", SYSTEM_SAS, "819800000903")]),
    ],
)
async def test_what_is_missing_empty_or_does_not_fit_is_refused_and_changes_nothing(
    editor: LocalEditor, call: str, element: str, value: object
):
    method, path, account = CALLS[call]
    answer = await editor.call(method, path, content=body(account, **{element: value}))
    assert 400 <= answer.status_code < 500
    [issue, *_] = answer.json()["issue"]
    assert issue["expression"][0].startswith(f"Practitioner.{element}")
    [record] = (editor.running.accounts.match(NATIONAL.value, ""),)
    assert record is not None
    assert record.regulator() == REGULATOR
    assert len(editor.running.accounts) == 1


@pytest.mark.requirement("R02-11")
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("type", ["application/fhir+json", "application/json"])
async def test_an_editor_is_lenient_where_the_guide_is(editor: LocalEditor, call: str, type: str):
    method, path, account = CALLS[call]
    content = body(account, meta=None, identifier=[coded("INTRN", SYSTEM_SAS, "810002673899")])
    answer = await editor.call(method, path, content=content, headers={"content-type": type})
    assert answer.status_code in (200, 201)
    read = await editor.call("GET", answer.headers["location"].partition("/fhir")[2])
    assert parse_regulator(read.content).identifiers == (Identifier(SYSTEM_SAS, "810002673899", "INTRN"),)


@pytest.mark.requirement("R02-12")
async def test_the_right_is_withdrawn_by_put_and_nothing_is_ever_deleted(editor: LocalEditor):
    _, path, _ = CALLS["put-updates"]
    assert (await editor.call("DELETE", path)).status_code == 405
    answer = await editor.call("PUT", path, content=body(REGULATOR, active=False))
    assert answer.status_code == 200
    read = await editor.call("GET", answer.headers["location"].partition("/fhir")[2])
    assert parse_regulator(read.content).active is False
    assert editor.running.accounts.of_email(REGULATOR.email) is None


@pytest.mark.requirement("R02-13")
async def test_bodies_with_one_id_are_different_people(editor: LocalEditor):
    first = await editor.call("POST", "/Practitioner", content=body(NEW, id="one"))
    other = RegulatorAccount((Identifier(SYSTEM_SAS, "x", "INTRN"),), True, "C", ("L",), "lou@samu33.example")
    second = await editor.call("POST", "/Practitioner", content=body(other, id="one"))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.headers["location"] != second.headers["location"]
    third = await editor.call("PUT", CALLS["put-creates"][1], content=body(NEW, id="something else"))
    assert third.headers["location"] == first.headers["location"]
    assert len(editor.running.accounts) == 3


@pytest.mark.requirement("R02-1", "R02-10")
@pytest.mark.parametrize("system", [SYSTEM_PERSON, SYSTEM_SAS])
async def test_an_account_is_keyed_by_whichever_id_was_sent(editor: LocalEditor, system: str):
    identifier = Identifier(system, "810002673899", "IDNPS" if system == SYSTEM_PERSON else "INTRN")
    account = RegulatorAccount((identifier,), True, "C", ("L",), "lou@samu33.example")
    answer = await editor.call("POST", "/Practitioner", content=render_regulator(account))
    assert answer.status_code == 201
    again = await editor.call("PUT", f"/Practitioner?identifier={system}%7C810002673899", content=body(account))
    assert (again.status_code, again.headers["location"]) == (200, answer.headers["location"])
