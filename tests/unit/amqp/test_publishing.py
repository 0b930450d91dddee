"""basic.publish, confirms, returns."""

from __future__ import annotations

import pytest
from pamqp import body, commands, header

from sandbox.amqp.broker.limits import Limits
from sandbox.amqp.encoding import properties as props

Basic, Channel, Confirm, Connection = commands.Basic, commands.Channel, commands.Confirm, commands.Connection
ME = "fr.health.test.ptfsas"


def dispatch(broker):
    return broker.vhosts["15-15_v2.0"].queues["dispatch"]


def on_disk(broker, safe=True):
    batch, record = broker.records.take()
    broker.records.settled(batch, safe=safe)
    return record


@pytest.fixture
def publisher(connect):
    wire = connect()
    wire.call(Confirm.Select(), Confirm.SelectOk)
    return wire


def test_confirm_comes_when_the_disk_has_the_message_not_before(publisher, broker):
    publisher.publish(b"one")
    assert publisher.read() == []
    assert b"one" in on_disk(broker)
    ack = publisher.one(Basic.Ack)
    assert (ack.delivery_tag, ack.multiple) == (1, False)


def test_confirms_of_one_batch_are_one_ack(publisher, broker):
    for number in range(5):
        publisher.publish(b"%d" % number)
    on_disk(broker)
    publisher.publish(b"later")
    ack = publisher.one(Basic.Ack)
    assert (ack.delivery_tag, ack.multiple) == (5, True)
    on_disk(broker)
    assert publisher.one(Basic.Ack).delivery_tag == 6


def test_each_channel_counts_its_own_tags(publisher, broker):
    publisher.channel(2)
    publisher.call(Confirm.Select(), Confirm.SelectOk, 2)
    publisher.publish(channel=2).publish(channel=1)
    on_disk(broker)
    assert {channel: ack.delivery_tag for channel, ack in publisher.frames()} == {1: 1, 2: 1}


def test_disk_that_fails_gives_nacks_and_later_publishes_too(publisher, broker):
    publisher.publish().publish()
    broker.records.accepting = False
    on_disk(broker, safe=False)
    nack = publisher.one(Basic.Nack)
    assert (nack.delivery_tag, nack.multiple) == (2, True)
    publisher.publish()
    assert publisher.one(Basic.Nack).delivery_tag == 3
    assert len(dispatch(broker).ready) == 2


def test_full_memory_gives_nacks(publisher, broker):
    broker.load.most = 10
    publisher.publish(b"0123456789").publish(b"x")
    assert publisher.one(Basic.Nack).delivery_tag == 2
    assert broker.load.octets == 10


def test_transient_messages_are_confirmed_at_once_but_never_out_of_turn(publisher, broker):
    publisher.publish(delivery_mode=1)
    assert publisher.one(Basic.Ack).delivery_tag == 1
    publisher.publish(delivery_mode=2).publish(delivery_mode=1)
    assert publisher.read() == []
    on_disk(broker)
    assert publisher.one(Basic.Ack).delivery_tag == 3


def test_without_confirm_select_nothing_is_sent(connect, broker):
    wire = connect().publish()
    on_disk(broker)
    assert wire.read() == []
    assert len(dispatch(broker).ready) == 1


def test_mandatory_to_hubsante_is_never_returned(publisher, broker):
    publisher.publish(mandatory=True)
    on_disk(broker)
    publisher.one(Basic.Ack)


def test_mandatory_without_a_queue_is_returned_then_confirmed(publisher, broker):
    from sandbox.amqp.broker.routing import Exchange

    broker.vhosts["15-15_v2.0"].exchanges["hubsante"] = Exchange("hubsante", "topic")
    publisher.publish(b"lost", mandatory=True)
    returned, head, content, ack = publisher.read()
    assert (returned.reply_code, returned.reply_text) == (312, "NO_ROUTE")
    assert (returned.exchange, returned.routing_key) == ("hubsante", ME)
    assert (head.body_size, content.value, ack.delivery_tag) == (4, b"lost", 1)


def test_immediate_is_540(connect):
    close = connect().publish(immediate=True).one(Connection.Close)
    assert (close.reply_code, close.reply_text) == (540, "NOT_IMPLEMENTED - immediate=true")


def test_empty_body_has_no_body_frame(connect, broker):
    connect().publish(b"")
    assert dispatch(broker).ready[0].message.body == b""


def test_body_in_several_frames_of_interleaved_channels(connect, broker):
    wire = connect().channel(2)
    for channel in (1, 2):
        wire.send(Basic.Publish(0, "hubsante", ME), channel)
        wire.send(header.ContentHeader(0, 4, Basic.Properties(delivery_mode=2)), channel)
    for channel, piece in ((1, b"ab"), (2, b"wx"), (2, b""), (1, b"cd"), (2, b"yz")):
        wire.send(body.ContentBody(piece), channel) if piece else wire.raw(b"\x03\x00\x02\x00\x00\x00\x00\xce")
    assert [entry.message.body for entry in dispatch(broker).ready] == [b"abcd", b"wxyz"]


def test_body_longer_than_its_header_says_is_505(connect):
    wire = connect().send(Basic.Publish(0, "hubsante", ME)).send(header.ContentHeader(0, 2, Basic.Properties()))
    assert wire.call(body.ContentBody(b"abc"), Connection.Close).reply_code == 505


@pytest.mark.parametrize("value", [header.ContentHeader(0, 2, Basic.Properties())])
def test_second_header_is_505(connect, value):
    wire = connect().send(Basic.Publish(0, "hubsante", ME)).send(value)
    assert wire.call(value, Connection.Close).reply_code == 505


def test_body_before_its_header_is_505(connect):
    wire = connect().send(Basic.Publish(0, "hubsante", ME))
    assert wire.call(body.ContentBody(b"abc"), Connection.Close).reply_code == 505


def test_message_too_large_is_406_and_its_body_is_ignored(connect):
    wire = connect().send(Basic.Publish(0, "hubsante", ME))
    close = wire.call(header.ContentHeader(0, Limits().message + 1, Basic.Properties()), Channel.Close)
    assert (close.reply_code, close.class_id, close.method_id) == (406, 60, 40)
    assert wire.send(body.ContentBody(b"abc")).send(header.ContentHeader(0, 2)).read() == []


@pytest.mark.parametrize(
    ("properties", "text"),
    [
        ({"user_id": "me"}, f"user_id property set to 'me' but authenticated user was '{ME}'"),
        ({"expiration": "abc"}, "invalid expiration 'abc': no_integer"),
        ({"expiration": "-"}, "invalid expiration '-': no_integer"),
        ({"expiration": "5s"}, "invalid expiration '5s': {leftover_string,\"s\"}"),
        ({"expiration": "-1"}, "invalid expiration '-1': {value_negative,-1}"),
        ({"expiration": "315360000001"}, "invalid expiration '315360000001': {value_too_large,315360000001}"),
    ],
)
def test_properties_that_the_broker_acts_on_are_checked(connect, properties, text):
    close = connect().publish(**properties).one(Channel.Close)
    assert (close.reply_code, close.reply_text) == (406, f"PRECONDITION_FAILED - {text}")


def test_good_user_id_and_expiration_pass(connect, broker):
    connect().publish(user_id=ME, expiration="1500")
    assert dispatch(broker).ready[0].expires_at == 1_000_001.5


@pytest.mark.parametrize(
    "octets", [b"\x80\x00\x05ab", b"\x20\x00\x00\x00\x00\x09", b"\x00\x01", b"\x20\x00\x00\x00\x00\x03\x01aZ"]
)
def test_properties_that_cannot_be_read_are_501(connect, octets):
    wire = connect().send(Basic.Publish(0, "hubsante", ME))
    payload = b"\x00\x3c\x00\x00" + bytes(8) + octets
    wire.raw(b"\x02\x00\x01" + len(payload).to_bytes(4, "big") + payload + b"\xce")
    close = wire.one(Connection.Close)
    assert (close.reply_code, close.class_id, close.method_id) == (501, 60, 40)


def test_closing_the_channel_drops_what_is_owed(publisher, broker):
    publisher.publish()
    publisher.call(Channel.Close(200, "", 0, 0), Channel.CloseOk)
    on_disk(broker)
    assert publisher.read() == []


def test_exchange_that_is_gone_is_404(connect, broker):
    wire = connect()
    del broker.vhosts["15-15_v2.0"].exchanges["hubsante"]
    close = wire.publish().one(Channel.Close)
    assert (close.reply_code, close.reply_text) == (404, "NOT_FOUND - no exchange 'hubsante' in vhost '15-15_v2.0'")


def test_confirm_select_without_wait_is_not_answered(connect, broker):
    wire = connect()
    assert wire.send(Confirm.Select(nowait=True)).read() == []
    wire.publish()
    on_disk(broker)
    wire.one(Basic.Ack)


def test_property_lists_that_the_hub_writes_leave_out_what_cannot_be_written():
    headers = {"good": 1, "k" * 256: 2, "octets": b"\xff", "far": 10**30}
    fields = props.split(props.build(content_type="application/json", headers=headers))
    assert props.headers(fields) == {"good": 1}
