"""The log on a real file: group commit, order, room, failure, replacement."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sandbox.kernel.errors import StoreError
from sandbox.store.embedded import segment as segment_module
from sandbox.store.embedded import writer
from sandbox.store.embedded.log import Log
from tests.support.windows import unless_open

if TYPE_CHECKING:
    from conftest import Disk


def stored(path: Path) -> list[bytes]:
    log, records = Log.open(path)
    found = list(records)
    log.close_now()
    return found


async def test_concurrent_appends_share_a_synchronisation_and_keep_their_order(tmp_path: Path, disk: Disk) -> None:
    log, _ = Log.open(tmp_path / "log")
    disk.syncs = 0
    records = [str(number).encode() for number in range(500)]
    await asyncio.gather(*(log.append(record) for record in records))
    assert disk.syncs <= 2
    await log.close()
    assert stored(tmp_path / "log") == records


async def test_an_append_does_not_resolve_before_the_disk_has_it(tmp_path: Path, disk: Disk) -> None:
    log, _ = Log.open(tmp_path / "log")
    reached, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def held_up() -> None:
        loop.call_soon_threadsafe(reached.set)
        go_on.wait(10)

    disk.before_sync = held_up
    waiter = log.submit([b"in ", memoryview(b"pieces")])
    await reached.wait()  # the loop turns while the disk works
    assert not waiter.done()
    go_on.set()
    await waiter
    await log.close()
    assert stored(tmp_path / "log") == [b"in pieces"]


async def test_what_gathers_while_the_disk_works_shares_the_next_synchronisation(tmp_path: Path, disk: Disk) -> None:
    log, _ = Log.open(tmp_path / "log")
    disk.syncs = 0
    first = log.submit(b"first")
    await asyncio.sleep(0)  # handed to the thread
    rest = [log.submit(b"later") for _ in range(100)]
    await asyncio.gather(first, *rest, log.barrier())
    assert disk.syncs == 2
    await log.close()


async def test_a_failing_disk_fails_every_waiter_and_poisons_the_log(
    tmp_path: Path, disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    log, _ = Log.open(tmp_path / "log", room=10)
    await log.append(b"kept")
    disk.full = True
    outcomes = await asyncio.gather(*(log.append(b"lost" * 5) for _ in range(20)), return_exceptions=True)
    assert all(isinstance(outcome, StoreError) for outcome in outcomes)
    disk.full = False
    with pytest.raises(StoreError, match="No space left"):
        await log.append(b"too late")
    with pytest.raises(StoreError, match="No space left"):
        await log.barrier()
    with pytest.raises(StoreError, match="No space left"):
        log.append_now(b"too late")
    await log.close()
    assert stored(tmp_path / "log") == [b"kept"]
    assert [record.levelno for record in caplog.records] == [logging.CRITICAL]


async def test_appends_wait_for_room_in_their_order(tmp_path: Path, disk: Disk) -> None:
    log, _ = Log.open(tmp_path / "log", room=100)
    disk.syncs = 0
    records = [b"%03d" % number * 20 for number in range(30)]
    await asyncio.gather(*(log.append(record) for record in records))
    assert disk.syncs >= 10
    await log.close()
    assert stored(tmp_path / "log") == records


async def test_a_cancelled_append_gives_its_room_to_the_next(tmp_path: Path, disk: Disk) -> None:
    log, _ = Log.open(tmp_path / "log", room=1)
    first, second, third = (asyncio.create_task(log.append(octets)) for octets in (b"first", b"second", b"third"))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.gather(first, third)
    await log.close()
    assert stored(tmp_path / "log") == [b"first", b"third"]


async def test_an_append_that_is_no_longer_awaited_is_written_all_the_same(tmp_path: Path) -> None:
    log, _ = Log.open(tmp_path / "log")
    log.submit(b"forgotten").cancel()
    await log.barrier()
    await log.close()
    assert stored(tmp_path / "log") == [b"forgotten"]


async def test_submissions_above_the_bound_are_refused_and_nothing_is_lost(tmp_path: Path) -> None:
    log, _ = Log.open(tmp_path / "log", most=10)
    waiter = log.submit(b"0123456789")
    with pytest.raises(StoreError, match="wait for the disk"):
        log.submit(b"x")
    await waiter
    await log.append(b"x")
    await log.close()
    assert stored(tmp_path / "log") == [b"0123456789", b"x"]


async def test_a_closed_log_accepts_nothing(tmp_path: Path) -> None:
    log, _ = Log.open(tmp_path / "log")
    assert log.is_empty
    await log.close()
    await log.close()
    with pytest.raises(StoreError, match="closed"):
        await log.append(b"x")


def test_a_program_without_a_loop_appends_too(tmp_path: Path) -> None:
    log, _ = Log.open(tmp_path / "log")
    log.append_now(b"one")
    log.append_now([b"t", b"wo"])
    log.close_now()
    assert stored(tmp_path / "log") == [b"one", b"two"]


def test_a_torn_write_is_cut_off_and_said_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "log"
    log, _ = Log.open(path)
    log.append_now(b"whole")
    log.close_now()
    whole = path.read_bytes()
    path.write_bytes(whole + b"\xf5LOG torn")
    assert stored(path) == [b"whole"]
    assert "cut off 9 octets" in caplog.text
    assert path.read_bytes() == whole


def test_an_emptied_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.touch()
    with pytest.raises(StoreError, match=f"'{path}' is empty"):
        Log.open(path)


def test_damage_before_the_last_write_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log, _ = Log.open(path)
    log.append_now(b"first")
    log.append_now(b"second")
    log.close_now()
    octets = path.read_bytes().replace(b"first", b"f1rst")
    path.write_bytes(octets)
    with pytest.raises(StoreError, match=f"'{path}' is damaged: record 1, at octet 44 of"):
        Log.open(path)
    assert path.read_bytes() == octets


def test_a_log_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No such file"):
        Log.open(tmp_path / "missing" / "log")


async def test_a_new_generation_starts_with_the_given_records_and_keeps_what_came_after(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log, _ = Log.open(path)
    await asyncio.gather(*(log.append(b"old" * 1000) for _ in range(100)))
    waiters = [log.submit(b"in the snapshot")]
    begun, go_on = threading.Event(), threading.Event()

    def prepare() -> list[bytes]:
        begun.set()
        go_on.wait(10)
        return [b"snapshot", b"x" * 2_000_000]

    rotation = log.rotate(prepare)
    waiters.append(log.submit(b"after the cut"))
    await asyncio.to_thread(begun.wait, 10)
    await asyncio.gather(*waiters, *(log.append(b"meanwhile" * 200_000) for _ in range(2)))
    with pytest.raises(StoreError, match="already"):
        log.rotate(prepare)
    before = log.size
    go_on.set()
    await rotation
    await log.append(b"afterwards")
    assert log.size == path.stat().st_size
    assert log.size > before  # the snapshot is the larger one here: sizes follow the file
    await log.close()
    assert stored(path) == [
        b"snapshot",
        b"x" * 2_000_000,
        b"after the cut",
        *[b"meanwhile" * 200_000] * 2,
        b"afterwards",
    ]
    assert os.listdir(tmp_path) == ["log"]


async def test_a_generation_that_cannot_be_written_leaves_the_log_as_it_was(tmp_path: Path, disk: Disk) -> None:
    path = tmp_path / "log"
    log, _ = Log.open(path)
    await log.append(b"kept")

    def full() -> list[bytes]:
        disk.full = True
        return [b"snapshot"]

    with pytest.raises(StoreError, match="cannot replace"):
        await log.rotate(full)
    disk.full = False
    await log.append(b"goes on")
    await log.close()
    assert stored(path) == [b"kept", b"goes on"]
    assert os.listdir(tmp_path) == ["log"]


async def test_a_failed_log_is_not_replaced_by_what_it_never_held(tmp_path: Path, disk: Disk) -> None:
    path = tmp_path / "log"
    log, _ = Log.open(path)
    await log.append(b"kept")
    disk.full = True
    waiter = log.submit(b"lost")
    prepared: list[bytes] = []
    rotation = log.rotate(lambda: prepared)
    disk_fails = await asyncio.gather(waiter, rotation, return_exceptions=True)
    assert [type(outcome) for outcome in disk_fails] == [StoreError, StoreError]
    disk.full = False
    with pytest.raises(StoreError):
        log.rotate(lambda: prepared)
    await log.close()
    assert stored(path) == [b"kept"]


async def test_closing_waits_for_the_new_generation(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log, _ = Log.open(path)
    await log.append(b"old")
    rotation = log.rotate(lambda: [b"new"])
    await log.close()
    await rotation
    assert stored(path) == [b"new"]


async def test_what_was_handed_over_behind_a_failing_write_fails_too(tmp_path: Path, disk: Disk) -> None:
    path = tmp_path / "log"
    log, _ = Log.open(path)
    reached, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def held_up() -> None:
        loop.call_soon_threadsafe(reached.set)
        go_on.wait(10)

    disk.before_sync, disk.full = held_up, True
    first = log.submit(b"first")
    await reached.wait()
    second = log.submit(b"second")
    rotation = log.rotate(list)  # hands the second one over behind the first
    go_on.set()
    outcomes = await asyncio.gather(first, second, rotation, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [StoreError] * 3
    await log.close()
    assert stored(path) == []


async def test_a_disk_that_fails_during_the_replacement_fails_it_and_every_append(tmp_path: Path, disk: Disk) -> None:
    path = tmp_path / "log"
    log, _ = Log.open(path)
    await log.append(b"kept")
    begun, go_on = threading.Event(), threading.Event()

    def prepare() -> list[bytes]:
        begun.set()
        go_on.wait(10)
        return []

    rotation = log.rotate(prepare)
    await asyncio.to_thread(begun.wait, 10)
    disk.full = True
    (lost,) = await asyncio.gather(log.submit(b"lost"), return_exceptions=True)
    disk.full = False
    go_on.set()
    (failed,) = await asyncio.gather(rotation, return_exceptions=True)
    assert (type(lost), type(failed)) == (StoreError, StoreError)
    await log.close()
    assert stored(path) == [b"kept"]
    assert os.listdir(tmp_path) == ["log"]


async def test_a_rename_that_may_not_last_poisons_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log"
    log, _ = Log.open(path)
    await log.append(b"old")

    def fails(_: Path) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(writer, "sync_directory", fails)
    with pytest.raises(StoreError, match="Input/output error"):
        await log.rotate(lambda: [b"new"])
    with pytest.raises(StoreError, match="Input/output error"):
        await log.append(b"x")
    await log.close()
    assert stored(path) == [b"new"]


@pytest.mark.parametrize("refused", [False, True])
async def test_a_file_that_is_open_is_replaced_on_windows_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: bool
) -> None:
    def refusing(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(segment_module, "POSIX", False)
    monkeypatch.setattr(os, "replace", unless_open(os.replace))
    path = tmp_path / "log"
    log, _ = Log.open(path)
    await log.append(b"old")
    with monkeypatch.context() as patch:
        if refused:
            patch.setattr(os, "replace", refusing)
        with pytest.raises(StoreError, match="Permission denied") if refused else contextlib.nullcontext():
            await log.rotate(lambda: [b"new"])
    await log.append(b"later")
    await log.close()
    assert stored(path) == ([b"old", b"later"] if refused else [b"new", b"later"])
    assert os.listdir(tmp_path) == ["log"]


def test_a_log_of_an_earlier_version_is_taken_over_on_windows_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment_module, "POSIX", False)
    monkeypatch.setattr(os, "replace", unless_open(os.replace))
    path = tmp_path / "log"
    log, _ = Log.open(path)
    log.append_now(b"old")
    log.upgrade(7, 0, segment_module.stored_records(path))
    log.append_now(b"later")
    assert log.header.version == 7
    log.close_now()
    assert stored(path) == [b"old", b"later"]


def test_a_file_that_cannot_even_take_its_header_is_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(StoreError, match="No space left"):
        Log.open(tmp_path / "log")
    assert os.listdir(tmp_path) == []


async def test_a_log_that_somebody_cut_short_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log, _ = Log.open(path)
    await log.append(b"old")
    begun, go_on = threading.Event(), threading.Event()

    def prepare() -> list[bytes]:
        begun.set()
        go_on.wait(10)
        return []

    rotation = log.rotate(prepare)
    await asyncio.to_thread(begun.wait, 10)
    await log.append(b"x" * 100)
    os.truncate(path, 60)
    go_on.set()
    with pytest.raises(StoreError, match="shorter than what was written"):
        await rotation
    await log.close()
    log.close_now()
