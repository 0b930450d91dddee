"""What the store's tests share: disks that fail, and a helper to wait for a condition."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator

import pytest

from sandbox.store.embedded import segment


class Disk:
    """A disk whose synchronisation can be held up or fail."""

    def __init__(self) -> None:
        self.full = False
        self.syncs = 0
        self.before_sync: Callable[[], None] = lambda: None

    def sync(self, descriptor: int) -> None:
        self.before_sync()
        self.syncs += 1
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(descriptor)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """The disk under every log of the test."""
    the_disk = Disk()
    monkeypatch.setattr(segment, "sync_file", the_disk.sync)
    yield the_disk
    the_disk.full = False
