"""The methods a client may call on an open channel, one function each; a table says which.

The topology belongs to the hub, so every method that configures something is refused in the way in which RabbitMQ
refuses a user without `configure` (403 names the exchange or queue; a server-named queue by the name that it would have
received). Only an operator may delete queues.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any, get_args

from pamqp import base, commands

from sandbox.amqp.broker.queue import Queue
from sandbox.amqp.broker.routing import ExchangeKind
from sandbox.amqp.encoding import codec
from sandbox.amqp.encoding import properties as props
from sandbox.amqp.encoding.replies import REPLY_TO, ReplyConsumer, exists
from sandbox.amqp.errors import ProtocolError
from sandbox.amqp.session.channel import Channel

Basic, Exchange = commands.Basic, commands.Exchange
_RESERVED = "amq."


def handle(channel: Channel, frame: base.Frame) -> None:
    """Carry out `frame`. Raises ProtocolError, 503 for a method that no client may call here."""
    handler = _HANDLERS.get(frame.index)
    if handler is None:
        raise ProtocolError(503, "unimplemented method")
    handler(channel, frame)


def _made_name(channel: Channel, prefix: str) -> str:
    """A server-made name: the prefix and 22 characters."""
    octets = channel.link.broker.octets(16)
    return prefix + base64.urlsafe_b64encode(octets).decode().rstrip("=")


def _known_queue(channel: Channel, name: str) -> Queue:
    """Raise ProtocolError 404 for an unknown queue."""
    vhost = channel.link.vhost
    queue = vhost.queues.get(name)
    if queue is None:
        raise ProtocolError(404, f"no queue '{name}' in vhost '{vhost.name}'")
    return queue


def _own_queue(channel: Channel, name: str) -> Queue:
    """A queue that the user may read. Raises ProtocolError 403 before 404; the name "" would mean the last queue
    declared here."""
    if not name:
        raise ProtocolError(404, "no previously declared queue")
    channel.link.rights.read(channel.link.vhost.name, name)
    return _known_queue(channel, name)


def _refuse(channel: Channel, kind: str, name: str) -> ProtocolError:
    return channel.link.rights.refuse(kind, name, channel.link.vhost.name)


# -- exchange and queue


def _exchange_declare(channel: Channel, frame: Any) -> None:
    if not frame.passive and frame.exchange_type not in get_args(ExchangeKind):
        raise ProtocolError(503, f"unknown exchange type '{frame.exchange_type}'")
    if not frame.exchange:
        raise ProtocolError(403, "operation not permitted on the default exchange")
    if not frame.passive:
        raise _refuse(channel, "exchange", frame.exchange)
    vhost = channel.link.vhost
    if frame.exchange not in vhost.exchanges:
        raise ProtocolError(404, f"no exchange '{frame.exchange}' in vhost '{vhost.name}'")
    if not frame.nowait:
        channel.send(Exchange.DeclareOk())


def _exchange_delete(channel: Channel, frame: Any) -> None:
    if not frame.exchange:
        raise ProtocolError(403, "operation not permitted on the default exchange")
    if frame.exchange.startswith(_RESERVED):
        where = f"exchange '{frame.exchange}' in vhost '{channel.link.vhost.name}'"
        raise ProtocolError(403, f"deletion of system {where} not allowed")
    raise _refuse(channel, "exchange", frame.exchange)


def _exchange_bind(channel: Channel, frame: Any) -> None:
    raise _refuse(channel, "exchange", frame.destination or "amq.default")


def _declare_reply_queue(channel: Channel, frame: Any) -> None:
    """A declare of the pseudo-queue is always a passive one, and the queue always has one consumer."""
    if not exists(frame.queue, channel.link.broker.reply_addresses):
        raise ProtocolError(404, f"no queue '{frame.queue}' in vhost '{channel.link.vhost.name}'")
    if not frame.nowait:
        channel.send(commands.Queue.DeclareOk(frame.queue, 0, 1))


def _queue_declare(channel: Channel, frame: Any) -> None:
    if frame.queue.startswith(REPLY_TO):
        _declare_reply_queue(channel, frame)
        return
    if not frame.passive and frame.queue.startswith(_RESERVED):
        raise ProtocolError(403, f"queue name '{frame.queue}' contains reserved prefix 'amq.*'")
    if not frame.passive:
        raise _refuse(channel, "queue", frame.queue or _made_name(channel, "amq.gen-"))
    queue = _known_queue(channel, frame.queue)
    if not frame.nowait:
        queue.expire(channel.link.now)
        ok = commands.Queue.DeclareOk(frame.queue, len(queue.ready), len(queue.consumers))
        channel.send(ok)


def _queue_delete(channel: Channel, frame: Any) -> None:
    if not frame.queue:
        raise ProtocolError(404, "no previously declared queue")
    vhost = channel.link.vhost
    channel.link.rights.delete(vhost.name, frame.queue)
    queue = vhost.queues.get(frame.queue)
    if queue is not None:  # RabbitMQ answers delete-ok for a queue that does not exist, too
        queue.expire(channel.link.now)
        _check_idle(queue, unused=frame.if_unused, empty=frame.if_empty)
    ready, _ = vhost.delete(frame.queue)
    if not frame.nowait:
        channel.send(commands.Queue.DeleteOk(ready))


def _check_idle(queue: Queue, *, unused: bool, empty: bool) -> None:
    """Raise ProtocolError 406 when the queue must only be deleted while unused (if-unused) or empty (if-empty), and it
    is not."""
    where = f"queue '{queue.name}' in vhost '{queue.vhost}'"
    if unused and queue.consumers:
        raise ProtocolError(406, f"{where} in use")
    if empty and queue.ready:
        raise ProtocolError(406, f"{where} not empty")


def _queue_change(channel: Channel, frame: Any) -> None:
    """Answer bind and unbind."""
    if not frame.queue:
        raise ProtocolError(404, "no previously declared queue")
    raise _refuse(channel, "queue", frame.queue)


def _queue_purge(channel: Channel, frame: Any) -> None:
    dropped = _own_queue(channel, frame.queue).purge()
    if not frame.nowait:
        channel.send(commands.Queue.PurgeOk(dropped))


# -- basic


def _qos(channel: Channel, frame: Any) -> None:
    if frame.prefetch_size:
        raise ProtocolError(540, f"prefetch_size!=0 ({frame.prefetch_size})")
    deliveries = channel.deliveries
    if frame.global_:
        deliveries.channel_limit = frame.prefetch_count
    else:
        deliveries.consumer_limit = frame.prefetch_count
    channel.send(Basic.QosOk())
    deliveries.refill()


def _consume_replies(channel: Channel, frame: Any) -> None:
    if frame.consumer_tag in channel.deliveries.consumers:
        raise ProtocolError(530, f"attempt to reuse consumer tag '{frame.consumer_tag}'")
    if not frame.no_ack:
        raise ProtocolError(406, "reply consumer cannot acknowledge")
    if channel.replies is not None:
        raise ProtocolError(406, "reply consumer already set")
    tag = frame.consumer_tag or _made_name(channel, "amq.ctag-")
    channel.expect_replies(ReplyConsumer(tag, _made_name(channel, _made_name(channel, f"{REPLY_TO}.") + ".")))
    if not frame.nowait:
        channel.send(Basic.ConsumeOk(tag))


def _consume(channel: Channel, frame: Any) -> None:
    if frame.queue == REPLY_TO:
        _consume_replies(channel, frame)
        return
    queue = _own_queue(channel, frame.queue)
    priority = _priority(frame.arguments or {}, queue)
    tag = frame.consumer_tag or _made_name(channel, "amq.ctag-")
    channel.deliveries.consume(queue, tag, no_ack=frame.no_ack, exclusive=frame.exclusive, priority=priority)
    if not frame.nowait:
        channel.send(Basic.ConsumeOk(tag))
    queue.pump(channel.link.now)


def _priority(arguments: Mapping[str, Any], queue: Queue) -> int:
    """A consumer's priority, 0 when it asks for none. Raises ProtocolError 406."""
    wanted = arguments.get("x-priority", 0)
    if isinstance(wanted, int) and not isinstance(wanted, bool):
        return wanted
    kind = props.TYPE_NAMES[props.encode_value(wanted)[0]]
    where = f"queue '{queue.name}' in vhost '{queue.vhost}'"
    raise ProtocolError(406, f"invalid arg 'x-priority' for {where}: \"expected integer, got {kind}\"")


def _cancel(channel: Channel, frame: Any) -> None:
    if channel.replies is not None and channel.replies.tag == frame.consumer_tag:
        channel.expect_replies(None)
    else:
        channel.deliveries.cancel(frame.consumer_tag)
    if not frame.nowait:
        channel.send(Basic.CancelOk(frame.consumer_tag))


def _get(channel: Channel, frame: Any) -> None:
    if not channel.deliveries.get(_own_queue(channel, frame.queue), no_ack=frame.no_ack):
        channel.send(Basic.GetEmpty())


def _reject(channel: Channel, frame: Any) -> None:
    channel.deliveries.refuse(frame.delivery_tag, multiple=False, requeue=frame.requeue)


def _nack(channel: Channel, frame: Any) -> None:
    channel.deliveries.refuse(frame.delivery_tag, multiple=frame.multiple, requeue=frame.requeue)


def _recover(channel: Channel, frame: Any) -> None:
    if not frame.requeue:
        raise ProtocolError(540, "requeue=false")
    answered = frame.index == Basic.Recover.index
    channel.deliveries.recover(codec.method(channel.number, Basic.RecoverOk()) if answered else b"")


# -- channel, confirm, tx


def _confirm_select(channel: Channel, frame: Any) -> None:
    channel.confirming = True
    if not frame.nowait:
        channel.send(commands.Confirm.SelectOk())


def _flow(channel: Channel, frame: Any) -> None:
    if not frame.active:
        raise ProtocolError(540, "active=false")
    channel.send(commands.Channel.FlowOk(True))


def _opened_twice(channel: Channel, frame: Any) -> None:
    raise ProtocolError(504, "second 'channel.open' seen")


def _close(channel: Channel, frame: Any) -> None:
    channel.close()


def _transactional(channel: Channel, frame: Any) -> None:
    """Refuse transactions: RabbitMQ supports them, but the hub's clients use publisher confirms instead."""
    if channel.confirming:
        raise ProtocolError(406, "cannot switch from confirm to tx mode")
    raise ProtocolError(540, "transactions are not supported, use publisher confirms")


def _not_transactional(channel: Channel, frame: Any) -> None:
    raise ProtocolError(406, "channel is not transactional")


_HANDLERS: Mapping[int, Callable[[Channel, Any], None]] = {
    commands.Channel.Open.index: _opened_twice,
    commands.Channel.Flow.index: _flow,
    commands.Channel.Close.index: _close,
    Exchange.Declare.index: _exchange_declare,
    Exchange.Delete.index: _exchange_delete,
    Exchange.Bind.index: _exchange_bind,
    Exchange.Unbind.index: _exchange_bind,
    commands.Queue.Declare.index: _queue_declare,
    commands.Queue.Bind.index: _queue_change,
    commands.Queue.Unbind.index: _queue_change,
    commands.Queue.Delete.index: _queue_delete,
    commands.Queue.Purge.index: _queue_purge,
    Basic.Qos.index: _qos,
    Basic.Consume.index: _consume,
    Basic.Cancel.index: _cancel,
    Basic.Get.index: _get,
    Basic.Reject.index: _reject,
    Basic.Nack.index: _nack,
    Basic.Recover.index: _recover,
    Basic.RecoverAsync.index: _recover,
    commands.Confirm.Select.index: _confirm_select,
    commands.Tx.Select.index: _transactional,
    commands.Tx.Commit.index: _not_transactional,
    commands.Tx.Rollback.index: _not_transactional,
}
