"""The embedded store: rows as bytes in memory, every commit a record of a log, a snapshot when the log has grown.

A directory holds
    lock      held while the store is open
    db.json   the snapshot, an ordinary TinyDB file (`snapshot`)
    log       what was committed since (`log`, `frames`; the records: `commits`)

Opening reads the snapshot and replays the log over it. Compaction marks a checkpoint in the log, writes that state
to `db.json` in a thread, then begins a new log with what came after the mark. Whenever a crash happens, the snapshot
names its checkpoint, and a log that still contains that mark is replayed from there only.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
from collections.abc import Awaitable, Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.kernel.errors import StoreError
from sandbox.store.embedded.commits import checkpoint_number, decode, encode, encode_checkpoint
from sandbox.store.embedded.directory import claim_directory, discard
from sandbox.store.embedded.frames import Header
from sandbox.store.embedded.log import Log
from sandbox.store.embedded.segment import stored_records
from sandbox.store.embedded.snapshot import Rows, read_snapshot, write_snapshot
from sandbox.store.protocol import Delete, Put, Store
from sandbox.store.schema import Schema

if TYPE_CHECKING:
    from sandbox.store.embedded.tinydb_view import RowTable

_log = logging.getLogger(__name__)

RETRY = 3.0  # s between attempts to write what the disk refused
LOG_LIMIT = 64 << 20  # octets of log above which the store compacts while it runs
_SMALL = 16 << 20  # octets that a clean close always writes out
_EMPTY: Rows = {}
PLAIN = Schema()  # of a store whose layout never changed


class _Done:
    """An awaitable that has resolved."""

    def __await__(self) -> Generator[None, None, None]:
        yield from ()


class TableStore:
    """See `protocol.Store`. Without a running loop `commit` blocks until the disk has it."""

    def __init__(
        self, directory: Path, lock: int, log: Log, tables: dict[str, Rows], *, checkpoint: int, snapshot: int
    ) -> None:
        self._directory, self._lock, self._log, self._tables = directory, lock, log, tables
        self._checkpoint, self._snapshot = checkpoint, snapshot
        self._views: dict[str, RowTable] = {}
        self._compaction: asyncio.Task[None] | None = None
        self._limit = self._next_limit()
        self._closed = False

    def get(self, table: str, key: str) -> bytes | None:
        """The row's bytes, None when there is none."""
        return self._tables.get(table, _EMPTY).get(key)

    def items(self, table: str) -> Iterator[tuple[str, bytes]]:
        """(key, row) in order of insertion, as they are now."""
        return iter(list(self._tables.get(table, _EMPTY).items()))

    def count(self, table: str) -> int:
        """How many rows the table has."""
        return len(self._tables.get(table, _EMPTY))

    def tables(self) -> list[str]:
        """The tables that have rows, in order of their first."""
        return [name for name, rows in self._tables.items() if rows]

    @property
    def failure(self) -> str | None:
        """See `protocol.Store.failure`."""
        return self._log.failure

    def check(self) -> None:
        """See `protocol.Store.check`."""
        self._log.check()

    def commit(self, *writes: Put | Delete) -> Awaitable[None]:
        """See `protocol.Store.commit`."""
        if not writes:
            return _Done()
        record = encode(writes)
        waiter: Awaitable[None]
        try:
            waiter = self._log.submit(record)
        except RuntimeError:  # no running loop
            self._log.append_now(record)
            waiter = _Done()
        apply(self._tables, writes)
        if self._log.size > self._limit and self._compaction is None:
            self._compact_soon()
        return waiter

    async def barrier(self) -> None:
        """See `protocol.Store.barrier`."""
        await self._log.barrier()

    def table(self, name: str) -> RowTable:
        """The TinyDB view of a table."""
        from sandbox.store.embedded.tinydb_view import RowTable  # only those who query pay for the import

        if name not in self._views:
            self._views[name] = RowTable(self, name, self.tables)
        return self._views[name]

    async def compact(self) -> None:
        """Write every row to `db.json` and begin a new log. Raises StoreError; nothing is lost then.

        The event loop is held only while the dictionaries (not the rows) are copied.
        """
        self._checkpoint += 1  # never the same number twice, even if this attempt fails
        checkpoint = self._checkpoint
        self._log.submit(encode_checkpoint(checkpoint))
        tables = {name: rows.copy() for name, rows in self._tables.items() if rows}
        path = self._directory / "db.json"

        def prepare() -> Iterable[bytes]:
            self._snapshot = write_snapshot(path, tables, checkpoint)
            return ()

        await self._log.rotate(prepare, checkpoint)

    async def close(self) -> None:
        """See `protocol.Store.close`."""
        if self._closed:
            return
        self._closed = True
        if self._compaction is not None:
            await asyncio.wait([self._compaction])
        if self._worth_compacting():
            with contextlib.suppress(StoreError):  # the log has everything
                await self.compact()
        await self._log.close()
        os.close(self._lock)

    # ---- compaction

    def _next_limit(self) -> int:
        """A new snapshot is made when the log is larger than the last one, so that a row is written about twice."""
        return max(LOG_LIMIT, self._snapshot)

    def _worth_compacting(self) -> bool:
        if self._log.failure is not None or self._log.is_empty:
            return False
        return self._log.size + self._snapshot <= _SMALL or 4 * self._log.size >= self._snapshot

    def _compact_soon(self) -> None:
        with contextlib.suppress(RuntimeError):  # no running loop: at close, or when one runs
            loop = asyncio.get_running_loop()
            self._compaction = loop.create_task(self._compact_when_grown())

    async def _compact_when_grown(self) -> None:
        try:
            await self.compact()
            self._limit = self._next_limit()
        except StoreError as error:
            _log.error("%s: the log is kept, compaction is tried again later", error)
            self._limit = self._log.size + LOG_LIMIT
        finally:
            self._compaction = None


def apply(tables: dict[str, Rows], writes: Iterable[Put | Delete]) -> None:
    """Change the rows in memory. Rows are copied: encoders give octets that keep their whole buffer (8 KiB each)."""
    for write in writes:
        rows = tables.get(write.table)
        if rows is None:
            rows = tables[write.table] = {}
        if isinstance(write, Put):
            rows[write.key] = bytes(memoryview(write.value))
        else:
            rows.pop(write.key, None)


def open_store(directory: Path, schema: Schema = PLAIN) -> Store:
    """Open the store in `directory` (made when missing, 0700). Needs no running loop.

    Rows of an earlier version are migrated first. Raises StoreLocked when another process has it open, StoreError
    when the directory cannot be used, or what it holds is damaged or of a version that `schema` does not lead from.
    """
    return open_tables(directory, schema)


def open_tables(directory: Path, schema: Schema = PLAIN) -> TableStore:
    """`open_store` for those who want to compact by hand or list tables."""
    lock = claim_directory(directory)
    try:
        discard(directory / "db.json.next")
        _require_log(directory)
        log, records = Log.open(directory / "log", version=schema.version, retry=RETRY)
        try:
            found = _load(directory / "db.json", log.header, records)
            _migrate(directory / "log", log, found, schema)
        except BaseException:
            log.close_now()
            raise
    except BaseException:
        os.close(lock)
        raise
    return TableStore(directory, lock, log, found.tables, checkpoint=found.highest, snapshot=found.size)


def _require_log(directory: Path) -> None:
    """A snapshot of ours has a log beside it; a TinyDB file that a person put there needs none. Raises StoreError."""
    path = directory / "log"
    if not path.exists() and read_snapshot(directory / "db.json")[1]:
        raise StoreError(f"'{path}' is missing beside db.json: `sas-sandbox doctor` shows what can be kept")


@dataclass(frozen=True, slots=True)
class _Loaded:
    """What a directory holds. `covered`: the snapshot's checkpoint; `highest`: of all; `size`: octets of db.json."""

    tables: dict[str, Rows]
    covered: int
    highest: int
    size: int


def _load(path: Path, header: Header, records: Iterable[bytes]) -> _Loaded:
    """The snapshot with the log replayed over it."""
    tables, covered, size = read_snapshot(path)
    highest, fits = covered, header.format == 1 or covered == header.checkpoint
    for record in records:
        number = checkpoint_number(record)
        if number is None:
            apply(tables, decode(record))
            continue
        highest = max(highest, number)
        if number == covered:  # the crash came before the log was replaced: what precedes is in the snapshot
            tables, _, _ = read_snapshot(path)
            fits = True
    if not fits:
        raise StoreError(
            f"'{path}' is {'missing' if not size else f'of checkpoint {covered}'}, "
            f"the log beside it continues checkpoint {header.checkpoint}: `sas-sandbox doctor` shows what can be kept"
        )
    return _Loaded(tables, covered, highest, size)


def _migrate(path: Path, log: Log, found: _Loaded, schema: Schema) -> None:
    """Bring rows and log to the present version, if they are not: one new log with the old records and the changes."""
    if (log.header.format, log.header.version) == (2, schema.version):
        return
    changes: list[Put | Delete] = []
    try:
        for migration in schema.path_from(log.header.version):
            writes = list(migration(found.tables))
            apply(found.tables, writes)
            changes += writes
    except StoreError as error:
        raise StoreError(f"'{path}' {error}") from None
    log.upgrade(schema.version, found.covered, itertools.chain(stored_records(path), _as_records(changes)))
    _log.info("%s: data of an earlier version were taken over", path.parent)


def _as_records(writes: list[Put | Delete]) -> Iterator[bytes]:
    if writes:
        yield b"".join(encode(writes))
