"""A durable outbox: what must reach a peer, in order per key, for as long as it takes.

`put` gives the writes of an entry, to be joined to the caller's own commit: the appointment and its message exist
together or not at all. `wake`, after that commit, lets the entry be sent as soon as it is on disk. Entries of one
key go strictly one after the other, a few keys at a time (`SendingPolicy`). An entry is deleted once it was sent;
the delete is not waited for, so after a crash the latest entries may be sent again (in order): receivers must be
idempotent, as INT_R02, INT_R03 and the Hub's distributionID are. While the store refuses, nothing is sent: it could not
be marked as sent. Sending goes on by itself once the store takes writes again.

    waiting ──due──▶ sending ──sent──▶ (deleted)
       ▲                │ ├─Abandon──▶ table `<name>.failed`
       └────back-off────┘ any other error: tried again, for ever, visible in `pending()`

Rows: `<name>`: id -> {key, ref, payload | octets (base64)}; `<name>.failed`: the same with reason, attempts, at;
`outbox.sequences`: name -> {"reserved": n}: ids below n may have been given, so none is ever given twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from sandbox.kernel.clock import Clock
from sandbox.kernel.entropy import Entropy
from sandbox.kernel.errors import PeerError, SandboxError, StoreError
from sandbox.kernel.seldom import Seldom
from sandbox.store.protocol import Delete, Put, Store
from sandbox.tasks import keep

_log = logging.getLogger(__name__)

SEQUENCES = "outbox.sequences"
STORE_PAUSE = 0.5  # s between looks at a store that refuses
DRAIN_SECONDS = 2.0  # how long `stop` lets what is in flight finish
_RESERVE = 1_000  # ids reserved at a time
_SWEEP = 10_000  # every so many entries, those of long ago that were never committed are forgotten


def outbox_tables(name: str) -> frozenset[str]:
    """The tables in which the outbox `name` keeps its rows."""
    return frozenset({name, f"{name}.failed", SEQUENCES})


class Abandon(SandboxError):
    """This entry can never succeed: keep it in `<name>.failed` and go on with the next."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. `id`: unique and increasing within its outbox, also across restarts; `due`: sandbox time of the next
    attempt, None when it is not put off; `attempts` and `last_error` count from the start of the process.
    """

    id: str
    key: str
    payload: bytes
    ref: str = ""
    attempts: int = 0
    last_error: str = ""
    due: datetime | None = None


@dataclass(frozen=True, slots=True)
class SendingPolicy:
    """How an outbox sends. `concurrency`: keys at a time. Pauses in seconds: the first one after a failure is doubled
    at each further one, up to the longest; each is drawn between half and all of it."""

    concurrency: int = 16
    first_pause: float = 0.2
    longest_pause: float = 30.0


USUAL = SendingPolicy()


class _Row(msgspec.Struct, omit_defaults=True):
    key: str
    ref: str = ""
    payload: str | None = None
    octets: bytes | None = None  # when the payload is no UTF-8
    reason: str = ""
    attempts: int = 0
    at: str = ""


class _Sequence(msgspec.Struct):
    reserved: int


@dataclass(slots=True)
class _Waiting:
    """An entry's state in memory; its payload stays in the store."""

    id: str
    attempts: int = 0
    last_error: str = ""
    due: datetime | None = None
    outcome: tuple[Put | Delete, ...] = ()  # the writes of its outcome, until the store has them; it is not sent again


_encode = msgspec.json.Encoder().encode
_decode_row = msgspec.json.Decoder(_Row).decode
_decode_sequence = msgspec.json.Decoder(_Sequence).decode


class AbandonedEntries:
    """The entries that were given up, in the table `<name>.failed`; the `last_error` of each is the reason."""

    def __init__(self, store: Store, name: str) -> None:
        self._store, self.table = store, f"{name}.failed"
        self._ids: dict[str, list[str]] = {}  # key -> ids; some may be dismissed since
        for id, row in store.items(self.table):
            self._ids.setdefault(_decode_row(row).key, []).append(id)

    def entries(self) -> list[Entry]:
        """All of them, oldest first."""
        return [_abandoned(id, row) for id, row in self._store.items(self.table)]

    @property
    def count(self) -> int:
        """How many there are."""
        return self._store.count(self.table)

    def all_keys(self) -> Iterator[str]:
        """Their keys, each once."""
        return (key for key in list(self._ids) if self._ids_of(key))

    def of(self, key: str) -> list[Entry]:
        """Those of a key, oldest first."""
        rows = ((id, self._store.get(self.table, id)) for id in self._ids_of(key))
        return [_abandoned(id, row) for id, row in rows if row is not None]

    def dismiss(self, key: str) -> tuple[Delete, ...]:
        """The writes that forget those of a key, for a caller who needs them no more."""
        return tuple(Delete(self.table, id) for id in self._ids_of(key))

    def taken(self, key: str, id: str) -> None:
        """Record one more entry, whose row is in the store."""
        self._ids[key] = [*self._ids_of(key), id]

    def _ids_of(self, key: str) -> list[str]:
        ids = [id for id in self._ids.get(key, ()) if self._store.get(self.table, id) is not None]
        if ids:
            self._ids[key] = ids
        else:
            self._ids.pop(key, None)
        return ids


class _NewEntries:
    """The ids that entries are given, and those of them whose commit was not seen yet."""

    def __init__(self, store: Store, name: str) -> None:
        self._store, self._name = store, name
        self._undecided: dict[str, None] = {}
        self._reserved = 0  # ids below it are reserved in the store, as far as known
        self._next = self._stored()

    def put(self, row: _Row) -> tuple[Put, ...]:
        """The writes of a new entry with this row: the row, and now and then the reservation of further ids."""
        number, self._next = self._next, self._next + 1
        put = Put(self._name, _id(number), _encode(row))
        self._undecided[put.key] = None
        if number % _SWEEP == 0:
            self._forget_uncommitted(number - _SWEEP)
        if number < self._reserved:
            return (put,)
        self._reserved = self._stored()
        if number < self._reserved:
            return (put,)
        return (put, Put(SEQUENCES, self._name, _encode(_Sequence((number // _RESERVE + 1) * _RESERVE))))

    def known(self, id: str) -> None:
        """Record the id of an entry of an earlier process: further ids come after it."""
        self._next = max(self._next, int(id) + 1)

    def committed(self) -> list[tuple[str, str]]:
        """(id, key) of the entries whose commit was made and that are not `seen`."""
        rows = ((id, self._store.get(self._name, id)) for id in self._undecided)
        return [(id, _decode_row(row).key) for id, row in rows if row is not None]

    def seen(self, id: str) -> None:
        """The commit of this entry is on disk."""
        self._undecided.pop(id, None)

    def _stored(self) -> int:
        stored = self._store.get(SEQUENCES, self._name)
        return _decode_sequence(stored).reserved if stored else 0

    def _forget_uncommitted(self, before: int) -> None:
        """A caller that failed between `put` and its commit leaves an id that will never be committed."""
        oldest = _id(before)
        self._undecided = {
            id: None for id in self._undecided if id >= oldest or self._store.get(self._name, id) is not None
        }


class Outbox:
    """See the module. `send` is given one entry; it returns when the peer has it, raises PeerError to be called
    again, Abandon to give up.
    """

    def __init__(
        self,
        store: Store,
        name: str,
        send: Callable[[Entry], Awaitable[None]],
        *,
        clock: Clock,
        entropy: Entropy,
        policy: SendingPolicy = USUAL,
    ) -> None:
        self._store, self._name, self._send = store, name, send
        self._clock, self._entropy = clock, entropy
        self._policy = policy
        self._queues: dict[str, deque[_Waiting]] = {}
        self._ready: asyncio.Queue[str] = asyncio.Queue()  # at most one element per key
        self._new = _NewEntries(store, name)
        self.abandoned = AbandonedEntries(store, name)
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._sending: set[asyncio.Task[None]] = set()
        self._workers: set[asyncio.Task[None]] = set()
        self._collector: asyncio.Task[None] | None = None
        self._woken = asyncio.Event()
        self._refused = Seldom(_log)
        self.depth = 0  # entries not yet sent or abandoned
        self.last_error = ""  # of any entry, or of the store
        self._load()

    def put(self, key: str, payload: bytes, *, ref: str = "") -> tuple[Put, ...]:
        """The writes of a new entry, to be committed at once together with the caller's own.

        The first one is the entry's row: its `key` is the entry's id. `ref`: correlation for people.
        """
        return self._new.put(_row(key, payload, ref))

    def wake(self) -> None:
        """Announce new entries: call it after the commit (which need not be on disk yet: sending waits for that)."""
        self._woken.set()

    async def start(self) -> None:
        """Send what is there and what comes. Raises StoreError."""
        if self._collector is not None:
            return
        self._collector = keep(self._collect_for_ever, f"outbox {self._name}")
        self._workers = {keep(self._work, f"outbox {self._name} {index}") for index in range(self._policy.concurrency)}
        for key, queue in self._queues.items():
            queue[0].due = None
            self._ready.put_nowait(key)
        self._woken.set()

    async def stop(self) -> None:
        """Take nothing new, give what is in flight DRAIN_SECONDS, leave the rest to the next start."""
        if self._collector is None:
            return
        busy = set(self._sending)
        idle = {self._collector, *self._workers} - busy
        self._collector = None
        await _cancel(idle)
        if busy:
            await asyncio.wait(busy, timeout=DRAIN_SECONDS)
            await _cancel(busy)
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._workers.clear()
        self._ready = asyncio.Queue()
        with contextlib.suppress(StoreError):  # they are sent again: nothing is lost
            await self._store.barrier()

    def pending(self, most: int = 1_000) -> list[Entry]:
        """At most `most` entries that are not sent yet, those that wait longest first in each key."""
        found: list[Entry] = []
        for queue in self._queues.values():
            for waiting in queue:
                if len(found) >= most:
                    return found
                if (entry := self._entry(waiting)) is not None:
                    found.append(entry)
        return found

    def pending_of(self, key: str) -> list[Entry]:
        """The entries of a key that are not sent yet, the one that goes next first; also such as are not on disk."""
        fresh = (_Waiting(id) for id, of in self._new.committed() if of == key)
        found = (self._entry(waiting) for waiting in (*self._queues.get(key, ()), *fresh))
        return [entry for entry in found if entry is not None]

    def hurry(self) -> None:
        """Try at once the entries that are put off, because the peer is known to be reachable again."""
        for key, timer in list(self._timers.items()):
            timer.cancel()
            self._resume(key)

    # ---- entries

    def _load(self) -> None:
        """Take over what an earlier process left."""
        for id, row in sorted(self._store.items(self._name)):
            self._new.known(id)
            self._enqueue(id, _decode_row(row).key)

    def _enqueue(self, id: str, key: str) -> None:
        self.depth += 1
        queue = self._queues.get(key)
        if queue is not None:
            queue.append(_Waiting(id))
            return
        self._queues[key] = deque([_Waiting(id)])
        if self._collector is not None:
            self._ready.put_nowait(key)

    def _entry(self, waiting: _Waiting) -> Entry | None:
        octets = self._store.get(self._name, waiting.id)
        if octets is None:
            return None
        row = _decode_row(octets)
        payload = _payload(row)
        return Entry(waiting.id, row.key, payload, row.ref, waiting.attempts, waiting.last_error, waiting.due)

    # ---- tasks

    async def _collect_for_ever(self) -> None:
        """Move entries whose commit is on disk to the queues of their keys."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            committed = self._new.committed()
            try:
                await self._store.barrier()
            except StoreError as error:
                self._woken.set()
                await self._wait_for_store(error)
                continue
            for id, key in committed:
                self._new.seen(id)
                self._enqueue(id, key)

    async def _work(self) -> None:
        """Send the oldest entry of one key after the other."""
        task = asyncio.current_task()
        assert task is not None
        while self._collector is not None:
            key = await self._ready.get()
            self._sending.add(task)
            try:
                await self._send_first(key)
                continue
            except StoreError as error:
                refusal = error
            finally:
                self._sending.discard(task)
            self._ready.put_nowait(key)  # its first entry is still there
            await self._wait_for_store(refusal)

    async def _send_first(self, key: str) -> None:
        waiting = self._queues[key][0]
        self._store.check()
        if waiting.outcome:
            self._settle(key, waiting)
            return
        waiting.attempts += 1
        waiting.due = None
        entry = self._entry(waiting)
        if entry is None:  # removed by a reset
            self._done(key)
            return
        try:
            await self._send(entry)
        except Abandon as outcome:
            self._abandon(entry, waiting, outcome.reason)
        except StoreError:
            raise
        except PeerError as error:
            self._put_off(key, waiting, str(error))
        except Exception as error:  # noqa: BLE001 - a bug met by one entry must not stop the others, nor lose it
            if entry.attempts == 1:
                _log.exception("outbox %s: entry %s", self._name, entry.id)
            self._put_off(key, waiting, f"{type(error).__name__}: {error}")
        else:
            waiting.outcome = (Delete(self._name, entry.id),)
            self._settle(key, waiting)

    def _settle(self, key: str, waiting: _Waiting) -> None:
        """Write what became of an entry: it joins the next group commit, nobody waits for it. Raises StoreError."""
        self._store.commit(*waiting.outcome)
        if isinstance(waiting.outcome[0], Put):
            self.abandoned.taken(key, waiting.id)
        self._done(key)

    def _done(self, key: str) -> None:
        """The first entry of a key is settled; the next one queues behind the other keys."""
        queue = self._queues[key]
        queue.popleft()
        self.depth -= 1
        if queue:
            self._ready.put_nowait(key)
        else:
            del self._queues[key]

    def _abandon(self, entry: Entry, waiting: _Waiting, reason: str) -> None:
        row = _row(entry.key, entry.payload, entry.ref)
        row.reason, row.attempts = reason, entry.attempts
        row.at = self._clock.now().isoformat()
        waiting.outcome = (Put(self.abandoned.table, entry.id, _encode(row)), Delete(self._name, entry.id))
        self._settle(entry.key, waiting)
        self.last_error = reason
        _log.error("outbox %s: entry %s (%s) abandoned: %s", self._name, entry.id, entry.ref, reason)

    def _put_off(self, key: str, waiting: _Waiting, error: str) -> None:
        first, longest = self._policy.first_pause, self._policy.longest_pause
        pause = min(longest, first * 2.0 ** min(waiting.attempts - 1, 60))
        pause *= 0.5 + self._entropy.chance() / 2
        waiting.last_error = self.last_error = error
        waiting.due = self._clock.now() + timedelta(seconds=pause)
        if waiting.attempts == 1:
            _log.warning("outbox %s: entry %s put off: %s", self._name, waiting.id, error)
        self._timers[key] = asyncio.get_running_loop().call_later(pause, self._resume, key)

    def _resume(self, key: str) -> None:
        del self._timers[key]
        self._ready.put_nowait(key)

    async def _wait_for_store(self, error: StoreError) -> None:
        """Pause while the store refuses: an entry that cannot be marked as sent would be sent again and again."""
        self.last_error = str(error)
        self._refused.error("outbox %s waits for the store: %s", self._name, error)
        await asyncio.sleep(STORE_PAUSE)


def _id(number: int) -> str:
    return f"{max(number, 0):016d}"


def _row(key: str, payload: bytes, ref: str) -> _Row:
    try:
        return _Row(key, ref, payload=payload.decode())
    except UnicodeDecodeError:
        return _Row(key, ref, octets=payload)


def _abandoned(id: str, octets: bytes) -> Entry:
    row = _decode_row(octets)
    return Entry(id, row.key, _payload(row), row.ref, row.attempts, row.reason)


def _payload(row: _Row) -> bytes:
    return row.payload.encode() if row.payload is not None else row.octets or b""


async def _cancel(tasks: set[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
