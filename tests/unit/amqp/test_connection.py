"""From the protocol header to the end of a connection."""

from __future__ import annotations

import pytest
from pamqp import body, commands, frame, header, heartbeat

from sandbox.amqp.encoding.codec import PROTOCOL_HEADER
from sandbox.amqp.encoding.codec import frame as make_frame
from sandbox.amqp.session.states import ChannelState, ConnectionState, channel_step, connection_step
from sandbox.kernel.errors import TransitionError

Basic, Channel, Connection = commands.Basic, commands.Channel, commands.Connection


@pytest.mark.parametrize(
    "greeting", [b"AMQP\x00\x00\x09\x00", b"AMQP\x00\x01\x00\x00", b"AMQP\x03\x01\x00\x00", b"GET / HT"]
)
def test_another_protocol_is_answered_with_ours_and_cut(stranger, greeting):
    wire = stranger()
    wire.raw(greeting)
    assert wire.session.take_output() == PROTOCOL_HEADER
    assert wire.session.state is ConnectionState.ENDED


def test_start_offers_external_and_rabbitmqs_capabilities(stranger):
    start = stranger().raw(PROTOCOL_HEADER).one(Connection.Start)
    assert (start.version_major, start.version_minor, start.mechanisms, start.locales) == (0, 9, "EXTERNAL", "en_US")
    assert set(start.server_properties) == {
        "product", "version", "platform", "copyright", "information", "cluster_name", "capabilities",
    }  # fmt: skip
    assert len(start.server_properties["capabilities"]) == 9
    assert all(start.server_properties["capabilities"].values())


def test_header_may_come_octet_by_octet(stranger):
    wire = stranger()
    for at in range(8):
        wire.raw(PROTOCOL_HEADER[at : at + 1])
    wire.one(Connection.Start)


@pytest.mark.parametrize("response", ["", "fr.health.somebody.else"])
def test_the_certificate_alone_decides_who_comes_in(stranger, response):
    wire = stranger().greet(response=response)
    tune = wire.one(Connection.Tune)
    assert (tune.channel_max, tune.frame_max, tune.heartbeat) == (2047, 131_072, 60)
    assert wire.session.user == "fr.health.test.ptfsas"


def test_unknown_client_is_refused_with_403(stranger):
    wire = stranger("fr.health.nobody").greet()
    close = wire.one(Connection.Close)
    assert (close.reply_code, close.class_id, close.method_id) == (403, 0, 0)
    assert close.reply_text == (
        "ACCESS_REFUSED - Login was refused using authentication mechanism EXTERNAL."
        " For details see the broker logfile."
    )
    wire.send(Connection.CloseOk(), 0)
    assert wire.session.state is ConnectionState.ENDED


@pytest.mark.parametrize("properties", [{}, {"capabilities": {}}, {"capabilities": "all"}])
def test_unknown_client_without_that_capability_is_cut_without_a_word(stranger, properties):
    wire = stranger("fr.health.nobody").greet(properties)
    assert wire.read() == []
    assert wire.session.state is ConnectionState.ENDED


def test_a_mechanism_that_was_not_offered_is_cut(stranger):
    wire = stranger().raw(PROTOCOL_HEADER)
    wire.one(Connection.Start)
    wire.send(Connection.StartOk({}, "PLAIN", "\0guest\0guest", "en_US"), 0)
    assert wire.read() == []
    assert wire.session.state is ConnectionState.ENDED


@pytest.mark.parametrize(
    "tuning", [(2048, 131_072, 60), (0, 131_072, 60), (10, 0, 60), (10, 4095, 60), (10, 131_073, 60)]
)
def test_tuning_beyond_the_offer_is_cut(stranger, tuning):
    wire = stranger().greet()
    wire.one(Connection.Tune)
    wire.send(Connection.TuneOk(*tuning), 0)
    assert wire.session.state is ConnectionState.ENDED
    assert wire.read() == []


def test_tune_ok_and_open_may_come_in_one_packet(stranger):
    wire = stranger().greet()
    wire.one(Connection.Tune)
    packet = frame.marshal(Connection.TuneOk(7, 4096, 0), 0) + frame.marshal(Connection.Open("/"), 0)
    assert wire.raw(packet).one(Connection.OpenOk).known_hosts == ""
    assert (wire.session.channel_max, wire.session.frame_max, wire.session.heartbeat) == (7, 4096, 0)


def test_unknown_virtual_host_is_refused_with_530(stranger):
    wire = stranger().greet()
    wire.one(Connection.Tune)
    wire.send(Connection.TuneOk(7, 4096, 0), 0)
    close = wire.call(Connection.Open("nope"), Connection.Close, 0)
    assert (close.reply_code, close.reply_text) == (530, "NOT_ALLOWED - vhost nope not found")
    assert (close.class_id, close.method_id) == (10, 40)


def test_client_closes_and_gets_close_ok_even_with_channels_open(connect):
    wire = connect()
    wire.call(Connection.Close(200, "Cheers, thanks", 0, 0), Connection.CloseOk, 0)
    assert wire.session.state is ConnectionState.HANG_UP
    assert wire.send(Basic.Qos(), 1).read() == []


def test_after_our_close_only_close_ok_counts(connect):
    wire = connect()
    wire.send(Channel.Open(), 1)
    close = wire.one(Connection.Close)
    assert (close.reply_code, close.reply_text) == (504, "CHANNEL_ERROR - second 'channel.open' seen")
    assert (close.class_id, close.method_id) == (20, 10)
    wire.publish()
    wire.send(heartbeat.Heartbeat(), 0)
    assert wire.read() == []
    wire.call(Connection.Close(200, "", 0, 0), Connection.CloseOk, 0)
    wire.send(Connection.CloseOk(), 0)
    assert wire.session.state is ConnectionState.ENDED


@pytest.mark.parametrize(
    ("value", "channel", "code", "text"),
    [
        (Basic.Qos(), 5, 504, "CHANNEL_ERROR - expected 'channel.open'"),
        (Channel.Close(200, "", 0, 0), 5, 504, "CHANNEL_ERROR - expected 'channel.open'"),
        (Basic.Qos(), 0, 504, "CHANNEL_ERROR - unexpected method in connection state running"),
        (Connection.Open("/"), 0, 504, "CHANNEL_ERROR - unexpected method in connection state running"),
        (Connection.Close(200, "", 0, 0), 1, 503, "COMMAND_INVALID - unimplemented method"),
        (Basic.GetEmpty(), 1, 503, "COMMAND_INVALID - unimplemented method"),
        (commands.Tx.Select(), 1, 540, "NOT_IMPLEMENTED - transactions are not supported, use publisher confirms"),
    ],
)
def test_methods_in_the_wrong_place_close_the_connection(connect, value, channel, code, text):
    close = connect().call(value, Connection.Close, channel)
    assert (close.reply_code, close.reply_text) == (code, text)
    assert (close.class_id, close.method_id) == (value.index >> 16, value.index & 0xFFFF)


@pytest.mark.parametrize("channel", [1, 9])
@pytest.mark.parametrize("value", [header.ContentHeader(0, 2), body.ContentBody(b"{}")])
def test_content_without_publish_is_505(connect, value, channel):
    close = connect().call(value, Connection.Close, channel)
    assert close.reply_code == 505
    assert close.reply_text == "UNEXPECTED_FRAME - expected method frame, got non method frame instead"


def test_heartbeat_on_a_channel_is_505(connect):
    assert connect().raw(b"\x08\x00\x01\x00\x00\x00\x00\xce").one(Connection.Close).reply_code == 505


def test_method_inside_content_is_505(connect):
    wire = connect().send(Basic.Publish(0, "hubsante", "k"))
    assert wire.call(Basic.Qos(), Connection.Close).reply_code == 505


def test_header_of_another_class_is_505(connect):
    wire = connect().send(Basic.Publish(0, "hubsante", "k"))
    wire.raw(b"\x02\x00\x01\x00\x00\x00\x0e\x00\x14" + bytes(12) + b"\xce")
    assert wire.one(Connection.Close).reply_text == (
        "UNEXPECTED_FRAME - expected content header for class 60, got one for class 20 instead"
    )


@pytest.mark.parametrize(
    ("octets", "problem"),
    [
        (b"\x01\x00\x01\x00\x00\x00\x04\x00\x3c\x00\x0a\x00", "invalid_frame_end_marker"),
        (b"\x04\x00\x01\x00\x00\x00\x00\xce", "unknown_frame"),
        (b"\x01\x00\x01\x7f\xff\xff\xff", "frame_too_large"),
    ],
)
def test_unreadable_frames_are_501_and_then_only_close_ok_is_understood(connect, octets, problem):
    wire = connect()
    close = wire.raw(octets).one(Connection.Close)
    assert (close.reply_code, close.class_id, close.method_id) == (501, 0, 0)
    assert problem in close.reply_text
    assert wire.raw(b"\xff" * 100).read() == []
    answer = frame.marshal(Connection.CloseOk(), 0)
    wire.raw(answer[:5])
    wire.raw(answer[5:])
    assert wire.session.state is ConnectionState.ENDED


def test_arguments_cut_short_are_501_with_the_culprit(connect):
    close = connect().raw(b"\x01\x00\x01\x00\x00\x00\x07\x00\x32\x00\x0a\x00\x00\x05\xce").one(Connection.Close)
    assert (close.reply_code, close.class_id, close.method_id) == (501, 50, 10)


def test_unknown_method_is_540(connect):
    close = connect().raw(b"\x01\x00\x01\x00\x00\x00\x04\x00\x3c\x00\xff\xce").one(Connection.Close)
    assert (close.reply_code, close.class_id, close.method_id) == (540, 60, 255)


def test_more_channels_than_agreed_are_530_whatever_their_numbers(connect):
    wire = connect(channel_max=2).channel(2047)
    close = wire.call(Channel.Open(), Connection.Close, 3)
    assert close.reply_code == 530
    assert "(2) has reached the negotiated channel_max (2)" in close.reply_text


def test_errors_before_the_connection_is_open_are_cut_without_a_word(stranger):
    wire = stranger().raw(PROTOCOL_HEADER)
    wire.one(Connection.Start)
    wire.raw(b"\x04rubbish")
    assert wire.read() == []
    assert wire.session.state is ConnectionState.ENDED


def test_broker_stopping_says_so(connect):
    wire = connect()
    wire.session.shut_down(wire.now)
    close = wire.one(Connection.Close)
    assert (close.reply_code, close.reply_text) == (
        320, "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'",
    )  # fmt: skip


def test_broker_stopping_cuts_who_has_not_come_in(stranger):
    wire = stranger()
    wire.session.shut_down(wire.now)
    assert wire.session.state is ConnectionState.ENDED


def test_defect_of_the_broker_is_541(connect):
    wire = connect()
    wire.receiver.fail(wire.now)
    assert wire.one(Connection.Close).reply_code == 541


def test_heartbeats_go_out_at_half_the_interval_and_a_silent_client_is_cut(connect):
    wire = connect(heartbeat=10)
    wire.session.beat(4.0, 4.0)
    assert wire.read() == []
    wire.session.beat(5.0, 5.0)
    wire.one(heartbeat.Heartbeat)
    wire.session.beat(25.1, 1.0)
    assert wire.session.state is ConnectionState.ENDED
    assert wire.read() == []


def test_without_heartbeats_nobody_is_cut(connect):
    wire = connect(heartbeat=0)
    wire.session.beat(1e9, 1e9)
    assert wire.read() == []
    assert wire.session.state is ConnectionState.RUNNING


def test_life_cycles_have_no_other_steps():
    with pytest.raises(TransitionError, match="no 'open' in state HEADER"):
        connection_step(ConnectionState.HEADER, "open")
    with pytest.raises(TransitionError):
        channel_step(ChannelState.GONE, "publish")


@pytest.mark.parametrize(
    "payload",
    [
        b"\x00\x3c",  # no whole method
        b"\x00\x3c\x00\x28\x00\x00\x09hub",  # basic.publish, exchange cut
        b"\x00\x3c\x00\x28\x00\x00\x01\xff\x01k\x00",  # basic.publish, exchange not UTF-8
        b"\x00\x3c\x00\x50\x00\x00",  # basic.ack, tag cut
    ],
)
def test_methods_cut_short_are_501(connect, payload):
    assert connect().raw(make_frame(1, 1, payload)).one(Connection.Close).reply_code == 501


def test_content_header_cut_short_is_501(connect):
    wire = connect().send(Basic.Publish(0, "hubsante", "k"))
    assert wire.raw(make_frame(2, 1, b"\x00\x3c")).one(Connection.Close).reply_code == 501


def test_channels_before_the_connection_is_open_are_cut(stranger):
    wire = stranger().greet()
    wire.one(Connection.Tune)
    wire.send(Channel.Open(), 1)
    assert wire.read() == []
    assert wire.session.state is ConnectionState.ENDED


def test_frames_behind_the_end_in_the_same_packet_are_ignored(connect):
    wire = connect()
    wire.call(Channel.Open(), Connection.Close)
    packet = frame.marshal(Connection.CloseOk(), 0) + frame.marshal(Channel.Open(), 1)
    assert wire.raw(packet).read() == []
    wire.session.send(b"late")
    assert wire.read() == []


def test_while_the_end_is_not_answered_other_methods_of_the_connection_are_ignored(connect):
    wire = connect()
    wire.call(Channel.Open(), Connection.Close)
    assert wire.send(Connection.TuneOk(0, 131_072, 0), 0).read() == []
    assert wire.session.state is ConnectionState.CLOSE_OK
    wire.call(Connection.Close(200, "", 0, 0), Connection.CloseOk, 0)
    wire.send(Connection.CloseOk(), 0)
    assert wire.session.state is ConnectionState.ENDED
