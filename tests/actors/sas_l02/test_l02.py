"""The SAS core's side of INT_L02: what is sent, what becomes of it, what survives."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sandbox.edxl import build
from sandbox.edxl.codes import HubCode
from sandbox.kernel.errors import PeerUnreachable, RequestError
from sandbox.kernel.flows import AppointmentStatus, OrientationCategory
from sandbox.kernel.identifiers import Identifier
from sandbox.kernel.model import Regulator
from sandbox.kernel.world import ClockSetting
from sandbox.net.context import Context
from sandbox.sas import l02_ledger as module
from sandbox.sas.l02 import L02
from sandbox.sas.l02_content import Content, content_of
from sandbox.sas.l02_life import DUE, TRANSITIONS, Event, State, Tracked
from sandbox.sas.records import AppointmentRecord
from sandbox.store.protocol import Store
from sandbox.store.tables import open_store
from tests.actors.sas_l02.hub_peer import (
    ANA,
    CPTS,
    DOCTOR,
    LUC,
    NOW,
    OLD_DOCTOR,
    POPULATION,
    SAMU,
    SAS,
    SOS,
    UNTITLED,
    HubPeer,
    exchanges,
    make_context,
)

RECORD = AppointmentRecord(
    id="3f0c6a52-0a61-4e6e-a62c-4a1f6f3f3f01",
    version=1,
    editor="agenda-azur",
    sender=Identifier("urn:oid:1.2.250.1.999.1", "a1"),
    regulator=LUC.identifier,
    status=AppointmentStatus.BOOKED,
    start=NOW + timedelta(hours=4),
    end=NOW + timedelta(hours=4, minutes=15),
    created=NOW,
    category=OrientationCategory.PS,
    received=NOW,
    practitioner=DOCTOR.id,
)


def person(identifier: Identifier) -> Regulator | None:
    return POPULATION.regulator(identifier.key)


def content(record: AppointmentRecord = RECORD, *, creates: bool = True) -> Content:
    regulator = person(record.regulator)
    assert regulator is not None
    return content_of(record, regulator, POPULATION, creates=creates)


def changed(**values: Any) -> AppointmentRecord:
    return msgspec.structs.replace(RECORD, **values)


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return make_context(tmp_path)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = open_store(tmp_path / "sas")
    yield opened
    await opened.close()


@pytest.fixture
def hub() -> HubPeer:
    return HubPeer()


@pytest.fixture
async def l02(context: Context, store: Store, hub: HubPeer) -> AsyncIterator[L02]:
    made = L02(context, store, person, hub=hub)  # type: ignore[arg-type]
    await made.start()
    yield made
    await made.stop()


async def book(l02: L02, store: Store, record: AppointmentRecord = RECORD) -> str:
    """Make a version's message due as the appointments do; gives its distributionID."""
    writes = l02.due(record)
    await store.commit(*writes)
    l02.wake()
    return str(l02.of_appointment(record.id)[-1]["distributionID"])


async def eventually(store: Store, condition: Callable[[], bool]) -> None:
    """Let the outbox work until `condition` holds."""
    async with asyncio.timeout(5):
        while not condition():
            await store.barrier()
            await asyncio.sleep(0)


async def until(l02: L02, store: Store, key: str, state: str) -> None:
    await eventually(store, lambda: (l02.state(key) or {}).get("state") == state)


def address(identifier: str = "1") -> build.Address:
    return build.Address(f"{SAMU}_{identifier}", SAMU, SAS, NOW, NOW + timedelta(hours=1))


def error(code: HubCode, referenced: str, source: object = None) -> bytes:
    return build.error(
        build.error_address("fr.health.hub", "1", SAS, NOW), code, "why", source=source, referenced=referenced
    )


# ---- what is sent


async def test_a_booking_becomes_one_creation_for_the_samu_of_the_regulators_territory(
    l02: L02, store: Store, hub: HubPeer
) -> None:
    key = await book(l02, store)
    (message,) = await hub.messages(1)
    assert (message.distribution_id, message.sender, message.recipient) == (key, SAS, SAMU)
    assert message.expires - message.sent == timedelta(days=1)
    assert message.appointment == {
        "appointmentId": RECORD.id,
        "method": "CreateAppointment",
        "created": "2026-11-22T10:00:00+01:00",
        "start": "2026-11-22T14:00:00+01:00",
        "end": "2026-11-22T14:15:00+01:00",
        "status": "booked",
        "orientationCategory": "PS",
        "practitioner": {
            "rppsId": DOCTOR.id,
            "lastName": "Marchal",
            "firstName": "Inès",
            "specialityCode": "SM54",
            "specialityUrl": "https://mos.esante.gouv.fr/NOS/TRE_R38-SpecialiteOrdinale/FHIR/TRE-R38-SpecialiteOrdinale",
            "professionCode": "10",
            "professionUrl": "https://mos.esante.gouv.fr/NOS/TRE_G15-ProfessionSante/FHIR/TRE-G15-ProfessionSante",
        },
        "regulator": {
            "regulatorId": "3330000001/42",
            "regulatorName": "Dorval",
            "regulatorFirstname": "Luc",
            "regulatorEmail": "luc@example.org",
        },
    }


def test_a_later_version_is_an_update_that_carries_everything() -> None:
    carried = content(changed(version=2, status=AppointmentStatus.CANCELLED), creates=False).appointment
    assert (carried["method"], carried["status"]) == ("UpdateAppointment", "cancelled")
    assert carried.keys() == content().appointment.keys()


def test_the_technical_id_of_a_regulator_never_travels() -> None:
    carried = content(changed(regulator=ANA.identifier))
    assert "regulatorId" not in carried.appointment["regulator"]
    assert carried.recipient == "fr.health.samu350"


def test_a_specialty_without_code_is_left_out() -> None:
    practitioner = content(changed(practitioner=UNTITLED.id)).appointment["practitioner"]
    assert practitioner.keys() == {"rppsId", "lastName", "firstName", "professionCode", "professionUrl"}


@pytest.mark.parametrize("practitioner", [OLD_DOCTOR.id, "810000000099"])
async def test_a_practitioner_whom_the_model_does_not_admit_is_left_out_and_journalled(
    l02: L02, context: Context, store: Store, hub: HubPeer, practitioner: str
) -> None:
    key = await book(l02, store, changed(practitioner=practitioner))
    (message,) = await hub.messages(1)
    assert message.appointment is not None
    assert "practitioner" not in message.appointment
    notes = [exchange.note for exchange in exchanges(context) if exchange.ref == key]
    assert any(f"practitioner {practitioner} left out" in note for note in notes)


@pytest.mark.parametrize(("identifier", "name"), [(CPTS.finess, CPTS.name), (SOS.siret, SOS.name)])
def test_a_structure_with_a_name_is_carried(identifier: str, name: str) -> None:
    carried = content(changed(organization=identifier, practitioner=None))
    assert carried.appointment["organization"] == {"organizationId": identifier, "name": name}
    assert carried.omitted == ()


def test_a_structure_without_a_name_is_left_out_and_said() -> None:
    carried = content(changed(organization="1999999999"))
    assert "organization" not in carried.appointment
    assert carried.omitted == ("organization 1999999999 left out: its name is not known",)


def test_an_unknown_regulator_has_no_territory_to_tell(l02: L02) -> None:
    with pytest.raises(RequestError):
        l02.due(changed(regulator=Identifier("urn:x", "nobody")))
    with pytest.raises(RequestError):
        content(changed(territory="SAS-99"))


def test_changes_go_where_the_creation_went_when_the_regulator_has_moved() -> None:
    assert content(changed(territory="SAS-35")).recipient == "fr.health.samu350"


def test_dates_keep_their_own_offset_and_lose_decimals() -> None:
    start = datetime(2026, 7, 1, 12, 0, 0, 5, tzinfo=UTC)
    carried = content(changed(start=start)).appointment
    assert carried["start"] == "2026-07-01T12:00:00+00:00"


async def test_versions_of_one_appointment_leave_in_order(l02: L02, store: Store, hub: HubPeer) -> None:
    hub.gate.clear()
    keys = [await book(l02, store, changed(version=version)) for version in (1, 2, 3)]
    await hub.messages(1)
    hub.gate.set()
    assert [message.distribution_id for message in await hub.messages(3)] == keys
    assert [found["distributionID"] for found in l02.of_appointment(RECORD.id)] == keys


async def test_what_is_not_confirmed_is_published_again_with_the_same_id(
    l02: L02, context: Context, store: Store, hub: HubPeer
) -> None:
    hub.failures.append(PeerUnreachable("hub", "connection refused"))
    key = await book(l02, store)
    await hub.begun.wait()
    assert (l02.state(key) or {})["state"] == "due"
    (message,) = await hub.messages(1)
    assert message.distribution_id == key
    await until(l02, store, key, "published")
    published = [exchange for exchange in exchanges(context) if exchange.action == "publish hubsante"]
    assert [exchange.note for exchange in published] == ["not confirmed: connection refused", ""]
    assert {(exchange.actor, exchange.flow, exchange.ref) for exchange in published} == {("sas", "INT_L02", key)}


# ---- what becomes of it


async def test_a_message_goes_from_due_to_published_to_acknowledged(l02: L02, store: Store, hub: HubPeer) -> None:
    key = await book(l02, store)
    await until(l02, store, key, "published")
    await hub.deliver(f"{SAS}.ack", build.ack(address(), key, step="INTEGRE"))
    at = NOW.isoformat(timespec="milliseconds")
    assert l02.state(key) == {
        "distributionID": key,
        "appointmentId": RECORD.id,
        "state": "acknowledged",
        "events": [
            {"state": "due", "at": at},
            {"state": "published", "at": at},
            {"state": "acknowledged", "at": at, "step": "INTEGRE"},
        ],
    }


async def test_an_acknowledgement_may_overtake_the_confirm(l02: L02, store: Store, hub: HubPeer) -> None:
    hub.gate.clear()
    key = await book(l02, store)
    await hub.messages(1)
    await hub.deliver(f"{SAS}.ack", build.ack(address(), key))
    hub.gate.set()
    await eventually(store, lambda: l02.waiting == 0)
    found = l02.state(key) or {}
    assert found["state"] == "acknowledged"
    assert [event["state"] for event in found["events"]] == ["due", "acknowledged", "published"]


async def test_a_duplicate_acknowledgement_changes_nothing(l02: L02, store: Store, hub: HubPeer) -> None:
    key = await book(l02, store)
    await until(l02, store, key, "published")
    await hub.deliver(f"{SAS}.ack", build.ack(address("1"), key))
    before = l02.state(key)
    await hub.deliver(f"{SAS}.ack", build.ack(address("2"), key))
    assert l02.state(key) == before


@pytest.mark.parametrize(
    ("code", "state"),
    [
        (HubCode.CONFLICT, "refused"),
        (HubCode.UNROUTABLE_MESSAGE, "refused"),
        (HubCode.INVALID_MESSAGE, "refused"),
        (HubCode.EXPIRED_MESSAGE_BEFORE_ROUTING, "expired"),
        (HubCode.DEAD_LETTER_QUEUED, "expired"),
    ],
)
async def test_an_error_ends_the_message_with_its_code_and_cause(
    l02: L02, store: Store, hub: HubPeer, code: HubCode, state: str
) -> None:
    key = await book(l02, store)
    await until(l02, store, key, "published")
    await hub.deliver(f"{SAS}.info", error(code, key))
    found = l02.state(key) or {}
    assert (found["state"], found["code"], found["cause"]) == (state, int(code), "why")


async def test_an_error_that_lost_the_id_is_matched_by_its_source(l02: L02, store: Store, hub: HubPeer) -> None:
    key = await book(l02, store)
    await hub.messages(1)
    await hub.deliver(f"{SAS}.info", error(HubCode.UNROUTABLE_MESSAGE, "", {"distributionID": key}))
    assert (l02.state(key) or {})["code"] == 501


async def test_an_acknowledgement_that_refuses_is_a_refusal(l02: L02, store: Store, hub: HubPeer) -> None:
    key = await book(l02, store)
    await hub.deliver(f"{SAS}.ack", build.ack(address(), key, refused_by=f"{SAMU}_9"))
    found = l02.state(key) or {}
    assert found["state"] == "refused"
    assert f"{SAMU}_9" in found["cause"]


async def test_a_message_reported_dead_that_was_read_after_all_is_acknowledged(
    l02: L02, store: Store, hub: HubPeer
) -> None:
    key = await book(l02, store)
    await hub.deliver(f"{SAS}.info", error(HubCode.DEAD_LETTER_QUEUED, key))
    await hub.deliver(f"{SAS}.ack", build.ack(address(), key))
    found = l02.state(key) or {}
    assert found["state"] == "acknowledged"
    assert "code" not in found


async def test_answers_to_what_others_publish_under_the_platforms_id_are_known(l02: L02, hub: HubPeer) -> None:
    foreign = f"{SAS}_load-1"
    assert l02.state(foreign) is None
    await hub.deliver(f"{SAS}.ack", build.ack(address(), foreign))
    found = l02.state(foreign) or {}
    assert (found["state"], found["appointmentId"]) == ("acknowledged", None)


async def test_answers_to_what_was_never_the_platforms_make_no_record(l02: L02, context: Context, hub: HubPeer) -> None:
    await hub.deliver(f"{SAS}.ack", build.ack(address(), "somebody.else_1"))
    assert l02.state("somebody.else_1") is None
    assert [exchange.ref for exchange in exchanges(context)] == ["somebody.else_1"]


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff"])
async def test_what_cannot_be_read_is_journalled_and_let_go(
    l02: L02, context: Context, hub: HubPeer, body: bytes
) -> None:
    await hub.deliver(f"{SAS}.info", body)
    (exchange,) = exchanges(context)
    assert exchange.status in (102, 300)


async def test_a_report_in_the_info_queue_says_nothing_of_any_message(l02: L02, context: Context, hub: HubPeer) -> None:
    appointment = content().appointment
    await hub.deliver(f"{SAS}.info", build.report(address(), appointment))
    (exchange,) = exchanges(context)
    assert exchange.note == "no verdict in this appointment"


def test_the_life_of_a_message_has_every_step() -> None:
    events = [State.PUBLISHED, State.ACKNOWLEDGED, State.REFUSED, State.EXPIRED]
    assert set(TRANSITIONS) == set(itertools.product(State, events))
    for event in events:
        assert TRANSITIONS[State.ACKNOWLEDGED, event] is State.ACKNOWLEDGED
        assert TRANSITIONS[State.REFUSED, event] is State.REFUSED
        once = Tracked("x", DUE).after(Event(event, "t"))
        assert once.after(Event(event, "later")) is once


# ---- what survives


async def test_state_and_outbox_survive_a_restart(context: Context, tmp_path: Path) -> None:
    store = open_store(tmp_path / "again")
    key = await book(L02(context, store, person, hub=HubPeer()), store)  # type: ignore[arg-type]
    await store.close()
    store, hub = open_store(tmp_path / "again"), HubPeer()
    l02 = L02(context, store, person, hub=hub)  # type: ignore[arg-type]
    assert [found["state"] for found in l02.of_appointment(RECORD.id)] == ["due"]
    await l02.start()
    assert [message.distribution_id for message in await hub.messages(1)] == [key]
    await until(l02, store, key, "published")
    await l02.stop()
    await store.close()


async def test_a_verdict_is_on_disk_before_the_delivery_is_acked(
    l02: L02, store: Store, hub: HubPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await book(l02, store)
    await until(l02, store, key, "published")
    pending: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    monkeypatch.setattr(store, "commit", lambda *writes: pending)
    delivery = asyncio.create_task(hub.deliver(f"{SAS}.ack", build.ack(address(), key)))
    done, _ = await asyncio.wait([delivery], timeout=0.05)
    assert not done
    pending.set_result(None)
    await delivery


async def test_memory_is_bounded_by_forgetting_the_oldest_finished_messages(
    context: Context, store: Store, hub: HubPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 3)
    l02 = L02(context, store, person, hub=hub)  # type: ignore[arg-type]
    await l02.start()
    first = await book(l02, store)
    await until(l02, store, first, "published")
    others = [f"{SAS}_{number}" for number in range(4)]
    for other in others:
        await hub.deliver(f"{SAS}.ack", build.ack(address(), other))
    kept = [key for key in (first, *others) if l02.state(key) is not None]
    assert first in kept, "an unfinished message is never forgotten"
    assert others[-1] in kept
    assert len(kept) <= 4
    await hub.deliver(f"{SAS}.ack", build.ack(address(), first))
    for number in range(4, 8):
        await hub.deliver(f"{SAS}.ack", build.ack(address(), f"{SAS}_{number}"))
    assert l02.state(first) is None
    assert l02.of_appointment(RECORD.id) == []
    await l02.stop()


async def test_a_message_that_was_never_committed_is_forgotten_too(
    context: Context, store: Store, hub: HubPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 1)
    l02 = L02(context, store, person, hub=hub)  # type: ignore[arg-type]
    l02.due(RECORD)
    key = await book(l02, store, changed(version=2))
    assert [found["distributionID"] for found in l02.of_appointment(RECORD.id)] == [key]


async def test_a_code_beyond_reason_is_kept_as_none(l02: L02, store: Store, hub: HubPeer) -> None:
    key = await book(l02, store)
    body = error(HubCode.CONFLICT, key).replace(b'"statusCode":409', b'"statusCode":1e300')
    await hub.deliver(f"{SAS}.info", body)
    assert (l02.state(key) or {})["code"] == 0
    assert l02.connected


# ---- sent again, by hand


async def fail(l02: L02, hub: HubPeer, store: Store, key: str, code: HubCode) -> None:
    await until(l02, store, key, "published")
    await hub.deliver(f"{SAS}.info", error(code, key))


async def send_again(l02: L02, store: Store, key: str, record: AppointmentRecord = RECORD) -> str:
    writes = l02.again(key, record)
    await store.commit(*writes)
    l02.wake()
    return str(l02.of_appointment(record.id)[-1]["distributionID"])


@pytest.mark.parametrize(
    ("code", "method"),
    [
        (HubCode.CONFLICT, "UpdateAppointment"),
        (HubCode.UNROUTABLE_MESSAGE, "CreateAppointment"),
        (HubCode.DEAD_LETTER_QUEUED, "CreateAppointment"),
    ],
)
async def test_what_failed_goes_again_as_a_new_message_of_the_same_version(
    l02: L02, store: Store, hub: HubPeer, code: HubCode, method: str
) -> None:
    key = await book(l02, store)
    await fail(l02, hub, store, key, code)
    assert [trouble["again"] for trouble in l02.troubles()] == [True]
    second = await send_again(l02, store, key)
    assert second == f"{key}.1"
    _, message = await hub.messages(2)
    assert message.distribution_id == second
    assert (message.appointment or {})["method"] == method
    await fail(l02, hub, store, second, HubCode.UNROUTABLE_MESSAGE)
    third = await send_again(l02, store, second)
    await hub.deliver(f"{SAS}.ack", build.ack(address(), third))
    states = [found["state"] for found in l02.of_appointment(RECORD.id)]
    assert states[1:] == ["refused", "acknowledged"]
    assert [trouble["again"] for trouble in l02.troubles()] == [False, False]


async def test_an_update_goes_again_as_an_update(l02: L02, store: Store, hub: HubPeer) -> None:
    await book(l02, store)
    later = changed(version=2)
    key = await book(l02, store, later)
    await fail(l02, hub, store, key, HubCode.UNROUTABLE_MESSAGE)
    await send_again(l02, store, key, later)
    message = (await hub.messages(3))[-1]
    assert (message.appointment or {})["method"] == "UpdateAppointment"


@pytest.mark.parametrize("state", ["published", "acknowledged", "superseded", "unknown"])
async def test_what_is_under_way_done_or_superseded_does_not_go_again(
    l02: L02, store: Store, hub: HubPeer, state: str
) -> None:
    key = await book(l02, store)
    await until(l02, store, key, "published")
    if state == "acknowledged":
        await hub.deliver(f"{SAS}.ack", build.ack(address(), key))
    elif state == "superseded":
        await hub.deliver(f"{SAS}.info", error(HubCode.CONFLICT, key))
        await book(l02, store, changed(version=2))
    with pytest.raises(RequestError) as denied:
        l02.again("nothing" if state == "unknown" else key, RECORD)
    assert denied.value.status == 409


# ---- how they fare


async def test_a_message_that_nobody_answers_expires(l02: L02, context: Context, store: Store, hub: HubPeer) -> None:
    key = await book(l02, store)
    await until(l02, store, key, "published")
    await l02.sweep()
    assert (l02.state(key) or {})["state"] == "published"
    context.clock.setting = ClockSetting(frozen=(NOW + timedelta(days=1, minutes=2)).timestamp())
    await l02.sweep()
    found = l02.state(key) or {}
    assert (found["state"], found["cause"]) == ("expired", "no acknowledgement came before the message expired")
    await hub.deliver(f"{SAS}.ack", build.ack(address(), key))
    assert (l02.state(key) or {})["state"] == "acknowledged"


async def test_what_the_hub_has_not_taken_is_left_to_the_outbox(
    l02: L02, context: Context, store: Store, hub: HubPeer
) -> None:
    hub.gate.clear()
    key = await book(l02, store)
    l02.due(changed(id="never committed"))
    context.clock.setting = ClockSetting(frozen=(NOW + timedelta(days=2)).timestamp())
    await l02.sweep()
    assert (l02.state(key) or {})["state"] == "due"
    assert l02.statistics()["states"]["due"] == 1
    hub.gate.set()


async def test_numbers_tell_states_ages_rates_and_causes(
    l02: L02, context: Context, store: Store, hub: HubPeer
) -> None:
    keys = [await book(l02, store, changed(id=f"appointment-{number}")) for number in range(4)]
    for key in keys:
        await until(l02, store, key, "published")
    context.clock.setting = ClockSetting(frozen=(NOW + timedelta(seconds=30)).timestamp())
    await hub.deliver(f"{SAS}.ack", build.ack(address(), keys[0]))
    await hub.deliver(f"{SAS}.info", error(HubCode.CONFLICT, keys[1]))
    await hub.deliver(f"{SAS}.info", error(HubCode.CONFLICT, keys[2]))
    expected = {
        "states": {"due": 0, "published": 1, "acknowledged": 1, "refused": 2, "expired": 0},
        "open": 1,
        "oldest": 30.0,
        "lastHour": {"acknowledged": 1, "refused": 2, "expired": 0},
        "seconds": {"median": 30.0, "p95": 30.0},
        "causes": [{"code": 409, "state": "refused", "count": 2, "cause": "why"}],
        "waiting": 0,
        "connected": True,
    }
    await eventually(store, lambda: l02.waiting == 0)
    assert l02.statistics() == expected
    again = L02(context, store, person, hub=hub)  # type: ignore[arg-type]
    assert {**again.statistics(), "waiting": 0} == expected
    context.clock.setting = ClockSetting(frozen=(NOW + timedelta(hours=2)).timestamp())
    assert l02.statistics()["lastHour"] == {"acknowledged": 0, "refused": 0, "expired": 0}


async def test_the_messages_of_one_appointment_are_bounded(
    l02: L02, store: Store, hub: HubPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_OF_ONE", 2)
    for version in (1, 2, 3):
        key = await book(l02, store, changed(version=version))
        await until(l02, store, key, "published")
        await hub.deliver(f"{SAS}.ack", build.ack(address(), key))
    assert [found["distributionID"][-2:] for found in l02.of_appointment(RECORD.id)] == [".2", ".3"]
    assert l02.statistics()["states"]["acknowledged"] == 2
