"""What the records of a broker's log bring back."""

from __future__ import annotations

import pytest
from pamqp import commands

from sandbox.amqp.broker.broker import Broker
from sandbox.amqp.broker.message import Message
from sandbox.amqp.broker.records import Records, replay
from sandbox.amqp.broker.routing import Exchange, topic_matches
from sandbox.hub.topology import add_virtual_host

Basic = commands.Basic
NOW = 1_000_000.0


def made():
    broker = Broker(bytes)
    return broker, add_virtual_host(broker, "v", ["a"], 60_000)


def put(vhost, *bodies, exchange="hubsante", key="a", persistent=True):
    for octets in bodies:
        vhost.publish(Message(exchange, key, b"\0\0", octets, persistent), NOW)


def test_messages_come_back_in_order_redelivered_with_their_expiry():
    broker, vhost = made()
    put(vhost, b"1", b"2", b"3", exchange="distribution", key="a.message")
    put(vhost, b"lost", persistent=False)
    vhost.queues["a.message"].settle(vhost.queues["a.message"].take(NOW))
    fresh, again = made()
    assert fresh.restore(replay([broker.records.take()[1]])) == 0
    found = again.queues["a.message"].ready
    assert [(entry.message.body, entry.redelivered, entry.expires_at) for entry in found] == [
        (b"2", True, NOW + 60),
        (b"3", True, NOW + 60),
    ]
    assert not again.queues["dispatch"].ready
    assert fresh.load.octets == 2


def test_positions_go_on_after_a_restart():
    broker, vhost = made()
    put(vhost, b"1", b"2")
    fresh, again = made()
    alive = replay([broker.records.take()[1]])
    fresh.restore(alive)
    put(again, b"3")
    assert [entry.message.body for entry in again.queues["dispatch"].ready] == [b"1", b"2", b"3"]
    assert len({entry.position for entry in again.queues["dispatch"].ready}) == 3


def test_what_came_and_went_in_one_batch_is_not_written():
    broker, vhost = made()
    put(vhost, b"1")
    vhost.queues["dispatch"].settle(vhost.queues["dispatch"].take(NOW))
    assert broker.records.take() == (1, b"")


def test_move_between_queues_is_one_record():
    broker, vhost = made()
    put(vhost, b"1")
    first = broker.records.take()[1]
    put(vhost, b"moved", exchange="distribution", key="a.message")
    vhost.queues["dispatch"].settle(vhost.queues["dispatch"].take(NOW))
    second = broker.records.take()[1]
    assert [put.queue for put in replay([first]).values()] == ["dispatch"]
    assert [put.queue for put in replay([first, second]).values()] == ["a.message"]


def test_dead_letter_is_moved_too():
    broker, vhost = made()
    put(vhost, b"1", exchange="distribution", key="a.message")
    broker.tick(NOW + 100)
    assert [put.queue for put in replay([broker.records.take()[1]]).values()] == ["dispatch.dlq"]


def test_message_of_a_queue_that_is_not_configured_is_kept_for_later():
    broker, vhost = made()
    put(vhost, b"1", exchange="distribution", key="a.message")
    other = Broker(bytes)
    add_virtual_host(other, "v", ["b"], 60_000)
    assert other.restore(replay([broker.records.take()[1]])) == 1
    assert len(replay(other.records.snapshot())) == 1


def test_snapshot_holds_what_is_alive_when_it_is_made():
    broker, vhost = made()
    put(vhost, *[b"%d" % number for number in range(600)])
    snapshot = broker.records.snapshot()
    put(vhost, b"later")
    records = list(snapshot)
    assert len(records) == 3
    assert len(replay(records)) == 600


def test_purge_is_recorded():
    broker, vhost = made()
    put(vhost, b"1", b"2")
    first = broker.records.take()[1]
    assert vhost.queues["dispatch"].purge() == 2
    assert replay([first, broker.records.take()[1]]) == {}


def test_work_is_announced_once_per_batch():
    told = []
    records = Records()
    records.on_work = lambda: told.append(records.batch)
    records.gone(1)
    records.gone(2)
    records.take()
    records.gone(3)
    assert told == [1, 2]


@pytest.mark.parametrize(
    ("pattern", "key", "hit"),
    [
        ("#", "", True),
        ("#", "a.b.c", True),
        ("", "", True),
        ("", "a", False),
        ("a", "", False),
        ("a.*", "a.b", True),
        ("a.*", "a", False),
        ("a.*", "a.b.c", False),
        ("a.#", "a", True),
        ("a.#.c", "a.c", True),
        ("a.#.c", "a.b.b.c", True),
        ("a.#.c", "a.b", False),
        ("*.#.*", "a", False),
        ("#.#", "a", True),
    ],
)
def test_topic_patterns(pattern, key, hit):
    assert topic_matches(pattern, key) is hit


def test_duplicate_bindings_deliver_once_and_routes_are_forgotten_when_bound():
    _, vhost = made()
    exchange = Exchange("x", "topic")
    queue = vhost.queues["dispatch"]
    assert exchange.route("a") == ()
    exchange.bind(queue, "#")
    exchange.bind(queue, "a")
    assert exchange.route("a") == (queue,)
    for number in range(2000):
        exchange.route(str(number))
    assert len(exchange._routes) <= 1024


def test_headers_exchange_routes_nothing():
    exchange = Exchange("x", "headers")
    _, vhost = made()
    exchange.bind(vhost.queues["dispatch"])
    assert exchange.route("a") == ()
