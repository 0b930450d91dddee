"""The thread that writes a log: everything that touches its file while the log is open happens here, in order.

A write or synchronisation that fails is a failure of the whole log. With `retry` what failed is kept and written again
every so many seconds, until the disk takes it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Iterable
from concurrent import futures
from queue import Empty, SimpleQueue
from typing import TypeVar

from sandbox.files import sync_directory
from sandbox.kernel.errors import StoreError
from sandbox.kernel.seldom import Seldom
from sandbox.store.embedded.directory import discard
from sandbox.store.embedded.segment import Segment, batches, copied_segment, next_generation, start_segment

_log = logging.getLogger(__name__)

_SHORT_TAIL = 1 << 20  # octets; a new generation takes over when no more than this is left to copy

T = TypeVar("T")


class LogWriter:
    """The writer of one log. `failure`: why nothing more is accepted, None while all is well; `retry`: seconds between
    two attempts to write what failed, None for no further one."""

    def __init__(self, segment: Segment, retry: float | None) -> None:
        self.segment = segment
        self.failure: str | None = None
        self._retry = retry
        self._replacement: asyncio.Task[None] | None = None
        self._unwritten: list[bytes | memoryview] = []  # what the disk refused, to be written again
        self._still_refused = Seldom(_log)
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    # What the log calls

    def put(self, job: Callable[[], None]) -> None:
        """Run `job` in the thread, after what was handed to it before."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="store-log", daemon=True)
            self._thread.start()
        self._jobs.put(job)

    def call(self, function: Callable[[], T]) -> futures.Future[T]:
        """`put`, with the result of `function` or what it raised."""
        outcome: futures.Future[T] = futures.Future()

        def job() -> None:
            try:
                outcome.set_result(function())
            except BaseException as error:  # noqa: BLE001 - handed over: it is raised again where the result is taken
                outcome.set_exception(error)

        self.put(job)
        return outcome

    @property
    def is_being_replaced(self) -> bool:
        """A new generation of the file is being made."""
        return self._replacement is not None and not self._replacement.done()

    def begin_replacement(
        self, cut: futures.Future[int], prepare: Callable[[], Iterable[bytes]], checkpoint: int
    ) -> asyncio.Task[None]:
        """Make a new generation of the file: see `Log.rotate`. `cut`: the result of `cut`, called in the thread."""
        self._replacement = asyncio.get_running_loop().create_task(self._replace(cut, prepare, checkpoint))
        return self._replacement

    async def replacement_over(self) -> None:
        """Return once no new generation is being made; its outcome is the caller's of `begin_replacement`."""
        if self._replacement is not None:
            await asyncio.wait([self._replacement])

    def end(self) -> None:
        """Write what waits, mark the end of the file and close it."""
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()
            if self.failure is None:
                with contextlib.suppress(OSError):  # everything is on disk; only the mark of the end is missing
                    self.segment.seal()
        self.segment.close()

    async def _replace(self, cut: futures.Future[int], prepare: Callable[[], Iterable[bytes]], checkpoint: int) -> None:
        path = self.segment.path
        try:
            fresh, copied = await asyncio.to_thread(self._prepare, cut, prepare, checkpoint)
            await asyncio.wrap_future(self.call(lambda: self._take_over(fresh, copied)))
        except OSError as error:
            raise StoreError(f"cannot replace '{path}': {error.strerror or error}") from error
        finally:
            discard(next_generation(path))

    # What runs in the thread

    def write(self, pieces: list[bytes | memoryview]) -> None:
        """Write one frame to the disk; a failure is that of the whole log. Raises StoreError."""
        if self.failure is not None:
            raise StoreError(self.failure)
        try:
            if pieces:
                self.segment.append(pieces)
        except (OSError, MemoryError) as error:
            raise self._failed(error) from error

    def write_or_keep(self, pieces: list[bytes | memoryview]) -> None:
        """`write`; with `retry` what fails is kept to be written again. Raises StoreError."""
        try:
            self.write(pieces)
        except StoreError:
            if self._retry is not None:
                self._unwritten += pieces
            raise

    def cut(self) -> int:
        """Where the old generation ends for the snapshot: what it contains is on disk, or there is no snapshot."""
        if self.failure is not None:
            raise StoreError(self.failure)
        return self.segment.size

    def _prepare(
        self, cut: futures.Future[int], prepare: Callable[[], Iterable[bytes]], checkpoint: int
    ) -> tuple[Segment, int]:
        """The next generation but for a short tail, and up to where the old one is in it. Raises OSError."""
        copied = cut.result()
        records = prepare()
        header = self.segment.header
        fresh = start_segment(
            next_generation(self.segment.path), header.salt, version=header.version, checkpoint=checkpoint
        )
        try:
            for pieces in batches(records):
                fresh.append_unsynced(pieces)
            while (end := self.segment.size) - copied > _SHORT_TAIL:
                fresh.copy(self.segment, copied, end)
                copied = end
            fresh.sync()
        except BaseException:
            fresh.close()
            raise
        return fresh, copied

    def _take_over(self, fresh: Segment, copied: int) -> None:
        """Between two batches: copy the rest, replace the file, write to the new one from now on."""
        old = self.segment
        try:
            if self.failure is not None:
                raise StoreError(self.failure)
            fresh.copy(old, copied, old.size)
            fresh.replace(old.path, former=old)
        except BaseException:
            fresh.close()
            raise
        self.segment = fresh
        old.close()
        try:
            sync_directory(fresh.path.parent)
        except OSError as error:
            fresh.doubtful = True
            raise self._failed(error) from error

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

    def _failed(self, error: BaseException) -> StoreError:
        reason = getattr(error, "strerror", None) or error
        self.failure = f"cannot write '{self.segment.path}': {reason}"
        _log.critical("%s: nothing more is accepted", self.failure)
        return StoreError(self.failure)

    def _write_again(self) -> None:
        """Write again what the disk refused: over the torn write, or in a copy of what is known to be on disk."""
        if self.is_being_replaced:
            return  # the replacement must end first; it will fail
        try:
            if self.segment.doubtful:
                old, self.segment = self.segment, copied_segment(self.segment)
                old.close()
            if self._unwritten:
                self.segment.append(self._unwritten)
        except (OSError, MemoryError) as error:
            self._still_refused.warning("'%s': the disk still refuses: %s", self.segment.path, error)
            return
        self._unwritten, self.failure = [], None
        _log.warning("'%s' is written again", self.segment.path)
