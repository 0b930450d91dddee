"""The broker's durable half: its batches go to a log, and come back when the hub starts.

One batch is one record and one append is under way at a time: what comes meanwhile is the next batch. Publishers get
their confirms when the disk has their batch; nobody else waits for it. When the disk refuses, publishers of that
batch and all later ones get a nack, and what is in the queues stays readable.
"""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

import msgspec

from sandbox.amqp.broker import Broker
from sandbox.amqp.records import Put, replay
from sandbox.kernel.errors import StoreError
from sandbox.store.directory import claim_directory
from sandbox.store.log import Log

_GATHER_STEP, _GATHER_MOST = 0.002, 3  # s, and how often

COMPACT_ABOVE = 64 * 1024 * 1024  # octets of log; beyond, also twice what the last compaction left

_log = logging.getLogger(__name__)


class MessageLog:
    """The log of one broker. Open it once the topology stands, `start` it before the first client comes."""

    def __init__(
        self, broker: Broker, log: Log, lock: int, *, recovered: int, compact_above: int = COMPACT_ABOVE
    ) -> None:
        self.recovered = recovered  # messages found when the log was opened
        self._records, self._log, self._lock = broker.records, log, lock
        self._smallest = self._limit = compact_above
        self._work = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._compaction: asyncio.Task[None] | None = None

    @classmethod
    def open(cls, directory: Path, broker: Broker, *, compact_above: int = COMPACT_ABOVE) -> MessageLog:
        """Put every message of the log back into its queue. Raises StoreLocked, StoreError."""
        lock = claim_directory(directory)
        try:
            log, alive = _recover(directory / "messages")
        except StoreError:
            os.close(lock)
            raise
        orphans = broker.restore(alive)
        if orphans:
            _log.warning("hub: %d messages belong to queues that are not configured; they are kept", orphans)
        return cls(broker, log, lock, recovered=len(alive), compact_above=compact_above)

    @property
    def failure(self) -> str | None:
        """Why nothing more is accepted, None while all is well."""
        return self._log.failure

    def start(self) -> None:
        """Write from now on."""
        self._records.on_work = self._work.set
        self._writer = asyncio.create_task(self._write())

    async def stop(self) -> None:
        """Bring what is left to disk and close the log. Who waited was told."""
        self._records.on_work = None
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.wait([self._writer])
        await self._flush()
        if self._compaction is not None:
            await asyncio.wait([self._compaction])
        await self._log.close()
        os.close(self._lock)

    async def _write(self) -> None:
        flush: asyncio.Task[None] | None = None
        try:
            while True:
                crowded = self._work.is_set()  # more came while the last batch was written
                await self._work.wait()
                if crowded:
                    await self._gather()
                self._work.clear()
                flush = asyncio.create_task(self._flush())
                await asyncio.shield(flush)
        finally:
            if flush is not None and not flush.done():  # stopped in the middle: its publishers are owed an answer
                await asyncio.wait([flush])

    async def _gather(self) -> None:
        """Publishers do not wait for each other's confirms: a moment more, as long as they go on, makes of many small
        batches (and as many packets of confirms) a few."""
        size = -1
        for _ in range(_GATHER_MOST):
            if size == self._records.size:
                return
            size = self._records.size
            await asyncio.sleep(_GATHER_STEP)

    async def _flush(self) -> None:
        """One batch: to the disk, then tell those who wait for it."""
        batch, record = self._records.take()
        safe = True
        try:
            if record:
                written = self._log.submit(record)
                if self._log.size > self._limit and self._compaction is None:
                    self._compact()
                await written
        except StoreError as error:
            safe = self._records.accepting = False
            _log.error("hub: messages cannot be kept: %s", error)
        self._records.settled(batch, safe=safe)

    def _compact(self) -> None:
        """Begin a new log with what is alive. Between a batch and the next, or a message could come back to life."""
        snapshot = self._records.snapshot()
        rotated = self._log.rotate(lambda: snapshot)

        async def finish() -> None:
            try:
                await rotated
            except StoreError as error:
                _log.warning("hub: the log was not compacted: %s", error)
            self._limit = max(self._smallest, 2 * self._log.size)
            self._compaction = None

        self._compaction = asyncio.create_task(finish())


def _recover(path: Path) -> tuple[Log, dict[int, Put]]:
    log, records = Log.open(path)
    try:
        return log, replay(records)
    except msgspec.MsgspecError as error:
        log.close_now()
        raise StoreError(f"'{path}' holds something else than messages: {error}") from error
