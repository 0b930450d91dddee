"""Deleted queues: who may delete, what consumers are sent, and what happens to unacknowledged messages."""

from __future__ import annotations

from pamqp import commands

from tests.wire.amqp.observed.talk import DISPATCHER, GONE, UNAWARE, By, Case, Confirms, Pub

Basic, Channel, Queue = commands.Basic, commands.Channel, commands.Queue

Q = f"{GONE}.message"
BLIND = GONE + UNAWARE
SELECT = (By(DISPATCHER, commands.Confirm.Select()), By(DISPATCHER, "confirm.select-ok"))


def put(*bodies: bytes) -> tuple[By, ...]:
    """Messages that wait in the queue."""
    return (*SELECT, *(By(DISPATCHER, Pub(body, Q, "distribution")) for body in bodies), By(DISPATCHER, Confirms(len(bodies))))  # fmt: skip


def deleted(count: str = "", **conditions: bool) -> tuple[By, ...]:
    """The dispatcher deletes it; `count`: messages that were ready (none is not written)."""
    return By(DISPATCHER, Queue.Delete(0, Q, **conditions)), By(DISPATCHER, f"queue.delete-ok{count}")


def kept(why: str) -> By:
    """The refusal of a condition that is not met."""
    return By(DISPATCHER, f"channel.close 406 PRECONDITION_FAILED - queue '{Q}' in vhost 'v2' {why} (50,40)")


CONSUME = Basic.Consume(0, Q, "t")
OK = "basic.consume-ok t"
GOT = f"basic.deliver t 1 distribution/{Q} a"
MISSING = f"channel.close 404 NOT_FOUND - no queue '{Q}' in vhost 'v2' (60,20)"
# fmt: off
CASES = [
    Case("empty", [*deleted(), CONSUME, MISSING], user=GONE),
    Case("what is ready is counted", [*put(b"a", b"b"), *deleted(" 2"), By(DISPATCHER, Basic.Get(0, "dispatch.dlq")), By(DISPATCHER, "basic.get-empty")], user=GONE),
    Case("what is out is not counted", [*put(b"a", b"b"), Basic.Get(0, Q), f"basic.get-ok 1 distribution/{Q} left 1 a", *deleted(" 1")], user=GONE),
    Case("one that is not there", [*deleted(), *deleted()], user=GONE),
    Case("without an answer", [By(DISPATCHER, Queue.Delete(0, Q, nowait=True)), By(DISPATCHER, Channel.Flow(True)), By(DISPATCHER, "channel.flow-ok"), CONSUME, MISSING], user=GONE),
    Case("only if unused, and it is", [*put(b"a"), *deleted(" 1", if_unused=True)], user=GONE),
    Case("only if unused, and it is not", [CONSUME, OK, By(DISPATCHER, Queue.Delete(0, Q, if_unused=True)), kept("in use")], user=GONE),
    Case("only if empty, and it is", [*deleted(if_empty=True)], user=GONE),
    Case("only if empty, and it is not", [*put(b"a"), By(DISPATCHER, Queue.Delete(0, Q, if_empty=True)), kept("not empty")], user=GONE),
    Case("only if empty, and what is out does not count", [*put(b"a"), Basic.Get(0, Q), f"basic.get-ok 1 distribution/{Q} left 0 a", *deleted(if_empty=True)], user=GONE),
    Case("its own client may not", [Queue.Delete(0, Q), f"channel.close 403 ACCESS_REFUSED - access to queue '{Q}' in vhost 'v2' refused for user '{GONE}' (50,40)"], user=GONE),
    Case("consumers are told", [CONSUME, OK, Basic.Consume(0, Q, "u"), "basic.consume-ok u", *deleted(), "basic.cancel t True", "basic.cancel u True"], user=GONE),
    Case("consumers on several channels are told", [CONSUME, OK, By(f"{GONE}#2", CONSUME), By(f"{GONE}#2", OK), *deleted(), "basic.cancel t True", By(f"{GONE}#2", "basic.cancel t True")], user=GONE),
    Case("who announced no consumer_cancel_notify is not", [CONSUME, OK, *deleted()], user=GONE, capabilities=False),
    Case("one is told and the other is not", [CONSUME, OK, By(BLIND, CONSUME), By(BLIND, OK), *deleted(), "basic.cancel t True", By(BLIND, Channel.Flow(True)), By(BLIND, "channel.flow-ok")], user=GONE),
    Case("what was delivered may be acknowledged once", [*put(b"a"), CONSUME, OK, GOT, *deleted(), "basic.cancel t True", Basic.Ack(1), Basic.Ack(1), "channel.close 406 PRECONDITION_FAILED - unknown delivery tag 1 (60,80)"], user=GONE),
    Case("what was delivered may be requeued, to nowhere", [*put(b"a"), CONSUME, OK, GOT, *deleted(), "basic.cancel t True", Basic.Nack(1, False, True)], user=GONE),
    Case("what was delivered may be rejected, to nowhere", [*put(b"a"), CONSUME, OK, GOT, *deleted(), "basic.cancel t True", Basic.Reject(1, False), By(DISPATCHER, Basic.Get(0, "dispatch.dlq")), By(DISPATCHER, "basic.get-empty")], user=GONE),
    Case("what was delivered is recovered, to nowhere", [*put(b"a"), CONSUME, OK, GOT, *deleted(), "basic.cancel t True", Basic.Recover(True), "basic.recover-ok"], user=GONE),
    Case("a consumer that was cancelled so may be cancelled", [CONSUME, OK, *deleted(), "basic.cancel t True", Basic.Cancel("t"), "basic.cancel-ok t"], user=GONE),
    Case("its tag is free again", [CONSUME, OK, *deleted(), "basic.cancel t True", Basic.Consume(0, f"{GONE}.ack", "t"), OK], user=GONE),
    Case("its prefetch is free again", [*put(b"a"), Basic.Qos(0, 1, True), "basic.qos-ok", CONSUME, OK, GOT, *deleted(), "basic.cancel t True", Basic.Ack(1), By(DISPATCHER, Pub(b"b", f"{GONE}.ack", "distribution")), Basic.Consume(0, f"{GONE}.ack", "u"), "basic.consume-ok u", f"basic.deliver u 2 distribution/{GONE}.ack b"], user=GONE),
    Case("what is published there is returned", [*deleted(), By(DISPATCHER, Pub(b"a", Q, "distribution", mandatory=True)), By(DISPATCHER, f"basic.return 312 NO_ROUTE distribution {Q} a")], user=GONE),
]
