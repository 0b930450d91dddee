"""Queues that are deleted leave nothing behind: no record, no octet, no route, no consumer."""

from __future__ import annotations

from pamqp import commands

from sandbox.amqp.broker.message import Message
from sandbox.amqp.broker.records import replay

Basic, Queue, Channel = commands.Basic, commands.Queue, commands.Channel
SAMU, VHOST, NOW = "fr.health.samu330", "15-15_v2.0", 1_000_000.0
QUEUE = f"{SAMU}.message"


def alive(broker):
    """What a log would bring back."""
    return replay([broker.records.take()[1]])


def test_what_is_ready_and_what_is_out_are_told_and_leave_the_log(connect, broker, stock):
    stock(QUEUE, b"a", b"b", b"c")
    wire = connect(SAMU)
    wire.send(Basic.Get(queue=QUEUE)).read()
    assert len(alive(broker)) == 3
    assert broker.vhosts[VHOST].delete(QUEUE) == (2, 1)
    assert len(broker.records.alive) == 1, "what is out is kept until it is answered for"
    wire.send(Basic.Ack(1))
    assert (broker.records.alive, broker.load.octets) == ({}, 0)
    assert broker.vhosts[VHOST].delete(QUEUE) == (0, 0)


def test_what_was_out_goes_with_its_connection_and_dies_nowhere(connect, broker, stock):
    stock(QUEUE, b"a", b"b")
    wire = connect(SAMU)
    for _ in range(2):
        wire.send(Basic.Get(queue=QUEUE)).read()
    broker.vhosts[VHOST].delete(QUEUE)
    wire.send(Basic.Reject(1, requeue=False))
    wire.session.lost(NOW)
    assert (broker.records.alive, broker.load.octets) == ({}, 0)
    assert not broker.vhosts[VHOST].queues["dispatch.dlq"].ready


def test_its_key_leads_nowhere_and_the_others_still_do(broker):
    vhost = broker.vhosts[VHOST]
    assert vhost.publish(Message("distribution", QUEUE, b"\0\0", b"x", True), NOW) == (1, 0)
    vhost.delete(QUEUE)
    assert vhost.publish(Message("distribution", QUEUE, b"\0\0", b"x", True), NOW) == (0, 0)
    assert vhost.publish(Message("distribution", f"{SAMU}.ack", b"\0\0", b"x", True), NOW) == (1, 0)


def test_only_able_clients_hear_of_it(connect, broker):
    told, blind = connect(SAMU), connect(SAMU)
    told.session.client_properties = {"capabilities": {"consumer_cancel_notify": True}}
    blind.session.client_properties = {}
    for wire in (told, blind):
        wire.call(Basic.Consume(queue=QUEUE, consumer_tag="t"), Basic.ConsumeOk)
    broker.vhosts[VHOST].delete(QUEUE)
    (cancel,) = told.read()
    assert (type(cancel), cancel.consumer_tag, cancel.nowait) == (Basic.Cancel, "t", True)
    assert blind.read() == []


def test_the_reply_address_is_known_as_long_as_its_consumer_is(connect, broker):
    wire = connect(SAMU)
    wire.call(Basic.Consume(queue="amq.rabbitmq.reply-to", no_ack=True), Basic.ConsumeOk)
    (address,) = broker.reply_addresses
    assert wire.call(Queue.Declare(queue=address), Queue.DeclareOk).consumer_count == 1
    wire.session.lost(NOW)
    assert broker.reply_addresses == set()
