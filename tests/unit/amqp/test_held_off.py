"""A full broker informs the clients that support it, once, and again when there is room."""

from __future__ import annotations

import pytest
from pamqp import commands

from sandbox.amqp.broker.message import Message
from sandbox.amqp.broker.records import Gone, Put, encode_records, replay

Basic, Connection = commands.Basic, commands.Connection
KNOWS = {"connection.blocked": True}


@pytest.fixture
def full(broker, connect):
    """A publisher with confirms at a broker whose memory is full."""

    def make(capabilities):
        broker.load.most = 0
        wire = connect()
        wire.session.client_properties = {"capabilities": capabilities}
        return wire.send(commands.Confirm.Select(True))

    return make


def test_full_memory_is_said_once_and_its_end_too(broker, full):
    wire = full(KNOWS)
    said = wire.publish().publish().read()
    assert [type(value) for value in said] == [Connection.Blocked, Basic.Nack, Basic.Nack]
    assert said[0].reason == "low on memory"
    broker.tick(wire.now)
    assert wire.read() == []
    broker.load.most = 1000
    broker.tick(wire.now)
    wire.one(Connection.Unblocked)
    broker.tick(wire.now)
    assert wire.read() == []


def test_full_memory_is_a_nack_to_those_who_do_not_know_the_word(broker, full):
    wire = full({})
    wire.publish().one(Basic.Nack)
    broker.load.most = 1000
    broker.tick(wire.now)
    assert wire.read() == []


def test_who_has_gone_is_not_told(broker, full):
    wire = full(KNOWS)
    wire.publish().read()
    wire.session.lost(wire.now)
    broker.load.most = 1000
    broker.tick(wire.now)
    assert wire.read() == []


def test_log_in_another_order_is_put_in_order():
    message = Message("e", "k", b"\0\0", b"x", True)
    puts = [Put(number, "v", "q", None, message) for number in (3, 1, 2)]
    assert list(replay([encode_records(puts), encode_records([Gone([1])])])) == [2, 3]
