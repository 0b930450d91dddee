"""What one client may take of the broker: time for acknowledgements, octets, connections; other clients are not
affected.

Texts and numbers of 406 and 530 are RabbitMQ 3.10's; `tests/wire/amqp/observed/cases/allowed.py` hears the 406 of both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pamqp import body, commands, header

from sandbox.amqp.broker.broker import Broker
from sandbox.amqp.broker.limits import Limits
from sandbox.hub.topology import add_virtual_host
from tests.unit.amqp.conftest import CLIENTS, PLATFORM, SAMU, TTL_MS, VHOST, Wire

Basic, Channel, Connection = commands.Basic, commands.Channel, commands.Connection
QUEUE = f"{SAMU}.message"
LIMITS = Limits(message=1000, ack_s=30.0, connections=2, unfinished=5000, channels=4, consumers=2)


class LimitedBroker:
    """A broker with narrow limits, and its clock."""

    def __init__(self) -> None:
        self.moment = 0.0
        self.refused: list[tuple[str, int]] = []
        self.broker = Broker(
            lambda size: b"\x07" * size,
            limits=LIMITS,
            elapsed=lambda: self.moment,
            on_refusal=lambda user, error: self.refused.append((user, error.code)),
        )
        self.vhost = add_virtual_host(self.broker, VHOST, CLIENTS, TTL_MS)

    def connect(self, user: str = PLATFORM) -> Wire:
        return Wire(self.broker, user).open().channel()


@pytest.fixture
def limited() -> LimitedBroker:
    return LimitedBroker()


@pytest.fixture
def broker(limited: LimitedBroker) -> Broker:
    return limited.broker


def begin(wire: Wire, octets: int, channel: int = 1, declared: int = 1000, **properties: Any) -> Wire:
    """A publication of which so many octets have come."""
    wire.send(Basic.Publish(0, "hubsante", wire.session.user), channel)
    wire.send(header.ContentHeader(0, declared, Basic.Properties(**properties)), channel)
    return wire.send(body.ContentBody(b"x" * octets), channel) if octets else wire


# -- acknowledgements in time


def overdue(channel: int = 1) -> str:
    return (
        f"PRECONDITION_FAILED - delivery acknowledgement on channel {channel} timed out. Timeout value used: 30000 ms."
        " This timeout value can be configured, see consumers doc guide to learn more"
    )


def test_delivery_not_acknowledged_in_time_closes_its_channel_and_goes_back(
    limited: LimitedBroker, stock: Callable[..., None]
) -> None:
    stock(QUEUE, b"a", b"b")
    wire = limited.connect(SAMU).channel(2)
    wire.send(Basic.Qos(0, 1), 2).send(Basic.Consume(0, QUEUE, "c"), 2).read()
    limited.moment = 30.0
    wire.session.expire(wire.now)
    assert wire.read() == []
    limited.moment = 30.1
    wire.session.expire(wire.now)
    ((channel, close),) = wire.frames()
    assert (channel, close.reply_code, close.class_id, close.method_id) == (2, 406, 0, 0)
    assert close.reply_text == overdue(2)
    assert limited.refused == [(SAMU, 406)]
    wire.send(Channel.CloseOk(), 2).send(Basic.Get(0, QUEUE))
    got = wire.read()[0]
    assert (got.redelivered, got.message_count) == (True, 1)
    assert not limited.vhost.queues[QUEUE].consumers


def test_oldest_delivery_counts_however_many_later_ones_are_acknowledged(
    limited: LimitedBroker, stock: Callable[..., None]
) -> None:
    stock(QUEUE, b"a", b"b", b"c")
    wire = limited.connect(SAMU)
    wire.send(Basic.Consume(0, QUEUE, "c")).read()
    limited.moment = 20.0
    wire.send(Basic.Ack(3)).send(Basic.Ack(2))
    limited.moment = 31.0
    wire.session.expire(wire.now)
    assert wire.one(Channel.Close).reply_text == overdue()
    wire.send(Basic.Ack(1)).send(Channel.CloseOk()).channel()  # what came too late is ignored
    assert len(limited.vhost.queues[QUEUE].ready) == 1


def test_later_deliveries_have_their_own_time(limited: LimitedBroker, stock: Callable[..., None]) -> None:
    stock(QUEUE, b"a")
    wire = limited.connect(SAMU)
    wire.send(Basic.Consume(0, QUEUE, "c")).read()
    limited.moment = 20.0
    stock(QUEUE, b"b")
    wire.send(Basic.Ack(1)).read()
    limited.moment = 45.0
    wire.session.expire(wire.now)
    assert wire.read() == []
    limited.moment = 50.5
    wire.session.expire(wire.now)
    assert wire.one(Channel.Close).reply_code == 406


@pytest.mark.parametrize("no_ack", [True, False])
def test_get_has_the_same_time_and_no_ack_has_any(
    limited: LimitedBroker, stock: Callable[..., None], no_ack: bool
) -> None:
    stock(QUEUE, b"a")
    wire = limited.connect(SAMU)
    wire.send(Basic.Get(0, QUEUE, no_ack)).read()
    limited.moment = 31.0
    wire.session.expire(wire.now)
    assert [type(frame) for frame in wire.read()] == ([] if no_ack else [Channel.Close])


# -- messages that are too large


def test_message_too_large_closes_its_channel_before_it_has_come(limited: LimitedBroker) -> None:
    wire = limited.connect().channel(2)
    wire.publish(b"x" * 1000)
    assert wire.read() == []
    begin(wire, 0, declared=1001)
    close = wire.one(Channel.Close)
    assert close.reply_text == "PRECONDITION_FAILED - message size 1001 is larger than configured max size 1000"
    assert (close.reply_code, close.class_id, close.method_id) == (406, 60, 40)
    wire.send(body.ContentBody(b"x" * 1001))
    wire.call(Channel.Flow(True), Channel.FlowOk, 2)


def test_immediate_is_refused_before_the_size(limited: LimitedBroker) -> None:
    wire = limited.connect()
    wire.send(Basic.Publish(0, "hubsante", PLATFORM, immediate=True))
    wire.send(header.ContentHeader(0, 1001, Basic.Properties()))
    assert wire.one(Connection.Close).reply_code == 540


# -- unfinished messages


def test_connection_with_too_much_unfinished_is_closed_and_others_go_on(limited: LimitedBroker) -> None:
    other = begin(limited.connect(SAMU), 900)
    wire = limited.connect().channel(2).channel(3)
    for channel in (1, 2, 3):
        begin(wire, 700, channel)
    close = wire.one(Connection.Close)
    assert (close.reply_code, close.class_id, close.method_id) == (506, 60, 40)
    assert close.reply_text == "RESOURCE_ERROR - too many octets of unfinished messages"
    assert wire.send(body.ContentBody(b"x" * 700)).read() == []
    assert limited.broker.unfinished.octets == 900
    assert other.send(body.ContentBody(b"x" * 100)).read() == []
    assert limited.broker.unfinished.octets == 0
    assert limited.refused == [(PLATFORM, 506)]


def test_when_all_are_too_much_who_holds_most_pays(broker: Broker, limited: LimitedBroker) -> None:
    modest = begin(limited.connect(SAMU).channel(2), 900)
    begin(modest, 980, 2)
    largest = begin(limited.connect().channel(2), 900)
    begin(largest, 900, 2)
    second = begin(limited.connect(), 900)
    assert (broker.unfinished.octets, largest.read()) == (4580, [])
    last = begin(limited.connect(SAMU), 500)  # 5,080: two clients, and the one who sent last holds less
    assert largest.one(Connection.Close).reply_code == 506
    assert [wire.read() for wire in (modest, second, last)] == [[], [], []]
    assert broker.unfinished.octets == 3280


def test_whatever_way_a_content_ends_its_octets_are_free_again(broker: Broker, limited: LimitedBroker) -> None:
    begin(limited.connect(), 500).session.lost(0.0)
    assert broker.unfinished.octets == 0
    wire = begin(limited.connect(), 500)
    wire.send(body.ContentBody(b"x" * 600))  # more than its header says
    assert wire.one(Connection.Close).reply_code == 505
    assert broker.unfinished.octets == 0
    wire = begin(limited.connect(), 999)
    wire.send(body.ContentBody(b"x"))
    assert (broker.unfinished.octets, wire.read()) == (0, [])
    assert limited.vhost.queues["dispatch"].ready[0].message.body == b"x" * 1000


def test_large_properties_count_while_their_body_is_missing(broker: Broker, limited: LimitedBroker) -> None:
    wire = begin(limited.connect().channel(2), 0, headers={"a": "x" * 1200})
    assert broker.unfinished.octets > 1200
    begin(wire, 0, 2, headers={"a": "x" * 1200})
    assert wire.one(Connection.Close).reply_code == 506


# -- connections


def test_connection_too_many_of_one_user_is_530(broker: Broker, limited: LimitedBroker) -> None:
    first, _ = limited.connect(), limited.connect()
    third = Wire(broker, PLATFORM).greet()
    third.one(Connection.Tune)
    third.send(Connection.TuneOk(1, 4096, 0), 0).send(Connection.Open(VHOST), 0)
    close = third.one(Connection.Close)
    assert (close.reply_code, close.class_id, close.method_id) == (530, 10, 40)
    assert close.reply_text == (
        f"NOT_ALLOWED - connection refused for user '{PLATFORM}': user connection limit (2) is reached"
    )
    limited.connect(SAMU)
    first.call(Connection.Close(200, "", 0, 0), Connection.CloseOk, 0)
    first.session.lost(0.0)
    limited.connect()
    assert broker.present == {PLATFORM: 2, SAMU: 1}


# -- channels and consumers


def test_channel_too_many_of_one_user_is_530(broker: Broker, limited: LimitedBroker) -> None:
    limited.connect().channel(2)
    wire = limited.connect().channel(7)
    close = wire.call(Channel.Open(), Connection.Close, 3)
    assert (close.reply_code, close.class_id, close.method_id) == (530, 0, 0)
    assert close.reply_text == (
        f"NOT_ALLOWED - number of channels opened for user '{PLATFORM}'"
        " has reached the maximum allowed user limit of (4)"
    )
    limited.connect(SAMU)
    assert broker.channels == {PLATFORM: 2, SAMU: 1}
    again = limited.connect().channel(2)
    again.call(Channel.Close(200, "", 0, 0), Channel.CloseOk, 2)
    again.channel(3)
    again.session.lost(0.0)
    assert broker.channels == {PLATFORM: 2, SAMU: 1}


def test_consumer_too_many_of_one_queue_is_530(limited: LimitedBroker) -> None:
    wire = limited.connect(SAMU)
    for tag in ("a", "b"):
        wire.call(Basic.Consume(0, QUEUE, tag), Basic.ConsumeOk)
    close = wire.call(Basic.Consume(0, QUEUE, "c"), Connection.Close)
    assert close.reply_text == "NOT_ALLOWED - reached maximum (2) of consumers per queue"
    assert not limited.vhost.queues[QUEUE].consumers


# -- virtual hosts


def test_one_virtual_host_may_have_several_names(
    broker: Broker, limited: LimitedBroker, stock: Callable[..., None]
) -> None:
    stock(QUEUE, b"a")
    wire = Wire(broker, SAMU)
    broker.alias("/", limited.vhost)
    wire.open(vhost="/").channel()
    wire.send(Basic.Get(0, QUEUE))
    assert wire.read()[0].routing_key == QUEUE
    wire.send(Basic.Get(0, "nothing"))
    close = wire.one(Channel.Close)
    assert close.reply_text == f"ACCESS_REFUSED - access to queue 'nothing' in vhost '/' refused for user '{SAMU}'"
    assert broker.find_vhost("nowhere") is None
