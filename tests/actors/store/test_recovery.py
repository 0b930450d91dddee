"""A disk that refuses writes for a while: every caller gets an error, and work resumes by itself once writes
succeed."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sandbox.kernel.errors import StoreError
from sandbox.store.embedded import segment, tables
from sandbox.store.embedded.log import Log
from sandbox.store.embedded.segment import Segment
from sandbox.store.embedded.tables import TableStore, open_tables
from sandbox.store.protocol import Put
from tests.support.sandboxes import eventually

if TYPE_CHECKING:
    from conftest import Disk

RETRY = 0.02


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """A disk that is full while the list is not empty: writes fail, not only their synchronisation."""
    state: list[bool] = []
    write = Segment._write

    def limited(self: Segment, octets: bytes, offset: int) -> None:
        if state:
            os.pwrite(self._descriptor, octets[: len(octets) // 2], offset)  # as many octets as there was room for
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(self, octets, offset)

    monkeypatch.setattr(Segment, "_write", limited)
    return state


def stored(path: Path) -> list[bytes]:
    log, records = Log.open(path)
    found = [bytes(record) for record in records]
    log.close_now()
    return found


async def refused(log: Log, *records: bytes) -> None:
    outcomes = await asyncio.gather(*(log.append(record) for record in records), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {StoreError}


async def test_log_that_was_refused_goes_on_in_its_file_and_keeps_the_order(
    tmp_path: Path, full: list[bool], caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "log"
    log, _ = Log.open(path, retry=RETRY)
    await log.append(b"before")
    inode = path.stat().st_ino
    full.append(True)
    await refused(log, b"1", b"2")
    with pytest.raises(StoreError, match="No space left"):
        log.submit(b"not taken")
    await asyncio.sleep(10 * RETRY)
    assert log.failure is not None
    full.clear()
    await eventually(lambda: log.failure is None)
    await log.barrier()
    await log.append(b"after")
    await log.close()
    assert stored(path) == [b"before", b"1", b"2", b"after"]
    assert path.stat().st_ino == inode
    levels = [record.levelno for record in caplog.records]
    assert levels == [logging.CRITICAL, logging.WARNING, logging.WARNING], "one line each: refused, still, again"


async def test_log_whose_synchronisation_failed_goes_on_in_a_copy(tmp_path: Path, disk: Disk) -> None:
    path = tmp_path / "log"
    log, _ = Log.open(path, retry=RETRY)
    await log.append(b"before")
    inode = path.stat().st_ino
    disk.full = True
    await refused(log, b"1")
    await asyncio.sleep(5 * RETRY)
    disk.full = False
    await eventually(lambda: log.failure is None)
    await log.append(b"after")
    await log.close()
    assert stored(path) == [b"before", b"1", b"after"]
    assert path.stat().st_ino != inode
    assert os.listdir(tmp_path) == ["log"]


async def test_what_waited_behind_the_write_that_failed_is_written_too(tmp_path: Path, disk: Disk) -> None:
    path = tmp_path / "log"
    log, _ = Log.open(path, retry=RETRY)
    first = log.submit(b"1")
    await asyncio.sleep(0)
    second = log.submit(b"2")
    disk.full = True
    outcomes = await asyncio.gather(first, second, return_exceptions=True)
    assert StoreError in {type(outcome) for outcome in outcomes}
    disk.full = False
    await eventually(lambda: log.failure is None)
    await log.close()
    assert stored(path) == [b"1", b"2"]


async def test_closing_while_refused_tries_once_more(tmp_path: Path, full: list[bool]) -> None:
    log, _ = Log.open(tmp_path / "log", retry=60.0)
    full.append(True)
    await refused(log, b"1")
    full.clear()
    await log.close()
    assert stored(tmp_path / "log") == [b"1"]


async def test_rename_that_may_not_last_is_made_sure_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log"
    log, _ = Log.open(path, retry=RETRY)
    await log.append(b"before")

    def fails(directory: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    real = segment.sync_directory
    monkeypatch.setattr("sandbox.store.embedded.writer.sync_directory", fails)
    monkeypatch.setattr(segment, "sync_directory", fails)
    with pytest.raises(StoreError):
        await log.rotate(lambda: [b"snapshot"])
    await asyncio.sleep(5 * RETRY)
    assert log.failure is not None
    monkeypatch.setattr(segment, "sync_directory", real)
    await eventually(lambda: log.failure is None)
    await log.close()
    assert stored(path) == [b"snapshot"]
    assert os.listdir(tmp_path) == ["log"]


async def reopened(directory: Path) -> dict[str, dict[str, bytes]]:
    store = open_tables(directory)
    found = {name: dict(store.items(name)) for name in store.tables()}
    await store.close()
    return found


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TableStore:
    monkeypatch.setattr(tables, "RETRY", RETRY)
    return open_tables(tmp_path)


async def test_store_refuses_then_goes_on_and_what_it_shows_is_what_it_holds(
    tmp_path: Path, store: TableStore, full: list[bool]
) -> None:
    await store.commit(Put("t", "before", b"{}"))
    full.append(True)
    with pytest.raises(StoreError, match="No space left"):
        await store.commit(Put("t", "refused", b"{}"))
    assert "No space left" in str(store.failure)
    with pytest.raises(StoreError, match="No space left"):
        store.check()
    with pytest.raises(StoreError):
        store.commit(Put("t", "late", b"{}"))
    full.clear()
    await eventually(lambda: store.failure is None)
    store.check()
    await store.barrier()
    await store.commit(Put("t", "after", b"{}"))
    shown = dict(store.items("t"))
    await store.close()
    assert await reopened(tmp_path) == {"t": shown}
    assert [*shown] == ["before", "refused", "after"]


async def test_store_compacts_after_it_was_refused(tmp_path: Path, store: TableStore, full: list[bool]) -> None:
    await store.commit(Put("t", "before", b"{}"))
    full.append(True)
    with pytest.raises(StoreError):
        await store.commit(Put("t", "refused", b"{}"))
    with pytest.raises(StoreError):
        await store.compact()
    full.clear()
    await eventually(lambda: store.failure is None)
    await store.compact()
    await store.commit(Put("t", "after", b"{}"))
    await store.close()
    assert [*(await reopened(tmp_path))["t"]] == ["before", "refused", "after"]
