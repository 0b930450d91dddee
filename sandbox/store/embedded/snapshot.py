"""`db.json`: all rows in the layout of TinyDB's JSON file, `{table: {key: {...}}}`, one row per line.

`TinyDB(path)` opens it; the keys are strings, so queries that give documents want
`Table.document_id_class = str` first (TinyDB's own switch for that). The table `_store` holds the
number of the checkpoint that the file stands for, the last table, `_checksums`, one CRC-32 of each row (over its key,
then its octets), by table in the order of the rows, as base64 of little-endian u32. A row that does not fit its
checksum is an error; `sas-sandbox doctor` accepts what a person changed on purpose. Files of the first format have
no checksums. Blocking.
"""

from __future__ import annotations

import binascii
import mmap
import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import msgspec
import orjson

from sandbox.files import sync_directory
from sandbox.kernel.errors import StoreError
from sandbox.store.embedded.commits import CHECKSUMS, OWN_TABLE
from sandbox.store.embedded.directory import PRIVATE_FILE, discard

Rows = dict[str, bytes]
_ROWS_AT_ONCE = 200  # enough for an efficient write, few enough that the event loop can run in between
_OCTETS_AT_ONCE = 1 << 20
_OCTETS_AT_A_SYNC = 4 << 20

_document = msgspec.json.Decoder(dict[str, dict[str, msgspec.Raw]])
_lines = msgspec.json.Decoder(dict[str, msgspec.Raw])


def write_snapshot(path: Path, tables: Mapping[str, Mapping[str, bytes]], checkpoint: int) -> int:
    """Replace the file at `path` atomically and durably; gives its size in octets.

    Raises StoreError when the disk is at fault, or when a row is no JSON: the file stays as it was then.
    """
    fresh = path.with_name(path.name + ".next")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE_FILE)
        with open(descriptor, "wb") as file:
            size = _write(file, _chunks(tables, checkpoint))
        fresh.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        raise StoreError(f"cannot write '{path}': {error.strerror or error}") from error
    finally:
        discard(fresh)
    return size


def _write(file: BinaryIO, chunks: Iterator[bytes]) -> int:
    """Synchronised a little at a time: the log's own synchronisations would wait behind one large one."""
    size = synced = 0
    for chunk in chunks:
        size += file.write(chunk)
        if size - synced >= _OCTETS_AT_A_SYNC:
            file.flush()
            os.fsync(file.fileno())
            synced = size
    file.flush()
    os.fsync(file.fileno())
    return size


def read_snapshot(path: Path) -> tuple[dict[str, Rows], int, int]:
    """(tables, checkpoint, size in octets); nothing, 0 and 0 when there is no file. Raises StoreError."""
    tables, checkpoint, size, wrong = examine_snapshot(path)
    if wrong:
        table, key = wrong[0]
        raise StoreError(
            f"'{path}' is damaged: row '{key}' of table '{table}' is not what was written"
            f"{f', and {len(wrong) - 1} more' if len(wrong) > 1 else ''}: `sas-sandbox doctor` shows what can be kept"
        )
    return tables, checkpoint, size


def examine_snapshot(path: Path) -> tuple[dict[str, Rows], int, int, list[tuple[str, str]]]:
    """As `read_snapshot`, and (table, key) of the rows that do not fit their checksums. Raises StoreError for a file
    that cannot be read at all."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size == 0:
                raise StoreError(
                    f"'{path}' is empty: what it held is lost; `sas-sandbox doctor` shows what can be kept"
                )
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as octets:
                tables = _parse(octets)
        _require_objects(tables)
    except FileNotFoundError:
        return {}, 0, 0, []
    except OSError as error:
        raise StoreError(f"cannot read '{path}': {error.strerror or error}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError) as error:
        raise StoreError(f"'{path}' is damaged, or not a TinyDB file: {error}") from error
    checkpoint, checksums = _checkpoint(tables.pop(OWN_TABLE, {})), tables.pop(CHECKSUMS, None)
    return tables, checkpoint, size, [] if checksums is None else _wrong_rows(tables, checksums)


def _wrong_rows(tables: Mapping[str, Rows], checksums: Rows) -> list[tuple[str, str]]:
    try:
        listed = msgspec.json.decode(checksums["1"], type=dict[str, str])
        expected = {name: _unpacked(packed) for name, packed in listed.items()}
    except (KeyError, ValueError, struct.error) as error:
        raise StoreError(f"the table {CHECKSUMS} of the snapshot is damaged: {error}") from error
    wrong = [(name, "") for name in expected if name not in tables]
    for name, rows in tables.items():
        known = expected.get(name, ())
        missing = len(known) - len(rows)
        for (key, row), checksum in zip(rows.items(), (*known, *(None,) * -missing), strict=False):
            if _checksum(key, row) != checksum:
                wrong.append((name, key))
        if missing > 0 and not any(each[0] == name for each in wrong):
            wrong.append((name, f"(the last {missing})"))
    return wrong


def _checksum(key: str, row: bytes) -> int:
    return zlib.crc32(row, zlib.crc32(key.encode()))


def _packed(checksums: list[int]) -> bytes:
    return binascii.b2a_base64(struct.pack(f"<{len(checksums)}I", *checksums), newline=False)


def _unpacked(packed: str) -> tuple[int, ...]:
    octets = binascii.a2b_base64(packed, strict_mode=True)
    return struct.unpack(f"<{len(octets) // 4}I", octets)


def _parse(octets: mmap.mmap) -> dict[str, Rows]:
    """Copies every row out of the file: nothing may refer to the map when it is closed."""
    document = _document.decode(octets)
    tables: dict[str, Rows] = {}
    while document:
        name = next(iter(document))
        rows = document.pop(name)
        tables[name] = {key: bytes(raw) for key, raw in rows.items()}
    return tables


def _require_objects(tables: dict[str, Rows]) -> None:
    for name, rows in tables.items():
        for key, row in rows.items():
            if row[:1] != b"{":
                raise ValueError(f"{name}/{key} is not a JSON object")


def _checkpoint(rows: Rows) -> int:
    try:
        return int(orjson.loads(rows["1"])["checkpoint"]) if rows else 0
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"the table {OWN_TABLE} of the snapshot has no checkpoint") from error


def _chunks(tables: Mapping[str, Mapping[str, bytes]], checkpoint: int) -> Iterator[bytes]:
    yield b'{"%b":{"1":{"checkpoint":%d}}' % (OWN_TABLE.encode(), checkpoint)
    summed: list[bytes] = []
    for name, rows in tables.items():
        yield b",\n%b:{" % orjson.dumps(name)
        separator, checksums = b"\n", list[int]()
        for part in _parts(rows):
            yield separator + _lines_of(name, part)
            checksums += [_checksum(key, row) for key, row in part]
            separator = b",\n"
        yield b"}"
        summed.append(b'%b:"%b"' % (orjson.dumps(name), _packed(checksums)))
    yield b',\n"%b":{"1":{%b}}}\n' % (CHECKSUMS.encode(), b",".join(summed))


def _parts(rows: Mapping[str, bytes]) -> Iterator[list[tuple[str, bytes]]]:
    part: list[tuple[str, bytes]] = []
    size = 0
    for item in rows.items():
        part.append(item)
        size += len(item[1])
        if len(part) == _ROWS_AT_ONCE or size >= _OCTETS_AT_ONCE:
            yield part
            part, size = [], 0
    if part:
        yield part


def _lines_of(table: str, part: list[tuple[str, bytes]]) -> bytes:
    """`"key":row` joined; checked to be JSON, because one bad row would make the whole file unreadable."""
    lines = b",\n".join([b"%b:%b" % (orjson.dumps(key), row) for key, row in part])
    if not _is_json(b"{" + lines + b"}", len(part)):
        culprit = next(key for key, row in part if not _is_json(b'{"k":' + row + b"}", 1))
        raise StoreError(f"the row {table}/{culprit} is not JSON")
    return lines


def _is_json(octets: bytes, members: int) -> bool:
    try:
        return len(_lines.decode(octets)) == members and bool(octets.decode())
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False
