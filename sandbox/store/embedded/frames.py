"""The format of a log file, and how it is read after a crash. Pure but for reading the file it is given.

    file   = "SASLOG2\n" · salt u32 · version u32 · checkpoint u64 · crc u32 of the 24 octets before · frame*
    frame  = marker f5 4c 4f 47 · body length u32 · body crc u32 · header crc u32 · body
    body   = (record length u32 · record crc u32 · record)*

Integers are little-endian; checksums are CRC-32. Those of frames start from the salt, so that a frame of another log
inside a record is never taken for one of ours. `version` is that of the records (whoever writes them gives it),
`checkpoint` that of the snapshot which the log continues (0: none). One frame is one group commit: it was written
whole and synchronised before the next one was begun. A log that was closed ends with a frame without a body. Hence
the rules of recovery:

- a broken frame with nothing sound behind it is the batch that was being written when the process or machine
  stopped; nothing of it was acknowledged: it is cut off;
- a broken frame with something behind it was on disk and acknowledged once: the file is damaged, which is an error that
  a person must decide about (`repair`); records are never dropped silently;
- a file that is empty or ends within its header is damaged too: a log gets its name once its header is on disk.

Files of the first format are still read: "SASLOG1\n" · salt u32 · crc u32, and records without checksums.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from sandbox.kernel.errors import StoreError

MAGIC, FIRST_MAGIC = b"SASLOG2\n", b"SASLOG1\n"
MARKER = b"\xf5LOG"
_FILE_HEADER = struct.Struct("<8sIIQI")
_FIRST_HEADER = struct.Struct("<8sII")
_FRAME_HEADER = struct.Struct("<4sIII")
_CHECKED = struct.Struct("<II")
_LENGTH = struct.Struct("<I")
_RECORD = struct.Struct("<II")

FILE_HEADER_SIZE = _FILE_HEADER.size
FRAME_HEADER_SIZE = _FRAME_HEADER.size


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a log file. `format`: 1 or 2; format 1 has neither `version` nor `checkpoint` (both are 0)."""

    format: int
    salt: int
    version: int
    checkpoint: int

    @property
    def size(self) -> int:
        """Its octets: where the frames begin."""
        return FILE_HEADER_SIZE if self.format == 2 else _FIRST_HEADER.size


@dataclass(frozen=True, slots=True)
class Recovery:
    """What a log file holds: its header, and up to where its octets are sound."""

    header: Header
    end: int
    size: int

    @property
    def torn(self) -> int:
        """How many octets of an unfinished write follow the sound part."""
        return self.size - self.end


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a damaged file: a record (`octets`), or what is lost (None) of `size` octets at `at`.

    `number`: of the record, from 1; of the first record that is lost.
    """

    number: int
    at: int
    size: int
    octets: bytes | None = None


def file_header(salt: int, version: int = 0, checkpoint: int = 0) -> bytes:
    """The first octets of a file."""
    checked = _FILE_HEADER.pack(MAGIC, salt, version, checkpoint, 0)[: -_LENGTH.size]
    return checked + _LENGTH.pack(zlib.crc32(checked))


def head_of(*buffers: bytes | memoryview) -> bytes:
    """What precedes a record in a body: its length and its checksum. `buffers`: the record in pieces."""
    size = checksum = 0
    for buffer in buffers:
        size += len(buffer)
        checksum = zlib.crc32(buffer, checksum)
    return _RECORD.pack(size, checksum)


def frame(pieces: Sequence[bytes | memoryview], salt: int) -> bytes:
    """One frame. `pieces`: the body in order, each record preceded by its `head_of`; none: the log was closed."""
    body = b"".join(pieces)
    lengths = _CHECKED.pack(len(body), zlib.crc32(body, salt))
    return b"".join((MARKER, lengths, _LENGTH.pack(zlib.crc32(lengths, salt)), body))


def read_header(file: BinaryIO) -> Header:
    """The header of a log file. Raises StoreError when it is damaged, or that of no log."""
    size = file.seek(0, 2)
    file.seek(0)
    head = file.read(FILE_HEADER_SIZE)
    if size == 0:
        raise StoreError("is empty: what it held is lost")
    if head.startswith(FIRST_MAGIC) and size >= _FIRST_HEADER.size:
        _, salt, checksum = _FIRST_HEADER.unpack_from(head)
        header, checked = Header(1, salt, 0, 0), head[: _FIRST_HEADER.size - 4]
    elif head.startswith(MAGIC) and size >= FILE_HEADER_SIZE:
        _, salt, version, checkpoint, checksum = _FILE_HEADER.unpack(head)
        header, checked = Header(2, salt, version, checkpoint), head[:-4]
    else:
        raise StoreError("is not a log of the sandbox, or its header is damaged")
    if checksum != zlib.crc32(checked):
        raise StoreError("is not a log of the sandbox, or its header is damaged")
    return header


def recover(file: BinaryIO) -> Recovery:
    """Find the sound part of a log file. Raises StoreError when the file is damaged, or no log at all."""
    header = read_header(file)
    size, end = file.seek(0, 2), header.size
    while (body := _sound_body(file, end, size, header.salt)) is not None:
        end += FRAME_HEADER_SIZE + len(body)
    if end < size and _next_sound(file, end, size, header.salt) is not None:
        lost = next(piece for piece in salvage(file) if piece.octets is None)
        raise StoreError(f"is damaged: record {lost.number}, at octet {lost.at} of {size}")
    return Recovery(header, end, size)


def read_records(file: BinaryIO, found: Recovery) -> Iterator[bytes]:
    """The records of the part that `recover` found sound, one frame in memory at a time."""
    return (piece.octets for piece in _pieces(file, found.header, found.end) if piece.octets is not None)


def salvage(file: BinaryIO) -> Iterator[Piece]:
    """Every record that is sound, and what is lost between them and at the end, in order. Raises StoreError when
    there is no sound header."""
    header = read_header(file)
    size, at, number = file.seek(0, 2), header.size, 1
    while at < size:
        frame_size = _whole_frame(file, at, size, header.salt)
        if frame_size is None:
            following = _next_sound(file, at, size, header.salt)
            end = size if following is None else following
            yield Piece(number, at, end - at)
            at, number = end, number + 1
            continue
        for piece in _records_at(file, header, at, frame_size, number):
            yield piece
            number = piece.number + 1
        at += frame_size


def _pieces(file: BinaryIO, header: Header, end: int) -> Iterator[Piece]:
    at, number = header.size, 1
    while at < end:
        file.seek(at)
        size = FRAME_HEADER_SIZE + int(_FRAME_HEADER.unpack(file.read(FRAME_HEADER_SIZE))[1])
        for piece in _records_at(file, header, at, size, number):
            yield piece
            number = piece.number + 1
        at += size


def _records_at(file: BinaryIO, header: Header, at: int, size: int, number: int) -> Iterator[Piece]:
    """The records of the frame of `size` octets at `at`; what is damaged in it is lost."""
    file.seek(at + FRAME_HEADER_SIZE)
    body = file.read(size - FRAME_HEADER_SIZE)
    if header.format == 1:
        file.seek(at)
        sound = _sound_body(file, at, at + size, header.salt) is not None
        yield from _first_records(body, at, number) if sound else [Piece(number, at, size)]
        return
    position = 0
    while position < len(body):
        place = at + FRAME_HEADER_SIZE + position
        length, checksum = _RECORD.unpack_from(body, position) if position + _RECORD.size <= len(body) else (-1, 0)
        position += _RECORD.size + length
        octets = body[position - length : position]
        if length < 0 or position > len(body):  # the length itself is damaged: the rest of the frame is lost
            yield Piece(number, place, at + size - place)
            return
        sound = zlib.crc32(octets) == checksum
        yield Piece(number, place, _RECORD.size + length, octets if sound else None)
        number += 1


def _first_records(body: bytes, at: int, number: int) -> Iterator[Piece]:
    position = 0
    while position < len(body):
        (length,) = _LENGTH.unpack_from(body, position)
        position += _LENGTH.size + length
        yield Piece(number, at + position - length, length, body[position - length : position])
        number += 1


def _header(octets: bytes, salt: int) -> tuple[int, int] | None:
    """(body length, body checksum) of a frame header; None when it is not whole and sound."""
    if len(octets) < FRAME_HEADER_SIZE:
        return None
    marker, length, body_checksum, checksum = _FRAME_HEADER.unpack(octets)
    if marker != MARKER or checksum != zlib.crc32(octets[4:12], salt):
        return None
    return length, body_checksum


def _whole_frame(file: BinaryIO, position: int, size: int, salt: int) -> int | None:
    """Octets of the frame at `position` when its header is sound and its body all there, damaged or not."""
    file.seek(position)
    header = _header(file.read(FRAME_HEADER_SIZE), salt)
    if header is None or position + FRAME_HEADER_SIZE + header[0] > size:
        return None
    return FRAME_HEADER_SIZE + header[0]


def _sound_body(file: BinaryIO, position: int, size: int, salt: int) -> bytes | None:
    """The body of the frame at `position`; None when there is no whole and sound frame."""
    file.seek(position)
    header = _header(file.read(FRAME_HEADER_SIZE), salt)
    if header is None or position + FRAME_HEADER_SIZE + header[0] > size:
        return None
    body = file.read(header[0])
    return body if zlib.crc32(body, salt) == header[1] else None


def _next_sound(file: BinaryIO, position: int, size: int, salt: int) -> int | None:
    """Where something begins that was written after the broken frame at `position`; None: it was the last."""
    frame_size = _whole_frame(file, position, size, salt)
    if frame_size is not None:
        return position + frame_size if position + frame_size < size else None
    file.seek(position)
    rest = file.read()
    candidate = rest.find(MARKER, 1)
    while candidate >= 0:
        if _sound_body(file, position + candidate, size, salt) is not None:
            return position + candidate
        candidate = rest.find(MARKER, candidate + 1)
    return None
