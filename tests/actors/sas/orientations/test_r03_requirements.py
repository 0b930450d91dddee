"""INT_R03, one test per requirement of the acceptance list: what an editor sends, and what the SAS core does.

L02 is the real code, the hub is a fake.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import httpx
import orjson
import pytest

from sandbox.edxl.message import Message
from sandbox.fhir import nos
from sandbox.kernel.flows import AppointmentStatus, OrientationCategory
from sandbox.kernel.identifiers import SYSTEM_SAS, Identifier
from sandbox.net.context import Context
from sandbox.sas.regulators.accounts import Draft
from sandbox.store.embedded.tables import open_store
from tests.actors.sas.browsing import logged_in
from tests.actors.sas.sas_core import NOW, Core, core_on
from tests.support.hub_peer import FakeHubPeer

JSON = {"Content-Type": "application/fhir+json", "Prefer": "return=representation"}


@dataclass
class EditorAtCore:
    """An editor with the SAS core, and the messages for the LRM."""

    core: Core
    hub: FakeHubPeer
    editor: httpx.AsyncClient

    async def post(self, **changes: Any) -> httpx.Response:
        return await self.editor.post("/Appointment", content=self.core.body(**changes), headers=JSON)

    async def put(self, **changes: Any) -> httpx.Response:
        key = quote(self.core.appointment(**changes).identifier.key, safe="")
        body = self.core.body(**changes)
        return await self.editor.put(f"/Appointment?identifier={key}", content=body, headers=JSON)

    async def post_document(self, document: dict[str, Any]) -> httpx.Response:
        return await self.editor.post("/Appointment", content=orjson.dumps(document), headers=JSON)

    def document(self, **changes: Any) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads(self.core.body(**changes))
        return found

    async def sent(self, count: int) -> list[Message]:
        return await self.hub.messages(count)

    async def carried(self, count: int) -> list[tuple[str, str]]:
        """(method, status) of the messages."""
        contents = [message.appointment or {} for message in await self.sent(count)]
        return [(content["method"], content["status"]) for content in contents]


@pytest.fixture
async def sender(context: Context) -> AsyncIterator[EditorAtCore]:
    core = await core_on(context, open_store(context.store_dir("sas")))
    async with core.fhir() as editor:
        yield EditorAtCore(core, core.hub, editor)
    await core.sas.stop()


def wrong(answer: httpx.Response, status: int, *paths: str) -> None:
    """Check that the request was refused with an OperationOutcome that names these paths."""
    assert answer.status_code == status, answer.text
    outcome = answer.json()
    assert outcome["resourceType"] == "OperationOutcome"
    named = [path for issue in outcome["issue"] for path in issue.get("expression", ())]
    for path in paths:
        assert any(path in each for each in named), named


@pytest.mark.requirement("R03-1")
async def test_a_creation_is_kept_located_and_told_once(sender: EditorAtCore) -> None:
    answer = await sender.post()
    assert answer.status_code == 201
    assert answer.headers["location"].endswith(answer.json()["id"])
    assert await sender.carried(1) == [("CreateAppointment", "booked")]


@pytest.mark.requirement("R03-2")
async def test_an_update_keeps_the_location_and_makes_the_next_version(sender: EditorAtCore) -> None:
    first = await sender.post()
    later = NOW + timedelta(days=1)
    answer = await sender.put(start=later, end=later + timedelta(minutes=20))
    assert (answer.status_code, answer.headers["location"]) == (200, first.headers["location"])
    assert answer.headers["etag"] == 'W/"2"'
    _, update = await sender.sent(2)
    assert (update.appointment or {})["start"].startswith(later.isoformat()[:16])


@pytest.mark.requirement("R03-3")
async def test_a_cancellation_is_an_update_with_its_status(sender: EditorAtCore) -> None:
    await sender.post()
    assert (await sender.put(status=AppointmentStatus.CANCELLED)).json()["status"] == "cancelled"
    assert await sender.carried(2) == [("CreateAppointment", "booked"), ("UpdateAppointment", "cancelled")]


@pytest.mark.requirement("R03-4")
async def test_a_patient_who_came_is_told(sender: EditorAtCore) -> None:
    await sender.post()
    assert (await sender.put(status=AppointmentStatus.FULFILLED)).status_code == 200
    assert (await sender.carried(2))[1] == ("UpdateAppointment", "fulfilled")


@pytest.mark.requirement("R03-5")
async def test_a_patient_who_did_not_come_is_told_and_a_correction_is_flagged(sender: EditorAtCore) -> None:
    answer = await sender.post()
    await sender.put(status=AppointmentStatus.NOSHOW)
    assert (await sender.put(status=AppointmentStatus.FULFILLED)).status_code == 200
    assert [status for _, status in await sender.carried(3)] == ["booked", "noshow", "fulfilled"]
    record = sender.core.sas.appointments.read(answer.json()["id"])
    assert record is not None
    assert record.flagged


@pytest.mark.requirement("R03-5")
async def test_a_booked_appointment_does_not_become_pending_again(sender: EditorAtCore) -> None:
    await sender.post()
    wrong(await sender.put(status=AppointmentStatus.PENDING), 422, "Appointment.status")


@pytest.mark.requirement("R03-6")
async def test_exactly_one_identifier_with_system_and_value(sender: EditorAtCore) -> None:
    document = sender.document()
    (identifier,) = document["identifier"]
    wrong(await sender.post_document({**document, "identifier": []}), 400, "Appointment.identifier")
    wrong(await sender.post_document({**document, "identifier": [identifier, identifier]}), 422, "identifier")
    wrong(await sender.post_document({**document, "identifier": [{"value": "x"}]}), 400, "identifier[0].system")
    wrong(await sender.post_document({**document, "identifier": [{"system": "urn:x"}]}), 400, "identifier[0].value")


@pytest.mark.requirement("R03-7")
async def test_the_operator_is_a_regulator_as_int_r02_named_him(sender: EditorAtCore) -> None:
    stranger = Identifier(SYSTEM_SAS, "nobody", "INTRN")
    wrong(await sender.post(operator=stranger), 422, "FrAppointmentOperator")
    document = sender.document()
    document["extension"][0]["valueReference"]["identifier"]["type"]["coding"][0]["code"] = "INTRN"
    wrong(await sender.post_document(document), 422, "type.coding[0].code")
    wrong(await sender.post_document({**document, "extension": []}), 400, "Appointment.extension")
    technical = next(one for one in sender.core.population.regulators if one.identifier.type == "INTRN")
    assert (await sender.post(operator=technical.identifier)).status_code == 201
    (message,) = await sender.sent(1)
    assert "regulatorId" not in (message.appointment or {})["regulator"]
    assert message.recipient == sender.core.population.territories[technical.territory].samu


@pytest.mark.requirement("R03-7")
async def test_an_operator_named_by_his_former_identifier_is_still_he(sender: EditorAtCore) -> None:
    technical = next(one for one in sender.core.population.regulators if one.identifier.type == "INTRN")
    account = sender.core.sas.regulators.named(technical.identifier)
    assert account is not None
    draft = Draft(
        type="IDNPS",
        value="3456780581/77",
        family=technical.family,
        given=technical.given,
        email=technical.email,
        territory=technical.territory,
    )
    now = await sender.core.sas.regulators.change(account.id, draft, "test")
    answer = await sender.post(operator=technical.identifier)
    assert answer.status_code == 201
    (message,) = await sender.sent(1)
    assert (message.appointment or {})["regulator"]["regulatorId"] == "3456780581/77"
    (own,) = sender.core.sas.appointments.of_regulator(now.identifier)
    assert own.id == answer.json()["id"]


@pytest.mark.requirement("R03-7")
async def test_a_withdrawn_regulator_keeps_his_appointments_and_gets_no_new_ones(sender: EditorAtCore) -> None:
    await sender.post()
    account = sender.core.sas.regulators.named(sender.core.regulator.identifier)
    assert account is not None
    await sender.core.sas.regulators.delete(account.id, "test")
    assert (await sender.put(status=AppointmentStatus.FULFILLED)).status_code == 200
    other = Identifier(sender.core.editor().system, "another")
    wrong(await sender.post(identifier=other), 422, "FrAppointmentOperator")
    assert await sender.carried(2) == [("CreateAppointment", "booked"), ("UpdateAppointment", "fulfilled")]


@pytest.mark.requirement("R03-8")
async def test_a_retry_is_answered_alike_and_told_once(sender: EditorAtCore) -> None:
    first, again = await sender.post(), await sender.post()
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.headers["location"] == again.headers["location"]
    wrong(await sender.post(end=NOW + timedelta(hours=3)), 409, "Appointment.identifier")
    updates = [await sender.put(status=AppointmentStatus.CANCELLED) for _ in range(2)]
    assert [answer.headers["etag"] for answer in updates] == ['W/"2"', 'W/"2"']
    assert len(await sender.sent(2)) == 2


@pytest.mark.requirement("R03-9")
@pytest.mark.parametrize(
    ("change", "status", "path"),
    [
        ({"status": "arrived"}, 422, "Appointment.status"),
        ({"status": "maybe"}, 400, "Appointment.status"),
        ({"start": "2026-11-23T10:00:00"}, 400, "Appointment.start"),
        ({"start": None}, 400, "Appointment.start"),
        ({"end": "2020-01-01T00:00:00Z"}, 422, "Appointment.start"),
        ({"created": "yesterday"}, 400, "Appointment.created"),
        ({"participant": []}, 400, "Appointment.participant"),
        ({"participant": [{"status": "accepted"}]}, 400, "participant[0].actor.identifier"),
    ],
)
async def test_the_profile_is_kept(sender: EditorAtCore, change: dict[str, Any], status: int, path: str) -> None:
    document = {key: value for key, value in {**sender.document(), **change}.items() if value is not None}
    wrong(await sender.post_document(document), status, path)
    assert sender.core.sas.appointments.count == 0


@pytest.mark.requirement("R03-9")
@pytest.mark.parametrize(
    ("code", "category"),
    [("001", "PS"), ("002", "PDM"), ("003", "SOS"), ("604", "CPTS"), ("603", "MSP"), ("124", "CDS")],
)
async def test_the_orientation_category_of_the_extension_decides(
    sender: EditorAtCore, code: str, category: str
) -> None:
    document = sender.document(category=OrientationCategory.PS)
    document["extension"][1]["valueCodeableConcept"]["coding"][0]["code"] = code
    assert (await sender.post_document(document)).status_code == 201
    (message,) = await sender.sent(1)
    assert (message.appointment or {})["orientationCategory"] == category


@pytest.mark.requirement("R03-9")
async def test_an_sos_appointment_may_name_its_doctor_later(sender: EditorAtCore) -> None:
    waiting: dict[str, Any] = {"sos": True, "practitioner": None, "participant_status": "needs-action"}
    waiting["identifier"] = Identifier(sender.core.editor("garde-plus").system, "sos-1")
    assert (await sender.post(status=AppointmentStatus.PENDING, **waiting)).status_code == 201
    doctor = sender.core.appointment().practitioner
    named = {**waiting, "practitioner": doctor, "participant_status": "accepted"}
    assert (await sender.put(status=AppointmentStatus.BOOKED, **named)).status_code == 200
    first, second = [message.appointment or {} for message in await sender.sent(2)]
    assert (first["orientationCategory"], first["status"], "practitioner" in first) == ("SOS", "pending", False)
    assert (second["status"], second["practitioner"]["rppsId"]) == ("booked", doctor)


def told_of(sender: EditorAtCore) -> list[str]:
    """The journal's entries about the requests so far."""
    return [exchange.note for exchange in sender.core.context.journal.take() if exchange.flow == "INT_R03"]


@pytest.mark.requirement("R03-11")
async def test_needs_action_in_a_booked_appointment_is_taken_and_said(sender: EditorAtCore) -> None:
    answer = await sender.post(participant_status="needs-action")
    assert answer.status_code == 201
    assert await sender.carried(1) == [("CreateAppointment", "booked")]
    (note,) = told_of(sender)
    assert note.startswith("R03-11 Appointment.participant[0].status: ")
    assert sender.core.sas.health()["r03_findings"] == {"agenda-azur": {"R03-11": 1}}


async def test_what_is_taken_with_findings_is_on_the_page_of_the_editors(sender: EditorAtCore) -> None:
    for number in range(2):
        await sender.post(
            participant_status="needs-action", identifier=Identifier("urn:oid:1.2.250.1.999.1", str(number))
        )
    async with logged_in(sender.core) as browser:
        page = (await browser.get("/sas/editeurs")).text
    (row,) = [part for part in page.split("<tr ") if part.startswith('data-editor="agenda-azur"')]
    assert "R03-11 × 2" in row


@pytest.mark.requirement("R03-11")
async def test_a_practitioner_may_be_asked_first(sender: EditorAtCore) -> None:
    asked = {"status": AppointmentStatus.PENDING, "participant_status": "needs-action"}
    assert (await sender.post(**asked)).json()["participant"][0]["status"] == "needs-action"
    assert (await sender.put()).status_code == 200
    assert await sender.carried(2) == [("CreateAppointment", "pending"), ("UpdateAppointment", "booked")]
    assert told_of(sender) == ["", ""]


@pytest.mark.requirement("R03-12")
async def test_an_operator_that_is_not_the_first_extension_is_taken_and_said_to_who_asks(sender: EditorAtCore) -> None:
    document = sender.document(category=OrientationCategory.PS)
    document["extension"].reverse()
    headers = {**JSON, "Prefer": "return=OperationOutcome"}
    answer = await sender.editor.post("/Appointment", content=orjson.dumps(document), headers=headers)
    assert answer.status_code == 201
    (issue,) = answer.json()["issue"]
    assert (issue["severity"], issue["expression"]) == ("warning", ["Appointment.extension[0]"])
    assert "R03-12" in issue["diagnostics"]
    (note,) = told_of(sender)
    assert note.startswith("R03-12 ")
    document["extension"].reverse()
    again = await sender.editor.post("/Appointment", content=orjson.dumps(document), headers=headers)
    assert [issue["severity"] for issue in again.json()["issue"]] == ["information"]


@pytest.mark.requirement("R03-9")
async def test_a_practitioner_id_of_eight_digits_is_taken_and_said(sender: EditorAtCore) -> None:
    document = sender.document()
    document["participant"][0]["actor"]["identifier"]["value"] = "81234567"
    assert (await sender.post_document(document)).status_code == 201
    (note,) = told_of(sender)
    assert note.startswith("R03-9 Appointment.participant[0].actor.identifier.value: '81234567'")


@pytest.mark.requirement("R03-13")
@pytest.mark.parametrize("end", [AppointmentStatus.BOOKED, AppointmentStatus.CANCELLED])
async def test_the_marketplace_seeks_a_doctor_who_accepts_or_cancels(
    sender: EditorAtCore, end: AppointmentStatus
) -> None:
    seeking: dict[str, Any] = {"marketplace": True, "practitioner": None, "participant_status": "needs-action"}
    assert (await sender.post(status=AppointmentStatus.PENDING, **seeking)).status_code == 201
    doctor = sender.core.appointment().practitioner if end is AppointmentStatus.BOOKED else None
    accepted = {**seeking, "practitioner": doctor, "participant_status": "accepted"}
    answer = await sender.put(status=end, **accepted)
    assert answer.status_code == 200
    assert answer.json()["meta"]["profile"] == [nos.MARKETPLACE_APPOINTMENT_PROFILE]
    first, second = [message.appointment or {} for message in await sender.sent(2)]
    assert (first["orientationCategory"], first["status"], "practitioner" in first) == ("PDM", "pending", False)
    assert (second["orientationCategory"], second["status"]) == ("PDM", end)
    assert second.get("practitioner", {}).get("rppsId") == doctor
    assert told_of(sender) == ["", ""]


@pytest.mark.requirement("R03-13")
async def test_the_marketplace_names_the_operator_at_the_creation_at_least(sender: EditorAtCore) -> None:
    seeking: dict[str, Any] = {"marketplace": True, "practitioner": None, "participant_status": "needs-action"}
    nobody = {**seeking, "operator": Identifier("", "")}
    wrong(await sender.post(status=AppointmentStatus.PENDING, **nobody), 422, "Appointment.extension")
    await sender.post(status=AppointmentStatus.PENDING, **seeking)
    changed = await sender.put(status=AppointmentStatus.CANCELLED, **{**nobody, "participant_status": "accepted"})
    assert changed.status_code == 200
    assert changed.json()["extension"] == sender.document(**seeking)["extension"]


async def test_an_sos_doctor_is_told_with_name_and_association(sender: EditorAtCore) -> None:
    sos = sender.core.population.sos["399900300000018"]
    doctor = sos.doctors[0]
    booking: dict[str, Any] = {"sos": True, "practitioner": doctor.id}
    booking["identifier"] = Identifier(sender.core.editor("garde-plus").system, "sos-2")
    assert (await sender.post(**booking)).status_code == 201
    (message,) = await sender.sent(1)
    content = message.appointment or {}
    assert content["practitioner"]["lastName"] == doctor.family
    assert content["organization"] == {"organizationId": sos.siret, "name": sos.name}


async def test_what_may_turn_the_meaning_around_and_control_characters_are_refused(sender: EditorAtCore) -> None:
    document = sender.document()
    wrong(
        await sender.post_document({**document, "modifierExtension": [{"url": "urn:x", "valueCode": "not"}]}),
        422,
        "Appointment.modifierExtension",
    )
    document["identifier"][0]["value"] = "a\x00b"
    wrong(await sender.post_document(document), 400, "Appointment.identifier[0].value")
    assert sender.core.sas.appointments.count == 0


@pytest.mark.requirement("R03-10")
async def test_versions_are_told_in_the_order_in_which_they_were_accepted(sender: EditorAtCore) -> None:
    sender.hub.gate.clear()
    await sender.post()
    times = [NOW + timedelta(days=day) for day in range(1, 6)]
    answers = [await sender.put(start=time, end=time + timedelta(minutes=5)) for time in times]
    assert [answer.headers["etag"] for answer in answers] == [f'W/"{version}"' for version in range(2, 7)]
    sender.hub.gate.set()
    starts = [(message.appointment or {})["start"][:10] for message in await sender.sent(6)]
    assert starts[1:] == [time.isoformat()[:10] for time in times]
    await asyncio.gather(*(sender.put(start=time, end=time + timedelta(minutes=5)) for time in times[:3]))
    ids = [message.distribution_id for message in await sender.sent(9)]
    assert ids == [f"{ids[0][:-1]}{version}" for version in range(1, 10)]
