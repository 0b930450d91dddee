"""An append-only log of octet records: durable before it says so, group commit, recovery, replacement when it grew.

Every record submitted in one turn of the event loop, or while the disk was busy, shares one write and one
synchronisation, made by the log's own thread: the loop never waits for the disk. Order on disk is the order of
submission. The format of the file, and what is recovered from a torn or damaged one, is stated in `frames`.

A write or synchronisation that fails (disk full, I/O error) fails every append that waits, and nothing more is
accepted. With `retry`, what failed is kept and tried again every so many seconds, in its order (in a copy of the file
when a synchronisation failed: what the kernel kept of it is unknown). Once it is written the log goes on as if nothing
had happened, and those who were told of the failure have their records on disk after all. Without `retry` it stays so
until the log is opened anew.

Waiting octets are bounded: `append` waits for room; `submit`, which cannot wait, refuses at a higher bound.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from concurrent import futures
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TypeVar

from sandbox.files import sync_directory
from sandbox.kernel.errors import StoreError
from sandbox.kernel.seldom import Seldom
from sandbox.store.embedded.directory import discard
from sandbox.store.embedded.frames import Header, head_of
from sandbox.store.embedded.segment import (
    Segment,
    batches,
    copied_segment,
    next_generation,
    open_segment,
    replaced,
    start_segment,
)

_log = logging.getLogger(__name__)

ROOM = 16 << 20  # waiting octets above which `append` waits
MOST = 64 << 20  # waiting octets above which `submit` refuses
_SHORT_TAIL = 1 << 20  # a new generation takes over when no more than this is left to copy

T = TypeVar("T")
Buffers = bytes | memoryview | Sequence[bytes | memoryview]


@dataclass(slots=True)
class _Batch:
    """What one synchronisation makes durable. `size`: octets of the pieces."""

    pieces: list[bytes | memoryview]
    waiters: list[asyncio.Future[None]]
    size: int
    loop: asyncio.AbstractEventLoop


class Log:
    """See the module. For one thread: that of the event loop; without a running loop, `append_now` only."""

    def __init__(self, segment: Segment, *, room: int = ROOM, most: int = MOST, retry: float | None = None) -> None:
        self.failure: str | None = None  # why nothing more is accepted
        self._segment = segment
        self._room, self._most, self._retry = room, most, retry
        self._unwritten: list[bytes | memoryview] = []  # the thread's: what the disk refused, to be written again
        self._still_refused = Seldom(_log)
        self._pieces: list[bytes | memoryview] = []
        self._waiters: list[asyncio.Future[None]] = []
        self._pending = 0  # octets not yet handed to the thread
        self._queued = 0  # octets not yet on disk
        self._batches = 0  # batches in the thread's hands
        self._scheduled = False
        self._blocked: deque[tuple[asyncio.Future[None], int]] = deque()
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._rotation: asyncio.Task[None] | None = None
        self._closed = False

    @classmethod
    def open(
        cls, path: Path, *, version: int = 0, room: int = ROOM, most: int = MOST, retry: float | None = None
    ) -> tuple[Log, Iterator[bytes]]:
        """The log at `path` (begun when missing) and its records, oldest first, to be read before it is rotated.

        `version` is that of the records: a file of another version is for the caller to judge by `header`, and one
        of an older format to `upgrade` before anything is appended. Needs no running loop. The caller holds the
        directory (`directory.claim_directory`). Raises StoreError when the file cannot be used or is damaged before
        its last write.
        """
        segment, records = open_segment(path, version)
        return cls(segment, room=room, most=most, retry=retry), records

    @property
    def header(self) -> Header:
        """Format and version of the file, and the checkpoint of the snapshot that it continues."""
        return self._segment.header

    def upgrade(self, version: int, checkpoint: int, records: Iterable[bytes]) -> None:
        """Replace the file by one of the present format with `version` and these records, which continues the snapshot
        of that checkpoint. Blocking; for a log to which nothing was appended yet. Raises StoreError: the old file is
        still there then."""
        old = self._segment
        try:
            self._segment = replaced(old.path, records, version=version, checkpoint=checkpoint, former=old)
        except OSError as error:
            raise StoreError(f"cannot replace '{old.path}': {error.strerror or error}") from error
        old.close()

    @property
    def size(self) -> int:
        """Octets of the file, with those on their way."""
        return self._segment.size + self._queued

    @property
    def is_empty(self) -> bool:
        """True when the file holds no record and none is on its way."""
        return self._segment.is_empty and not self._queued

    def submit(self, record: Buffers) -> asyncio.Future[None]:
        """Take a record now; the future resolves when it is on disk, with StoreError when it never will be.

        Needs a running loop; the buffers must not change until then (with `retry`: never). Raises StoreError at once
        when the log is closed, has failed or is overloaded.
        """
        self.check()
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        self._take(record)
        self._waiters.append(waiter)
        if not self._scheduled and not self._batches:
            self._scheduled = True
            loop.call_soon(self._flush, loop)
        return waiter

    async def append(self, record: Buffers) -> None:
        """Wait for room, take a record, return when it is on disk. Raises StoreError."""
        if self._blocked or self._queued >= self._room:
            self._refuse_if_unusable()
            turn = asyncio.get_running_loop().create_future()
            self._blocked.append((turn, _octets(record)))
            try:
                await turn
            except asyncio.CancelledError:
                self._admit()
                raise
        await self.submit(record)

    def append_now(self, record: Buffers) -> None:
        """Take a record and block until it is on disk: for programs without a running loop. Raises StoreError."""
        self._refuse_if_unusable()
        self._take(record)
        pieces, size = self._pieces, self._pending
        self._pieces, self._pending = [], 0
        try:
            self._call(lambda: self._write(pieces)).result()
        finally:
            self._queued -= size

    async def barrier(self) -> None:
        """Return when everything submitted before is on disk. Raises StoreError when the log has failed."""
        if self.failure is not None:
            raise StoreError(self.failure)
        if not self._batches and not self._waiters:
            return
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        self._waiters.append(waiter)
        if not self._batches:
            self._flush(loop)
        await waiter

    def rotate(self, prepare: Callable[[], Iterable[bytes]], checkpoint: int = 0) -> Awaitable[None]:
        """Begin a new generation: the records that `prepare` gives, then whatever is submitted after this call.

        `checkpoint`: of the snapshot that the new generation continues.

        The cut is made by the call itself: take the snapshot that `prepare` works on and call this with no await
        between. `prepare` runs in another thread and may take its time (or write its snapshot elsewhere, durably,
        and give nothing); appends go on meanwhile. When the awaitable resolves the new file has taken the place of
        the old one, atomically. Raises StoreError; before the replacement that leaves the log as it was.
        """
        self._refuse_if_unusable()
        loop = asyncio.get_running_loop()
        if self._rotation is not None and not self._rotation.done():
            raise StoreError("the log is already being replaced")
        self._flush(loop)
        cut = self._call(self._cut)
        self._rotation = loop.create_task(self._rotate(cut, prepare, checkpoint))
        return asyncio.shield(self._rotation)

    async def close(self) -> None:
        """Let what was submitted reach the disk, end the thread, close the file. May be repeated."""
        if self._closed:
            return
        self._closed = True
        if self._rotation is not None:
            await asyncio.wait([self._rotation])
        with contextlib.suppress(StoreError):  # whoever waited was told already
            await self.barrier()
        self._end()

    def close_now(self) -> None:
        """`close` for programs without a running loop: everything was written by `append_now`."""
        if not self._closed:
            self._closed = True
            self._end()

    def check(self) -> None:
        """Raises StoreError when `submit` would."""
        self._refuse_if_unusable()
        if self._queued >= self._most:
            raise StoreError(f"{self._queued >> 20} MiB already wait for the disk")

    # ---- the loop's side

    def _refuse_if_unusable(self) -> None:
        if self.failure is not None:
            raise StoreError(self.failure)
        if self._closed:
            raise StoreError(f"'{self._segment.path}' is closed")

    def _take(self, record: Buffers) -> None:
        if isinstance(record, bytes | memoryview):
            record = (record,)
        size = _octets(record)
        self._pieces.append(head_of(*record))
        self._pieces.extend(record)
        self._pending += size
        self._queued += size

    def _flush(self, loop: asyncio.AbstractEventLoop) -> None:
        """Hand everything that waits to the thread, as one batch."""
        self._scheduled = False
        if not self._waiters:
            return
        batch = _Batch(self._pieces, self._waiters, self._pending, loop)
        self._pieces, self._waiters, self._pending = [], [], 0
        self._batches += 1
        self._put(lambda: self._write_batch(batch))

    def _finish(self, batch: _Batch, error: StoreError | None) -> None:
        """A batch is on disk, or never will be: tell its waiters, then hand over what gathered meanwhile."""
        self._batches -= 1
        self._queued -= batch.size
        for waiter in batch.waiters:
            _settle(waiter, error)
        if error is not None:
            while self._blocked:
                _settle(self._blocked.popleft()[0], error)
        self._admit()
        if self._waiters and not self._batches:
            self._scheduled = True
            batch.loop.call_soon(self._flush, batch.loop)  # after those who were just told: they may have more

    def _admit(self) -> None:
        """Let waiting appends in, oldest first, as far as there is room."""
        free = self._room - self._queued
        while self._blocked and free > 0:
            turn, size = self._blocked.popleft()
            if not turn.done():
                turn.set_result(None)
                free -= size

    async def _rotate(self, cut: futures.Future[int], prepare: Callable[[], Iterable[bytes]], checkpoint: int) -> None:
        path = self._segment.path
        try:
            fresh, copied = await asyncio.to_thread(self._prepare, cut, prepare, checkpoint)
            await asyncio.wrap_future(self._call(lambda: self._take_over(fresh, copied)))
        except OSError as error:
            raise StoreError(f"cannot replace '{path}': {error.strerror or error}") from error
        finally:
            discard(next_generation(path))

    def _end(self) -> None:
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()
            if self.failure is None:
                with contextlib.suppress(OSError):  # everything is on disk; only the mark of the end is missing
                    self._segment.seal()
        self._segment.close()

    # ---- the thread's side

    def _put(self, job: Callable[[], None]) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="store-log", daemon=True)
            self._thread.start()
        self._jobs.put(job)

    def _call(self, function: Callable[[], T]) -> futures.Future[T]:
        """Run `function` in the thread, after what was handed to it before."""
        outcome: futures.Future[T] = futures.Future()

        def job() -> None:
            try:
                outcome.set_result(function())
            except BaseException as error:  # noqa: BLE001 - handed over: it is raised again where the result is taken
                outcome.set_exception(error)

        self._put(job)
        return outcome

    def _work(self) -> None:
        while True:
            try:
                job = self._jobs.get(timeout=self._retry if self.failure is not None else None)
            except Empty:
                self._write_again()
                continue
            if job is None:
                break
            job()
        if self.failure is not None and self._retry is not None:
            self._write_again()  # once more, at the end

    def _write_batch(self, batch: _Batch) -> None:
        error: StoreError | None = None
        try:
            self._write(batch.pieces)
        except StoreError as failure:
            error = failure
            if self._retry is not None:
                self._unwritten += batch.pieces
        with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits any more
            batch.loop.call_soon_threadsafe(self._finish, batch, error)

    def _write(self, pieces: list[bytes | memoryview]) -> None:
        """One frame to the disk; a failure poisons the log. Raises StoreError."""
        if self.failure is not None:
            raise StoreError(self.failure)
        try:
            if pieces:
                self._segment.append(pieces)
        except (OSError, MemoryError) as error:
            raise self._poison(error) from error

    def _poison(self, error: BaseException) -> StoreError:
        reason = getattr(error, "strerror", None) or error
        self.failure = f"cannot write '{self._segment.path}': {reason}"
        _log.critical("%s: nothing more is accepted", self.failure)
        return StoreError(self.failure)

    def _write_again(self) -> None:
        """What the disk refused, once more: where the torn write is, or in a copy of what is known to be there."""
        if self._rotation is not None and not self._rotation.done():
            return  # it ends first, in failure
        try:
            if self._segment.doubtful:
                old, self._segment = self._segment, copied_segment(self._segment)
                old.close()
            if self._unwritten:
                self._segment.append(self._unwritten)
        except (OSError, MemoryError) as error:
            self._still_refused.warning("'%s': the disk still refuses: %s", self._segment.path, error)
            return
        self._unwritten, self.failure = [], None
        _log.warning("'%s' is written again", self._segment.path)

    def _cut(self) -> int:
        """Where the old generation ends for the snapshot: what it contains is on disk, or there is no snapshot."""
        if self.failure is not None:
            raise StoreError(self.failure)
        return self._segment.size

    def _prepare(
        self, cut: futures.Future[int], prepare: Callable[[], Iterable[bytes]], checkpoint: int
    ) -> tuple[Segment, int]:
        """The next generation but for a short tail, and up to where the old one is in it. Raises OSError."""
        copied = cut.result()
        records = prepare()
        header = self._segment.header
        fresh = start_segment(
            next_generation(self._segment.path), header.salt, version=header.version, checkpoint=checkpoint
        )
        try:
            for pieces in batches(records):
                fresh.append_unsynced(pieces)
            while (end := self._segment.size) - copied > _SHORT_TAIL:
                fresh.copy(self._segment, copied, end)
                copied = end
            fresh.sync()
        except BaseException:
            fresh.close()
            raise
        return fresh, copied

    def _take_over(self, fresh: Segment, copied: int) -> None:
        """Between two batches: copy the rest, replace the file, write to the new one from now on."""
        old = self._segment
        try:
            if self.failure is not None:
                raise StoreError(self.failure)
            fresh.copy(old, copied, old.size)
            fresh.replace(old.path, former=old)
        except BaseException:
            fresh.close()
            raise
        self._segment = fresh
        old.close()
        try:
            sync_directory(fresh.path.parent)
        except OSError as error:
            fresh.doubtful = True
            raise self._poison(error) from error


def _octets(record: Buffers) -> int:
    return len(record) if isinstance(record, bytes | memoryview) else sum(map(len, record))


def _settle(waiter: asyncio.Future[None], error: StoreError | None) -> None:
    if waiter.done():  # cancelled by whoever waited
        return
    if error is None:
        waiter.set_result(None)
    else:
        waiter.set_exception(StoreError(*error.args))
        waiter.exception()  # the failure was logged once: a record that nobody awaits is not reported again
