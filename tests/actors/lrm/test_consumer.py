"""The LRM's side of INT_L02: it stores, then acks, then acknowledges; duplicate, invalid and out-of-order messages."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from sandbox.edxl import build
from sandbox.edxl.codes import HubCode
from sandbox.edxl.message import Message
from sandbox.kernel.errors import PeerUnreachable, StoreError
from sandbox.lrm.app import Lrm
from sandbox.lrm.console.calls import synthetic_call
from sandbox.net.context import Context
from sandbox.store.embedded.tables import open_store
from sandbox.store.protocol import Store
from tests.support.hub_peer import FakeHubPeer
from tests.support.two_territories import NOW, POPULATION, SAMU, SAS, exchanges, make_context

QUEUE = f"{SAMU}.message"
ID = "3f0c6a52-0a61-4e6e-a62c-4a1f6f3f3f01"


def appointment(**values: Any) -> dict[str, Any]:
    return {
        "appointmentId": ID,
        "method": "CreateAppointment",
        "created": "2026-11-22T10:00:00+01:00",
        "start": "2026-11-22T14:00:00+01:00",
        "status": "booked",
        "practitioner": {"rppsId": "810000000001", "lastName": "Marchal", "firstName": "Inès"},
        "regulator": {
            "regulatorName": "Dorval",
            "regulatorFirstname": "Luc",
            "regulatorEmail": "luc@example.org",
        },
        **values,
    }


def update(**values: Any) -> dict[str, Any]:
    return appointment(method="UpdateAppointment", **values)


def address(number: int) -> build.Address:
    return build.Address(f"{SAS}_{number}", SAS, SAMU, NOW, NOW + build.ERROR_LIFE)


def sent(number: int, content: dict[str, Any] | None = None) -> bytes:
    """The message number `number` of the platform."""
    return build.report(address(number), content or appointment())


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return make_context(tmp_path)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = open_store(tmp_path / "lrm")
    yield opened
    await opened.close()


@pytest.fixture
def hub() -> FakeHubPeer:
    return FakeHubPeer()


@pytest.fixture
async def lrm(context: Context, store: Store, hub: FakeHubPeer) -> AsyncIterator[Lrm]:
    made = Lrm(context, POPULATION.territories["SAS-33"], store, hub=hub)  # type: ignore[arg-type]
    await made.start()
    yield made
    await made.stop()


def codes(messages: list[Message]) -> list[int]:
    """Status codes of the errors among answers; 0 for an acknowledgement."""
    return [message.error["errorCode"]["statusCode"] if message.error else 0 for message in messages]


@pytest.mark.requirement("L02-2", "L02-4", "L02-5")
async def test_an_orientation_is_stored_and_acknowledged(lrm: Lrm, context: Context, hub: FakeHubPeer) -> None:
    await hub.deliver(QUEUE, sent(1))
    (answer,) = await hub.messages(1)
    assert (answer.kind, answer.sender, answer.recipient) == ("Ack", SAMU, SAS)
    assert answer.distribution_id.startswith(f"{SAMU}_")
    assert answer.reference == {"distributionID": f"{SAS}_1", "step": "INTEGRE"}
    orientation = lrm.ledger.orientations.get(ID)
    assert orientation is not None
    assert orientation.appointment == appointment()
    assert [found.appointment_id for found in lrm.ledger.orientations.unattached(10)] == [ID]
    journalled = {(found.actor, found.flow, found.direction, found.ref) for found in exchanges(context)}
    assert (f"lrm:{SAMU}", "INT_L02", "in", f"{SAS}_1") in journalled
    assert (f"lrm:{SAMU}", "INT_L02", "out", f"{SAS}_1") in journalled


@pytest.mark.requirement("L02-3")
async def test_it_is_on_disk_before_the_delivery_is_acked_and_acknowledged_only_then(
    lrm: Lrm, store: Store, hub: FakeHubPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    committed: list[Any] = []
    commit = store.commit

    def slow(*writes: Any) -> Any:
        committed.append(commit(*writes))
        return disk

    monkeypatch.setattr(store, "commit", slow)
    delivery = asyncio.create_task(hub.deliver(QUEUE, sent(1)))
    done, _ = await asyncio.wait([delivery], timeout=0.05)
    assert not done
    assert hub.published == []
    disk.set_result(None)
    await delivery
    assert hub.published == []
    await hub.messages(1)


async def test_the_orientation_and_its_acknowledgement_are_one_write(
    lrm: Lrm, store: Store, hub: FakeHubPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables: list[set[str]] = []
    commit = store.commit

    def watched(*writes: Any) -> Any:
        tables.append({write.table for write in writes})
        return commit(*writes)

    monkeypatch.setattr(store, "commit", watched)
    await hub.deliver(QUEUE, sent(1))
    assert {"orientations", "answers"} <= tables[0]


@pytest.mark.requirement("L02-6")
async def test_a_redelivery_is_acknowledged_again_and_changes_nothing(lrm: Lrm, hub: FakeHubPeer) -> None:
    await hub.deliver(QUEUE, sent(1))
    before = lrm.ledger.orientations.get(ID)
    await hub.deliver(QUEUE, sent(1))
    answers = await hub.messages(2)
    assert codes(answers) == [0, 0]
    assert answers[0].distribution_id != answers[1].distribution_id
    assert lrm.ledger.orientations.get(ID) == before


@pytest.mark.requirement("L02-7")
async def test_a_second_creation_of_the_same_appointment_is_a_conflict(lrm: Lrm, hub: FakeHubPeer) -> None:
    await hub.deliver(QUEUE, sent(1))
    await hub.deliver(QUEUE, sent(2, appointment(status="pending")))
    answer = (await hub.messages(2))[1]
    assert answer.error is not None
    assert answer.error["errorCode"] == {"statusCode": 409, "statusString": "CONFLICT"}
    assert answer.error["referencedDistributionID"] == f"{SAS}_2"
    assert answer.error["sourceMessage"]["distributionID"] == f"{SAS}_2"
    assert (answer.recipient, answer.kind) == (SAS, "Error")
    orientation = lrm.ledger.orientations.get(ID)
    assert orientation is not None
    assert orientation.appointment["status"] == "booked"
    assert "409 CONFLICT" in lrm.ledger.history.notices()[0].text


async def test_a_conflict_stays_one_when_it_is_delivered_again(lrm: Lrm, hub: FakeHubPeer) -> None:
    for body in (sent(1), sent(2), sent(2)):
        await hub.deliver(QUEUE, body)
    assert sorted(codes(await hub.messages(3))) == [0, 409, 409]


@pytest.mark.requirement("L02-9")
async def test_an_update_carries_the_whole_appointment(lrm: Lrm, hub: FakeHubPeer) -> None:
    await hub.deliver(QUEUE, sent(1))
    await hub.deliver(QUEUE, sent(2, update(status="cancelled")))
    assert codes(await hub.messages(2)) == [0, 0]
    orientation = lrm.ledger.orientations.get(ID)
    assert orientation is not None
    assert orientation.appointment["status"] == "cancelled"
    assert [change.distribution_id for change in orientation.history] == [f"{SAS}_1", f"{SAS}_2"]


@pytest.mark.requirement("L02-8")
async def test_an_update_of_an_unknown_appointment_creates_it(lrm: Lrm, hub: FakeHubPeer) -> None:
    await hub.deliver(QUEUE, sent(2, update(status="noshow")))
    assert codes(await hub.messages(1)) == [0]
    (orientation,) = lrm.ledger.orientations.unattached(10)
    assert orientation.appointment["status"] == "noshow"
    assert orientation.history[0].note


async def test_an_update_of_an_attached_orientation_is_written_into_the_case_file(
    lrm: Lrm, store: Store, hub: FakeHubPeer
) -> None:
    await hub.deliver(QUEUE, sent(1))
    call = synthetic_call(7, SAMU, 1, [*POPULATION.towns.values()])
    opened, write = lrm.ledger.case_files.open(1, call, NOW)
    await store.commit(write)
    await store.commit(*lrm.ledger.attach(ID, opened.number, NOW))
    await hub.deliver(QUEUE, sent(2, update(status="noshow")))
    case_file = lrm.ledger.case_files.get(opened.number)
    assert case_file is not None
    assert [entry.text for entry in case_file.history] == [
        "Dossier ouvert",
        "Orientation rattachée : réservé, le 22/11/2026 à 14:00, Inès Marchal",
        "Rendez-vous mis à jour par la plateforme : non honoré, le 22/11/2026 à 14:00, Inès Marchal",
    ]
    assert lrm.ledger.orientations.unattached(10) == []


# ---- what is wrong


@pytest.mark.requirement("L02-10")
async def test_content_against_the_model_is_refused_with_its_cause(lrm: Lrm, hub: FakeHubPeer) -> None:
    await hub.deliver(QUEUE, sent(1, appointment(status="gone")))
    (answer,) = await hub.messages(1)
    assert codes([answer]) == [300]
    assert answer.error is not None
    assert " - appointment.status: " in answer.error["errorCause"]
    assert answer.recipient == SAS
    assert lrm.ledger.orientations.get(ID) is None


async def test_octets_that_are_no_json_are_refused_to_whom_the_hub_names(lrm: Lrm, hub: FakeHubPeer) -> None:
    await hub.deliver(QUEUE, b"\xff", **{"x-death-original-routing-key": SAS})
    (answer,) = await hub.messages(1)
    assert (codes([answer]), answer.recipient) == ([102], SAS)


async def test_a_message_of_nobody_is_only_shown(lrm: Lrm, hub: FakeHubPeer) -> None:
    await hub.deliver(QUEUE, b"{}")
    await hub.deliver(QUEUE, sent(1))
    assert codes(await hub.messages(1)) == [0], "no error went to nobody"
    assert [notice.kind for notice in lrm.ledger.history.notices()] == ["invalide"]


async def test_an_acknowledgement_in_the_message_queue_is_refused(lrm: Lrm, hub: FakeHubPeer) -> None:
    await hub.deliver(QUEUE, build.ack(address(1), f"{SAMU}_1"))
    assert codes(await hub.messages(1)) == [300]


@pytest.mark.requirement("L02-2")
async def test_ack_and_info_are_shown_and_never_answered(lrm: Lrm, hub: FakeHubPeer) -> None:
    at = build.error_address("fr.health.hub", "1", SAMU, NOW)
    report = build.error(at, HubCode.DEAD_LETTER_QUEUED, "why", source=None, referenced=f"{SAMU}_1")
    await hub.deliver(f"{SAMU}.info", report)
    await hub.deliver(f"{SAMU}.ack", build.ack(address(2), f"{SAMU}_1"))
    await hub.deliver(f"{SAMU}.info", sent(3))
    await hub.deliver(f"{SAMU}.info", b"?")
    texts = [notice.text for notice in reversed(lrm.ledger.history.notices())]
    assert texts[:2] == ["500 DEAD_LETTER_QUEUED : why", f"acquittement de {SAMU}_1"]
    assert len(texts) == 4
    assert lrm.consumer.answers.waiting == 0


async def test_notices_are_bounded_and_keep_the_newest(
    lrm: Lrm, context: Context, store: Store, hub: FakeHubPeer
) -> None:
    for number in range(205):
        await hub.deliver(f"{SAMU}.ack", build.ack(address(number), f"{SAMU}_{number}"))
    assert store.count("notices") == 200
    assert lrm.ledger.history.notices()[0].ref == f"{SAMU}_204"


# ---- what survives


async def test_an_answer_that_could_not_leave_leaves_after_a_restart(context: Context, tmp_path: Path) -> None:
    territory = POPULATION.territories["SAS-33"]
    store, hub = open_store(tmp_path / "x"), FakeHubPeer()
    hub.failures = [PeerUnreachable("hub", "gone")] * 50
    lrm = Lrm(context, territory, store, hub=hub)  # type: ignore[arg-type]
    await lrm.start()
    await hub.deliver(QUEUE, sent(1))
    await hub.begun.wait()
    await lrm.stop()
    store, hub = open_store(tmp_path / "x"), FakeHubPeer()
    lrm = Lrm(context, territory, store, hub=hub)  # type: ignore[arg-type]
    await lrm.start()
    (answer,) = await hub.messages(1)
    assert answer.reference is not None
    assert answer.reference["distributionID"] == f"{SAS}_1"
    assert [found.appointment_id for found in lrm.ledger.orientations.unattached(10)] == [ID]
    await hub.deliver(QUEUE, sent(1))
    assert lrm.ledger.counts() == {"orientations": 1, "unattached": 1, "caseFiles": 0}
    await lrm.stop()


async def test_many_orientations_with_redeliveries_are_each_there_once(lrm: Lrm, hub: FakeHubPeer) -> None:
    bodies = [sent(number, appointment(appointmentId=f"id-{number}")) for number in range(60)]
    for body in itertools.chain(bodies, bodies[::3]):
        await hub.deliver(QUEUE, body)
    answers = await hub.messages(80)
    assert {orjson.loads(body)["distributionID"] for body in bodies} == {
        answer.reference["distributionID"] for answer in answers if answer.reference
    }
    assert lrm.ledger.counts()["orientations"] == 60
    assert all(len(found.history) == 1 for found in lrm.ledger.orientations.all())


def test_the_same_call_is_made_again_from_the_same_seed() -> None:
    towns = [*POPULATION.towns.values()]
    first = synthetic_call(7, SAMU, 1, towns)
    assert first == synthetic_call(7, SAMU, 1, towns)
    assert first != synthetic_call(7, SAMU, 2, towns)
    assert first.city == "Bordeaux"
    assert first.phone.startswith("+3363998")
    assert len(first.phone) == 12


# -- messages that cannot be stored, and stores that refuse


async def test_message_that_no_row_can_hold_is_refused_once_with_its_reason(
    lrm: Lrm, context: Context, hub: FakeHubPeer, caplog: pytest.LogCaptureFixture
) -> None:
    """An id that the model allows and the store does not: otherwise the message would be delivered again for ever."""
    await hub.deliver(QUEUE, sent(1, appointment(appointmentId="x" * 70_000)))  # returns: the delivery is acked
    await hub.deliver(QUEUE, sent(2))
    refusal, answer = await hub.messages(2)
    assert refusal.error is not None
    assert refusal.error["errorCode"] == {"statusCode": 700, "statusString": "INTERNAL_CLIENT_ERROR"}
    assert refusal.error["errorCause"] == "The LRM failed on this message (ValueError)"
    assert refusal.error["referencedDistributionID"] == f"{SAS}_1"
    assert answer.kind == "Ack"
    assert [notice.kind for notice in lrm.ledger.history.notices()] == ["invalide"]
    assert lrm.ledger.counts() == {"orientations": 1, "unattached": 1, "caseFiles": 0}
    assert lrm.ledger.orientations.of_day(NOW.date()).total() == 1
    assert [each.status for each in exchanges(context) if each.direction == "in" and each.status] == [700]
    assert len([record for record in caplog.records if record.exc_info]) == 1


async def test_message_whose_sender_cannot_be_told_is_a_notice(
    lrm: Lrm, hub: FakeHubPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> Message:
        raise RuntimeError("a defect")

    monkeypatch.setattr("sandbox.lrm.messages.handler.read", broken)
    await hub.deliver(QUEUE, b"\xff")
    assert [notice.text for notice in lrm.ledger.history.notices()] == ["The LRM failed on this message (RuntimeError)"]
    assert hub.published == []


async def test_store_that_refuses_leaves_no_trace_and_the_message_with_the_hub(
    lrm: Lrm, store: Store, hub: FakeHubPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*writes: Any) -> None:
        raise StoreError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(store, "check", full)
        patch.setattr(store, "commit", full)
        for body in (sent(1), b"unreadable"):
            with pytest.raises(StoreError):
                await hub.deliver(QUEUE, body)
        with pytest.raises(StoreError):
            await hub.deliver(f"{SAMU}.info", sent(1))
    assert lrm.ledger.counts()["unattached"] == 0
    assert lrm.ledger.history.notices() == []
    await hub.deliver(QUEUE, sent(1))
    assert codes(await hub.messages(1)) == [0]
