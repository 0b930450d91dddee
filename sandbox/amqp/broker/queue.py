"""A durable queue: messages in order, consumers served in turn, expiry at the head, requeueing at the original place.

`now` is in seconds of the broker's clock. Nothing here waits for the disk: changes that must survive a crash are passed
to `Records`, and only the publisher's confirm waits for the disk.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from sandbox.amqp.broker.load import Load
from sandbox.amqp.broker.message import Entry, Message
from sandbox.amqp.broker.records import Put, Records
from sandbox.amqp.encoding.codec import deliver_head

log = logging.getLogger(__name__)

DeadLetter = Callable[["Queue", Message, str, float], None]  # queue, message, reason, now


class Outlet(Protocol):
    """The destination of a consumer's deliveries: its channel."""

    def can_take(self, consumer: Consumer) -> bool:
        """Whether there is room on the connection, in the channel's prefetch and in the consumer's."""
        ...

    def deliver(self, consumer: Consumer, entry: Entry) -> None:
        """Send a message. Raises OSError when its content cannot be read."""
        ...

    def cancelled(self, consumer: Consumer) -> None:
        """Called when the consumer's queue was deleted."""
        ...


class Consumer:
    """One subscription. `limit`: its prefetch count, 0 for none; `outstanding`: delivered, not yet settled;
    `priority`: those with a higher one are served first, as long as they have room."""

    __slots__ = ("exclusive", "head", "limit", "no_ack", "outlet", "outstanding", "priority", "queue", "tag")

    def __init__(self, tag: str, queue: Queue, outlet: Outlet, *, limit: int, no_ack: bool, exclusive: bool) -> None:
        self.tag, self.queue, self.outlet = tag, queue, outlet
        self.limit, self.no_ack, self.exclusive = limit, no_ack, exclusive
        self.outstanding = self.priority = 0
        self.head = deliver_head(tag)


class Consumers:
    """The consumers of one queue, which are served in turn."""

    def __init__(self) -> None:
        self._turn: deque[Consumer] = deque()
        self._ranked = False  # whether they differ in priority

    def __len__(self) -> int:
        return len(self._turn)

    def __iter__(self) -> Iterator[Consumer]:
        return iter(self._turn)

    def add(self, consumer: Consumer) -> None:
        """Add a consumer; the caller then calls `pump`."""
        self._turn.append(consumer)
        self._ranked = self._ranked or consumer.priority != 0

    def remove(self, consumer: Consumer) -> None:
        """Remove a consumer; messages delivered to it stay unacknowledged."""
        self._turn.remove(consumer)

    def exclude(self, wanted_exclusively: bool) -> bool:
        """Whether another consumer, which may ask for exclusive use, has to be refused."""
        return bool(self._turn) and (wanted_exclusively or self._turn[0].exclusive)

    def next(self) -> Consumer | None:
        """The next consumer in turn that has room, among those with the highest priority."""
        if self._ranked:
            return self._next_ranked()
        for _ in range(len(self._turn)):
            consumer = self._turn[0]
            self._turn.rotate(-1)
            if consumer.outlet.can_take(consumer):
                return consumer
        return None

    def _next_ranked(self) -> Consumer | None:
        able = [consumer for consumer in self._turn if consumer.outlet.can_take(consumer)]
        best = max(able, key=lambda consumer: consumer.priority, default=None)  # the first among equals in priority
        if best is not None:
            self._turn.remove(best)
            self._turn.append(best)
        return best


@dataclass(frozen=True, slots=True)
class Limit:
    """The most that may be ready in a queue: x-max-length, x-max-length-bytes (None: no limit), x-overflow. Above the
    limit the oldest message is dead-lettered (drop-head), or with `reject` the new one is refused (reject-publish)."""

    messages: int | None = None
    octets: int | None = None
    reject: bool = False

    def exceeded_by(self, messages: int, octets: int) -> bool:
        """Whether so many messages or octets would exceed the limit."""
        return (self.messages is not None and messages > self.messages) or (
            self.octets is not None and octets > self.octets
        )


@dataclass(frozen=True, slots=True)
class QueueArguments:
    """Arguments of a queue. `ttl_ms`: x-message-ttl, None for none; `dead_letter_exchange`: x-dead-letter-exchange."""

    ttl_ms: int | None = None
    dead_letter_exchange: str | None = None
    limit: Limit | None = None


PLAIN = QueueArguments()


class Queue:
    """One queue. `dead_letter` is called with a message that expired, was rejected or exceeded the limit; `on_ready`
    when messages are ready; `unacked`: how many messages are delivered and not settled."""

    def __init__(
        self, vhost: str, name: str, arguments: QueueArguments, records: Records, load: Load, dead_letter: DeadLetter
    ) -> None:
        self.vhost, self.name = vhost, name
        self.ttl_ms, self.dead_letter_exchange = arguments.ttl_ms, arguments.dead_letter_exchange
        self.ready: deque[Entry] = deque()
        self.consumers = Consumers()
        self.unacked = 0
        self.on_ready: Callable[[], None] | None = None
        self._records, self._load, self._dead_letter = records, load, dead_letter
        self._limit, self._octets = arguments.limit, 0  # octets of the bodies of ready messages
        self._deleted = False

    # -- coming in

    def refuses(self, message: Message) -> bool:
        """Whether the queue is full and its limit prescribes a nack to publishers in this case."""
        limit = self._limit
        return (
            limit is not None and limit.reject and limit.exceeded_by(len(self.ready) + 1, self._octets + message.size)
        )

    def push(self, message: Message, now: float) -> None:
        """Add a message: it is delivered to a waiting consumer at once, or added to the tail."""
        expires_at, position = self._deadline(message, now), self._records.next_id()
        entry = Entry(message, position, message.persistent, expires_at)
        self._load.add(message)
        if message.persistent:
            self._records.put(Put(position, self.vhost, self.name, expires_at, message))
        if not self.ready and self.consumers and (consumer := self.consumers.next()) is not None:
            self._hand_over(consumer, entry)
            return
        self.ready.append(entry)
        self._octets += message.size
        if expires_at is not None and expires_at <= now:
            self.expire(now)
        if self._limit is not None:
            self._keep_limit(now)
        if self.on_ready is not None:
            self.on_ready()

    def _keep_limit(self, now: float) -> None:
        limit = self._limit
        while limit is not None and self.ready and limit.exceeded_by(len(self.ready), self._octets):
            entry = self._next()
            self._discard(entry)
            self._dead_letter(self, entry.message, "maxlen", now)

    def restore(self, put: Put) -> None:
        """Put back the messages of the log, oldest first. They may have been delivered before, so they are marked
        redelivered."""
        self._load.add(put.message)
        self._octets += put.message.size
        self.ready.append(Entry(put.message, put.id, True, put.expires_at, redelivered=True))

    def _deadline(self, message: Message, now: float) -> float | None:
        own, general = message.expiration, self.ttl_ms
        if own is None and general is None:
            return None
        if own is None or (general is not None and general < own):
            own = general
        return now + (own or 0) / 1000

    # -- going out

    def pump(self, now: float) -> None:
        """Deliver messages as long as there are messages and consumers with room."""
        self.expire(now)
        while self.ready and (consumer := self.consumers.next()) is not None:
            self._hand_over(consumer, self._next())
            self.expire(now)

    def _hand_over(self, consumer: Consumer, entry: Entry) -> None:
        self.unacked += 1
        try:
            consumer.outlet.deliver(consumer, entry)
        except OSError as error:
            self.lose(entry, error)

    def take(self, now: float) -> Entry | None:
        """Take the message at the head, which becomes unacknowledged; None when there is none. The caller must settle,
        requeue or reject it."""
        self.expire(now)
        if not self.ready:
            return None
        self.unacked += 1
        return self._next()

    def _next(self) -> Entry:
        entry = self.ready.popleft()
        self._octets -= entry.message.size
        return entry

    def settle(self, entry: Entry) -> None:
        """A message was acknowledged: remove it for good."""
        self.unacked -= 1
        self._discard(entry)

    def lose(self, entry: Entry, error: OSError) -> None:
        """Remove a message whose content cannot be read any more."""
        log.error("a message of queue '%s' is lost: %s", self.name, error)
        self.settle(entry)

    def reject(self, entry: Entry, now: float) -> None:
        """A message was rejected without requeue: dead-letter or drop it."""
        self.settle(entry)
        if not self._deleted:
            self._dead_letter(self, entry.message, "rejected", now)

    def requeue(self, entries: Iterable[Entry], now: float) -> None:
        """Put messages back to their original places, as redelivered; drop them when the queue is deleted."""
        if self._deleted:
            for entry in entries:
                self.settle(entry)
            return
        for entry in sorted(entries, key=lambda entry: entry.position, reverse=True):
            self.unacked -= 1
            entry.redelivered = True
            self._insert(entry)
        self._keep_limit(now)
        self.pump(now)
        if self.ready and self.on_ready is not None:
            self.on_ready()

    def _insert(self, entry: Entry) -> None:
        at = 0
        for waiting in self.ready:  # a message that was delivered before is nearly always older than the waiting ones
            if waiting.position > entry.position:
                break
            at += 1
        self.ready.insert(at, entry)
        self._octets += entry.message.size

    def expire(self, now: float) -> None:
        """Dead-letter the expired messages at the head; an expired message behind one that lives longer has to wait."""
        while self.ready:
            expires_at = self.ready[0].expires_at
            if expires_at is None or expires_at > now:
                return
            entry = self._next()
            self._discard(entry)
            self._dead_letter(self, entry.message, "expired", now)

    def purge(self) -> int:
        """Drop the ready messages, not the unacknowledged ones. Returns how many were dropped."""
        dropped = len(self.ready)
        for entry in self.ready:
            self._discard(entry)
        self.ready.clear()
        self._octets = 0
        return dropped

    def delete(self) -> tuple[int, int]:
        """Delete the queue: ready messages are dropped, its consumers are cancelled, unacknowledged messages are
        dropped once their channel settles them.

        Returns the number of messages that were ready, and of those that were unacknowledged."""
        self._deleted, self.on_ready = True, None
        lost = self.purge(), self.unacked
        consumers, self.consumers = self.consumers, Consumers()
        for consumer in consumers:
            consumer.outlet.cancelled(consumer)
        return lost

    def _discard(self, entry: Entry) -> None:
        self._load.remove(entry.message)
        if entry.journalled:
            self._records.gone(entry.position)
