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

from sandbox.files import BINARY, POSIX, read_at, sync_data, sync_directory, write_at
from sandbox.kernel.errors import StoreError
from sandbox.store.directory import PRIVATE_FILE, discard
from sandbox.store.frames import FILE_HEADER_SIZE, LENGTH, file_header, frame, read_records, recover

_log = logging.getLogger(__name__)
_COPY = 1 << 20  # octets per read when a tail is copied
_CHUNK = 1 << 20  # octets per frame of a snapshot

sync_file = sync_data


class Segment:
    """A log file at `path`; after a failed write it is cut back to `size` as far as the disk allows."""

    def __init__(self, path: Path, descriptor: int, salt: int, size: int) -> None:
        self.path, self.salt, self.size = path, salt, size
        self._descriptor = descriptor

    def append(self, pieces: Sequence[bytes | memoryview]) -> None:
        """Write one frame and synchronise it. Raises OSError."""
        octets = frame(pieces, self.salt)
        try:
            self._write(octets, self.size)
            sync_file(self._descriptor)
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
            octets = read_at(source._descriptor, min(_COPY, end - start), start)
            if not octets:
                raise OSError(f"'{source.path}' is shorter than what was written to it")
            self._write(octets, self.size)
            self.size += len(octets)
            start += len(octets)

    def sync(self) -> None:
        """Have everything written so far on disk. Raises OSError."""
        sync_file(self._descriptor)

    def replace(self, path: Path, former: Segment | None = None) -> None:
        """Synchronise the file and rename it to `path`, where `former` is open, if it is.

        Raises OSError; the directory is not synchronised yet.
        """
        self.sync()
        if POSIX:
            self.path.replace(path)
            self.path = path
        else:
            self._replace_closed(path, [self] if former is None else [self, former])

    def _replace_closed(self, path: Path, opened: Sequence[Segment]) -> None:
        """Windows neither renames a file that is open nor replaces one: both are closed for that moment."""
        for each in opened:
            each.close()
        try:
            self.path.replace(path)
            self.path = path
        finally:
            for each in opened:
                each._descriptor = os.open(each.path, os.O_RDWR | BINARY)

    def close(self) -> None:
        """Give the descriptor back."""
        descriptor, self._descriptor = self._descriptor, -1
        os.close(descriptor)

    def _write(self, octets: bytes, offset: int) -> None:
        view = memoryview(octets)
        while view:
            written = write_at(self._descriptor, [view], offset)
            view, offset = view[written:], offset + written


def start_segment(path: Path, salt: int | None = None) -> Segment:
    """A new file with its header, not yet synchronised. `salt`: that of the log it continues. Raises OSError."""
    flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | BINARY
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
    descriptor = os.open(path, os.O_RDWR | BINARY)
    if found.torn:
        os.ftruncate(descriptor, found.end)
    os.fsync(descriptor)
    return Segment(path, descriptor, found.salt, found.end)


def _stored_records(path: Path, end: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from read_records(file, end)
