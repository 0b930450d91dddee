"""consume, get, ack, nack, reject, recover, prefetch."""

from __future__ import annotations

import pytest
from pamqp import body, commands, frame, header

from sandbox.amqp.broker.message import Message
from sandbox.amqp.session.session import OUTPUT_HIGH

Basic, Channel, Confirm, Connection = commands.Basic, commands.Channel, commands.Confirm, commands.Connection
SAMU = "fr.health.samu330"
QUEUE = f"{SAMU}.message"


@pytest.fixture
def consumer(connect):
    return connect(SAMU)


def bodies(frames):
    return [value.value for value in frames if isinstance(value, body.ContentBody)]


def tags(frames):
    return [value.delivery_tag for value in frames if isinstance(value, Basic.Deliver)]


def test_delivery_carries_exchange_key_and_properties_as_published(consumer, stock):
    consumer.call(Basic.Consume(queue=QUEUE, consumer_tag="c"), Basic.ConsumeOk)
    stock(QUEUE, b"hello", expiration=5000)
    deliver, head, content = consumer.read()
    assert (deliver.consumer_tag, deliver.delivery_tag, deliver.redelivered) == ("c", 1, False)
    assert (deliver.exchange, deliver.routing_key) == ("distribution", QUEUE)
    assert (head.properties.content_type, head.properties.delivery_mode) == ("application/json", 2)
    assert (head.properties.expiration, content.value) == ("5000", b"hello")


def test_properties_go_through_untouched(connect, broker):
    publisher = connect()
    headers = {"a": 1, "b": "é", "c": [True, None], "d": {"e": 2.5}}
    publisher.publish(b"{}", headers=headers, message_id="m", priority=3, app_id="x", correlation_id="c")
    entry = broker.vhosts["15-15_v2.0"].queues["dispatch"].ready[0]
    found = header.ContentHeader()
    found.unmarshal(b"\x00\x3c\x00\x00" + bytes(8) + entry.message.properties)
    assert found.properties.headers == headers
    assert (found.properties.message_id, found.properties.priority, found.properties.app_id) == ("m", 3, "x")


def test_deliveries_are_cut_at_the_negotiated_frame_max(connect, stock):
    wire = connect(SAMU, frame_max=4096)
    wire.call(Basic.Consume(queue=QUEUE), Basic.ConsumeOk)
    stock(QUEUE, bytes(range(256)) * 40)
    data = wire.session.take_output()
    sizes, payload = [], b""
    while data:
        used, _, value = frame.unmarshal(data)
        sizes.append(used)
        payload += value.value if isinstance(value, body.ContentBody) else b""
        data = data[used:]
    assert max(sizes) == 4096
    assert payload == bytes(range(256)) * 40


def test_get_says_what_remains_and_empty_when_nothing_does(consumer, stock):
    stock(QUEUE, b"a", b"b")
    ok, _, content = consumer.send(Basic.Get(queue=QUEUE)).read()
    assert (ok.delivery_tag, ok.message_count, ok.redelivered, content.value) == (1, 1, False, b"a")
    assert consumer.send(Basic.Get(queue=QUEUE, no_ack=True)).read()[0].delivery_tag == 2
    consumer.call(Basic.Get(queue=QUEUE), Basic.GetEmpty)
    assert list(consumer.session.channels[1].deliveries.unacked) == [1]


def test_declare_counts_ready_messages_and_consumers(consumer, stock, connect):
    stock(QUEUE, b"a", b"b")
    consumer.send(Basic.Get(queue=QUEUE)).read()
    watcher = connect()
    declare = commands.Queue.Declare(queue=QUEUE, passive=True)
    assert watcher.call(declare, commands.Queue.DeclareOk).message_count == 1
    consumer.send(Basic.Consume(queue=QUEUE)).read()
    ok = watcher.call(declare, commands.Queue.DeclareOk)
    assert (ok.message_count, ok.consumer_count) == (0, 1)


def test_prefetch_holds_back_and_acks_let_go(consumer, stock):
    consumer.call(Basic.Qos(prefetch_count=2), Basic.QosOk)
    consumer.call(Basic.Consume(queue=QUEUE), Basic.ConsumeOk)
    stock(QUEUE, b"a", b"b", b"c", b"d", b"e")
    assert bodies(consumer.read()) == [b"a", b"b"]
    consumer.send(Basic.Ack(1))
    assert bodies(consumer.read()) == [b"c"]
    consumer.send(Basic.Ack(3, multiple=True))
    assert bodies(consumer.read()) == [b"d", b"e"]


def test_prefetch_is_per_consumer_for_those_that_come_later(consumer, stock):
    consumer.call(Basic.Consume(queue=f"{SAMU}.ack", consumer_tag="free"), Basic.ConsumeOk)
    consumer.call(Basic.Qos(prefetch_count=1), Basic.QosOk)
    consumer.call(Basic.Consume(queue=QUEUE, consumer_tag="one"), Basic.ConsumeOk)
    stock(QUEUE, b"a", b"b")
    stock(f"{SAMU}.ack", b"x", b"y")
    assert bodies(consumer.read()) == [b"a", b"x", b"y"]


def test_global_prefetch_is_shared_by_the_channel(consumer, stock):
    consumer.call(Basic.Qos(prefetch_count=2, global_=True), Basic.QosOk)
    for queue in (QUEUE, f"{SAMU}.ack"):
        consumer.call(Basic.Consume(queue=queue, consumer_tag=queue), Basic.ConsumeOk)
    stock(QUEUE, b"a")
    stock(f"{SAMU}.ack", b"x", b"y")
    assert bodies(consumer.read()) == [b"a", b"x"]
    consumer.send(Basic.Qos(prefetch_count=3, global_=True))
    assert bodies(consumer.read()) == [b"y"]


def test_basic_get_does_not_count_for_prefetch(consumer, stock):
    consumer.call(Basic.Qos(prefetch_count=1), Basic.QosOk)
    stock(QUEUE, b"a")
    consumer.send(Basic.Get(queue=QUEUE)).read()
    consumer.call(Basic.Consume(queue=QUEUE), Basic.ConsumeOk)
    stock(QUEUE, b"b")
    assert bodies(consumer.read()) == [b"b"]


def test_no_ack_consumers_are_not_held_back(consumer, stock, broker):
    consumer.call(Basic.Qos(prefetch_count=1), Basic.QosOk)
    consumer.call(Basic.Consume(queue=QUEUE, no_ack=True), Basic.ConsumeOk)
    stock(QUEUE, b"a", b"b", b"c")
    assert bodies(consumer.read()) == [b"a", b"b", b"c"]
    assert broker.load.octets == 0


def test_consumers_take_turns(consumer, connect, stock):
    other = connect(SAMU)
    for wire in (consumer, other):
        wire.call(Basic.Consume(queue=QUEUE), Basic.ConsumeOk)
    stock(QUEUE, b"a", b"b", b"c", b"d")
    assert bodies(consumer.read()) == [b"a", b"c"]
    assert bodies(other.read()) == [b"b", b"d"]


@pytest.mark.parametrize(
    "value",
    [Basic.Nack(0, multiple=True, requeue=True), Basic.Nack(3, multiple=True), Basic.Recover(requeue=True)],
)
def test_requeued_messages_go_back_to_their_places_redelivered(consumer, stock, value):
    stock(QUEUE, b"a", b"b", b"c", b"d")
    for _ in range(3):
        consumer.send(Basic.Get(queue=QUEUE))
    consumer.read()
    consumer.send(value).read()
    got = []
    for _ in range(4):
        ok, _, content = consumer.send(Basic.Get(queue=QUEUE)).read()
        got.append((content.value, ok.redelivered, ok.delivery_tag))
    assert got == [(b"a", True, 4), (b"b", True, 5), (b"c", True, 6), (b"d", False, 7)]


def test_one_rejected_in_the_middle_returns_between_its_neighbours(consumer, stock):
    stock(QUEUE, b"a", b"b", b"c")
    for _ in range(3):
        consumer.send(Basic.Get(queue=QUEUE))
    consumer.read()
    consumer.send(Basic.Reject(3, requeue=True)).send(Basic.Reject(1, requeue=True)).send(Basic.Reject(2))
    assert [consumer.send(Basic.Get(queue=QUEUE)).read()[2].value for _ in range(3)] == [b"a", b"b", b"c"]


@pytest.mark.parametrize("end", ["channel", "connection", "lost", "error"])
def test_whatever_ends_the_channel_requeues(consumer, connect, stock, end):
    consumer.call(Basic.Consume(queue=QUEUE), Basic.ConsumeOk)
    stock(QUEUE, b"a")
    consumer.read()
    match end:
        case "channel":
            consumer.call(Channel.Close(200, "", 0, 0), Channel.CloseOk)
        case "connection":
            consumer.call(Connection.Close(200, "", 0, 0), Connection.CloseOk, 0)
        case "lost":
            consumer.session.lost(consumer.now)
        case "error":
            consumer.call(Basic.Ack(9), Channel.Close)
    ok, _, content = connect(SAMU).send(Basic.Get(queue=QUEUE)).read()
    assert (ok.redelivered, content.value) == (True, b"a")


@pytest.mark.parametrize(
    "value", [Basic.Ack(99), Basic.Nack(99), Basic.Reject(99), Basic.Ack(99, multiple=True), Basic.Ack(0)]
)
def test_unknown_delivery_tag_is_406(consumer, value):
    close = consumer.call(value, Channel.Close)
    assert (close.reply_code, close.class_id, close.method_id) == (406, 60, value.index & 0xFFFF)
    assert close.reply_text == f"PRECONDITION_FAILED - unknown delivery tag {value.delivery_tag}"


def test_second_ack_is_406_and_all_of_nothing_is_no_error(consumer, stock):
    stock(QUEUE, b"a")
    consumer.send(Basic.Get(queue=QUEUE)).read()
    assert consumer.send(Basic.Ack(1)).send(Basic.Ack(0, multiple=True)).read() == []
    assert consumer.call(Basic.Ack(1), Channel.Close).reply_code == 406


def test_server_made_consumer_tag_and_cancel(consumer, stock):
    tag = consumer.call(Basic.Consume(queue=QUEUE), Basic.ConsumeOk).consumer_tag
    assert tag.startswith("amq.ctag-")
    assert len(tag) == len("amq.ctag-") + 22
    assert consumer.call(Basic.Cancel(tag), Basic.CancelOk).consumer_tag == tag
    consumer.call(Basic.Cancel("unknown"), Basic.CancelOk)
    assert consumer.send(Basic.Cancel("unknown", nowait=True)).read() == []
    stock(QUEUE, b"a")
    assert consumer.read() == []


def test_consume_without_wait_starts_at_once(consumer, stock):
    stock(QUEUE, b"a")
    assert bodies(consumer.send(Basic.Consume(queue=QUEUE, consumer_tag="t", nowait=True)).read()) == [b"a"]


def test_same_consumer_tag_twice_is_530(consumer):
    consumer.call(Basic.Consume(queue=QUEUE, consumer_tag="t"), Basic.ConsumeOk)
    close = consumer.call(Basic.Consume(queue=QUEUE, consumer_tag="t"), Connection.Close)
    assert (close.reply_code, close.reply_text) == (530, "NOT_ALLOWED - attempt to reuse consumer tag 't'")


@pytest.mark.parametrize(("first", "second"), [(True, False), (False, True)])
def test_exclusive_use_is_403(consumer, first, second):
    consumer.call(Basic.Consume(queue=QUEUE, exclusive=first), Basic.ConsumeOk)
    close = consumer.call(Basic.Consume(queue=QUEUE, consumer_tag="x", exclusive=second), Channel.Close)
    assert close.reply_text == f"ACCESS_REFUSED - queue '{QUEUE}' in vhost '15-15_v2.0' in exclusive use"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Basic.Qos(prefetch_size=1), "NOT_IMPLEMENTED - prefetch_size!=0 (1)"),
        (Basic.Recover(requeue=False), "NOT_IMPLEMENTED - requeue=false"),
        (Channel.Flow(active=False), "NOT_IMPLEMENTED - active=false"),
    ],
)
def test_what_rabbitmq_does_not_do_either_is_540(consumer, value, text):
    close = consumer.call(value, Connection.Close)
    assert (close.reply_code, close.reply_text) == (540, text)


def test_flow_on_is_answered_and_recover_async_is_not(consumer):
    assert consumer.call(Channel.Flow(active=True), Channel.FlowOk).active
    assert consumer.raw(b"\x01\x00\x01\x00\x00\x00\x05\x00\x3c\x00\x64\x01\xce").read() == []


def test_slow_client_gets_no_more_until_it_reads(consumer, stock):
    consumer.call(Basic.Consume(queue=QUEUE), Basic.ConsumeOk)
    consumer.session.pause()
    stock(QUEUE, b"a")
    assert consumer.read() == []
    consumer.session.refill(consumer.now)
    assert consumer.read() == []
    consumer.session.resume()
    consumer.session.refill(consumer.now)
    assert bodies(consumer.read()) == [b"a"]


def test_output_is_bounded_however_much_waits(consumer, stock):
    stock(QUEUE, *[bytes(1000)] * 1000)
    consumer.send(Basic.Consume(queue=QUEUE))
    got = 0
    while data := consumer.session.take_output():
        assert len(data) <= OUTPUT_HIGH + 2000
        got += data.count(bytes(1000))
        consumer.session.refill(consumer.now)
    assert got == 1000
    assert len(consumer.session.channels[1].deliveries.unacked) == 1000


def test_requeued_messages_are_announced_to_who_takes_them_inside_the_broker(consumer, stock, broker):
    queue = broker.vhosts["15-15_v2.0"].queues[QUEUE]
    stock(QUEUE, b"a")
    consumer.send(Basic.Get(queue=QUEUE)).read()
    told = []
    queue.on_ready = lambda: told.append(len(queue.ready))
    consumer.send(Basic.Nack(1, requeue=True))
    assert told == [1]


class _LostPage:
    """The page of a content that the disk no longer returns."""

    size = 1

    def read(self) -> tuple[bytes, bytes]:
        raise OSError("I/O error")


def test_message_whose_content_cannot_be_read_is_lost_alone(broker, connect, stock, caplog):
    queue = broker.vhosts["15-15_v2.0"].queues[QUEUE]
    lost = Message("distribution", QUEUE, b"", b"", persistent=False, page=_LostPage())
    queue.push(lost, 1_000_000.0)
    stock(QUEUE, b"good")
    consumer = connect(SAMU)
    consumer.send(Basic.Get(0, QUEUE))
    assert type(consumer.read()[0]) is Basic.GetOk
    consumer.send(Basic.Ack(1)).send(Basic.Consume(0, QUEUE, "c")).read()
    queue.push(lost, 1_000_000.0)
    stock(QUEUE, b"next")
    assert type(consumer.read()[0]) is Basic.Deliver
    assert (queue.unacked, len(queue.ready)) == (1, 0)
    assert caplog.text.count("is lost: I/O error") == 2
    consumer.send(Basic.Cancel("c"))
    queue.push(lost, 1_000_000.0)
    broker.tick(2_000_000.0)  # beyond its time to live: it cannot be dead-lettered either
    assert (len(queue.ready), len(broker.vhosts["15-15_v2.0"].queues["dispatch.dlq"].ready)) == (0, 0)
    assert caplog.text.count("is lost: I/O error") == 3
