"""Descriptors and locks without what only POSIX has."""

from __future__ import annotations

import errno
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import files
from tests.support.windows import locks


@pytest.fixture(params=[True, False], ids=["posix", "windows"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Is it POSIX."""
    monkeypatch.setitem(sys.modules, "msvcrt", locks())
    monkeypatch.setattr(files, "POSIX", request.param)
    return bool(request.param)


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """The same file, opened twice."""
    opened = [os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT | files.BINARY, 0o600) for _ in range(2)]
    yield (opened[0], opened[1])
    for descriptor in opened:
        os.close(descriptor)


@pytest.mark.usefixtures("system")
def test_octets_are_written_and_read_where_one_says(two: tuple[int, int]) -> None:
    one, other = two
    assert files.write_at(one, [b"\r\n", memoryview(b"abc")], 4) == 5
    assert files.write_at(one, [b"0123"], 0) == 4
    assert files.read_at(other, 7, 2) == b"23\r\nabc"
    assert files.read_at(other, 7, 20) == b""


@pytest.mark.usefixtures("system")
def test_a_lock_is_held_by_one_and_leaves_the_content_readable(two: tuple[int, int]) -> None:
    one, other = two
    files.try_lock(one)
    files.write_at(one, [b"123"], 0)
    with pytest.raises(BlockingIOError):
        files.try_lock(other)
    assert files.read_at(other, 20, 0) == b"123"


@pytest.mark.usefixtures("system")
def test_who_waits_for_a_lock_gets_it_when_its_holder_closes(two: tuple[int, int], tmp_path: Path) -> None:
    holder = os.open(tmp_path / "file", os.O_RDWR)
    files.try_lock(holder)
    let_go = threading.Timer(0.1, os.close, [holder])
    began = time.monotonic()
    let_go.start()
    files.lock(two[0])
    assert time.monotonic() - began >= 0.1
    with pytest.raises(BlockingIOError):
        files.try_lock(two[1])


def test_a_file_system_without_locks_is_an_error_on_windows_too(
    monkeypatch: pytest.MonkeyPatch, two: tuple[int, int]
) -> None:
    def locking(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    module = locks()
    module.locking = locking  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "msvcrt", module)
    monkeypatch.setattr(files, "POSIX", False)
    with pytest.raises(OSError, match="No locks available"):
        files.try_lock(two[0])


def test_a_directory_is_synchronised_where_that_can_be_done(system: bool, tmp_path: Path) -> None:
    if system:
        with pytest.raises(FileNotFoundError):
            files.sync_directory(tmp_path / "missing")
    else:
        files.sync_directory(tmp_path / "missing")  # not even looked at
    files.sync_directory(tmp_path)
