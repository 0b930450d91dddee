"""From `dispatch` to the clients' queues: one message, one Exchange, never lost, never twice."""

from __future__ import annotations

import asyncio

import pytest

from sandbox.amqp.broker.message import Message
from sandbox.amqp.broker.records import replay
from sandbox.amqp.encoding import properties as props
from sandbox.edxl.message import read
from sandbox.hub.dispatching import judge as judge_module
from sandbox.hub.dispatching.dispatcher import Dispatched, Publication
from sandbox.hub.embedded import queue_dispatcher as module

PLATFORM, SAMU = "fr.health.test.ptfsas", "fr.health.samu330"


@pytest.fixture
def seen(monkeypatch):
    """A dispatcher that sends everything to the SAMU, and what it saw."""
    arrivals = []

    def dispatch(arrival, context, *, exists, message_ttl_s, strict):
        arrivals.append(arrival)
        assert exists(f"{SAMU}.message")
        assert not exists("dispatch")
        if arrival.queue == "dispatch.dlq":
            return Dispatched((), 500, "died", PLATFORM, "id")
        if arrival.body == b"broken":
            raise ZeroDivisionError
        headers = {**arrival.headers, "x-death-original-routing-key": PLATFORM}
        return Dispatched((Publication(f"{SAMU}.message", arrival.body, headers, 5000),), 0, "", PLATFORM, "id")

    monkeypatch.setattr(judge_module, "dispatch", dispatch)
    return arrivals


@pytest.fixture
async def dispatcher(stage, seen):
    made = stage.dispatcher()
    made.start()
    return made


def told(stage):
    """The platform's error messages: (code, cause)."""
    errors = [read(body).error for body in stage.bodies(f"{PLATFORM}.info")]
    return [(int(each["errorCode"]["statusCode"]), each["errorCause"]) for each in errors]


async def turns(count=20):
    for _ in range(count):
        await asyncio.sleep(0)


async def test_messages_are_dispatched_in_order_and_journalled(stage, dispatcher, seen):
    for number in range(200):
        stage.publish(b"%d" % number)
    await turns()
    assert stage.bodies(f"{SAMU}.message") == [b"%d" % number for number in range(200)]
    assert stage.bodies("dispatch") == []
    exchanges = stage.context.journal.take()
    assert len(exchanges) == 200
    first = exchanges[0]
    assert (first.actor, first.flow, first.direction, first.status) == ("hub", "INT_L02", "in", 0)
    assert (first.action, first.ref, first.size) == (f"{PLATFORM} → {SAMU}", "id", 1)
    assert dispatcher.judge.routed == 200


async def test_what_waited_before_the_start_is_dispatched(stage, seen):
    stage.publish(b"early")
    stage.dispatcher().start()
    await turns()
    assert stage.bodies(f"{SAMU}.message") == [b"early"]


async def test_arrival_and_publication_carry_properties(stage, dispatcher, seen):
    stage.publish(b"x", key="k", note="n")
    await turns()
    (arrival,) = seen
    assert (arrival.routing_key, arrival.content_type, arrival.delivery_mode) == ("k", "application/json", 2)
    assert (arrival.headers, arrival.queue) == ({"note": "n"}, "dispatch")
    (entry,) = stage.vhost.queues[f"{SAMU}.message"].ready
    fields = props.split(entry.message.properties)
    assert props.headers(fields) == {"note": "n", "x-death-original-routing-key": PLATFORM}
    assert props.text(fields, props.EXPIRATION) == "5000"
    assert entry.expires_at == stage.wall + 5


async def test_message_that_expires_in_a_clients_queue_comes_to_the_dispatcher(stage, dispatcher, seen):
    stage.publish(b"late")
    await turns()
    stage.wall += 6
    stage.broker.tick(stage.wall)
    await turns()
    arrival = seen[-1]
    assert (arrival.queue, arrival.body) == ("dispatch.dlq", b"late")
    assert arrival.headers["x-death-original-routing-key"] == PLATFORM
    assert arrival.headers["x-first-death-reason"] == "expired"
    assert (dispatcher.judge.routed, dispatcher.judge.refused) == (1, 1)
    assert stage.broker.load.octets == 0


async def test_taking_and_publishing_are_one_record(stage, dispatcher):
    dispatcher.stop()
    stage.publish(b"x")
    first = stage.broker.records.take()[1]
    stage.dispatcher().start()
    await turns()
    second = stage.broker.records.take()[1]
    assert [put.queue for put in replay([first]).values()] == ["dispatch"]
    assert [put.queue for put in replay([first, second]).values()] == [f"{SAMU}.message"]


async def test_dispatcher_that_fails_does_not_see_the_message_again(stage, dispatcher, seen, caplog):
    stage.publish(b"broken")
    stage.publish(b"good")
    await turns()
    assert stage.bodies(f"{SAMU}.message") == [b"good"]
    assert len(seen) == 2
    assert [each.status for each in stage.context.journal.take()] == [700, 0]
    assert "the dispatcher failed" in caplog.text
    assert told(stage) == [(700, "the dispatcher failed on this message")]


async def test_publication_to_no_queue_is_dropped_and_said(stage, seen, monkeypatch, caplog):
    def dispatch(arrival, *_, **__):
        return Dispatched((Publication("nobody.info", b"", {}, None),), 102, "?", "nobody", "")

    monkeypatch.setattr(judge_module, "dispatch", dispatch)
    stage.dispatcher().start()
    stage.publish(b"x")
    await turns()
    assert "no queue 'nobody.info'" in caplog.text
    assert stage.broker.load.octets == 0


async def test_while_the_disk_refuses_messages_stay_where_they_are(stage, dispatcher, seen):
    stage.broker.records.accepting = False
    stage.publish(b"x")
    await turns()
    assert (stage.bodies("dispatch"), seen) == ([b"x"], [])


async def test_stopped_dispatcher_takes_nothing(stage, dispatcher, seen):
    stage.publish(b"x")
    dispatcher.stop()
    stage.publish(b"y")
    await turns()
    assert seen == []


async def test_a_turn_ends_early_when_messages_are_long(stage, dispatcher, seen, monkeypatch):
    monkeypatch.setattr("sandbox.hub.embedded.queue_dispatcher._TURN_S", 0.0)
    for number in range(3):
        stage.publish(b"%d" % number)
    await asyncio.sleep(0)
    assert len(seen) == 1
    await turns()
    assert len(seen) == 3


class LostPage:
    """The page of a message whose content cannot be read any more."""

    size = 3

    def read(self):
        raise OSError("I/O error")


async def test_message_whose_content_is_gone_is_settled_and_its_sender_told(stage, dispatcher, seen, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(stage.broker.load, "page_above", 0)
        patch.setattr(stage.broker.load, "write", lambda properties, body: LostPage())
        stage.publish(b"abc")
    stage.publish(b"good")
    await turns()
    assert told(stage) == [(700, "the dispatcher failed on this message")]
    assert stage.bodies("dispatch") == []
    assert stage.vhost.queues["dispatch"].unacked == 0


async def test_message_that_died_and_cannot_be_read_is_settled_in_silence(stage, dispatcher, seen, monkeypatch):
    monkeypatch.setattr(module, "_arrival", None)
    stage.vhost.queues["dispatch.dlq"].push(Message("distribution.dlx", f"{SAMU}.message", b"\0\0", b"x", True), 0.0)
    await turns()
    assert (told(stage), stage.vhost.queues["dispatch.dlq"].unacked) == ([], 0)
    assert [each.status for each in stage.context.journal.take()] == [700]


async def test_message_whose_publication_cannot_be_made_is_settled_and_its_sender_told(
    stage, dispatcher, seen, monkeypatch
):
    build, failing = props.build, [True]

    def fails_once(**properties):
        if failing:
            failing.pop()
            raise ValueError("no such header")
        return build(**properties)

    monkeypatch.setattr(module.props, "build", fails_once)
    raw = build(content_type="application/json", headers={})
    stage.vhost.publish(Message("hubsante", PLATFORM, raw, b"x", True), stage.wall)
    await turns()
    assert told(stage) == [(700, "the dispatcher failed on this message")]
    assert (stage.bodies(f"{SAMU}.message"), stage.vhost.queues["dispatch"].unacked) == ([], 0)
