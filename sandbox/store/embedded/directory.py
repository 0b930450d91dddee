"""A role's directory: made private, held by one process, and files in it replaced atomically.

The lock is one on the file `<directory>/lock`: the system releases it when the process ends, however it ends. The file
holds the owner's process id, for the message only.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from sandbox.files import read_at, try_lock, write_at
from sandbox.kernel.errors import StoreError, StoreLocked

PRIVATE_DIRECTORY = 0o700
PRIVATE_FILE = 0o600


def claim_directory(directory: Path) -> int:
    """Create `directory` (0700) when missing and hold it; gives the lock's descriptor (`os.close` releases it).

    Raises StoreLocked when another process holds it, StoreError when it cannot be made or written.
    """
    try:
        directory.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
        lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
    except OSError as error:
        raise StoreError(f"cannot use the directory '{directory}': {error.strerror}") from error
    try:
        try_lock(lock)
        os.ftruncate(lock, 0)
        write_at(lock, [str(os.getpid()).encode()], 0)
    except OSError as error:
        owner = read_at(lock, 20, 0).decode("ascii", "replace")
        os.close(lock)
        if isinstance(error, BlockingIOError):
            raise StoreLocked(f"'{directory}' is in use by process {owner or 'unknown'}") from error
        raise StoreError(f"cannot use the directory '{directory}': {error.strerror}") from error
    return lock


def discard(path: Path) -> None:
    """Remove a leftover, if it is there and can be removed; it is ignored otherwise."""
    with contextlib.suppress(OSError):
        path.unlink()
