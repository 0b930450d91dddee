"""Consuming: tags, prefetch, answers, redelivery, exclusive use."""

from __future__ import annotations

from pamqp import commands

from sandbox.amqp.encoding.codec import frame
from tests.wire.amqp.observed.talk import DISPATCHER, By, Case, Confirms, On, Pub, Wait

Basic, Channel, Connection, Exchange, Queue = (
    commands.Basic,
    commands.Channel,
    commands.Connection,
    commands.Exchange,
    commands.Queue,
)

Q = "fr.me.message"


def put(*bodies: bytes, queue: str = Q) -> tuple[By, ...]:
    """Messages that wait in a queue."""
    select = (By(DISPATCHER, commands.Confirm.Select()), By(DISPATCHER, "confirm.select-ok"))
    return (
        *select,
        *(By(DISPATCHER, Pub(body, queue, "distribution")) for body in bodies),
        By(DISPATCHER, Confirms(len(bodies))),
    )


CONSUME = Basic.Consume(0, Q, "t")
# fmt: off
CASES = [
    Case("get", [*put(b"a", b"b"), Basic.Get(0, Q), "basic.get-ok 1 distribution/fr.me.message left 1 a", Basic.Get(0, Q), "basic.get-ok 2 distribution/fr.me.message left 0 b", Basic.Get(0, Q), "basic.get-empty"]),
    Case("get without acknowledgement", [*put(b"a"), Basic.Get(0, Q, True), "basic.get-ok 1 distribution/fr.me.message left 0 a", Basic.Ack(1), "channel.close 406 PRECONDITION_FAILED - unknown delivery tag 1 (60,80)"]),
    Case("get nothing", [Basic.Get(0, Q), "basic.get-empty"]),
    Case("consume", [*put(b"a", b"b"), CONSUME, "basic.consume-ok t", "basic.deliver t 1 distribution/fr.me.message a", "basic.deliver t 2 distribution/fr.me.message b", Basic.Ack(1), Basic.Ack(2), Queue.Declare(0, Q, True), "queue.declare-ok fr.me.message 0 1"]),
    Case("consumer without a tag", [Basic.Consume(0, Q), "basic.consume-ok amq.ctag-*"]),
    Case("consume without an answer", [*put(b"a"), Basic.Consume(0, Q, "t", nowait=True), "basic.deliver t 1 distribution/fr.me.message a"]),
    Case("consume without an answer nor a tag", [*put(b"a"), Basic.Consume(0, Q, nowait=True), "basic.deliver amq.ctag-* 1 distribution/fr.me.message a"]),
    Case("the same tag twice", [CONSUME, "basic.consume-ok t", CONSUME, "connection.close 530 NOT_ALLOWED - attempt to reuse consumer tag 't' (60,20)"]),
    Case("the same tag on another channel", [CONSUME, "basic.consume-ok t", On(2, Channel.Open()), On(2, "channel.open-ok on 2"), On(2, CONSUME), On(2, "basic.consume-ok on 2 t")]),
    Case("cancel", [CONSUME, "basic.consume-ok t", Basic.Cancel("t"), "basic.cancel-ok t", *put(b"a"), Queue.Declare(0, Q, True), "queue.declare-ok fr.me.message 1 0"]),
    Case("cancel of an unknown tag", [Basic.Cancel("nobody"), "basic.cancel-ok nobody"]),
    Case("cancel without an answer", [CONSUME, "basic.consume-ok t", Basic.Cancel("t", True), Queue.Declare(0, Q, True), "queue.declare-ok fr.me.message 0 0"]),
    Case("what was delivered before the cancel may be acknowledged", [*put(b"a"), CONSUME, "basic.consume-ok t", "basic.deliver t 1 distribution/fr.me.message a", Basic.Cancel("t"), "basic.cancel-ok t", Basic.Ack(1), Queue.Declare(0, Q, True), "queue.declare-ok fr.me.message 0 0"]),
    Case("a tag may be used again after its cancel", [CONSUME, "basic.consume-ok t", Basic.Cancel("t"), "basic.cancel-ok t", CONSUME, "basic.consume-ok t"]),
    Case("two consumers take turns", [CONSUME, "basic.consume-ok t", Basic.Consume(0, Q, "u"), "basic.consume-ok u", *put(b"a", b"b", b"c"), "basic.deliver t 1 distribution/fr.me.message a", "basic.deliver u 2 distribution/fr.me.message b", "basic.deliver t 3 distribution/fr.me.message c"]),
    Case("exclusive consumer is there", [Basic.Consume(0, Q, "t", exclusive=True), "basic.consume-ok t", Basic.Consume(0, Q, "u"), "channel.close 403 ACCESS_REFUSED - queue 'fr.me.message' in vhost 'v2' in exclusive use (60,20)"]),
    Case("exclusive consumer is wanted", [CONSUME, "basic.consume-ok t", Basic.Consume(0, Q, "u", exclusive=True), "channel.close 403 ACCESS_REFUSED - queue 'fr.me.message' in vhost 'v2' in exclusive use (60,20)"]),
    Case("get beside an exclusive consumer", [Basic.Consume(0, Q, "t", exclusive=True), "basic.consume-ok t", Basic.Get(0, Q), "basic.get-empty"]),
    Case("exclusive consumer has gone", [Basic.Consume(0, Q, "t", exclusive=True), "basic.consume-ok t", Basic.Cancel("t"), "basic.cancel-ok t", Basic.Consume(0, Q, "u", exclusive=True), "basic.consume-ok u"]),
    Case("no acknowledgements wanted", [*put(b"a", b"b"), Basic.Qos(0, 1, False), "basic.qos-ok", Basic.Consume(0, Q, "t", no_ack=True), "basic.consume-ok t", "basic.deliver t 1 distribution/fr.me.message a", "basic.deliver t 2 distribution/fr.me.message b", Queue.Declare(0, Q, True), "queue.declare-ok fr.me.message 0 1"]),
    Case("consumer arguments", [Basic.Consume(0, Q, "t", arguments={"x-priority": 5}), "basic.consume-ok t"]),
    Case("consumer priority", [Basic.Consume(0, Q, "low"), "basic.consume-ok low", Basic.Consume(0, Q, "high", arguments={"x-priority": 5}), "basic.consume-ok high", *put(b"a", b"b"), "basic.deliver high 1 distribution/fr.me.message a", "basic.deliver high 2 distribution/fr.me.message b"]),
    Case("consumer priority is full", [Basic.Consume(0, Q, "low"), "basic.consume-ok low", Basic.Qos(0, 1, False), "basic.qos-ok", Basic.Consume(0, Q, "high", arguments={"x-priority": 5}), "basic.consume-ok high", *put(b"a", b"b"), "basic.deliver high 1 distribution/fr.me.message a", "basic.deliver low 2 distribution/fr.me.message b"]),
    Case("consumer priority that is no number", [Basic.Consume(0, Q, "t", arguments={"x-priority": "a"}), "channel.close 406 PRECONDITION_FAILED - invalid arg 'x-priority' for queue 'fr.me.message' in vhost 'v2': \"expected integer, got longstr\" (60,20)"]),
    Case("consumer priority in quotes", [Basic.Consume(0, Q, "t", arguments={"x-priority": True}), "channel.close 406 PRECONDITION_FAILED - invalid arg 'x-priority' for queue 'fr.me.message' in vhost 'v2': \"expected integer, got bool\" (60,20)"]),
    Case("no_local is ignored", [*put(b"a"), Basic.Consume(0, Q, "t", no_local=True), "basic.consume-ok t", "basic.deliver t 1 distribution/fr.me.message a"]),
    Case("prefetch per consumer", [*put(b"a", b"b", b"c"), Basic.Qos(0, 1, False), "basic.qos-ok", CONSUME, "basic.consume-ok t", "basic.deliver t 1 distribution/fr.me.message a", Basic.Consume(0, Q, "u"), "basic.consume-ok u", "basic.deliver u 2 distribution/fr.me.message b", Basic.Ack(1), "basic.deliver t 3 distribution/fr.me.message c"]),
    Case("prefetch is for consumers that come later", [CONSUME, "basic.consume-ok t", Basic.Qos(0, 1, False), "basic.qos-ok", *put(b"a", b"b"), "basic.deliver t 1 distribution/fr.me.message a", "basic.deliver t 2 distribution/fr.me.message b"]),
    Case("prefetch of the channel", [*put(b"a", b"b", b"c"), Basic.Qos(0, 2, True), "basic.qos-ok", CONSUME, "basic.consume-ok t", "basic.deliver t 1 distribution/fr.me.message a", "basic.deliver t 2 distribution/fr.me.message b", Basic.Consume(0, Q, "u"), "basic.consume-ok u", Basic.Ack(1), "basic.deliver t 3 distribution/fr.me.message c"]),
    Case("prefetch of the channel is raised", [*put(b"a", b"b"), Basic.Qos(0, 1, True), "basic.qos-ok", CONSUME, "basic.consume-ok t", "basic.deliver t 1 distribution/fr.me.message a", Basic.Qos(0, 0, True), "basic.qos-ok", "basic.deliver t 2 distribution/fr.me.message b"]),
    Case("prefetch of both", [*put(b"a", b"b", b"c"), Basic.Qos(0, 1, False), "basic.qos-ok", Basic.Qos(0, 3, True), "basic.qos-ok", CONSUME, "basic.consume-ok t", "basic.deliver t 1 distribution/fr.me.message a", Basic.Ack(1, True), "basic.deliver t 2 distribution/fr.me.message b"]),
    Case("get does not count", [*put(b"a", b"b"), Basic.Qos(0, 1, True), "basic.qos-ok", Basic.Get(0, Q), "basic.get-ok 1 distribution/fr.me.message left 1 a", CONSUME, "basic.consume-ok t", "basic.deliver t 2 distribution/fr.me.message b"]),
    Case("prefetch in octets", [Basic.Qos(4096, 0, False), "connection.close 540 NOT_IMPLEMENTED - prefetch_size!=0 (4096) (60,10)"]),
    Case("prefetch in octets and messages", [Basic.Qos(1, 5, True), "connection.close 540 NOT_IMPLEMENTED - prefetch_size!=0 (1) (60,10)"]),
    Case("acknowledge several", [*put(b"a", b"b", b"c"), CONSUME, "basic.consume-ok t", "basic.deliver t 1 distribution/fr.me.message a", "basic.deliver t 2 distribution/fr.me.message b", "basic.deliver t 3 distribution/fr.me.message c", Basic.Ack(2, True), Basic.Ack(1), "channel.close 406 PRECONDITION_FAILED - unknown delivery tag 1 (60,80)"]),
    Case("acknowledge all", [*put(b"a", b"b"), CONSUME, "basic.consume-ok t", "basic.deliver t 1 distribution/fr.me.message a", "basic.deliver t 2 distribution/fr.me.message b", Basic.Ack(0, True), Queue.Declare(0, Q, True), "queue.declare-ok fr.me.message 0 1"]),
    Case("acknowledge all of nothing", [Basic.Ack(0, True)]),
    Case("acknowledge several up to one that is not out", [*put(b"a"), CONSUME, "basic.consume-ok t", "basic.deliver t 1 distribution/fr.me.message a", Basic.Ack(5, True), "channel.close 406 PRECONDITION_FAILED - unknown delivery tag 5 (60,80)"]),
    Case("acknowledge several up to one that is gone", [*put(b"a", b"b", b"c"), CONSUME, "basic.consume-ok t", "basic.deliver t 1 distribution/fr.me.message a", "basic.deliver t 2 distribution/fr.me.message b", "basic.deliver t 3 distribution/fr.me.message c", Basic.Ack(2), Basic.Ack(2, True), "channel.close 406 PRECONDITION_FAILED - unknown delivery tag 2 (60,80)"]),
    Case("acknowledge tag 0", [Basic.Ack(0), "channel.close 406 PRECONDITION_FAILED - unknown delivery tag 0 (60,80)"]),
    Case("acknowledge twice", [*put(b"a"), CONSUME, "basic.consume-ok t", "basic.deliver t 1 distribution/fr.me.message a", Basic.Ack(1), Basic.Ack(1), "channel.close 406 PRECONDITION_FAILED - unknown delivery tag 1 (60,80)"]),
    Case("acknowledge what is not out", [Basic.Ack(99), "channel.close 406 PRECONDITION_FAILED - unknown delivery tag 99 (60,80)"]),
    Case("nack of what is not out", [Basic.Nack(99), "channel.close 406 PRECONDITION_FAILED - unknown delivery tag 99 (60,120)"]),
    Case("nack all of nothing", [Basic.Nack(0, True, True)]),
    Case("reject of what is not out", [Basic.Reject(99), "channel.close 406 PRECONDITION_FAILED - unknown delivery tag 99 (60,90)"]),
    Case("acknowledge on another channel", [*put(b"a"), CONSUME, "basic.consume-ok t", "basic.deliver t 1 distribution/fr.me.message a", On(2, Channel.Open()), On(2, "channel.open-ok on 2"), On(2, Basic.Ack(1)), On(2, "channel.close on 2 406 PRECONDITION_FAILED - unknown delivery tag 1 (60,80)"), Basic.Ack(1), Queue.Declare(0, Q, True), "queue.declare-ok fr.me.message 0 1"]),
    Case("requeue by nack", [*put(b"a", b"b"), Basic.Get(0, Q), "basic.get-ok 1 distribution/fr.me.message left 1 a", Basic.Nack(1, False, True), Basic.Get(0, Q), "basic.get-ok 2 again distribution/fr.me.message left 1 a"]),
    Case("requeue by reject", [*put(b"a", b"b"), Basic.Get(0, Q), "basic.get-ok 1 distribution/fr.me.message left 1 a", Basic.Reject(1, True), Basic.Get(0, Q), "basic.get-ok 2 again distribution/fr.me.message left 1 a"]),
    Case("requeue several at their places", [*put(b"a", b"b", b"c"), Basic.Get(0, Q), "basic.get-ok 1 distribution/fr.me.message left 2 a", Basic.Get(0, Q), "basic.get-ok 2 distribution/fr.me.message left 1 b", Basic.Nack(0, True, True), Basic.Get(0, Q), "basic.get-ok 3 again distribution/fr.me.message left 2 a", Basic.Get(0, Q), "basic.get-ok 4 again distribution/fr.me.message left 1 b", Basic.Get(0, Q), "basic.get-ok 5 distribution/fr.me.message left 0 c"]),
    Case("requeue to the same consumer", [*put(b"a"), CONSUME, "basic.consume-ok t", "basic.deliver t 1 distribution/fr.me.message a", Basic.Nack(1, False, True), "basic.deliver t 2 again distribution/fr.me.message a", Basic.Nack(2, False, False)]),
    Case("recover", [*put(b"a", b"b"), CONSUME, "basic.consume-ok t", "basic.deliver t 1 distribution/fr.me.message a", "basic.deliver t 2 distribution/fr.me.message b", Basic.Recover(True), "basic.recover-ok", "basic.deliver t 3 again distribution/fr.me.message a", "basic.deliver t 4 again distribution/fr.me.message b"]),
    Case("recover nothing", [Basic.Recover(True), "basic.recover-ok"]),
    Case("recover without requeue", [Basic.Recover(False), "connection.close 540 NOT_IMPLEMENTED - requeue=false (60,110)"]),
    Case("recover-async", [*put(b"a"), Basic.Get(0, Q), "basic.get-ok 1 distribution/fr.me.message left 0 a", frame(1, 1, b"\x00\x3c\x00\x64\x01"), Basic.Get(0, Q), "basic.get-ok 2 again distribution/fr.me.message left 0 a"]),
    Case("channel close requeues", [*put(b"a"), CONSUME, "basic.consume-ok t", "basic.deliver t 1 distribution/fr.me.message a", Channel.Close(200, "", 0, 0), "channel.close-ok", Channel.Open(), "channel.open-ok", Basic.Get(0, Q), "basic.get-ok 1 again distribution/fr.me.message left 0 a"]),
    Case("channel error requeues", [*put(b"a"), CONSUME, "basic.consume-ok t", "basic.deliver t 1 distribution/fr.me.message a", Basic.Ack(9), "channel.close 406 PRECONDITION_FAILED - unknown delivery tag 9 (60,80)", Channel.CloseOk(), Channel.Open(), "channel.open-ok", Basic.Get(0, Q), "basic.get-ok 1 again distribution/fr.me.message left 0 a"]),
    Case("connection close requeues", [*put(b"a"), By("fr.me#2", CONSUME), By("fr.me#2", "basic.consume-ok t"), By("fr.me#2", "basic.deliver t 1 distribution/fr.me.message a"), By("fr.me#2", Connection.Close(200, "", 0, 0)), By("fr.me#2", "connection.close-ok"), Basic.Get(0, Q), "basic.get-ok 1 again distribution/fr.me.message left 0 a"]),
    Case("declare counts what is ready and who consumes", [*put(b"a", b"b"), Basic.Get(0, Q), "basic.get-ok 1 distribution/fr.me.message left 1 a", Queue.Declare(0, Q, True), "queue.declare-ok fr.me.message 1 0"]),
    Case("purge spares what is out", [*put(b"a", b"b"), Basic.Get(0, Q), "basic.get-ok 1 distribution/fr.me.message left 1 a", Queue.Purge(0, Q), "queue.purge-ok 1", Basic.Nack(1, False, True), Wait(0.2), Queue.Declare(0, Q, True), "queue.declare-ok fr.me.message 1 0"]),
    Case("flow on", [Channel.Flow(True), "channel.flow-ok"]),
    Case("flow off", [Channel.Flow(False), "connection.close 540 NOT_IMPLEMENTED - active=false (20,20)"]),
    Case("small frames", [*put(bytes(10_000)), CONSUME, "basic.consume-ok t", "basic.deliver t 1 distribution/fr.me.message 10000 octets"], frame_max=4096),
]
