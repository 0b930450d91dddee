"""The start of a connection: protocol header, login, tune, virtual hosts, and errors in them."""

from __future__ import annotations

from pamqp import commands

from sandbox.amqp.encoding.codec import frame
from tests.wire.amqp.observed.talk import ABLE, STRANGER, Case, On

Basic, Channel, Connection, Exchange, Queue = (
    commands.Basic,
    commands.Channel,
    commands.Connection,
    commands.Exchange,
    commands.Queue,
)

# fmt: off
CASES = [
    *(
        Case(f"header {octets!r}", [octets, "header b'AMQP\\x00\\x00\\t\\x01'", "end"], after="nothing")
        for octets in (b"AMQP\x00\x01\x00\x00", b"AMQP\x03\x01\x00\x00", b"AMQP\x01\x01\x00\x0a", b"HTTP/1.1", bytes(8))
    ),
    Case("the header comes octet by octet", [*(bytes((octet,)) for octet in b"AMQP\x00\x00\x09\x01"), "connection.start 0-9 EXTERNAL en_US"], after="nothing"),
    Case("unknown client that is able to hear of it", [Connection.StartOk(ABLE, "EXTERNAL", "", "en_US"), "connection.close 403 ACCESS_REFUSED - Login was refused using authentication mechanism EXTERNAL. For details see the broker logfile. (0,0)"], after="header", user=STRANGER),
    Case("unknown client that is not", [Connection.StartOk({}, "EXTERNAL", "", "en_US"), "end"], after="header", user=STRANGER),
    Case("mechanism that was not offered", [Connection.StartOk(ABLE, "PLAIN", "\0fr.me\0secret", "en_US"), "end"], after="header"),
    Case("response is ignored", [Connection.StartOk({}, "EXTERNAL", "fr.lrm", "en_US"), "connection.tune 2047 131072 60"], after="header"),
    Case("tune", [Connection.TuneOk(2047, 131_072, 60), Connection.Open("v2"), "connection.open-ok"], after="start-ok"),
    Case("lower values", [Connection.TuneOk(1, 4096, 0), Connection.Open("v2"), "connection.open-ok"], after="start-ok"),
    Case("frame_max above the offer", [Connection.TuneOk(2047, 131_073, 0), "end"], after="start-ok"),
    Case("frame_max below 4096", [Connection.TuneOk(2047, 4095, 0), "end"], after="start-ok"),
    Case("frame_max 0", [Connection.TuneOk(2047, 0, 0), "end"], after="start-ok"),
    Case("channel_max above the offer", [Connection.TuneOk(2048, 131_072, 0), "end"], after="start-ok"),
    Case("channel_max 0", [Connection.TuneOk(0, 131_072, 0), "end"], after="start-ok"),
    Case("unknown virtual host", [Connection.Open("nope"), "connection.close 530 NOT_ALLOWED - vhost nope not found (10,40)"], after="tune-ok"),
    Case("empty virtual host", [Connection.Open(""), "connection.close 530 NOT_ALLOWED - vhost  not found (10,40)"], after="tune-ok"),
    Case("virtual host with a slash before it", [Connection.Open("/v2"), "connection.close 530 NOT_ALLOWED - vhost /v2 not found (10,40)"], after="tune-ok"),
    Case("the other virtual host", [Connection.Open("/"), "connection.open-ok"], after="tune-ok"),
    Case("virtual hosts are apart", [Queue.Declare(0, "fr.me.message", True), "queue.declare-ok fr.me.message 0 0"], vhost="/"),
    Case("open before tune-ok", [Connection.Open("v2"), "end"], after="start-ok"),
    Case("channel before the connection is open", [Channel.Open(), "connection.close 505 UNEXPECTED_FRAME - type 1, all octets = <<0,20,0,10,1,48>> (0,0)"], after="tune-ok"),
    Case("start-ok twice", [Connection.StartOk({}, "EXTERNAL", "", "en_US"), "connection.close 504 CHANNEL_ERROR - unexpected method in connection state running (10,11)"], after="open"),
    Case("close before open", [Connection.Close(200, "bye", 0, 0), "connection.close 504 CHANNEL_ERROR - unexpected method in connection state opening (10,50)"], after="tune-ok"),
    Case("close", [Connection.Close(200, "Cheers, thanks", 0, 0), "connection.close-ok"]),
    Case("close with code 0", [Connection.Close(0, "", 0, 0), "connection.close-ok"]),
    Case("close with channels open", [On(2, Channel.Open()), "channel.open-ok on 2", Connection.Close(200, "", 0, 0), "connection.close-ok"]),
    Case("garbage instead of start-ok", [frame(1, 0, b"\x00\x0a\x00\x0b"), "end"], after="header"),
    Case("frame before login larger than 4096", [frame(1, 0, bytes(5000)), "end"], after="header"),
    Case("update-secret", [Connection.UpdateSecret("x", "y"), "connection.update-secret-ok"]),
]
