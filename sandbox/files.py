"""Descriptors and locks, with the same interface on POSIX and on Windows; no other module distinguishes them.

`POSIX` is decided by what Python offers, not by the system's name, so that a test can take it away.
"""

from __future__ import annotations

import errno
import importlib
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:
    POSIX = False
else:
    POSIX = True

BINARY: int = getattr(os, "O_BINARY", 0)  # without it Windows changes line ends in what `os.write` is given
_LOCKED_OCTET = 1 << 30  # locked octets cannot be read on Windows: one that the file does not have
_LOCK_EVERY_S = 0.05
_positioned = threading.Lock()  # held where the file position must be set first

sync_data = getattr(os, "fdatasync", os.fsync)


def read_at(descriptor: int, size: int, offset: int) -> bytes:
    """Up to `size` octets from `offset`. Raises OSError."""
    if POSIX:
        return os.pread(descriptor, size, offset)
    with _positioned:
        os.lseek(descriptor, offset, os.SEEK_SET)
        return os.read(descriptor, size)


def write_at(descriptor: int, parts: Sequence[bytes | memoryview], offset: int) -> int:
    """Write at `offset`; how many octets were taken, perhaps not all. Raises OSError."""
    if POSIX:
        return os.pwritev(descriptor, parts, offset) if len(parts) > 1 else os.pwrite(descriptor, parts[0], offset)
    with _positioned:
        os.lseek(descriptor, offset, os.SEEK_SET)
        return os.write(descriptor, b"".join(parts))


def try_lock(descriptor: int) -> None:
    """Lock the file until the descriptor is closed or the process ends. Raises BlockingIOError when somebody else
    has it, OSError when the file system has no locks."""
    if POSIX:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    windows: Any = importlib.import_module("msvcrt")
    with _positioned:
        os.lseek(descriptor, _LOCKED_OCTET, os.SEEK_SET)
        try:
            windows.locking(descriptor, windows.LK_NBLCK, 1)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EDEADLK):
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from None
            raise


def lock(descriptor: int) -> None:
    """As `try_lock`, but wait until the lock is free. Raises OSError."""
    if POSIX:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return
    while True:
        try:
            try_lock(descriptor)
        except BlockingIOError:
            time.sleep(_LOCK_EVERY_S)
        else:
            return


def sync_directory(directory: Path) -> None:
    """Make renames and new files in `directory` durable; Windows opens no directory and needs none of it.

    Raises OSError.
    """
    if not POSIX:
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
