"""Writes the embedded broker's batches to a log, from which messages are restored when the hub starts.

One batch is one record, and one append runs at a time: messages that arrive meanwhile form the next batch. Publishers
get their confirms when their batch is on disk; nothing else waits for it. When the disk refuses, publishers of that
batch and of all later ones get a nack, messages in the queues stay readable, and every few seconds all of them are
written to a new log: once that is on disk, publishes are accepted again.
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

_GATHER_STEP, _GATHER_MOST = 0.002, 3  # s between two looks for more messages, and the maximum number of looks

RETRY = 3.0  # s between attempts after the disk has refused
COMPACT_ABOVE = 64 * 1024 * 1024  # octets of log; it must also be twice as large as after the last compaction

FILE = "messages"
SCHEMA = Schema()  # of the records of `amqp.broker.records`

_log = logging.getLogger(__name__)


class MessageLog:
    """The log of one broker. Open it when the topology is complete, `start` it before the first client connects."""

    def __init__(
        self, broker: Broker, log: Log, lock: int, path: Path, *, recovered: int, compact_above: int = COMPACT_ABOVE
    ) -> None:
        self.recovered = recovered  # messages that were found when the log was opened
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
        """The reason why the log cannot be written, None while it can."""
        return self._log.failure

    def start(self) -> None:
        """Write batches from now on."""
        self._records.on_work = self._work.set
        self._writer = keep(self._write, "message log")

    async def stop(self) -> None:
        """Write the rest to disk, answer the publishers that wait, and close the log."""
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
                crowded = self._work.is_set()  # more messages came while the last batch was written
                await self._work.wait()
                if crowded:
                    await self._gather()
                self._work.clear()
                flush = asyncio.create_task(self._flush())
                await asyncio.shield(flush)
        finally:
            if flush is not None and not flush.done():  # stopped while gathering: its publishers get their answer
                await asyncio.wait([flush])

    async def _gather(self) -> None:
        """Wait a few ms as long as more messages come, so that there are few batches (and packets of confirms) instead
        of many small ones. Publishers do not wait for each other's confirms."""
        size = -1
        for _ in range(_GATHER_MOST):
            if size == self._records.size:
                return
            size = self._records.size
            await asyncio.sleep(_GATHER_STEP)

    async def _flush(self) -> None:
        """Write one batch to the disk, then answer the publishers that wait for it."""
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
            await self._start_new_log()

    async def _start_new_log(self) -> None:
        """Try until a new log holds everything. Batches wait meanwhile; acknowledgements are still accepted."""
        while not self._stopping.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), RETRY)
                return
            if self._compaction is not None:
                await asyncio.wait([self._compaction])
            await self._log.close()  # Windows cannot replace an open file
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
        """Begin a new log with the messages that are alive. This happens between two batches: otherwise a message that
        has left its queue could be restored."""
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
        found += len(
            message.body
        )  # also counts messages that have left: paging too many costs less than keeping too many in memory
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
