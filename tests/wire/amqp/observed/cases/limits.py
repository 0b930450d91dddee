"""Full queues: the oldest message is dead-lettered, or the publisher gets a nack."""

from __future__ import annotations

from pamqp import commands

from tests.wire.amqp.observed.talk import DISPATCHER, SPARE, By, Case, Confirms, Pub, Wait

Basic, Queue = commands.Basic, commands.Queue
DROPS, REFUSES, SMALL = f"{SPARE}.message", f"{SPARE}.ack", f"{SPARE}.info"
SELECT = (By(DISPATCHER, commands.Confirm.Select()), By(DISPATCHER, "confirm.select-ok"))
DEATH = "x-first-death-exchange: distribution, x-first-death-queue"


def put(queue: str, *bodies: bytes) -> tuple[By, ...]:
    """Publications of the dispatcher."""
    return tuple(By(DISPATCHER, Pub(body, queue, "distribution")) for body in bodies)


def died(body: str, queue: str) -> str:
    """What the dead-letter queue has of it."""
    death = f"count: 1, exchange: distribution, queue: {queue}, reason: maxlen, routing-keys: [{queue}], time: now"
    headers = f"x-death: [{{{death}}}], {DEATH}: {queue}, x-first-death-reason: maxlen"
    return f"basic.get-ok 1 distribution.dlx/{queue} left 0 {body} {{headers: {{{headers}}}}}"


DLQ_GET = By(DISPATCHER, Basic.Get(0, "dispatch.dlq"))
# fmt: off
CASES = [
    Case("the oldest dies", [*SELECT, *put(DROPS, b"a", b"b", b"c"), By(DISPATCHER, Confirms(3)), Wait(0.2), By(SPARE, Basic.Get(0, DROPS)), By(SPARE, f"basic.get-ok 1 distribution/{DROPS} left 1 b"), DLQ_GET, By(DISPATCHER, died("a", DROPS))]),
    Case("what is out does not count", [*SELECT, *put(DROPS, b"a"), By(DISPATCHER, Confirms(1)), By(SPARE, Basic.Get(0, DROPS)), By(SPARE, f"basic.get-ok 1 distribution/{DROPS} left 0 a"), *put(DROPS, b"b", b"c"), By(DISPATCHER, Confirms(3)), DLQ_GET, By(DISPATCHER, "basic.get-empty")]),
    Case("publisher of one too many gets a nack", [*SELECT, *put(REFUSES, b"a", b"b"), By(DISPATCHER, Confirms(2)), *put(REFUSES, b"c"), By(DISPATCHER, "basic.nack 3"), Queue.Declare(0, REFUSES, True), f"queue.declare-ok {REFUSES} 2 0"]),
    Case("without confirms one too many is gone", [*SELECT, *put(REFUSES, b"a", b"b"), By(DISPATCHER, Confirms(2)), By(f"{DISPATCHER}#2", Pub(b"c", REFUSES, "distribution")), Wait(0.2), Queue.Declare(0, REFUSES, True), f"queue.declare-ok {REFUSES} 2 0"]),
    Case("too many octets", [*SELECT, *put(SMALL, b"12345", b"1234567"), By(DISPATCHER, Confirms(2)), Wait(0.2), By(SPARE, Basic.Get(0, SMALL)), By(SPARE, f"basic.get-ok 1 distribution/{SMALL} left 0 1234567"), DLQ_GET, By(DISPATCHER, died("12345", SMALL))]),
    Case("too large for the queue", [*SELECT, *put(SMALL, b"12345678901"), By(DISPATCHER, Confirms(1)), Wait(0.2), By(SPARE, Basic.Get(0, SMALL)), By(SPARE, "basic.get-empty"), DLQ_GET, By(DISPATCHER, died("12345678901", SMALL))]),
]
