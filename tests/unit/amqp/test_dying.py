"""Message TTL, dead letters, and the order in which they happen."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pamqp import commands, header

from sandbox.amqp.broker.broker import Broker
from sandbox.amqp.broker.deadletters import dead_letter, in_cycle
from sandbox.amqp.broker.message import Message
from sandbox.amqp.broker.queue import QueueArguments
from sandbox.amqp.encoding import properties as props

Basic = commands.Basic
SAMU = "fr.health.samu330"
QUEUE, NOW = f"{SAMU}.message", 1_000_000.0


@pytest.fixture
def dlq(broker):
    return broker.vhosts["15-15_v2.0"].queues["dispatch.dlq"]


def headers(message):
    return props.headers(props.split(message.properties))


def test_expired_message_is_dead_lettered_with_its_history(broker, stock, dlq):
    stock(QUEUE, b"late", expiration=1000)
    broker.tick(NOW + 0.999)
    assert not dlq.ready
    broker.tick(NOW + 1)
    (entry,) = dlq.ready
    assert (entry.message.exchange, entry.message.routing_key) == ("distribution.dlx", QUEUE)
    found = headers(entry.message)
    (death,) = found.pop("x-death")
    assert found == {
        "x-first-death-queue": QUEUE,
        "x-first-death-reason": "expired",
        "x-first-death-exchange": "distribution",
    }
    assert death == {
        "count": 1,
        "reason": "expired",
        "queue": QUEUE,
        "exchange": "distribution",
        "routing-keys": [QUEUE],
        "time": datetime(1970, 1, 12, 13, 46, 41, tzinfo=UTC),
        "original-expiration": "1000",
    }
    assert props.EXPIRATION not in props.split(entry.message.properties)
    assert entry.expires_at is None


def test_own_expiration_and_queue_ttl_the_shorter_wins(broker, stock):
    queue = broker.vhosts["15-15_v2.0"].queues[QUEUE]
    stock(QUEUE, b"a")
    stock(QUEUE, b"b", expiration=1000)
    stock(QUEUE, b"c", expiration=600_000)
    assert [entry.expires_at - NOW for entry in queue.ready] == [60, 1, 60]


def test_short_lived_message_waits_behind_a_longer_lived_one(broker, stock, dlq):
    stock(QUEUE, b"long")
    stock(QUEUE, b"short", expiration=1000)
    broker.tick(NOW + 30)
    assert not dlq.ready
    broker.tick(NOW + 60)
    assert [entry.message.body for entry in dlq.ready] == [b"long", b"short"]


def test_expired_message_is_never_delivered(connect, stock, dlq):
    stock(QUEUE, b"late", expiration=1000)
    stock(QUEUE, b"good")
    wire = connect(SAMU)
    wire.now = NOW + 2
    assert wire.send(Basic.Get(queue=QUEUE)).read()[2].value == b"good"
    assert len(dlq.ready) == 1


def test_expiration_zero_reaches_a_waiting_consumer_or_nobody(connect, stock, dlq):
    stock(QUEUE, b"nobody", expiration=0)
    assert len(dlq.ready) == 1
    wire = connect(SAMU)
    wire.call(Basic.Consume(queue=QUEUE), Basic.ConsumeOk)
    stock(QUEUE, b"me", expiration=0)
    assert wire.read()[2].value == b"me"


def test_rejected_message_is_dead_lettered(connect, stock, dlq):
    stock(QUEUE, b"a", b"b")
    wire = connect(SAMU)
    for _ in range(2):
        wire.send(Basic.Get(queue=QUEUE)).read()
    wire.send(Basic.Reject(1, requeue=False)).send(Basic.Nack(2, requeue=False))
    assert [headers(entry.message)["x-first-death-reason"] for entry in dlq.ready] == ["rejected", "rejected"]


def test_message_rejected_where_nothing_takes_dead_letters_is_gone(broker):
    vhost = broker.vhosts["15-15_v2.0"]
    vhost.publish(Message("hubsante", "x", b"\0\0", b"body", True), NOW)
    queue = vhost.queues["dispatch"]
    queue.reject(queue.take(NOW), NOW)
    assert (len(queue.ready), queue.unacked, broker.load.octets) == (0, 0, 0)


def death(message, queue, reason="expired", now=NOW):
    return dead_letter(message, exchange="dlx", queue=queue, reason=reason, now=now)


def test_second_death_in_the_same_queue_counts_and_moves_to_the_front():
    message = Message("e", "k", b"\0\0", b"", True)
    for queue in ("one", "two", "one"):
        message = death(message, queue)
    deaths = headers(message)["x-death"]
    assert [(entry["queue"], entry["count"]) for entry in deaths] == [("one", 2), ("two", 1)]
    assert headers(message)["x-first-death-queue"] == "one"


def test_headers_of_the_sender_survive_to_the_octet():
    table = {"text": "é", "number": 2.5, "flag": True, "deep": {"list": [1, None]}}
    raw = commands.Basic.Properties(headers=table, message_id="m", priority=4).marshal()
    before = props.table_fields(props.split(raw)[props.HEADERS])
    after = props.split(death(Message("e", "k", raw, b"", True), "q").properties)
    fields = props.table_fields(after[props.HEADERS])
    assert {key: fields[key] for key in before} == before
    found = header.ContentHeader()
    found.unmarshal(b"\x00\x3c\x00\x00" + bytes(8) + props.join(after))
    assert (found.properties.message_id, found.properties.priority) == ("m", 4)


@pytest.mark.parametrize(
    "forged",
    ["text", [1, "x"], [{"queue": 1, "reason": "expired"}], [{"queue": "q", "reason": "expired", "count": "x"}]],
)
def test_forged_death_headers_do_not_count(forged):
    raw = commands.Basic.Properties(headers={"x-death": forged}).marshal()
    assert headers(death(Message("e", "k", raw, b"", True), "q"))["x-death"][0]["count"] == 1


def test_forged_count_begins_again():
    forged = [{"queue": "q", "reason": "expired", "count": "many"}]
    raw = commands.Basic.Properties(headers={"x-death": forged}).marshal()
    assert [entry["count"] for entry in headers(death(Message("e", "k", raw, b"", True), "q"))["x-death"]] == [1]


def test_death_entry_that_cannot_be_written_again_is_dropped():
    octets = b"\x05queueS\x00\x00\x00\x01q\x06reasonS\x00\x00\x00\x07expired\x01xS\x00\x00\x00\x01\xff"
    array = b"F" + len(octets).to_bytes(4, "big") + octets
    value = b"\x07x-deathA" + len(array).to_bytes(4, "big") + array
    raw = b"\x20\x00" + len(value).to_bytes(4, "big") + value
    assert len(headers(death(Message("e", "k", raw, b"", True), "q"))["x-death"]) == 1


def test_cycle_is_broken_unless_somebody_rejected():
    message = Message("e", "k", b"\0\0", b"", True)
    assert not in_cycle(message, "q")
    message = death(death(message, "q"), "r")
    assert in_cycle(message, "q")
    assert not in_cycle(death(message, "s", "rejected"), "q")


def test_message_that_would_go_round_for_ever_is_dropped():
    broker = Broker(bytes)
    vhost = broker.vhost("v")
    round_trip = vhost.exchange("again", "fanout")
    queue = vhost.queue("q", QueueArguments(ttl_ms=1000, dead_letter_exchange="again"))
    round_trip.bind(queue)
    vhost.publish(Message("again", "k", b"\0\0", b"x", True), NOW)
    broker.tick(NOW + 1)
    assert not queue.ready
    assert broker.load.octets == 0
