"""The changes that must survive a crash, gathered into batches. Pure: the owner of the broker writes the batches to a
log.

A batch is one record of that log, so it is kept whole or not at all: a message that is moved from one queue to another
is in exactly one of them after a crash. A message that enters and leaves its queue within one batch is not written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Protocol

import msgspec

from sandbox.amqp.broker.message import Message


class Put(msgspec.Struct, frozen=True, array_like=True, tag="p", gc=False):
    """A persistent message entered a queue. `id` is its position there, unique in the broker."""

    id: int
    vhost: str
    queue: str
    expires_at: float | None
    message: Message


class Gone(msgspec.Struct, frozen=True, array_like=True, tag="g", gc=False):
    """These messages left their queues: acknowledged, expired, dead-lettered, moved or purged."""

    ids: list[int]


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(list[Put | Gone])


def encode_records(records: Iterable[Put | Gone]) -> bytes:
    """One log record. Contents that are not in memory are read for it, which may raise OSError."""
    return _ENCODER.encode([_whole(step) for step in records])


def _whole(step: Put | Gone) -> Put | Gone:
    if isinstance(step, Gone) or step.message.page is None:
        return step
    message = step.message
    properties, body = message.content()
    whole = Message(
        message.exchange, message.routing_key, properties, body, message.persistent, message.expiration, message.copies
    )
    return Put(step.id, step.vhost, step.queue, step.expires_at, whole)


def replay(records: Iterable[bytes], page: Callable[[Message], Message] = lambda message: message) -> dict[int, Put]:
    """The messages that remain after these log records, by id, oldest first; `page` may store their contents outside
    memory.

    Raises msgspec.DecodeError.
    """
    alive: dict[int, Put] = {}
    names: dict[str, str] = {}  # one object for each of the few names that all messages share
    for record in records:
        for step in _DECODER.decode(record):
            if isinstance(step, Put):
                alive[step.id] = _kept(step, page, names)
            else:
                for gone in step.ids:
                    alive.pop(gone, None)
    if any(later < earlier for earlier, later in pairwise(alive)):
        alive = dict(sorted(alive.items()))
    return alive


def _kept(put: Put, page: Callable[[Message], Message], names: dict[str, str]) -> Put:
    message = put.message
    exchange = names.setdefault(message.exchange, message.exchange)
    key = names.setdefault(message.routing_key, message.routing_key)
    vhost, queue = names.setdefault(put.vhost, put.vhost), names.setdefault(put.queue, put.queue)
    same = Message(
        exchange, key, message.properties, message.body, message.persistent, message.expiration, message.copies
    )
    return Put(put.id, vhost, queue, put.expires_at, page(same))


class Waiter(Protocol):
    """An object that waits for a batch, e.g. a channel that has to send confirms."""

    def settled(self, batch: int, *, safe: bool) -> bool:
        """Called when the batches up to this one are on disk (`safe` False: lost). Returns True when it need not be
        called again."""
        ...


class Records:
    """The batch that is being filled, and what waits for it.

    `batch`: its number; `alive`: every journalled message that is still in a queue, for compaction; `on_work` is called
    when the first step of a batch comes in; `accepting` is False while the disk refuses: publishes are nacked.
    """

    def __init__(self) -> None:
        self.batch = 1
        self.alive: dict[int, Put] = {}
        self.accepting = True
        self.on_work: Callable[[], None] | None = None
        self._last_id = 0
        self._puts: dict[int, Put] = {}
        self._gone: list[int] = []
        self._waiters: dict[Waiter, None] = {}
        self._announced = False

    @property
    def size(self) -> int:
        """Steps in the batch that is being filled."""
        return len(self._puts) + len(self._gone)

    def next_id(self) -> int:
        """A position later than all before it."""
        self._last_id += 1
        return self._last_id

    def restore(self, alive: dict[int, Put]) -> None:
        """Start from the content of a log; the caller must not use `alive` any more."""
        self.alive = alive
        self._last_id = max(self._last_id, *alive) if alive else self._last_id

    def put(self, put: Put) -> None:
        """A persistent message entered a queue."""
        self.alive[put.id] = self._puts[put.id] = put
        if not self._announced:
            self._work()

    def gone(self, entry_id: int) -> None:
        """A persistent message left its queue."""
        self.alive.pop(entry_id, None)
        if self._puts.pop(entry_id, None) is None:
            self._gone.append(entry_id)
            if not self._announced:
                self._work()

    def wait(self, waiter: Waiter) -> int:
        """Call `waiter.settled` once the present batch is on disk. Returns the number of the batch."""
        self._waiters[waiter] = None
        if not self._announced:
            self._work()
        return self.batch

    def forget(self, waiter: Waiter) -> None:
        """Undo `wait`."""
        self._waiters.pop(waiter, None)

    def _work(self) -> None:
        """Announce the first step of a batch."""
        self._announced = True
        if self.on_work is not None:
            self.on_work()

    def take(self) -> tuple[int, bytes]:
        """Close the batch: its number and its log record (empty: nothing to write)."""
        steps: list[Put | Gone] = list(self._puts.values())
        if self._gone:
            steps.append(Gone(self._gone))
        batch, self.batch = self.batch, self.batch + 1
        self._puts, self._gone, self._announced = {}, [], False
        return batch, encode_records(steps) if steps else b""

    def settled(self, batch: int, *, safe: bool) -> None:
        """Notify all who wait for batches up to this one."""
        for waiter in [waiter for waiter in self._waiters if waiter.settled(batch, safe=safe)]:
            del self._waiters[waiter]

    def snapshot(self, per_record: int = 256) -> Iterator[bytes]:
        """Log records that hold the remaining messages and nothing else, for a compaction."""
        alive = list(self.alive.values())  # the list is taken now; reading and encoding may happen in another thread
        return (encode_records(alive[at : at + per_record]) for at in range(0, len(alive), per_record))
