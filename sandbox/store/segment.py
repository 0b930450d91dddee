"""One open log file: frames are appended and synchronised, a new generation takes over. Blocking, for one thread.

`create` makes the file under a temporary name, synchronises it and renames it, so that a log file that exists has
its whole header. `size` counts what is on disk for certain.
"""

from __future__ import annotations

import contextlib
import logging
import os
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from sandbox.kernel.errors import StoreError
from sandbox.store.directory import PRIVATE_FILE, discard, sync_directory
from sandbox.store.frames import FILE_HEADER_SIZE, LENGTH, file_header, frame, read_records, recover

_log = logging.getLogger(__name__)
_COPY = 1 << 20  # octets per read when a tail is copied
_CHUNK = 1 << 20  # octets per frame of a snapshot

sync_file = getattr(os, "fdatasync", os.fsync)


class Segment:
    """A log file at `path`; after a failed write it is cut back to `size` as far as the disk allows. `doubtful`: a
    synchronisation failed, so that a later one proves nothing."""

    def __init__(self, path: Path, descriptor: int, salt: int, size: int) -> None:
        self.doubtful = False
        self.path, self.salt, self.size = path, salt, size
        self._descriptor = descriptor

    def append(self, pieces: Sequence[bytes | memoryview]) -> None:
        """Write one frame and synchronise it. Raises OSError."""
        octets = frame(pieces, self.salt)
        try:
            self._write(octets, self.size)
            self._sync()
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self.size)
            raise
        self.size += len(octets)

    def append_unsynced(self, pieces: Sequence[bytes | memoryview]) -> None:
        """Write one frame that `sync` or `replace` will synchronise. Raises OSError."""
        octets = frame(pieces, self.salt)
        self._write(octets, self.size)
        self.size += len(octets)

    def copy(self, source: Segment, start: int, end: int) -> None:
        """Append the frames of `source` between two offsets (same salt). Raises OSError."""
        while start < end:
            octets = os.pread(source._descriptor, min(_COPY, end - start), start)
            if not octets:
                raise OSError(f"'{source.path}' is shorter than what was written to it")
            self._write(octets, self.size)
            self.size += len(octets)
            start += len(octets)

    def sync(self) -> None:
        """Have everything written so far on disk. Raises OSError."""
        sync_file(self._descriptor)

    def _sync(self) -> None:
        try:
            sync_file(self._descriptor)
        except OSError:
            self.doubtful = True
            raise

    def replace(self, path: Path) -> None:
        """Synchronise the file and rename it to `path`. Raises OSError; the directory is not synchronised yet."""
        self.sync()
        self.path.replace(path)
        self.path = path

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._descriptor)

    def _write(self, octets: bytes, offset: int) -> None:
        view = memoryview(octets)
        while view:
            written = os.pwrite(self._descriptor, view, offset)
            view, offset = view[written:], offset + written


def start_segment(path: Path, salt: int | None = None) -> Segment:
    """A new file with its header, not yet synchronised. `salt`: that of the log it continues. Raises OSError."""
    flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    descriptor = os.open(path, flags, PRIVATE_FILE)
    if salt is None:
        about = os.fstat(descriptor)
        salt = zlib.crc32(struct.pack("<QQ", about.st_ino, about.st_mtime_ns))
    segment = Segment(path, descriptor, salt, 0)
    try:
        segment._write(file_header(salt), 0)
    except OSError:
        segment.close()
        discard(path)
        raise
    segment.size = FILE_HEADER_SIZE
    return segment


def copied_segment(old: Segment) -> Segment:
    """A copy of a log file, up to its `size`, in its place; the old one is open still. Raises OSError: it stays."""
    fresh = start_segment(next_generation(old.path), old.salt)
    try:
        fresh.copy(old, FILE_HEADER_SIZE, old.size)
        fresh.replace(old.path)
        sync_directory(old.path.parent)
    except BaseException:
        fresh.close()
        discard(next_generation(old.path))
        raise
    return fresh


def batches(records: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Pieces for `append`, about a mebibyte at a time."""
    pieces: list[bytes] = []
    size = 0
    for record in records:
        pieces += (LENGTH.pack(len(record)), record)
        size += len(record)
        if size >= _CHUNK:
            yield pieces
            pieces, size = [], 0
    if pieces:
        yield pieces


def open_segment(path: Path) -> tuple[Segment, Iterator[bytes]]:
    """Recover the file at `path`, or begin it: the segment to append to, and what it holds.

    An unfinished last write is cut off and reported in the log. What was read is synchronised first: nobody acts on
    a record that a power cut could still take back. Raises StoreError.
    """
    try:
        discard(next_generation(path))
        segment = _recovered(path) if path.exists() else None
        if segment is None:
            segment = start_segment(next_generation(path))
            segment.replace(path)
            sync_directory(path.parent)
    except OSError as error:
        raise StoreError(f"cannot use '{path}': {error.strerror or error}") from error
    return segment, _stored_records(path, segment.size)


def next_generation(path: Path) -> Path:
    """Where the next generation of the log at `path` is being written."""
    return path.with_name(path.name + ".next")


def _recovered(path: Path) -> Segment | None:
    with path.open("rb") as file:
        try:
            found = recover(file)
        except StoreError as error:
            raise StoreError(f"'{path}' {error}") from None
    if found.torn or found.salt is None:
        _log.warning("%s: cut off %d octets of a write that was never finished", path, found.torn)
    if found.salt is None:
        return None
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    if found.torn:
        os.ftruncate(descriptor, found.end)
    os.fsync(descriptor)
    return Segment(path, descriptor, found.salt, found.end)


def _stored_records(path: Path, end: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from read_records(file, end)
