"""The format of a log file, and how it is read after a crash. Pure but for reading the file it is given.

    file   = "SASLOG1\n" · salt u32 · crc u32 of the 12 octets before · frame*
    frame  = marker f5 4c 4f 47 · body length u32 · body crc u32 · header crc u32 · body
    body   = (record length u32 · record)*

Integers are little-endian; checksums are CRC-32 that start from the salt, so that a frame of another log inside a
record is never taken for one of ours. One frame is one group commit: it was written whole and synchronised before
the next one was begun. Hence the rules of recovery:

- a broken frame with nothing sound behind it is the batch that was being written when the process or machine
  stopped; nothing of it was acknowledged: it is cut off;
- a broken frame with something behind it was on disk and acknowledged once: the file is damaged, which is an error
  for a person to decide on, never silently a shorter history.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from sandbox.kernel.errors import StoreError

MAGIC = b"SASLOG1\n"
MARKER = b"\xf5LOG"
_FILE_HEADER = struct.Struct("<8sII")
_FRAME_HEADER = struct.Struct("<4sIII")
_CHECKED = struct.Struct("<II")
LENGTH = struct.Struct("<I")

FILE_HEADER_SIZE = _FILE_HEADER.size
FRAME_HEADER_SIZE = _FRAME_HEADER.size


@dataclass(frozen=True, slots=True)
class Recovery:
    """What a log file holds: its salt (None: not even its header is whole), and the octets that are sound."""

    salt: int | None
    end: int
    size: int

    @property
    def torn(self) -> int:
        """How many octets of an unfinished write follow the sound part."""
        return self.size - self.end


def file_header(salt: int) -> bytes:
    """The first octets of a file."""
    checked = MAGIC + LENGTH.pack(salt)
    return checked + LENGTH.pack(zlib.crc32(checked))


def frame(pieces: Sequence[bytes | memoryview], salt: int) -> bytes:
    """One frame. `pieces`: the body in order, each record preceded by its packed LENGTH."""
    body = b"".join(pieces)
    lengths = _CHECKED.pack(len(body), zlib.crc32(body, salt))
    return b"".join((MARKER, lengths, LENGTH.pack(zlib.crc32(lengths, salt)), body))


def recover(file: BinaryIO) -> Recovery:
    """Find the sound part of a log file. Raises StoreError when the file is damaged, or no log at all."""
    size = file.seek(0, 2)
    file.seek(0)
    head = file.read(FILE_HEADER_SIZE)
    if len(head) < FILE_HEADER_SIZE:
        if not head.startswith(MAGIC[: len(head)]):
            raise StoreError("is not a log of the sandbox")
        return Recovery(None, 0, size)
    magic, salt, checksum = _FILE_HEADER.unpack(head)
    if magic != MAGIC or checksum != zlib.crc32(head[:-4]):
        raise StoreError("is not a log of the sandbox, or its header is damaged")
    end = FILE_HEADER_SIZE
    while (body := _sound_body(file, end, size, salt)) is not None:
        end += FRAME_HEADER_SIZE + len(body)
    if end < size and _something_sound(file, end, size, salt):
        raise StoreError(f"is damaged at octet {end} of {size}: what follows was acknowledged once")
    return Recovery(salt, end, size)


def read_records(file: BinaryIO, end: int) -> Iterator[bytes]:
    """The records of the part up to `end`, which `recover` found sound; one frame in memory at a time."""
    position = file.seek(FILE_HEADER_SIZE)
    while position < end:
        _, length, _, _ = _FRAME_HEADER.unpack(file.read(FRAME_HEADER_SIZE))
        yield from _split(file.read(length))
        position += FRAME_HEADER_SIZE + length


def _split(body: bytes) -> Iterator[bytes]:
    position = 0
    while position < len(body):
        (length,) = LENGTH.unpack_from(body, position)
        position += LENGTH.size + length
        yield body[position - length : position]


def _header(octets: bytes, salt: int) -> tuple[int, int] | None:
    """(body length, body checksum) of a frame header; None when it is not whole and sound."""
    if len(octets) < FRAME_HEADER_SIZE:
        return None
    marker, length, body_checksum, checksum = _FRAME_HEADER.unpack(octets)
    if marker != MARKER or checksum != zlib.crc32(octets[4:12], salt):
        return None
    return length, body_checksum


def _sound_body(file: BinaryIO, position: int, size: int, salt: int) -> bytes | None:
    """The body of the frame at `position`; None when there is no whole and sound frame."""
    file.seek(position)
    header = _header(file.read(FRAME_HEADER_SIZE), salt)
    if header is None or position + FRAME_HEADER_SIZE + header[0] > size:
        return None
    body = file.read(header[0])
    return body if zlib.crc32(body, salt) == header[1] else None


def _something_sound(file: BinaryIO, position: int, size: int, salt: int) -> bool:
    """True when the broken frame at `position` is not the last thing that was written."""
    file.seek(position)
    header = _header(file.read(FRAME_HEADER_SIZE), salt)
    if header is not None:
        return position + FRAME_HEADER_SIZE + header[0] < size
    file.seek(position)
    rest = file.read()
    candidate = rest.find(MARKER, 1)
    while candidate >= 0:
        if _sound_body(file, position + candidate, size, salt) is not None:
            return True
        candidate = rest.find(MARKER, candidate + 1)
    return False
