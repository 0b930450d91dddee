"""An append-only log of octet records: an append is durable when it returns, with group commit, recovery, and
replacement of a file that has grown.

Every record submitted in one turn of the event loop, or while the disk was busy, shares one write and one
synchronisation, made by the log's own thread (`writer`): the loop never waits for the disk. Order on disk is the order
of submission. The format of the file, and what is recovered from a torn or damaged one, is stated in `frames`.

A write or synchronisation that fails (disk full, I/O error) fails every append that waits, and nothing more is
accepted. With `retry`, what failed is kept and tried again every so many seconds, in its order (in a copy of the file
when a synchronisation failed: what the kernel kept of it is unknown). Once it is written the log goes on as before, and
the records of callers that got the failure are on disk after all. Without `retry` it stays so until the log is opened
anew.

Waiting octets are bounded: `append` waits for room; `submit`, which cannot wait, refuses at a higher bound.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sandbox.kernel.errors import StoreError
from sandbox.store.embedded.frames import Header, head_of
from sandbox.store.embedded.segment import Segment, open_segment, replaced
from sandbox.store.embedded.writer import LogWriter

_log = logging.getLogger(__name__)

ROOM = 16 << 20  # waiting octets above which `append` waits
MOST = 64 << 20  # waiting octets above which `submit` refuses

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
        self._writer = LogWriter(segment, retry)
        self._room, self._most = room, most
        self._pieces: list[bytes | memoryview] = []
        self._waiters: list[asyncio.Future[None]] = []
        self._pending = 0  # octets not yet handed to the thread
        self._queued = 0  # octets not yet on disk
        self._batches = 0  # batches that the thread has not finished
        self._scheduled = False
        self._blocked: deque[tuple[asyncio.Future[None], int]] = deque()
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
    def failure(self) -> str | None:
        """Why nothing more is accepted; None while all is well."""
        return self._writer.failure

    @property
    def header(self) -> Header:
        """Format and version of the file, and the checkpoint of the snapshot that it continues."""
        return self._writer.segment.header

    def upgrade(self, version: int, checkpoint: int, records: Iterable[bytes]) -> None:
        """Replace the file by one of the present format with `version` and these records, which continues the snapshot
        of that checkpoint. Blocking; for a log to which nothing was appended yet. Raises StoreError: the old file is
        still there then."""
        old = self._writer.segment
        try:
            self._writer.segment = replaced(old.path, records, version=version, checkpoint=checkpoint, former=old)
        except OSError as error:
            raise StoreError(f"cannot replace '{old.path}': {error.strerror or error}") from error
        old.close()

    @property
    def size(self) -> int:
        """Octets of the file, with those on their way."""
        return self._writer.segment.size + self._queued

    @property
    def is_empty(self) -> bool:
        """True when the file holds no record and none is on its way."""
        return self._writer.segment.is_empty and not self._queued

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
            self._writer.call(lambda: self._writer.write(pieces)).result()
        finally:
            self._queued -= size

    async def barrier(self) -> None:
        """Return when everything submitted before is on disk. Raises StoreError when the log has failed."""
        if self._writer.failure is not None:
            raise StoreError(self._writer.failure)
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
        if self._writer.is_being_replaced:
            raise StoreError("the log is already being replaced")
        self._flush(loop)
        cut = self._writer.call(self._writer.cut)
        return asyncio.shield(self._writer.begin_replacement(cut, prepare, checkpoint))

    async def close(self) -> None:
        """Let what was submitted reach the disk, end the thread, close the file. May be repeated."""
        if self._closed:
            return
        self._closed = True
        await self._writer.replacement_over()
        with contextlib.suppress(StoreError):  # the waiters have the error already
            await self.barrier()
        self._writer.end()

    def close_now(self) -> None:
        """`close` for programs without a running loop: everything was written by `append_now`."""
        if not self._closed:
            self._closed = True
            self._writer.end()

    def check(self) -> None:
        """Raises StoreError when `submit` would."""
        self._refuse_if_unusable()
        if self._queued >= self._most:
            raise StoreError(f"{self._queued >> 20} MiB already wait for the disk")

    # Inside

    def _refuse_if_unusable(self) -> None:
        if self._writer.failure is not None:
            raise StoreError(self._writer.failure)
        if self._closed:
            raise StoreError(f"'{self._writer.segment.path}' is closed")

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

        def write() -> None:
            error: StoreError | None = None
            try:
                self._writer.write_or_keep(batch.pieces)
            except StoreError as failure:
                error = failure
            with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits any more
                loop.call_soon_threadsafe(self._finish, batch, error)

        self._writer.put(write)

    def _finish(self, batch: _Batch, error: StoreError | None) -> None:
        """A batch is on disk, or never will be: settle its waiters, then hand over what gathered meanwhile."""
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
            batch.loop.call_soon(self._flush, batch.loop)  # after the settled waiters, who may submit more

    def _admit(self) -> None:
        """Let waiting appends in, oldest first, as far as there is room."""
        free = self._room - self._queued
        while self._blocked and free > 0:
            turn, size = self._blocked.popleft()
            if not turn.done():
                turn.set_result(None)
                free -= size


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
