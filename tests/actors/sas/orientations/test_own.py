"""Appointments that are made in the SAS platform itself: their rows, their L02 messages, reports of communities."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from sandbox.kernel.errors import RequestError
from sandbox.kernel.flows import AppointmentStatus, OrientationCategory
from sandbox.kernel.identifiers import Identifier
from sandbox.sas.directory.origins import Origin
from sandbox.sas.orientations.own import Offer
from sandbox.sas.orientations.records import AppointmentRecord, Details, Ending
from sandbox.sas.orientations.steps import Action
from tests.actors.sas.sas_core import NOW, Core


def offer(core: Core, **changes: Any) -> Offer:
    person = next(each for each in core.population.practitioners() if not each.cpts)
    values: dict[str, Any] = {
        "origin": Origin.EXTRA,
        "category": OrientationCategory.PS,
        "start": NOW + timedelta(hours=1),
        "end": NOW + timedelta(hours=2),
        "practitioner": person.id,
    }
    return Offer(**{**values, **changes})


def request(core: Core) -> Offer:
    editor = core.editor()
    asked = Details(community="essai", need="Fièvre")
    values = {"origin": Origin.MARKETPLACE, "category": OrientationCategory.PDM, "practitioner": None}
    return offer(core, **values, editor=editor.slug, system=editor.system, details=asked, organization="1339900011")


async def made(core: Core, what: Offer, key: str = "") -> AppointmentRecord:
    return await core.sas.own.make(core.regulator, core.sas.own.new_identifier(core.regulator, key, what.system), what)


async def report(core: Core, record: AppointmentRecord, method: str = "PUT", **changes: Any) -> int:
    values: dict[str, Any] = {
        "identifier": record.sender,
        "status": AppointmentStatus.PENDING,
        "start": record.start,
        "end": record.end,
        "practitioner": None,
        "participant_status": "needs-action",
        "marketplace": True,
    }
    body = core.body(**{**values, **changes})
    query = f"?identifier={record.sender.system}|{record.sender.value}" if method == "PUT" else ""
    async with core.fhir(core.editor()) as editor:
        answer = await editor.request(method, f"/Appointment{query}", content=body)
    return answer.status_code


ACCEPTED: dict[str, Any] = {"status": AppointmentStatus.BOOKED, "participant_status": "accepted"}


async def test_each_version_makes_an_l02_message(core: Core) -> None:
    record = await made(core, offer(core))
    changed = await core.sas.own.act(record.id, Action.FULFIL)
    assert (record.status, changed.status, changed.version) == ("booked", "fulfilled", 2)
    assert core.sas.appointments.read(record.id) == changed
    first, second = [message.appointment or {} for message in await core.l02_messages()]
    assert (first["method"], first["status"], first["orientationCategory"]) == ("CreateAppointment", "booked", "PS")
    assert (second["method"], second["status"]) == ("UpdateAppointment", "fulfilled")
    assert [each.id for each in core.sas.appointments.of_regulator(core.regulator.identifier)] == [record.id]


async def test_steps_that_the_table_lacks_and_unknown_ids_are_refused(core: Core) -> None:
    record = await made(core, offer(core))
    await core.sas.own.act(record.id, Action.CANCEL)
    for id, status in ((record.id, 409), ("unknown", 404)):
        with pytest.raises(RequestError) as refusal:
            await core.sas.own.act(id, Action.FULFIL)
        assert refusal.value.status == status
    assert len(await core.l02_messages()) == 2


async def test_a_repeated_form_is_recognised(core: Core) -> None:
    own = core.sas.own
    assert own.new_identifier(core.regulator, "form-1") == own.new_identifier(core.regulator, "form-1")
    assert own.new_identifier(core.regulator, "") != own.new_identifier(core.regulator, "")
    other = core.population.regulators[1]
    assert own.new_identifier(core.regulator, "form-1") != own.new_identifier(other, "form-1")
    record = await made(core, offer(core), "form-1")
    assert own.made_before(own.new_identifier(core.regulator, "form-1")) == record


async def test_an_editor_can_neither_read_nor_change_what_was_made_here(core: Core) -> None:
    editor = core.editor()
    record = await made(core, offer(core, editor=editor.slug, system=editor.system))
    assert await report(core, record, marketplace=False, **ACCEPTED) == 422
    assert core.sas.appointments.read(record.id) == record


async def test_the_first_report_of_a_community_is_no_change(core: Core) -> None:
    record = await made(core, request(core))
    assert await report(core, record, "POST", created=NOW + timedelta(seconds=3)) == 200
    assert core.sas.appointments.read(record.id) == record
    assert [(message.appointment or {})["status"] for message in await core.l02_messages()] == ["pending"]


async def test_a_community_accepts_with_a_doctor_and_keeps_its_name(core: Core) -> None:
    record = await made(core, request(core))
    doctor = core.population.of_editor("agenda-azur")[0]
    assert await report(core, record, "POST") == 200
    assert await report(core, record, practitioner=doctor.id, **ACCEPTED) == 200
    booked = core.sas.appointments.read(record.id)
    assert booked is not None
    assert (booked.origin, booked.status, booked.practitioner) == (Origin.MARKETPLACE, "booked", doctor.id)
    assert (booked.category, booked.organization, booked.details) == ("PDM", "1339900011", record.details)
    last = (await core.l02_messages())[-1].appointment or {}
    assert last["organization"]["organizationId"] == "1339900011"
    assert last["practitioner"]["rppsId"] == doctor.id


async def test_another_editor_cannot_answer_for_the_community(core: Core) -> None:
    record = await made(core, request(core))
    body = core.body(identifier=record.sender, marketplace=True)
    async with core.fhir(core.editor("rdv-commune")) as other:
        answer = await other.post("/Appointment", content=body)
    assert answer.status_code == 422
    assert core.sas.appointments.read(record.id) == record


@pytest.mark.parametrize(("action", "ending"), [("withdraw", Ending.WITHDRAWN), ("expire", Ending.UNANSWERED)])
async def test_what_ended_here_stays_ended(core: Core, action: str, ending: Ending) -> None:
    record = await made(core, request(core))
    ended = await core.sas.own.act(record.id, Action(action))
    assert (ended.status, ended.details.ending) == ("cancelled", ending)
    assert await report(core, record, practitioner=core.population.of_editor("agenda-azur")[0].id, **ACCEPTED) == 409
    assert await report(core, record, status=AppointmentStatus.CANCELLED) == 200  # both sides ended it
    assert core.sas.appointments.read(record.id) == ended


async def test_a_refusal_says_that_the_community_refused(core: Core) -> None:
    record = await made(core, request(core))
    assert await report(core, record, status=AppointmentStatus.CANCELLED) == 200
    refused = core.sas.appointments.read(record.id)
    assert refused is not None
    assert (refused.status, refused.details.ending) == ("cancelled", Ending.REFUSED)


async def test_an_account_without_the_right_makes_none(core: Core) -> None:
    regulators = core.sas.regulators
    account = regulators.named(core.regulator.identifier)
    assert account is not None
    await regulators.set_active(account.id, False, "test")
    with pytest.raises(RequestError) as refusal:
        await core.sas.own.make(core.regulator, Identifier("s", "v"), offer(core))
    assert refusal.value.status == 403
