"""Errors of the protocol: codes, words and culprits."""

from __future__ import annotations

from pamqp import body, commands, header
from pamqp.heartbeat import Heartbeat

from sandbox.amqp.encoding.codec import frame
from tests.wire.amqp.observed.talk import Case, On, Pub

Basic, Channel, Connection, Exchange, Queue = (
    commands.Basic,
    commands.Channel,
    commands.Connection,
    commands.Exchange,
    commands.Queue,
)


def method(class_id: int, method_id: int, arguments: bytes = b"", channel: int = 1) -> bytes:
    """A method frame of any kind."""
    return frame(1, channel, class_id.to_bytes(2, "big") + method_id.to_bytes(2, "big") + arguments)


PUBLISH = Basic.Publish(0, "hubsante", "fr.me")
HEAD = header.ContentHeader(0, 3, Basic.Properties())
# fmt: off
CASES = [
    Case("bad frame end", [b"\x01\x00\x01\x00\x00\x00\x04\x00\x14\x00\x0a\x00", "connection.close 501 FRAME_ERROR - type 1, all octets = <<0,20,0,10>>: {invalid_frame_end_marker,0} (0,0)"]),
    Case("bad frame end, long frame", [b"\x03\x00\x01\x00\x00\x00\x20" + b"0123456789abcdef0123456789abcdef" + b"\xcd", "connection.close 501 FRAME_ERROR - type 3, first 16 octets = <<\"0123456789abcdef\">>: {invalid_frame_end_marker,205} (0,0)"]),
    Case("unknown frame type", [frame(9, 1, b"abcdefg"), "connection.close 501 FRAME_ERROR - type 9, all octets = <<\"abcdefg\">>: unknown_frame (0,0)"]),
    Case("unknown frame type on channel 0", [frame(9, 0, b"abcdefg"), "connection.close 501 FRAME_ERROR - type 9, all octets = <<\"abcdefg\">>: unknown_frame (0,0)"]),
    Case("old frame types", [frame(4, 1, b"abcdefg"), "connection.close 501 FRAME_ERROR - type 4, all octets = <<\"abcdefg\">>: unknown_frame (0,0)"]),
    Case("frame larger than frame_max", [b"\x03\x00\x01\x00\x02\x00\x01", "connection.close 501 FRAME_ERROR - type 3, all octets = <<>>: {frame_too_large,131073,131064} (0,0)"]),
    Case("frame larger than a small frame_max", [frame(3, 1, bytes(4097)), "connection.close 501 FRAME_ERROR - type 3, all octets = <<>>: {frame_too_large,4097,4088} (0,0)"], frame_max=4096),
    Case("frame with a payload of frame_max", [frame(3, 1, bytes(4096)), "connection.close 505 UNEXPECTED_FRAME - expected method frame, got non method frame instead (0,0)"], frame_max=4096),
    Case("payload between", [frame(3, 1, bytes(4089)), "connection.close 505 UNEXPECTED_FRAME - expected method frame, got non method frame instead (0,0)"], frame_max=4096),
    Case("method without arguments", [method(50, 10), "connection.close 501 FRAME_ERROR - cannot decode <<>> (50,10)"]),
    Case("arguments cut short", [method(50, 10, b"\x00\x00\x05abc"), "connection.close 501 FRAME_ERROR - cannot decode <<0,0,5,97,98,99>> (50,10)"]),
    Case("publish cut short", [method(60, 40, b"\x00\x00\x05abc"), "connection.close 501 FRAME_ERROR - cannot decode <<0,0,5,97,98,99>> (60,40)"]),
    Case("ack cut short", [method(60, 80, b"\x00\x00\x05abc"), "connection.close 501 FRAME_ERROR - cannot decode <<0,0,5,97,98,99>> (60,80)"]),
    Case("arguments with a rest", [method(60, 80, bytes(7) + b"\x01\x00" + b"rest"), "connection.close 501 FRAME_ERROR - cannot decode <<0,0,0,0,0,0,0,1,0,114,101,115,116>> (60,80)"]),
    Case("table cut short", [method(50, 10, b"\x00\x00\x01x\x01\x00\x00\x00\x09\x01aS"), "connection.close 501 FRAME_ERROR - cannot decode <<0,0,1,120,1,0,0,0,9,1,97,83>> (50,10)"]),
    Case("table with an unknown type", [method(50, 10, b"\x00\x00\x01x\x01\x00\x00\x00\x03\x01aZ"), "end"], ours="connection.close 501 FRAME_ERROR - cannot decode <<0,0,1,120,1,0,0,0,3,1,97,90>> (50,10)"),
    Case("method frame of two octets", [frame(1, 1, b"\x00\x14"), "connection.close 501 FRAME_ERROR - type 1, all octets = <<0,20>>: unknown_frame (0,0)"]),
    Case("empty method frame", [frame(1, 1, b""), "connection.close 501 FRAME_ERROR - type 1, all octets = <<>>: unknown_frame (0,0)"]),
    Case("unknown class", [method(99, 10), "end"], ours="connection.close 540 NOT_IMPLEMENTED - unknown method 99/10 (99,10)"),
    Case("unknown method", [method(60, 99), "end"], ours="connection.close 540 NOT_IMPLEMENTED - unknown method 60/99 (60,99)"),
    Case("unknown method on channel 0", [method(10, 99, channel=0), "end"], ours="connection.close 540 NOT_IMPLEMENTED - unknown method 10/99 (10,99)"),
    Case("unknown method on a closed channel", [method(60, 99, channel=7), "end"], ours="connection.close 540 NOT_IMPLEMENTED - unknown method 60/99 (60,99)"),
    Case("second channel.open", [Channel.Open(), "connection.close 504 CHANNEL_ERROR - second 'channel.open' seen (20,10)"]),
    Case("method on a closed channel", [On(7, Basic.Qos()), "connection.close 504 CHANNEL_ERROR - expected 'channel.open' (60,10)"]),
    Case("channel.close on a closed channel", [On(7, Channel.Close(200, "", 0, 0)), "connection.close 504 CHANNEL_ERROR - expected 'channel.open' (20,40)"]),
    Case("channel.close-ok on a closed channel", [On(7, Channel.CloseOk()), "connection.close 504 CHANNEL_ERROR - expected 'channel.open' (20,41)"]),
    Case("channel.close-ok that nobody waits for", [Channel.CloseOk(), "connection.close 503 COMMAND_INVALID - unimplemented method (20,41)"]),
    Case("header on a closed channel", [On(7, HEAD), "connection.close 505 UNEXPECTED_FRAME - expected method frame, got non method frame instead (0,0)"]),
    Case("body on a closed channel", [On(7, body.ContentBody(b"abc")), "connection.close 505 UNEXPECTED_FRAME - expected method frame, got non method frame instead (0,0)"]),
    Case("channel method on channel 0", [On(0, Channel.Open()), "connection.close 504 CHANNEL_ERROR - unexpected method in connection state running (20,10)"]),
    Case("basic method on channel 0", [On(0, Basic.Qos()), "connection.close 504 CHANNEL_ERROR - unexpected method in connection state running (60,10)"]),
    Case("header on channel 0", [On(0, HEAD), "connection.close 505 UNEXPECTED_FRAME - type 2, all octets = <<0,60,0,0,0,0,0,0,0,0,0,3,0,0>> (0,0)"]),
    Case("body on channel 0", [On(0, body.ContentBody(b"abc")), "connection.close 505 UNEXPECTED_FRAME - type 3, all octets = <<\"abc\">> (0,0)"]),
    Case("connection method on a channel", [method(10, 50, b"\x00\x00\x00\x00\x00\x00\x00"), "connection.close 503 COMMAND_INVALID - unimplemented method (10,50)"]),
    Case("connection method on a closed channel", [method(10, 50, b"\x00\x00\x00\x00\x00\x00\x00", 7), "connection.close 504 CHANNEL_ERROR - expected 'channel.open' (10,50)"]),
    Case("close-ok of the connection that nobody waits for", [Connection.CloseOk(), "connection.close 504 CHANNEL_ERROR - unexpected method in connection state running (10,51)"]),
    Case("start from a client", [Connection.Start(0, 9, {}, "a", "b"), "connection.close 504 CHANNEL_ERROR - unexpected method in connection state running (10,10)"]),
    Case("tune from a client", [Connection.Tune(), "connection.close 504 CHANNEL_ERROR - unexpected method in connection state running (10,30)"]),
    Case("open twice", [Connection.Open("v2"), "connection.close 504 CHANNEL_ERROR - unexpected method in connection state running (10,40)"]),
    Case("blocked from a client", [Connection.Blocked("me"), "connection.close 504 CHANNEL_ERROR - unexpected method in connection state running (10,60)"]),
    Case("open-ok from a client", [Channel.OpenOk(), "connection.close 503 COMMAND_INVALID - unimplemented method (20,11)"]),
    Case("declare-ok from a client", [Queue.DeclareOk("a", 0, 0), "connection.close 503 COMMAND_INVALID - unimplemented method (50,11)"]),
    Case("get-empty from a client", [Basic.GetEmpty(), "connection.close 503 COMMAND_INVALID - unimplemented method (60,72)"]),
    Case("cancel-ok from a client", [Basic.CancelOk("t"), "connection.close 503 COMMAND_INVALID - unimplemented method (60,31)"]),
    Case("flow-ok from a client", [Channel.FlowOk(True), "connection.close 503 COMMAND_INVALID - unimplemented method (20,21)"]),
    Case("select-ok from a client", [commands.Confirm.SelectOk(), "connection.close 503 COMMAND_INVALID - unimplemented method (85,11)"]),
    Case("qos-ok from a client", [Basic.QosOk(), "connection.close 503 COMMAND_INVALID - unimplemented method (60,11)"]),
    Case("ack of a publisher's kind of nothing", [Basic.Nack(0, False, False), "channel.close 406 PRECONDITION_FAILED - unknown delivery tag 0 (60,120)"]),
    Case("header without publish", [HEAD, "connection.close 505 UNEXPECTED_FRAME - expected method frame, got non method frame instead (0,0)"]),
    Case("body without publish", [body.ContentBody(b"abc"), "connection.close 505 UNEXPECTED_FRAME - expected method frame, got non method frame instead (0,0)"]),
    Case("method between publish and header", [PUBLISH, Basic.Qos(), "connection.close 505 UNEXPECTED_FRAME - expected content header for class 60, got non content header frame instead (60,40)"]),
    Case("body instead of header", [PUBLISH, body.ContentBody(b"abc"), "connection.close 505 UNEXPECTED_FRAME - expected content header for class 60, got non content header frame instead (60,40)"]),
    Case("method inside a body", [PUBLISH, HEAD, body.ContentBody(b"a"), Basic.Qos(), "connection.close 505 UNEXPECTED_FRAME - expected content body, got non content body frame instead (60,40)"]),
    Case("method before a body", [PUBLISH, HEAD, Basic.Qos(), "connection.close 505 UNEXPECTED_FRAME - expected content body, got non content body frame instead (60,40)"]),
    Case("second header", [PUBLISH, HEAD, HEAD, "connection.close 505 UNEXPECTED_FRAME - expected content body, got non content body frame instead (60,40)"]),
    Case("channel.close between publish and header", [PUBLISH, Channel.Close(200, "", 0, 0), "connection.close 505 UNEXPECTED_FRAME - expected content header for class 60, got non content header frame instead (60,40)"]),
    Case("header of another class", [PUBLISH, frame(2, 1, b"\x00\x32\x00\x00" + bytes(10)), "connection.close 505 UNEXPECTED_FRAME - expected content header for class 60, got one for class 50 instead (60,40)"]),
    Case("header with a weight", [PUBLISH, frame(2, 1, b"\x00\x3c\x00\x01" + bytes(10)), "connection.close 505 UNEXPECTED_FRAME - expected content header for class 60, got non content header frame instead (60,40)"]),
    Case("header cut short", [PUBLISH, frame(2, 1, b"\x00\x3c\x00\x00"), "connection.close 501 FRAME_ERROR - type 2, all octets = <<0,60,0,0>>: unknown_frame (0,0)"]),
    Case("properties cut short", [PUBLISH, frame(2, 1, b"\x00\x3c\x00\x00" + bytes(8) + b"\x80\x00\x09ab"), "connection.close 541 INTERNAL_ERROR (0,0)"], ours="connection.close 501 FRAME_ERROR - content header cut short (60,40)"),
    Case("property flags that are unknown", [PUBLISH, frame(2, 1, b"\x00\x3c\x00\x00" + bytes(8) + b"\x00\x02")]),
    Case("property flags that go on", [PUBLISH, frame(2, 1, b"\x00\x3c\x00\x00" + bytes(8) + b"\x00\x01\x00\x00"), "connection.close 541 INTERNAL_ERROR (0,0)"], ours="connection.close 501 FRAME_ERROR - property flags that go on (60,40)"),
    Case("properties with a rest", [PUBLISH, frame(2, 1, b"\x00\x3c\x00\x00" + bytes(8) + b"\x00\x00rest"), "connection.close 541 INTERNAL_ERROR (0,0)"], ours="connection.close 501 FRAME_ERROR - content header with more than its properties (60,40)"),
    Case("header table cut short", [PUBLISH, frame(2, 1, b"\x00\x3c\x00\x00" + bytes(8) + b"\x20\x00\x00\x00\x00\x07\x01aS\x00\x00\x00\x09"), "connection.close 541 INTERNAL_ERROR (0,0)"], ours="connection.close 501 FRAME_ERROR - header table cut short (60,40)"),
    Case("body frame after the end", [PUBLISH, HEAD, body.ContentBody(b"abc"), body.ContentBody(b"d"), "connection.close 505 UNEXPECTED_FRAME - expected method frame, got non method frame instead (0,0)"]),
    Case("empty body frames", [commands.Confirm.Select(), "confirm.select-ok", PUBLISH, HEAD, frame(3, 1, b""), body.ContentBody(b"abc"), "basic.ack 1"]),
    Case("heartbeat", [Heartbeat()]),
    Case("heartbeat on a channel", [frame(8, 1, b""), "connection.close 505 UNEXPECTED_FRAME - type 8, all octets = <<>> (0,0)"]),
    Case("heartbeat with a payload", [frame(8, 0, b"abc"), "connection.close 501 FRAME_ERROR - type 8, all octets = <<\"abc\">>: unknown_frame (0,0)"]),
    Case("heartbeat inside a body", [commands.Confirm.Select(), "confirm.select-ok", PUBLISH, HEAD, Heartbeat(), body.ContentBody(b"abc"), "basic.ack 1"]),
    Case("more channels than agreed", [On(2, Channel.Open()), "connection.close 530 NOT_ALLOWED - number of channels opened (1) has reached the negotiated channel_max (1) (0,0)"], channel_max=1),
    Case("any number of a channel will do", [On(60_000, Channel.Open()), On(60_000, "channel.open-ok on 60000")], channel_max=2),
    Case("what follows channel.close is ignored", [Basic.Ack(9), Basic.Qos(), Pub(), "channel.close 406 PRECONDITION_FAILED - unknown delivery tag 9 (60,80)"]),
    Case("channel.close crosses ours", [Basic.Ack(9), Channel.Close(200, "", 0, 0), "channel.close 406 PRECONDITION_FAILED - unknown delivery tag 9 (60,80)", "channel.close-ok", Channel.CloseOk(), Channel.Open(), "channel.open-ok"]),
    Case("what follows connection.close is ignored", [Channel.Open(), Basic.Qos(), PUBLISH, "connection.close 504 CHANNEL_ERROR - second 'channel.open' seen (20,10)"]),
]
