"""What a hub client may not do, in RabbitMQ's words: the channel closes, the connection lives."""

from __future__ import annotations

import pytest
from pamqp import commands

Basic, Channel, Exchange, Queue = commands.Basic, commands.Channel, commands.Exchange, commands.Queue
ME, OTHER, WHERE = "fr.health.test.ptfsas", "fr.health.samu330", "in vhost '15-15_v2.0' refused for user"
GENERATED = "amq.gen-BwcHBwcHBwcHBwcHBwcHBw"


def refused(wire, value, code, text):
    close = wire.call(value, Channel.Close)
    assert (close.reply_code, close.reply_text) == (code, text)
    assert (close.class_id, close.method_id) == (value.index >> 16, value.index & 0xFFFF)


@pytest.mark.requirement("L02-1")
@pytest.mark.parametrize(
    ("value", "queue"),
    [
        (Queue.Declare(queue=f"{ME}.message"), f"{ME}.message"),
        (Queue.Declare(queue="mine"), "mine"),
        (Queue.Declare(queue=""), GENERATED),
        (Queue.Delete(queue=f"{ME}.message"), f"{ME}.message"),
        (Queue.Bind(queue=f"{ME}.message", exchange="hubsante"), f"{ME}.message"),
        (Queue.Unbind(queue=f"{ME}.message", exchange="hubsante", routing_key="#"), f"{ME}.message"),
        (Queue.Purge(queue=f"{OTHER}.message"), f"{OTHER}.message"),
        (Queue.Purge(queue="nowhere"), "nowhere"),
        (Basic.Consume(queue=f"{OTHER}.message"), f"{OTHER}.message"),
        (Basic.Consume(queue="dispatch"), "dispatch"),
        (Basic.Get(queue="nowhere"), "nowhere"),
    ],
)
def test_queues_of_others_and_every_change_are_403(connect, value, queue):
    refused(connect(), value, 403, f"ACCESS_REFUSED - access to queue '{queue}' {WHERE} '{ME}'")


@pytest.mark.parametrize(
    ("value", "exchange"),
    [
        (Exchange.Declare(exchange="hubsante", exchange_type="topic"), "hubsante"),
        (Exchange.Delete(exchange="hubsante"), "hubsante"),
        (Exchange.Bind(destination="distribution", source="hubsante"), "distribution"),
        (Exchange.Unbind(destination="distribution", source="hubsante"), "distribution"),
    ],
)
def test_changes_of_exchanges_are_403(connect, value, exchange):
    refused(connect(), value, 403, f"ACCESS_REFUSED - access to exchange '{exchange}' {WHERE} '{ME}'")


@pytest.mark.parametrize(
    "value",
    [Exchange.Declare(exchange=""), Exchange.Delete(exchange="")],
)
def test_default_exchange_cannot_be_touched(connect, value):
    refused(connect(), value, 403, "ACCESS_REFUSED - operation not permitted on the default exchange")


@pytest.mark.parametrize(("exchange", "name"), [("distribution", "distribution"), ("", "amq.default"), ("x", "x")])
def test_publishing_elsewhere_is_403(connect, exchange, name):
    close = connect().publish(exchange=exchange, key=ME).one(Channel.Close)
    assert close.reply_text == f"ACCESS_REFUSED - access to exchange '{name}' {WHERE} '{ME}'"
    assert (close.class_id, close.method_id) == (60, 40)


def test_publishing_in_anothers_name_is_403_and_gets_no_confirm(connect, broker):
    wire = connect()
    wire.call(commands.Confirm.Select(), commands.Confirm.SelectOk)
    close = wire.publish(key=OTHER).one(Channel.Close)
    assert close.reply_text == (f"ACCESS_REFUSED - access to topic '{OTHER}' in exchange 'hubsante' {WHERE} '{ME}'")
    assert (close.class_id, close.method_id) == (60, 40)
    broker.records.settled(broker.records.batch, safe=True)
    assert wire.read() == []


def test_channel_number_can_be_used_again_after_close_ok(connect):
    wire = connect()
    wire.call(Basic.Get(queue="dispatch"), Channel.Close)
    assert wire.publish().send(Basic.Qos()).read() == []
    wire.send(Channel.CloseOk())
    wire.channel(1)
    wire.call(Basic.Qos(), Basic.QosOk)


def test_client_that_closes_a_channel_we_closed_gets_close_ok(connect):
    wire = connect()
    wire.call(Basic.Get(queue="dispatch"), Channel.Close)
    wire.call(Channel.Close(200, "", 0, 0), Channel.CloseOk)
    wire.send(Channel.CloseOk())
    wire.channel(1)


@pytest.mark.requirement("L02-1")
@pytest.mark.parametrize("queue", [f"{OTHER}.message", "dispatch", f"{ME}.ack"])
def test_passive_declare_needs_no_right_and_compares_nothing(connect, queue):
    value = Queue.Declare(queue=queue, passive=True, durable=False, auto_delete=True, exclusive=True)
    ok = connect().call(value, Queue.DeclareOk)
    assert (ok.queue, ok.message_count, ok.consumer_count) == (queue, 0, 0)


@pytest.mark.parametrize("exchange", ["hubsante", "distribution", "distribution.dlx", "amq.topic"])
def test_passive_declare_of_exchanges(connect, exchange):
    wire = connect()
    wire.call(Exchange.Declare(exchange=exchange, exchange_type="", passive=True), Exchange.DeclareOk)
    assert wire.send(Exchange.Declare(exchange=exchange, passive=True, nowait=True)).read() == []


def test_passive_declare_of_what_is_missing_is_404(connect):
    wire = connect()
    refused(wire, Queue.Declare(queue="x", passive=True), 404, "NOT_FOUND - no queue 'x' in vhost '15-15_v2.0'")
    wire.send(Channel.CloseOk())
    wire.channel(1)
    missing = Exchange.Declare(exchange="x", passive=True)
    refused(wire, missing, 404, "NOT_FOUND - no exchange 'x' in vhost '15-15_v2.0'")


@pytest.mark.parametrize(
    "value", [Basic.Get(queue=""), Basic.Consume(queue=""), Queue.Purge(queue=""), Queue.Delete(queue="")]
)
def test_without_a_queue_name_there_is_no_last_declared_one(connect, value):
    refused(connect(), value, 404, "NOT_FOUND - no previously declared queue")


def test_own_purge_drops_what_is_ready_and_counts_it(connect, stock, broker):
    stock(f"{ME}.info", b"a", b"b", b"c")
    wire = connect()
    assert wire.send(Basic.Get(queue=f"{ME}.info")).read()[0].message_count == 2
    assert wire.call(Queue.Purge(queue=f"{ME}.info"), Queue.PurgeOk).message_count == 2
    assert wire.send(Queue.Purge(queue=f"{ME}.info", nowait=True)).read() == []
    assert broker.load.octets == 1


def test_a_name_too_long_for_the_reply_text_is_cut_there(connect):
    name = ("é" * 127).encode()
    payload = b"\x00\x3c\x00\x46\x00\x00" + bytes((len(name),)) + name + b"\x00"
    frame = b"\x01\x00\x01" + len(payload).to_bytes(4, "big") + payload + b"\xce"
    close = connect().raw(frame).one(Channel.Close)
    assert close.reply_code == 403
    assert 253 <= len(close.reply_text.encode()) <= 255


def test_passive_declare_without_wait_is_not_answered(connect):
    assert connect().send(Queue.Declare(queue="dispatch", passive=True, nowait=True)).read() == []
