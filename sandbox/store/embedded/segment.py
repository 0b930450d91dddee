"""One open log file: frames are appended and synchronised, a new generation takes over. Blocking, for one thread.

A file is made under a temporary name, synchronised and renamed, so that a log file that exists has its whole header.
`size` counts what is on disk for certain.
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
from sandbox.store.embedded.directory import PRIVATE_FILE, discard
from sandbox.store.embedded.frames import (
    FILE_HEADER_SIZE,
    Header,
    Recovery,
    file_header,
    frame,
    head_of,
    read_records,
    recover,
)

_log = logging.getLogger(__name__)
_COPY = 1 << 20  # octets per read when a tail is copied
_CHUNK = 1 << 20  # octets per frame of a snapshot

sync_file = sync_data


class Segment:
    """A log file at `path`; after a failed write it is cut back to `size` as far as the disk allows. `doubtful`: a
    synchronisation failed, so that a later one proves nothing.

    One of the first format (`header.format`) is for reading: `upgraded` gives the same in the present one.
    """

    def __init__(self, path: Path, descriptor: int, header: Header, size: int) -> None:
        self.doubtful = False
        self.path, self.header, self.size = path, header, size
        self._descriptor = descriptor

    @property
    def is_empty(self) -> bool:
        """True when nothing was written behind the header."""
        return self.size == self.header.size

    def append(self, pieces: Sequence[bytes | memoryview]) -> None:
        """Write one frame and synchronise it. Raises OSError."""
        octets = frame(pieces, self.header.salt)
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
        octets = frame(pieces, self.header.salt)
        self._write(octets, self.size)
        self.size += len(octets)

    def seal(self) -> None:
        """Say that the log was closed, so that whatever is broken before is known to be damage. Raises OSError."""
        if not self.is_empty:
            self.append(())

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

    def _sync(self) -> None:
        try:
            sync_file(self._descriptor)
        except OSError:
            self.doubtful = True
            raise

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


def start_segment(path: Path, salt: int | None = None, *, version: int = 0, checkpoint: int = 0) -> Segment:
    """A new file with its header, not yet synchronised. `salt`: that of the log it continues. Raises OSError."""
    flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | BINARY
    descriptor = os.open(path, flags, PRIVATE_FILE)
    if salt is None:
        about = os.fstat(descriptor)
        salt = zlib.crc32(struct.pack("<QQ", about.st_ino, about.st_mtime_ns))
    segment = Segment(path, descriptor, Header(2, salt, version, checkpoint), 0)
    try:
        segment._write(file_header(salt, version, checkpoint), 0)
    except OSError:
        segment.close()
        discard(path)
        raise
    segment.size = FILE_HEADER_SIZE
    return segment


def copied_segment(old: Segment) -> Segment:
    """A copy of a log file, up to its `size`, in its place; the old one is open still. Raises OSError: it stays."""
    fresh = start_segment(
        next_generation(old.path), old.header.salt, version=old.header.version, checkpoint=old.header.checkpoint
    )
    try:
        fresh.copy(old, old.header.size, old.size)
        fresh.replace(old.path, former=old)
        sync_directory(old.path.parent)
    except BaseException:
        fresh.close()
        discard(next_generation(old.path))
        raise
    return fresh


def replaced(
    path: Path, records: Iterable[bytes], *, version: int, checkpoint: int = 0, former: Segment | None = None
) -> Segment:
    """A log of `records` in the place of the one at `path`, durably. Raises OSError: that one is still there then.

    `former`: the same file where it is still open.
    """
    segment = start_segment(next_generation(path), version=version, checkpoint=checkpoint)
    try:
        for pieces in batches(records):
            segment.append_unsynced(pieces)
        segment.replace(path, former)
        sync_directory(path.parent)
    except BaseException:
        segment.close()
        discard(next_generation(path))
        raise
    return segment


def batches(records: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Pieces for `append`, about a mebibyte at a time."""
    pieces: list[bytes] = []
    size = 0
    for record in records:
        pieces += (head_of(record), record)
        size += len(record)
        if size >= _CHUNK:
            yield pieces
            pieces, size = [], 0
    if pieces:
        yield pieces


def open_segment(path: Path, version: int = 0) -> tuple[Segment, Iterator[bytes]]:
    """Recover the file at `path`, or begin it with `version`: the segment to append to, and what it holds.

    An unfinished last write is cut off and reported in the log. What was read is synchronised first: nobody must act on
    a record that a power cut could still remove. Raises StoreError.
    """
    try:
        discard(next_generation(path))
        if not path.exists():
            return replaced(path, (), version=version), iter(())
        found = _recovery(path)
        segment = _recovered(path, found)
    except OSError as error:
        raise StoreError(f"cannot use '{path}': {error.strerror or error}") from error
    return segment, _stored_records(path, found)


def stored_records(path: Path) -> Iterator[bytes]:
    """What the sound log at `path` holds, oldest first. Raises OSError, StoreError."""
    return _stored_records(path, _recovery(path))


def next_generation(path: Path) -> Path:
    """Where the next generation of the log at `path` is being written."""
    return path.with_name(path.name + ".next")


def _recovery(path: Path) -> Recovery:
    with path.open("rb") as file:
        try:
            return recover(file)
        except StoreError as error:
            raise StoreError(f"'{path}' {error}: `sas-sandbox doctor` shows what can be kept") from None


def _recovered(path: Path, found: Recovery) -> Segment:
    if found.torn:
        _log.warning("%s: cut off %d octets of a write that was never finished", path, found.torn)
    descriptor = os.open(path, os.O_RDWR | BINARY)
    if found.torn:
        os.ftruncate(descriptor, found.end)
    os.fsync(descriptor)
    return Segment(path, descriptor, found.header, found.end)


def _stored_records(path: Path, found: Recovery) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from read_records(file, found)
