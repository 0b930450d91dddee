"""A durable queue: order, consumers in turn, expiry at the head, requeueing at the original place.

Time comes as `now`, seconds of the broker's clock. Nothing here waits for the disk: what must survive is told to
`Records`, and only the publisher's confirm waits.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from sandbox.amqp.broker.message import Entry, Message, Page
from sandbox.amqp.broker.records import Put, Records
from sandbox.amqp.encoding.codec import deliver_head

log = logging.getLogger(__name__)

Died = Callable[["Queue", Message, str, float], None]  # queue, message, reason, now


class Outlet(Protocol):
    """Where a consumer's deliveries go: its channel."""

    def can_take(self, consumer: Consumer) -> bool:
        """Is there room on the connection, in the channel's and in the consumer's prefetch?"""
        ...

    def deliver(self, consumer: Consumer, entry: Entry) -> None:
        """Send it. Raises OSError when its content cannot be read."""
        ...

    def cancelled(self, consumer: Consumer) -> None:
        """Its queue is no more."""
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


@dataclass(slots=True)
class Load:
    """Octets of message bodies that a broker holds, against the most it may. Of these, `resident` are in memory;
    above `page_above` of them `write` puts a message's content elsewhere (None: it cannot, the message stays)."""

    octets: int = 0
    most: int = 8 * 1024**3
    resident: int = 0
    resident_most: int = 512 * 1024**2
    page_above: int = 32 * 1024**2
    write: Callable[[bytes, bytes], Page | None] = lambda properties, body: None

    @property
    def full(self) -> bool:
        """No room for another message."""
        return self.octets >= self.most or self.resident >= self.resident_most

    def settle(self, message: Message) -> Message:
        """The message as it is to be kept: itself, or its content elsewhere when there is much in memory."""
        if self.resident < self.page_above or message.page is not None:
            return message
        return message.paged(self.write(message.properties, message.body))

    def add(self, message: Message) -> None:
        """A queue holds it."""
        here = len(message.body)
        self.octets += here or message.size
        self.resident += here

    def remove(self, message: Message) -> None:
        """It does not any more."""
        here = len(message.body)
        self.octets -= here or message.size
        self.resident -= here


@dataclass(frozen=True, slots=True)
class Limit:
    """The most that may be ready in a queue: x-max-length, x-max-length-bytes (None: any), x-overflow. Beyond, the
    oldest is dead-lettered (drop-head), or with `reject` the new one is refused (reject-publish)."""

    messages: int | None = None
    octets: int | None = None
    reject: bool = False

    def exceeded_by(self, messages: int, octets: int) -> bool:
        """Would so much be too much?"""
        return (self.messages is not None and messages > self.messages) or (
            self.octets is not None and octets > self.octets
        )


class Queue:
    """`ttl_ms`: x-message-ttl, None for none; `dead_letter_exchange`: x-dead-letter-exchange or None."""

    def __init__(
        self,
        vhost: str,
        name: str,
        records: Records,
        load: Load,
        died: Died,
        *,
        ttl_ms: int | None = None,
        dead_letter_exchange: str | None = None,
        limit: Limit | None = None,
    ) -> None:
        self.vhost, self.name = vhost, name
        self.ttl_ms, self.dead_letter_exchange = ttl_ms, dead_letter_exchange
        self.ready: deque[Entry] = deque()
        self.consumers: deque[Consumer] = deque()
        self.unacked = 0
        self.on_ready: Callable[[], None] | None = None
        self._records, self._load, self._died = records, load, died
        self._limit, self._octets = limit, 0  # octets: of the bodies that are ready
        self._ranked = False  # consumers differ in priority
        self._deleted = False

    # -- coming in

    def refuses(self, message: Message) -> bool:
        """Is the queue full, and such that publishers are to hear of it?"""
        limit = self._limit
        return (
            limit is not None and limit.reject and limit.exceeded_by(len(self.ready) + 1, self._octets + message.size)
        )

    def push(self, message: Message, now: float) -> None:
        """Take a message: straight to a waiting consumer, else to the tail."""
        expires_at, position = self._deadline(message, now), self._records.next_id()
        entry = Entry(message, position, message.persistent, expires_at)
        self._load.add(message)
        if message.persistent:
            self._records.put(Put(position, self.vhost, self.name, expires_at, message))
        if not self.ready and self.consumers and (consumer := self._next_consumer()) is not None:
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
            self._died(self, entry.message, "maxlen", now)

    def restore(self, put: Put) -> None:
        """Put back what the log held, oldest first; nobody knows whether it had been delivered: redelivered."""
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
        """Deliver while there are messages and consumers with room."""
        self.expire(now)
        while self.ready and (consumer := self._next_consumer()) is not None:
            self._hand_over(consumer, self._next())
            self.expire(now)

    def _next_consumer(self) -> Consumer | None:
        """The next consumer in turn that has room, of those with the highest priority."""
        if self._ranked:
            able = [consumer for consumer in self.consumers if consumer.outlet.can_take(consumer)]
            best = max(able, key=lambda consumer: consumer.priority, default=None)  # the first of equals
            if best is not None:
                self.consumers.remove(best)
                self.consumers.append(best)
            return best
        for _ in range(len(self.consumers)):
            consumer = self.consumers[0]
            self.consumers.rotate(-1)
            if consumer.outlet.can_take(consumer):
                return consumer
        return None

    def _hand_over(self, consumer: Consumer, entry: Entry) -> None:
        self.unacked += 1
        try:
            consumer.outlet.deliver(consumer, entry)
        except OSError as error:
            self.lose(entry, error)

    def take(self, now: float) -> Entry | None:
        """The head, now unacknowledged; None when there is none. It is owed settle, requeue or reject."""
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
        """Acknowledged: it is gone for good."""
        self.unacked -= 1
        self._discard(entry)

    def lose(self, entry: Entry, error: OSError) -> None:
        """Its content is where it cannot be read any more: nobody can have it."""
        log.error("a message of queue '%s' is lost: %s", self.name, error)
        self.settle(entry)

    def reject(self, entry: Entry, now: float) -> None:
        """Refused without requeue: dead-lettered or dropped."""
        self.settle(entry)
        if not self._deleted:
            self._died(self, entry.message, "rejected", now)

    def requeue(self, entries: Iterable[Entry], now: float) -> None:
        """Back to their original places, redelivered; gone with a queue that was deleted meanwhile."""
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
        for waiting in self.ready:  # what was delivered once is nearly always older than what waits
            if waiting.position > entry.position:
                break
            at += 1
        self.ready.insert(at, entry)
        self._octets += entry.message.size

    def expire(self, now: float) -> None:
        """Dead-letter what has expired at the head; behind a longer-lived message a short-lived one waits."""
        while self.ready:
            expires_at = self.ready[0].expires_at
            if expires_at is None or expires_at > now:
                return
            entry = self._next()
            self._discard(entry)
            self._died(self, entry.message, "expired", now)

    def purge(self) -> int:
        """Drop what is ready, not what is unacknowledged; the number dropped."""
        dropped = len(self.ready)
        for entry in self.ready:
            self._discard(entry)
        self.ready.clear()
        self._octets = 0
        return dropped

    def delete(self) -> tuple[int, int]:
        """The end: what is ready is gone, its consumers are told, what is out goes once it is answered for.

        The number of messages that were ready, and of those that were out."""
        self._deleted, self.on_ready = True, None
        lost = self.purge(), self.unacked
        consumers, self.consumers = self.consumers, deque()
        for consumer in consumers:
            consumer.outlet.cancelled(consumer)
        return lost

    def _discard(self, entry: Entry) -> None:
        self._load.remove(entry.message)
        if entry.journalled:
            self._records.gone(entry.position)

    # -- consumers

    def subscribe(self, consumer: Consumer) -> None:
        """Add a consumer; the caller pumps."""
        self.consumers.append(consumer)
        self._ranked = self._ranked or consumer.priority != 0

    def unsubscribe(self, consumer: Consumer) -> None:
        """Remove a consumer; what it holds stays unacknowledged."""
        self.consumers.remove(consumer)

    def in_exclusive_use(self, wanted_exclusively: bool) -> bool:
        """May a (wanted exclusive) consumer not come in?"""
        return bool(self.consumers) and (wanted_exclusively or self.consumers[0].exclusive)
