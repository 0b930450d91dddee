"""Direct reply-to: the pseudo-queue, its one consumer per channel, and the addresses that messages carry."""

from __future__ import annotations

from pamqp import commands

from tests.wire.amqp.observed.talk import DISPATCHER, By, Case, On, Pub

Basic, Channel, Queue = commands.Basic, commands.Channel, commands.Queue

R = "amq.rabbitmq.reply-to"
CONSUME = Basic.Consume(0, R, "t", no_ack=True)
OK = "basic.consume-ok t"
SELECT = commands.Confirm.Select()
ASK = Pub(b"q", properties=(("reply_to", R), ("correlation_id", "c1")))
NOBODY = "channel.close 406 PRECONDITION_FAILED - fast reply consumer does not exist (60,40)"


def refused(what: str, culprit: str) -> str:
    """403 for the pseudo-queue."""
    return f"channel.close 403 ACCESS_REFUSED - access to {what} in vhost 'v2' refused for user 'fr.me' ({culprit})"


# fmt: off
CASES = [
    Case("consume", [CONSUME, OK]),
    Case("consume without a tag", [Basic.Consume(0, R, no_ack=True), "basic.consume-ok amq.ctag-*"]),
    Case("consume without an answer", [Basic.Consume(0, R, "t", no_ack=True, nowait=True), CONSUME, "channel.close 406 PRECONDITION_FAILED - reply consumer already set (60,20)"]),
    Case("consume with acknowledgements", [Basic.Consume(0, R, "t"), "channel.close 406 PRECONDITION_FAILED - reply consumer cannot acknowledge (60,20)"]),
    Case("consume exclusively, with arguments", [Basic.Consume(0, R, "t", no_ack=True, exclusive=True, arguments={"x-priority": "a"}), OK]),
    Case("a second consumer", [CONSUME, OK, Basic.Consume(0, R, "u", no_ack=True), "channel.close 406 PRECONDITION_FAILED - reply consumer already set (60,20)"]),
    Case("a second consumer that acknowledges", [CONSUME, OK, Basic.Consume(0, R, "u"), "channel.close 406 PRECONDITION_FAILED - reply consumer cannot acknowledge (60,20)"]),
    Case("one on each channel", [CONSUME, OK, On(2, Channel.Open()), On(2, "channel.open-ok on 2"), On(2, CONSUME), On(2, "basic.consume-ok on 2 t")]),
    Case("the tag of another consumer", [Basic.Consume(0, "fr.me.message", "t"), OK, CONSUME, "connection.close 530 NOT_ALLOWED - attempt to reuse consumer tag 't' (60,20)"]),
    Case("its tag for another consumer", [CONSUME, OK, Basic.Consume(0, "fr.me.message", "t"), OK]),
    Case("cancel", [CONSUME, OK, Basic.Cancel("t"), "basic.cancel-ok t", CONSUME, OK]),
    Case("cancel without an answer", [CONSUME, OK, Basic.Cancel("t", True), CONSUME, OK]),
    Case("cancel of a tag that two have", [CONSUME, OK, Basic.Consume(0, "fr.me.message", "t"), OK, Basic.Cancel("t"), "basic.cancel-ok t", CONSUME, "connection.close 530 NOT_ALLOWED - attempt to reuse consumer tag 't' (60,20)"]),
    Case("passive declare", [Queue.Declare(0, R, True), f"queue.declare-ok {R} 0 1"]),
    Case("declare", [Queue.Declare(0, R, durable=True, arguments={"x-message-ttl": 5}), f"queue.declare-ok {R} 0 1"]),
    Case("declare without an answer", [Queue.Declare(0, R, nowait=True)]),
    Case("declare an address that is none", [Queue.Declare(0, f"{R}.x"), f"channel.close 404 NOT_FOUND - no queue '{R}.x' in vhost 'v2' (50,10)"]),
    Case("passive declare of a name that begins so", [Queue.Declare(0, f"{R}x", True), f"channel.close 404 NOT_FOUND - no queue '{R}x' in vhost 'v2' (50,10)"]),
    Case("get", [Basic.Get(0, R), refused(f"queue '{R}'", "60,70")]),
    Case("purge", [Queue.Purge(0, R), refused(f"queue '{R}'", "50,30")]),
    Case("delete", [Queue.Delete(0, R), refused(f"queue '{R}'", "50,40")]),
    Case("bind", [Queue.Bind(0, R, "hubsante", "#"), refused(f"queue '{R}'", "50,20")]),
    Case("publish without a consumer", [ASK, NOBODY]),
    Case("publish after its cancel", [CONSUME, OK, Basic.Cancel("t"), "basic.cancel-ok t", ASK, NOBODY]),
    Case("publish on another channel", [CONSUME, OK, On(2, Channel.Open()), On(2, "channel.open-ok on 2"), On(2, ASK), On(2, "channel.close on 2 406 PRECONDITION_FAILED - fast reply consumer does not exist (60,40)")]),
    Case("rights come first", [Pub(key="fr.lrm", properties=(("reply_to", R),)), refused("topic 'fr.lrm' in exchange 'hubsante'", "60,40")]),
    Case("user_id and expiration come later", [Pub(properties=(("reply_to", R), ("user_id", "fr.lrm"), ("expiration", "abc"))), NOBODY]),
    Case("a message carries an address", [SELECT, "confirm.select-ok", CONSUME, OK, ASK, "basic.ack 1", By(DISPATCHER, Basic.Get(0, "dispatch")), By(DISPATCHER, f"basic.get-ok 1 hubsante/fr.me left 0 q {{correlation_id: c1, reply_to: {R}.*}}")]),
    Case("any other reply_to is left alone", [SELECT, "confirm.select-ok", Pub(b"q", properties=(("reply_to", f"{R}.x"), ("correlation_id", R))), "basic.ack 1", By(DISPATCHER, Basic.Get(0, "dispatch")), By(DISPATCHER, f"basic.get-ok 1 hubsante/fr.me left 0 q {{correlation_id: {R}, reply_to: {R}.x}}")]),
    Case("an answer is what nobody may publish", [CONSUME, OK, By(DISPATCHER, Pub(b"a", f"{R}.x", "")), By(DISPATCHER, "channel.close 403 ACCESS_REFUSED - access to exchange 'amq.default' in vhost 'v2' refused for user 'hub.dispatcher' (60,40)")]),
]
