"""TinyDB over the store: its tables, queries and documents, reading rows and writing through `Store.commit`.

Rows are decoded when a query looks at them and not kept. A write costs what it touches, not the table: an insert
is one commit of one row. Writes return at once, as TinyDB's do, and are durable after `await store.barrier()`.
Document ids are the rows' keys: strings; a document inserted without one gets the next free number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any

import orjson
from tinydb.storages import Storage
from tinydb.table import Table

from sandbox.store.protocol import Delete, Put, Store

Fields = dict[str, Any]


class DecodedRows(Mapping[str, Fields]):
    """The rows of a table as dictionaries, decoded at each access."""

    def __init__(self, store: Store, table: str) -> None:
        self._store, self._table = store, table

    def __getitem__(self, key: str) -> Fields:
        row = self._store.get(self._table, key)
        if row is None:
            raise KeyError(key)
        return _decoded(row)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self._store.get(self._table, key) is not None

    def __iter__(self) -> Iterator[str]:
        return (key for key, _ in self._store.items(self._table))

    def __len__(self) -> int:
        return self._store.count(self._table)


class Changes(MutableMapping[str, Fields]):
    """What TinyDB's updaters are given: a table to change, of which only the changes are kept.

    TinyDB changes documents in place, one after the other: a document that was looked at is compared with its row
    when the next one is asked for, and forgotten when it is the same.
    """

    def __init__(self, store: Store, table: str) -> None:
        self._store, self._table = store, table
        self._changed: dict[str, bytes | None] = {}  # None: deleted
        self._seen: tuple[str, Fields] | None = None

    def writes(self) -> list[Put | Delete]:
        """The changes as writes of one commit."""
        self._settle()
        return [
            Delete(self._table, key) if row is None else Put(self._table, key, row)
            for key, row in self._changed.items()
        ]

    def __getitem__(self, key: str) -> Fields:
        if self._seen is not None and self._seen[0] == key:
            return self._seen[1]
        self._settle()
        row = self._row(key)
        if row is None:
            raise KeyError(key)
        self._seen = (key, _decoded(row))
        return self._seen[1]

    def __setitem__(self, key: str, document: Mapping[str, Any]) -> None:
        self._settle()
        self._changed[key] = orjson.dumps(dict(document))

    def __delitem__(self, key: str) -> None:
        self._settle()
        if self._row(key) is None:
            raise KeyError(key)
        self._changed[key] = None

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self._row(key) is not None

    def __iter__(self) -> Iterator[str]:
        for key, _ in self._store.items(self._table):
            if self._changed.get(key, b"") is not None:
                yield key
        for key, row in list(self._changed.items()):
            if row is not None and self._store.get(self._table, key) is None:
                yield key

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _row(self, key: str) -> bytes | None:
        return self._changed[key] if key in self._changed else self._store.get(self._table, key)

    def _settle(self) -> None:
        if self._seen is None:
            return
        (key, document), self._seen = self._seen, None
        before = self._row(key)
        if before is None or _decoded(before) != document:
            self._changed[key] = orjson.dumps(document)


class RowStorage(Storage):
    """The whole store as TinyDB's storage; `tables` names what `read` shows."""

    def __init__(self, store: Store, tables: Callable[[], list[str]]) -> None:
        self._store, self._tables = store, tables

    def read(self) -> dict[str, dict[str, Any]]:
        """Every table, decoded when looked at."""
        return {name: DecodedRows(self._store, name) for name in self._tables()}  # type: ignore[misc]

    def write(self, data: dict[str, dict[str, Any]]) -> None:
        """Make the content equal `data`, in one commit."""
        writes: list[Put | Delete] = []
        for name in {*self._tables(), *data}:
            changes = Changes(self._store, name)
            wanted = data.get(name, {})
            for key in [key for key in changes if key not in wanted]:
                del changes[key]
            for key, document in wanted.items():
                changes[key] = document
            writes += changes.writes()
        self._store.commit(*writes)


class RowTable(Table):
    """One table of the store as TinyDB shows it."""

    document_id_class = str  # type: ignore[assignment]  # TinyDB's own switch, annotated for its default
    default_query_cache_capacity = 0  # rows also change behind TinyDB's back

    def __init__(self, store: Store, name: str, tables: Callable[[], list[str]]) -> None:
        super().__init__(RowStorage(store, tables), name, cache_size=0)
        self._store = store
        self._last_id = 0

    def _read_table(self) -> DecodedRows:  # type: ignore[override]
        return DecodedRows(self._store, self.name)

    def _update_table(self, updater: Callable[[Any], None]) -> None:
        changes = Changes(self._store, self.name)
        updater(changes)
        writes = changes.writes()
        if writes:
            self._store.commit(*writes)

    def _get_next_id(self) -> str:
        if not self._last_id:
            taken = (int(key) for key, _ in self._store.items(self.name) if key.isdecimal())
            self._last_id = max(taken, default=0)
        self._last_id += 1
        while self._store.get(self.name, str(self._last_id)) is not None:
            self._last_id += 1
        return str(self._last_id)


def _decoded(row: bytes) -> Fields:
    document: Fields = orjson.loads(row)
    return document
