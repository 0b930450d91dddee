"""One commit as one record of the log, and back. Pure.

    record = write*            write = op u8 · table length u16 · key length u16 · row length u32 · table · key · row
    op: P put, D delete (its row is empty), C checkpoint (its table is empty, its key the number)

Lengths in octets, little-endian. A checkpoint marks where a snapshot was taken: see `tables`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from sandbox.kernel.errors import StoreError
from sandbox.store.protocol import Delete, Put

OWN_TABLE, CHECKSUMS = "_store", "_checksums"  # of the snapshot: see `snapshot`

_HEAD = struct.Struct("<cHHI")
_pack = _HEAD.pack
_OBJECT = (ord("{"), ord("}"))
_LONGEST = 0xFFFF
_RESERVED = (OWN_TABLE.encode(), CHECKSUMS.encode())


def encode(writes: Iterable[Put | Delete]) -> list[bytes]:
    """The buffers of one record. Raises ValueError for what no table can hold."""
    buffers: list[bytes] = []
    for write in writes:
        table, key = write.table.encode(), write.key.encode()
        if not 0 < len(table) <= _LONGEST or len(key) > _LONGEST or table in _RESERVED:
            raise ValueError(f"no table can have the name '{table[:40]!r}' or the key '{key[:40]!r}'")
        if isinstance(write, Put):
            row = write.value
            if not row or (row[0], row[-1]) != _OBJECT:
                raise ValueError(f"the row {write.table}/{write.key} is not one JSON object")
            buffers += (_pack(b"P", len(table), len(key), len(row)), table, key, row)
        else:
            buffers += (_pack(b"D", len(table), len(key), 0), table, key)
    return buffers


def encode_checkpoint(number: int) -> list[bytes]:
    """The buffers of the record that marks checkpoint `number`."""
    key = str(number).encode()
    return [_pack(b"C", 0, len(key), 0), key]


def checkpoint_number(record: bytes) -> int | None:
    """The number of a checkpoint's record; None for a commit."""
    return int(record[_HEAD.size :]) if record[:1] == b"C" else None


def decode(record: bytes) -> Iterator[Put | Delete]:
    """The writes of a commit. Raises StoreError for a record that this version does not know."""
    position = 0
    while position < len(record):
        op, table_length, key_length, row_length = _HEAD.unpack_from(record, position)
        key_at = position + _HEAD.size + table_length
        row_at = key_at + key_length
        table = record[key_at - table_length : key_at].decode()
        key = record[key_at:row_at].decode()
        position = row_at + row_length
        if op == b"P":
            yield Put(table, key, record[row_at:position])
        elif op == b"D":
            yield Delete(table, key)
        else:
            raise StoreError(f"unknown operation {op!r}: written by a newer sandbox?")
