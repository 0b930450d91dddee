"""The broker's durable half: its batches go to a log, and come back when the hub starts.

One batch is one record and one append is under way at a time: what comes meanwhile is the next batch. Publishers get
their confirms when the disk has their batch; nobody else waits for it. When the disk refuses, publishers of that
batch and all later ones get a nack, what is in the queues stays readable, and every few seconds everything that is
there is written to a new log: once that is on disk, publishers are let in again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from pathlib import Path

import msgspec

from sandbox.amqp.broker.broker import Broker
from sandbox.amqp.broker.message import Message
from sandbox.amqp.broker.records import Put, replay
from sandbox.hub.embedded.paging import Paging
from sandbox.kernel.errors import StoreError
from sandbox.kernel.seldom import Seldom
from sandbox.store.embedded.directory import claim_directory
from sandbox.store.embedded.log import Log
from sandbox.store.embedded.segment import replaced, stored_records
from sandbox.store.schema import Schema
from sandbox.tasks import keep

_GATHER_STEP, _GATHER_MOST = 0.002, 3  # s, and how often

RETRY = 3.0  # s between attempts once the disk has refused
COMPACT_ABOVE = 64 * 1024 * 1024  # octets of log; beyond, also twice what the last compaction left

FILE = "messages"
SCHEMA = Schema()  # of `amqp.records`

_log = logging.getLogger(__name__)


class MessageLog:
    """The log of one broker. Open it once the topology stands, `start` it before the first client comes."""

    def __init__(
        self, broker: Broker, log: Log, lock: int, path: Path, *, recovered: int, compact_above: int = COMPACT_ABOVE
    ) -> None:
        self.recovered = recovered  # messages found when the log was opened
        self._records, self._log, self._lock, self._path = broker.records, log, lock, path
        self._stopping, self._still_refused = asyncio.Event(), Seldom(_log)
        self._smallest = self._limit = compact_above
        self._work = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._compaction: asyncio.Task[None] | None = None

    @classmethod
    def open(cls, directory: Path, broker: Broker, *, compact_above: int = COMPACT_ABOVE) -> MessageLog:
        """Put every message of the log back into its queue. Raises StoreLocked, StoreError."""
        lock = claim_directory(directory)
        try:
            paging = Paging(directory)
            broker.load.write = paging.write
            log, alive = _recover(directory / FILE, broker)
        except StoreError:
            os.close(lock)
            raise
        orphans = broker.restore(alive)
        if orphans:
            _log.warning("hub: %d messages belong to queues that are not configured; they are kept", orphans)
        return cls(broker, log, lock, directory / FILE, recovered=len(alive), compact_above=compact_above)

    @property
    def failure(self) -> str | None:
        """Why nothing more is accepted, None while all is well."""
        return self._log.failure

    def start(self) -> None:
        """Write from now on."""
        self._records.on_work = self._work.set
        self._writer = keep(self._write, "message log")

    async def stop(self) -> None:
        """Bring what is left to disk and close the log. Who waited was told."""
        self._records.on_work = None
        self._stopping.set()
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
            _log.error("hub: messages cannot be kept, publishers are refused: %s", error)
        self._records.settled(batch, safe=safe)
        if not safe:
            await self._begin_anew()

    async def _begin_anew(self) -> None:
        """Try until a new log holds everything. Batches wait meanwhile, acknowledgements go on."""
        while not self._stopping.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), RETRY)
                return
            if self._compaction is not None:
                await asyncio.wait([self._compaction])
            await self._log.close()  # Windows replaces no open file
            try:
                snapshot = self._records.snapshot()
                segment = await asyncio.to_thread(replaced, self._path, snapshot, version=SCHEMA.version)
            except OSError as error:
                self._still_refused.warning("hub: the disk still refuses: %s", error.strerror or error)
                continue
            self._log = Log(segment)
            self._records.accepting = True
            _log.warning("hub: messages are kept again")
            return

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


def _recover(path: Path, broker: Broker) -> tuple[Log, dict[int, Put]]:
    log, records = Log.open(path, version=SCHEMA.version)
    load = broker.load
    found = 0

    def page(message: Message) -> Message:
        nonlocal found
        found += len(message.body)  # with those that will turn out to be gone: better elsewhere than too many here
        return message if found < load.page_above else message.paged(load.write(message.properties, message.body))

    try:
        alive = replay(records, page)
        if log.header.format == 1 or SCHEMA.path_from(log.header.version):
            log.upgrade(SCHEMA.version, 0, stored_records(path))
    except msgspec.MsgspecError as error:
        log.close_now()
        raise StoreError(f"'{path}' holds something else than messages: {error}") from error
    except StoreError as error:
        log.close_now()
        raise StoreError(f"'{path}' {error}") from None
    return log, alive
