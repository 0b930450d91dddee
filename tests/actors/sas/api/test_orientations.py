"""Orientations without an editor, by the SAS API: what they are, whose they are, and what the LRM is told."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from sandbox.kernel.clock import PARIS, ClockSetting
from sandbox.kernel.errors import StoreError
from sandbox.kernel.model import Practitioner
from sandbox.net.context import Context
from sandbox.sas.desk import MAKERS
from sandbox.sas.offers.found import offers_extra
from sandbox.sas.orientations.records import AppointmentRecord
from sandbox.sas.regulators.accounts import Right
from sandbox.store.embedded.tables import open_store
from tests.actors.sas.api.test_api import assert_problem
from tests.actors.sas.api.test_openapi import conforms
from tests.actors.sas.at_editors import changed
from tests.actors.sas.sas_core import NOW, Core, core_on

CDS, MSP = "1339900110", "1359900109"
HOUR = "2026-11-23T18:15:00+01:00"


def willing(core: Core, *, cpts: bool = False, places: int = 1) -> Practitioner:
    """A practitioner who takes one more patient."""
    people = (each for each in core.population.practitioners() if offers_extra(each, core.sas.directory))
    fit = (each for each in people if bool(each.cpts) is cpts and len(each.places) == places)
    return next(each for each in fit if each.id.startswith("81"))


async def post(core: Core, path: str, body: Any = None, headers: dict[str, str] | None = None) -> httpx.Response:
    async with core.browser() as browser:
        answer = await browser.post(f"/api/{path}", json=body, headers={**await core.token(), **(headers or {})})
    conforms(answer)
    return answer


async def made(core: Core, body: Any, headers: dict[str, str] | None = None) -> dict[str, Any]:
    answer = await post(core, "orientations", body, headers)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def extra(core: Core, **changes: Any) -> dict[str, Any]:
    return {"kind": "extra", "practitioner": willing(core).id, "agreed": HOUR, **changes}


def record(core: Core, id: str) -> AppointmentRecord:
    found = core.sas.appointments.read(id)
    assert found is not None
    return found


async def told(core: Core) -> dict[str, Any]:
    return (await core.l02_messages())[-1].appointment or {}


async def test_an_agreement_by_telephone_is_an_appointment(core: Core) -> None:
    person = willing(core)
    answer = await post(core, "orientations", extra(core))
    found = answer.json()
    assert found == {**found, "status": "booked", "category": "PS", "version": 1}
    assert found["actions"] == ["cancel", "fulfil", "noshow"]
    assert answer.headers["location"] == f"/api/appointments/{found['id']}"
    async with core.browser() as browser:
        shown = (await browser.get(answer.headers["location"])).json()
    assert shown == {**shown, "origin": "extra", "practitioner": person.id, "place": person.places[0].id}
    assert "all_day" not in shown
    message = await told(core)
    assert (message["start"], message["end"]) == (HOUR, "2026-11-23T18:35:00+01:00")
    assert message["practitioner"]["rppsId"] == person.id
    assert message["practitioner"]["lastName"] == person.family
    assert message["orientationCategory"] == "PS"


async def test_in_the_course_of_the_day_ends_with_the_day(core: Core) -> None:
    found = record(core, (await made(core, extra(core, agreed="today")))["id"])
    assert (found.start, found.end) == (NOW, datetime(2026, 11, 24, tzinfo=PARIS))
    assert found.details.all_day


async def test_a_member_of_a_cpts_is_told_with_it(core: Core) -> None:
    person = willing(core, cpts=True)
    await made(core, extra(core, practitioner=person.id))
    message = await told(core)
    assert message["orientationCategory"] == "CPTS"
    assert message["organization"]["organizationId"] == person.cpts[0]
    assert message["practitioner"]["rppsId"] == person.id


async def test_one_of_several_places_can_be_named(core: Core) -> None:
    person = willing(core, places=2)
    first = await made(core, extra(core, practitioner=person.id))
    second = await made(core, extra(core, practitioner=person.id[1:], place=person.places[1].id))
    assert [record(core, each["id"]).details.place for each in (first, second)] == [each.id for each in person.places]
    answer = await post(core, "orientations", extra(core, practitioner=person.id, place="elsewhere"))
    assert assert_problem(answer, 422)["errors"][0]["pointer"] == "place"


@pytest.mark.parametrize(("structure", "category"), [(CDS, "CDS"), (MSP, "MSP"), (MSP[1:], "MSP")])
async def test_a_structure_is_told_without_a_practitioner(core: Core, structure: str, category: str) -> None:
    found = await made(core, {"kind": "structure", "structure": structure})
    assert (found["status"], found["category"]) == ("booked", category)
    message = await told(core)
    known = core.population.structure(structure)
    assert known is not None
    assert message["orientationCategory"] == category
    assert message["organization"] == {"organizationId": known.finess, "name": known.name}
    assert "practitioner" not in message
    assert record(core, found["id"]).details.all_day


@pytest.mark.parametrize("action", ["cancel", "fulfil", "noshow"])
async def test_each_step_is_taken_once_and_told(core: Core, action: str) -> None:
    found = await made(core, extra(core))
    answer = await post(core, f"orientations/{found['id']}/{action}")
    status = {"cancel": "cancelled", "fulfil": "fulfilled", "noshow": "noshow"}[action]
    assert answer.json() == {"id": found["id"], "status": status, "category": "PS", "version": 2, "actions": []}
    again = assert_problem(await post(core, f"orientations/{found['id']}/{action}"), 409)
    assert status in again["detail"]
    assert [(message.appointment or {})["status"] for message in await core.l02_messages()] == ["booked", status]


async def test_what_is_no_request_cannot_be_withdrawn(core: Core) -> None:
    found = await made(core, extra(core))
    assert_problem(await post(core, f"orientations/{found['id']}/withdraw"), 409)
    assert record(core, found["id"]).version == 1


async def test_an_appointment_of_an_editor_is_changed_there(core: Core) -> None:
    async with core.fhir(core.editor()) as editor:
        sent = await editor.post("/Appointment", content=core.body())
    id = sent.headers["location"].rpartition("/")[2]
    problem = assert_problem(await post(core, f"orientations/{id}/cancel"), 409)
    assert core.editor().name in problem["detail"]


async def test_unknown_ones_and_those_of_colleagues_are_refused(core: Core) -> None:
    found = await made(core, extra(core))
    assert_problem(await post(core, "orientations/unknown/cancel"), 404)
    other = next(each for each in core.population.regulators if each.identifier != core.regulator.identifier)
    theirs = await core.token(other)
    assert_problem(await post(core, f"orientations/{found['id']}/cancel", headers=theirs), 403)
    assert record(core, found["id"]).version == 1


async def test_a_repetition_with_the_same_key_gives_the_first(core: Core) -> None:
    key = {"Idempotency-Key": "form-1"}
    first, second = await made(core, extra(core), key), await made(core, extra(core, agreed="today"), key)
    assert first == second
    other = await made(core, extra(core), {"Idempotency-Key": "form-2"})
    assert other["id"] != first["id"]
    structure = {"kind": "structure", "structure": CDS}
    assert_problem(await post(core, "orientations", structure, key), 409)
    assert_problem(await post(core, "orientations", structure, {"Idempotency-Key": "x" * 201}), 400)
    assert len(await core.l02_messages()) == 2


async def test_the_same_key_of_two_regulators_are_two_appointments(core: Core) -> None:
    other = next(each for each in core.population.regulators if each.identifier != core.regulator.identifier)
    one = await made(core, extra(core), {"Idempotency-Key": "x"})
    two = await made(core, extra(core), {"Idempotency-Key": "x", **await core.token(other)})
    assert one["id"] != two["id"]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"agreed": "2026-11-23T10:29:00+01:00"}, "agreed"),
        ({"agreed": "2026-11-26T10:31:00+01:00"}, "agreed"),
        ({"agreed": "2026-11-24"}, "agreed"),
        ({"agreed": "tomorrow"}, "agreed"),
        ({"agreed": "2026-13-24T10:00:00"}, "agreed"),
        ({"practitioner": "899999999999"}, "practitioner"),
    ],
)
async def test_what_cannot_be_agreed_on_is_refused(core: Core, changes: dict[str, Any], pointer: str) -> None:
    answer = await post(core, "orientations", extra(core, **changes))
    problem = assert_problem(answer, 422)
    assert problem["errors"][0]["pointer"] == pointer
    assert await core.l02_messages() == []


async def test_who_takes_no_patient_outside_the_agenda_is_refused(core: Core) -> None:
    directory = core.sas.aggregator.directory
    unwilling = next(each for each in core.population.handmade() if each.phone and not directory.accepts_extra(each))
    problem = assert_problem(await post(core, "orientations", extra(core, practitioner=unwilling.id)), 422)
    assert problem["errors"][0]["pointer"] == "practitioner"
    assert await core.l02_messages() == []


@pytest.mark.parametrize("agreed", ["2026-11-23T10:30:00+01:00", "2026-11-26T10:30:00+01:00", "2026-11-24T08:00"])
async def test_the_present_minute_and_three_days_on_are_admitted(core: Core, agreed: str) -> None:
    core.context.clock.setting = ClockSetting(frozen=(NOW + timedelta(seconds=40)).timestamp())
    await made(core, extra(core, agreed=agreed))


@pytest.mark.parametrize("structure", ["1339900119", "", "33", "819800000010"])
async def test_an_unknown_structure_is_refused(core: Core, structure: str) -> None:
    answer = await post(core, "orientations", {"kind": "structure", "structure": structure})
    assert assert_problem(answer, 422)["errors"][0]["pointer"] == "structure"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "kind"),
        ([], "object"),
        ({"kind": "nothing"}, "nothing"),
        ({"kind": "structure"}, "structure"),
        ({"kind": "structure", "structure": 7}, "str"),
        ({"kind": "structure", "structure": "x" * 101}, "100"),
        ({"kind": "structure", "structure": CDS, "patient": "x"}, "patient"),
    ],
)
async def test_a_body_that_cannot_be_read_says_what_was_expected(core: Core, body: Any, said: str) -> None:
    assert said in assert_problem(await post(core, "orientations", body), 400)["detail"]


async def test_without_a_token_nothing_is_made(core: Core) -> None:
    async with core.browser() as browser:
        for path in ("orientations", "orientations/x/cancel"):
            assert_problem(await browser.post(f"/api/{path}", json={"kind": "structure", "structure": CDS}), 401)


async def test_the_right_to_orient_is_needed(core: Core) -> None:
    token = await core.token()
    await changed(core.sas.regulators, core.regulator, rights=(Right.ADMINISTRATION,))
    async with core.browser() as browser:
        for path in ("orientations", "orientations/x/cancel"):
            assert_problem(await browser.post(f"/api/{path}", json=extra(core), headers=token), 403)


async def test_a_full_disk_is_said(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> Any:
        raise StoreError("sas.log: No space left on device")

    token = await core.token()
    monkeypatch.setattr(core.sas.store, "commit", full)
    async with core.browser() as browser:
        answer = await browser.post("/api/orientations", json=extra(core), headers=token)
    assert "No space left" in assert_problem(answer, 503)["detail"]


def test_every_kind_has_its_own_tag() -> None:
    kinds = [each.__struct_config__.tag for each in MAKERS]
    assert len(set(kinds)) == len(kinds) >= 2


async def test_two_requests_with_one_key_at_once_make_one(core: Core) -> None:
    token = {**await core.token(), "Idempotency-Key": "at once"}
    async with core.browser() as browser:
        sent = [browser.post("/api/orientations", json=extra(core), headers=token) for _ in range(8)]
        answers = [answer.json() for answer in await asyncio.gather(*sent)]
    assert answers == answers[:1] * 8
    assert len(await core.l02_messages()) == 1


async def test_of_two_steps_at_once_one_is_taken(core: Core) -> None:
    id, token = (await made(core, extra(core)))["id"], await core.token()
    async with core.browser() as browser:
        steps = [browser.post(f"/api/orientations/{id}/{step}", headers=token) for step in ("cancel", "fulfil")]
        assert sorted([answer.status_code for answer in await asyncio.gather(*steps)]) == [200, 409]
    assert record(core, id).version == 2


async def test_what_was_answered_is_there_after_a_restart(context: Context) -> None:
    key, found = {"Idempotency-Key": "before"}, []
    for _ in range(2):
        core = await core_on(context, open_store(context.store_dir("sas")))
        found.append(await made(core, extra(core), key))
        await core.sas.stop()
    assert found[0] == found[1]
