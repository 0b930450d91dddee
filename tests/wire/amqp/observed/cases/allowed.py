"""What clients are allowed: time for acknowledgements, and size of messages."""

from __future__ import annotations

from pamqp import commands

from tests.wire.amqp.observed.talk import DISPATCHER, LRM, ME, By, Case, Confirms, On, Pub, Wait

Basic, Channel = commands.Basic, commands.Channel
INBOX = f"{ME}.message"
ACK_S, MOST = 0.5, 1000


def put(*bodies: bytes) -> tuple[By, ...]:
    """Publications of the dispatcher, all of them there."""
    publications = (By(DISPATCHER, Pub(octets, INBOX, "distribution")) for octets in bodies)
    select = (By(DISPATCHER, commands.Confirm.Select()), By(DISPATCHER, "confirm.select-ok"))
    return (*select, *publications, By(DISPATCHER, Confirms(len(bodies))))


def delivered(tag: int, octets: str, again: str = "", of: str = "c") -> str:
    return f"basic.deliver {of} {tag}{again} distribution/{INBOX} {octets}"


def overdue(channel: int = 1) -> str:
    place = "" if channel == 1 else f" on {channel}"
    return (
        f"channel.close{place} 406 PRECONDITION_FAILED - delivery acknowledgement on channel {channel} timed out. Timeout value"
        " used: 500 ms. This timeout value can be configured, see consumers doc guide to learn more (0,0)"
    )


LARGE = f"channel.close 406 PRECONDITION_FAILED - message size {MOST + 1} is larger than configured max size {MOST}"
CONSUME = (Basic.Consume(0, INBOX, "c"), "basic.consume-ok c")
GET = (Basic.Get(0, INBOX), f"basic.get-ok 1 distribution/{INBOX} left 0 a")
AGAIN = (Channel.CloseOk(), Channel.Open(), "channel.open-ok")
# fmt: off
CASES = [
    Case("a delivery that is not acknowledged closes its channel", [*put(b"a"), *CONSUME, delivered(1, "a"), Wait(0.6), overdue()]),
    Case("it comes again", [*put(b"a", b"b"), *CONSUME, delivered(1, "a"), delivered(2, "b"), Wait(0.6), overdue(), *AGAIN, *CONSUME, delivered(1, "a", " again"), delivered(2, "b", " again")]),
    Case("nothing else of the connection is touched", [*put(b"a"), On(2, Channel.Open()), On(2, "channel.open-ok on 2"), On(2, Basic.Consume(0, INBOX, "c")), On(2, "basic.consume-ok on 2 c"), On(2, f"basic.deliver on 2 c 1 distribution/{INBOX} a"), Wait(0.6), overdue(2), On(2, Channel.CloseOk()), Channel.Flow(True), "channel.flow-ok"]),
    Case("another consumer gets it", [*put(b"a"), *CONSUME, delivered(1, "a"), By(f"{ME}#2", Basic.Consume(0, INBOX, "o")), By(f"{ME}#2", "basic.consume-ok o"), Wait(0.6), overdue(), By(f"{ME}#2", delivered(1, "a", " again", "o")), By(f"{ME}#2", Basic.Ack(1))]),
    Case("basic.get has the same time", [*put(b"a"), *GET, Wait(0.6), overdue()]),
    Case("the oldest counts", [*put(b"a", b"b"), *CONSUME, delivered(1, "a"), delivered(2, "b"), Basic.Ack(2), Wait(0.6), overdue()]),
    Case("an acknowledgement that comes too late is ignored", [*put(b"a"), *GET, Wait(0.6), overdue(), Basic.Ack(1), *AGAIN, Basic.Get(0, INBOX), f"basic.get-ok 1 again distribution/{INBOX} left 0 a"]),
    Case("no_ack has any time", [*put(b"a"), Basic.Get(0, INBOX, True), f"basic.get-ok 1 distribution/{INBOX} left 0 a", Wait(0.6)]),
    Case("acknowledged in time", [*put(b"a"), *GET, Wait(0.3), Basic.Ack(1), Wait(0.6)]),
    Case("largest message", [commands.Confirm.Select(), "confirm.select-ok", Pub(b"x" * MOST), "basic.ack 1"]),
    Case("one octet more", [commands.Confirm.Select(), "confirm.select-ok", Pub(b"x" * (MOST + 1)), f"{LARGE} (60,40)"]),
    Case("one octet more, in pieces", [Pub(b"x" * (MOST + 1), pieces=5), f"{LARGE} (60,40)"]),
    Case("too large for an exchange that is not there", [Pub(b"x" * (MOST + 1), exchange="nowhere"), f"{LARGE} (60,40)"]),
    Case("too large under another's key", [Pub(b"x" * (MOST + 1), LRM), f"{LARGE} (60,40)"]),
    Case("too large and immediate", [Pub(b"x" * (MOST + 1), immediate=True), "connection.close 540 NOT_IMPLEMENTED - immediate=true (60,40)"]),
    Case("too large, and the channel serves again", [Pub(b"x" * (MOST + 1)), f"{LARGE} (60,40)", *AGAIN, commands.Confirm.Select(), "confirm.select-ok", Pub(b"x"), "basic.ack 1"]),
]
# fmt: on
