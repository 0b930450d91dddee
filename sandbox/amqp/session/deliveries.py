"""The deliveries of one channel: tags, prefetch, acknowledgement, requeueing."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import takewhile
from typing import Protocol

from pamqp import commands

from sandbox.amqp.broker.broker import Broker, VirtualHost
from sandbox.amqp.broker.message import Entry
from sandbox.amqp.broker.permissions import Rights
from sandbox.amqp.broker.queue import Consumer, Queue
from sandbox.amqp.encoding import codec
from sandbox.amqp.errors import ProtocolError


class Link(Protocol):
    """The connection as its channels see it. `now`: seconds of the broker's clock at the present event."""

    broker: Broker
    vhost: VirtualHost
    rights: Rights
    user: str
    frame_max: int
    now: float

    def send(self, data: bytes) -> None:
        """Queue octets for the client."""
        ...

    def refuse_for_now(self, reason: str) -> None:
        """The broker accepts nothing at present: inform the client, once."""
        ...

    def is_able(self, capability: str) -> bool:
        """Whether the client announced this capability."""
        ...

    def end(self, error: ProtocolError, now: float) -> None:
        """Close the connection with connection.close."""
        ...

    def has_room(self) -> bool:
        """False while the client reads more slowly than the broker writes."""
        ...


Delivery = tuple[Entry, Queue, Consumer | None, float]  # last: time of delivery; no consumer: basic.get


class Deliveries:
    """The consuming half of a channel (an Outlet of its consumers' queues)."""

    def __init__(self, link: Link, number: int) -> None:
        self._link, self._number = link, number
        self.consumers: dict[str, Consumer] = {}
        self.unacked: dict[int, Delivery] = {}  # by delivery tag, ascending
        self.consumer_limit = 0  # for consumers that are added later (basic.qos global=false)
        self.channel_limit = 0  # shared by all consumers (global=true)
        self._outstanding = 0  # delivered to consumers and not settled; messages of basic.get do not count
        self._last_tag = 0

    # -- out

    def can_take(self, consumer: Consumer) -> bool:
        """Whether there is room on the connection, in the channel's prefetch and in the consumer's (no_ack consumers
        have no prefetch limit)."""
        if not self._link.has_room():
            return False
        if consumer.no_ack:
            return True
        if self.channel_limit and self._outstanding >= self.channel_limit:
            return False
        return not consumer.limit or consumer.outstanding < consumer.limit

    def deliver(self, consumer: Consumer, entry: Entry) -> None:
        """Send one message to a consumer. Raises OSError when its content cannot be read; nothing was done then."""
        properties, body = entry.message.content()
        self._last_tag = tag = self._last_tag + 1
        if not consumer.no_ack:
            self.unacked[tag] = (entry, consumer.queue, consumer, self._link.broker.elapsed())
            consumer.outstanding += 1
            self._outstanding += 1
        message, link = entry.message, self._link
        place = codec.address(message.exchange, message.routing_key)
        link.send(codec.deliver(consumer.head, self._number, tag, entry.redelivered, place))
        link.send(codec.content(self._number, properties, body, link.frame_max))
        if consumer.no_ack:
            consumer.queue.settle(entry)

    def get(self, queue: Queue, *, no_ack: bool) -> bool:
        """basic.get: send the head, if there is one."""
        entry = queue.take(self._link.now)
        if entry is None:
            return False
        try:
            properties, body = entry.message.content()
        except OSError as error:
            queue.lose(entry, error)
            return self.get(queue, no_ack=no_ack)
        self._last_tag = tag = self._last_tag + 1
        if no_ack:
            queue.settle(entry)
        else:
            self.unacked[tag] = (entry, queue, None, self._link.broker.elapsed())
        queue.expire(self._link.now)  # messages that expired behind it are not counted
        message = entry.message
        place = codec.address(message.exchange, message.routing_key)
        self._link.send(
            codec.get_ok(self._number, tag, entry.redelivered, place, len(queue.ready))
            + codec.content(self._number, properties, body, self._link.frame_max)
        )
        return True

    # -- back

    def acknowledge(self, tag: int, *, multiple: bool) -> None:
        """Settle acknowledged deliveries. Raises ProtocolError 406 for a tag that is not outstanding."""
        for entry, queue, _, _ in self._settle(tag, multiple=multiple):
            queue.settle(entry)
        self.refill()

    def refuse(self, tag: int, *, multiple: bool, requeue: bool) -> None:
        """Answer nack and reject. Raises ProtocolError 406 for a tag that is not outstanding."""
        settled = self._settle(tag, multiple=multiple)
        if requeue:
            self._requeue(settled)
        else:
            for entry, queue, _, _ in settled:
                queue.reject(entry, self._link.now)
        self.refill()

    def recover(self, answer: bytes) -> None:
        """Requeue everything that is outstanding; it may be delivered to this channel again, after `answer`."""
        settled = self._settle(0, multiple=True)
        self._link.send(answer)
        self._requeue(settled)
        self.refill()

    def is_overdue(self) -> bool:
        """Whether the oldest delivery has waited longer for its acknowledgement than the broker allows."""
        oldest = next(iter(self.unacked.values()), None)
        broker = self._link.broker
        return oldest is not None and broker.elapsed() - oldest[3] > broker.limits.ack_s

    def _settle(self, tag: int, *, multiple: bool) -> list[Delivery]:
        """Remove a delivery from the unacknowledged ones, or all up to it (tag 0: all)."""
        if multiple and tag == 0:
            tags = list(self.unacked)
        elif tag not in self.unacked:
            raise ProtocolError(406, f"unknown delivery tag {tag}")
        else:
            tags = list(takewhile(lambda other: other <= tag, self.unacked)) if multiple else [tag]
        settled = [self.unacked.pop(tag) for tag in tags]
        for _, _, consumer, _ in settled:
            if consumer is not None:
                consumer.outstanding -= 1
                self._outstanding -= 1
        return settled

    def _requeue(self, settled: Iterable[Delivery]) -> None:
        by_queue: dict[Queue, list[Entry]] = {}
        for entry, queue, _, _ in settled:
            by_queue.setdefault(queue, []).append(entry)
        for queue, entries in by_queue.items():
            queue.requeue(entries, self._link.now)

    # -- consumers

    def consume(self, queue: Queue, tag: str, *, no_ack: bool, exclusive: bool, priority: int = 0) -> Consumer:
        """Add a consumer; raises ProtocolError 403 (exclusive), 530 (tag in use, too many). The caller then calls
        `refill`."""
        if tag in self.consumers:
            raise ProtocolError(530, f"attempt to reuse consumer tag '{tag}'")
        if queue.consumers.exclude(exclusive):
            raise ProtocolError(403, f"queue '{queue.name}' in vhost '{queue.vhost}' in exclusive use")
        most = self._link.broker.limits.consumers
        if len(queue.consumers) >= most:
            raise ProtocolError(530, f"reached maximum ({most}) of consumers per queue")
        consumer = Consumer(tag, queue, self, limit=self.consumer_limit, no_ack=no_ack, exclusive=exclusive)
        consumer.priority = priority
        self.consumers[tag] = consumer
        queue.consumers.add(consumer)
        return consumer

    def cancel(self, tag: str) -> None:
        """Cancel the consumer with this tag, if there is one."""
        consumer = self.consumers.pop(tag, None)
        if consumer is not None:
            consumer.queue.consumers.remove(consumer)

    def cancelled(self, consumer: Consumer) -> None:
        """A consumer's queue was deleted: send basic.cancel to a client that supports it."""
        del self.consumers[consumer.tag]
        if self._link.is_able("consumer_cancel_notify"):
            self._link.send(codec.method(self._number, commands.Basic.Cancel(consumer.tag, True)))

    def refill(self) -> None:
        """There may be room again: let the queues deliver."""
        for queue in {consumer.queue for consumer in self.consumers.values()}:
            if queue.ready:
                queue.pump(self._link.now)

    def close(self) -> None:
        """The channel ends: remove its consumers and requeue its deliveries."""
        for tag in list(self.consumers):
            self.cancel(tag)
        self._requeue(self._settle(0, multiple=True))
