"""INT_L02: the order of messages, and the answers that decide about them."""

from __future__ import annotations

import itertools
from datetime import timedelta

import orjson
import pytest

from sandbox.edxl import build, xml
from sandbox.edxl.codes import XML, HubCode
from sandbox.kernel.errors import PeerUnreachable, StoreError
from sandbox.net.amqp.deliveries import Delivery
from sandbox.net.context import Context
from sandbox.sas.orientations.l02.emitter import L02
from sandbox.sas.orientations.l02.states import DUE, TRANSITIONS, L02Message, MessageState, StateChange
from sandbox.store.protocol import Store
from tests.actors.sas.l02.messages import RECORD, address, book, changed, content, error, eventually, until
from tests.support.hub_peer import FakeHubPeer
from tests.support.two_territories import NOW, SAMU, SAS, exchanges


async def test_versions_of_one_appointment_leave_in_order(l02: L02, store: Store, hub: FakeHubPeer) -> None:
    hub.gate.clear()
    keys = [await book(l02, store, changed(version=version)) for version in (1, 2, 3)]
    await hub.messages(1)
    hub.gate.set()
    assert [message.distribution_id for message in await hub.messages(3)] == keys
    assert [found["distributionID"] for found in l02.of_appointment(RECORD.id)] == keys


async def test_what_is_not_confirmed_is_published_again_with_the_same_id(
    l02: L02, context: Context, store: Store, hub: FakeHubPeer
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


async def test_a_message_goes_from_due_to_published_to_acknowledged(l02: L02, store: Store, hub: FakeHubPeer) -> None:
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


async def test_an_acknowledgement_may_overtake_the_confirm(l02: L02, store: Store, hub: FakeHubPeer) -> None:
    hub.gate.clear()
    key = await book(l02, store)
    await hub.messages(1)
    await hub.deliver(f"{SAS}.ack", build.ack(address(), key))
    hub.gate.set()
    await eventually(store, lambda: l02.waiting == 0)
    found = l02.state(key) or {}
    assert found["state"] == "acknowledged"
    assert [event["state"] for event in found["events"]] == ["due", "acknowledged", "published"]


async def test_a_duplicate_acknowledgement_changes_nothing(l02: L02, store: Store, hub: FakeHubPeer) -> None:
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
    l02: L02, store: Store, hub: FakeHubPeer, code: HubCode, state: str
) -> None:
    key = await book(l02, store)
    await until(l02, store, key, "published")
    await hub.deliver(f"{SAS}.info", error(code, key))
    found = l02.state(key) or {}
    assert (found["state"], found["code"], found["cause"]) == (state, int(code), "why")


async def test_an_error_that_lost_the_id_is_matched_by_its_source(l02: L02, store: Store, hub: FakeHubPeer) -> None:
    key = await book(l02, store)
    await hub.messages(1)
    await hub.deliver(f"{SAS}.info", error(HubCode.UNROUTABLE_MESSAGE, "", {"distributionID": key}))
    assert (l02.state(key) or {})["code"] == 501


async def test_an_acknowledgement_that_refuses_is_a_refusal(l02: L02, store: Store, hub: FakeHubPeer) -> None:
    key = await book(l02, store)
    await hub.deliver(f"{SAS}.ack", build.ack(address(), key, refused_by=f"{SAMU}_9"))
    found = l02.state(key) or {}
    assert found["state"] == "refused"
    assert f"{SAMU}_9" in found["cause"]


async def test_a_message_reported_dead_that_was_read_after_all_is_acknowledged(
    l02: L02, store: Store, hub: FakeHubPeer
) -> None:
    key = await book(l02, store)
    await hub.deliver(f"{SAS}.info", error(HubCode.DEAD_LETTER_QUEUED, key))
    await hub.deliver(f"{SAS}.ack", build.ack(address(), key))
    found = l02.state(key) or {}
    assert found["state"] == "acknowledged"
    assert "code" not in found


async def test_answers_to_what_others_publish_under_the_platforms_id_are_known(l02: L02, hub: FakeHubPeer) -> None:
    foreign = f"{SAS}_load-1"
    assert l02.state(foreign) is None
    await hub.deliver(f"{SAS}.ack", build.ack(address(), foreign))
    found = l02.state(foreign) or {}
    assert (found["state"], found["appointmentId"]) == ("acknowledged", None)


async def test_answers_to_what_was_never_the_platforms_make_no_record(
    l02: L02, context: Context, hub: FakeHubPeer
) -> None:
    await hub.deliver(f"{SAS}.ack", build.ack(address(), "somebody.else_1"))
    assert l02.state("somebody.else_1") is None
    (exchange,) = exchanges(context)
    assert (exchange.ref, exchange.note) == ("somebody.else_1", "answers a message of another client")


UNKNOWN = "answers an unknown message: nothing was sent under this distributionID"


@pytest.mark.parametrize("unknown", [f"{SAS}_b6f1.1", f"{SAS}_{RECORD.id}.9", f"{SAS}_{RECORD.id}.1.3"])
async def test_answers_to_unknown_messages_are_journalled_as_such(
    l02: L02, context: Context, store: Store, hub: FakeHubPeer, unknown: str
) -> None:
    key = await book(l02, store)
    await until(l02, store, key, "published")
    exchanges(context)
    await hub.deliver(f"{SAS}.ack", build.ack(address("1"), unknown, step="INTEGRE"))
    await hub.deliver(f"{SAS}.ack", build.ack(address("2"), unknown))
    await hub.deliver(f"{SAS}.info", error(HubCode.CONFLICT, unknown))
    assert [(each.ref, each.status, each.note) for each in exchanges(context)] == [
        (unknown, 0, f"{UNKNOWN}: INTEGRE"),
        (unknown, 0, UNKNOWN),
        (unknown, 409, f"{UNKNOWN}: why"),
    ]
    assert (l02.state(key) or {})["state"] == "published"


async def test_an_error_that_has_no_id_is_journalled_as_one_that_names_nothing(
    l02: L02, context: Context, hub: FakeHubPeer
) -> None:
    await hub.deliver(f"{SAS}.info", error(HubCode.UNRECOGNIZED_MESSAGE_FORMAT, ""))
    (exchange,) = exchanges(context)
    assert (exchange.status, exchange.note) == (102, "names no message: why")


@pytest.mark.parametrize("queue", ["ack", "info"])
async def test_nobody_but_its_recipient_decides_about_a_message(
    l02: L02, context: Context, store: Store, hub: FakeHubPeer, queue: str
) -> None:
    key = await book(l02, store)
    await until(l02, store, key, "published")
    exchanges(context)
    other = build.Address("fr.health.samu999_1", "fr.health.samu999", SAS, NOW, NOW + timedelta(hours=1))
    refused = build.error(other, HubCode.CONFLICT, "why", source=None, referenced=key)
    await hub.deliver(f"{SAS}.{queue}", build.ack(other, key, step="INTEGRE") if queue == "ack" else refused)
    (exchange,) = exchanges(context)
    assert exchange.note.startswith("ignored, as the message was sent to somebody else: ")
    assert exchange.peer == "fr.health.samu999"
    assert (l02.state(key) or {})["state"] == "published"


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff"])
async def test_what_cannot_be_read_is_journalled_and_let_go(
    l02: L02, context: Context, hub: FakeHubPeer, body: bytes
) -> None:
    await hub.deliver(f"{SAS}.info", body)
    (exchange,) = exchanges(context)
    assert exchange.status in (102, 300)


async def test_a_report_in_the_info_queue_says_nothing_of_any_message(
    l02: L02, context: Context, hub: FakeHubPeer
) -> None:
    appointment = content().appointment
    await hub.deliver(f"{SAS}.info", build.report(address(), appointment))
    (exchange,) = exchanges(context)
    assert exchange.note == "no verdict in this appointment"


def test_the_life_of_a_message_has_every_step() -> None:
    events = [MessageState.PUBLISHED, MessageState.ACKNOWLEDGED, MessageState.REFUSED, MessageState.EXPIRED]
    assert set(TRANSITIONS) == set(itertools.product(MessageState, events))
    for event in events:
        assert TRANSITIONS[MessageState.ACKNOWLEDGED, event] is MessageState.ACKNOWLEDGED
        assert TRANSITIONS[MessageState.REFUSED, event] is MessageState.REFUSED
        once = L02Message("x", DUE).after(StateChange(event, "t"))
        assert once.after(StateChange(event, "later")) is once


@pytest.mark.requirement("L02-14")
async def test_an_acknowledgement_in_xml_is_read_as_xml(l02: L02, store: Store, hub: FakeHubPeer) -> None:
    key = await book(l02, store)
    await until(l02, store, key, "published")
    queue = f"{SAS}.ack"
    body = xml.write(orjson.loads(build.ack(address(), key, step="INTEGRE")))
    await hub.handlers[queue](Delivery(queue, body, {}, False, XML))
    assert (l02.state(key) or {})["state"] == "acknowledged"


async def test_each_acknowledgement_of_a_message_counts(l02: L02, store: Store, hub: FakeHubPeer) -> None:
    keys = [await book(l02, store, changed(version=version)) for version in (1, 2)]
    for key in keys:
        await until(l02, store, key, "published")
    documents = [orjson.loads(build.ack(address(), key)) for key in keys]
    both = {**documents[0], "content": [each["content"][0] for each in documents]}
    await hub.deliver(f"{SAS}.ack", orjson.dumps(both))
    assert [(l02.state(key) or {})["state"] for key in keys] == ["acknowledged"] * 2


async def test_answer_about_an_id_that_no_row_can_have_is_journalled_and_let_go(
    l02: L02, context: Context, hub: FakeHubPeer
) -> None:
    before = l02.statistics()["states"]
    await hub.deliver(f"{SAS}.ack", build.ack(address(), f"{SAS}_{'x' * 70_000}", step="INTEGRE"))
    await hub.deliver(f"{SAS}.info", error(HubCode.CONFLICT, f"{SAS}_{'x' * 70_000}"))
    assert l02.statistics()["states"] == before
    noted = [each for each in exchanges(context) if each.action.startswith("consume")]
    assert [len(each.ref) for each in noted] == [1000, 1000]


async def test_answers_wait_for_a_store_that_refuses_and_count_once(
    l02: L02, store: Store, hub: FakeHubPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await book(l02, store)
    await until(l02, store, key, "published")

    def full(*writes: object) -> None:
        raise StoreError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(store, "check", full)
        for _ in range(3):
            with pytest.raises(StoreError):
                await hub.deliver(f"{SAS}.ack", build.ack(address(), key, step="INTEGRE"))
    await hub.deliver(f"{SAS}.ack", build.ack(address(), key, step="INTEGRE"))
    states = l02.statistics()["states"]
    assert (states["acknowledged"], states["published"]) == (1, 0)
