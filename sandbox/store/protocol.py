"""What a durable store offers to the actors; `tables.open_store` gives the embedded one.

Rows live in tables under string keys; a row is one JSON object as UTF-8 bytes, which the store never parses on the
way in. A commit is atomic and ordered: after a crash the store holds exactly the first n commits for some n, and n
covers every commit whose awaitable had resolved.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tinydb.table import Table


@dataclass(frozen=True, slots=True)
class Put:
    """Insert or replace a row. `value`: one JSON object, UTF-8."""

    table: str
    key: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a row; no row under that key is no error."""

    table: str
    key: str


def disk_state(*stores: Store) -> str:
    """For a role's health: `ok`, or why one of its stores refuses."""
    return next((store.failure for store in stores if store.failure is not None), "ok")


class Store(Protocol):
    """A role's durable rows. For one thread: that of the event loop (or of a program without one)."""

    def get(self, table: str, key: str) -> bytes | None:
        """The row's bytes, None when there is none."""
        ...

    def items(self, table: str) -> Iterator[tuple[str, bytes]]:
        """(key, row) in order of insertion, as they are now: later changes do not disturb the iteration."""
        ...

    def count(self, table: str) -> int:
        """How many rows the table has."""
        ...

    @property
    def failure(self) -> str | None:
        """Why nothing can be stored now, None while all is well. It passes by itself when the disk has room again."""
        ...

    def check(self) -> None:
        """Raises StoreError when a commit would, at once: for those who change something of their own before it."""
        ...

    def commit(self, *writes: Put | Delete) -> Awaitable[None]:
        """Apply `writes` in memory at once, all or none; the awaitable resolves when they are on disk.

        Await it before an answer leaves. Need not be awaited to happen (see `barrier`). Raises ValueError for a
        value that is no JSON object by its first and last octet, StoreError at once when the store has failed,
        is closed or is overloaded (nothing is changed then), and StoreError from the awaitable when the disk fails:
        the change stays then, is not durable yet, and becomes so when the disk takes it.
        """
        ...

    async def barrier(self) -> None:
        """Resolve when every commit made before is on disk. Raises StoreError when one of them failed."""
        ...

    def table(self, name: str) -> Table:
        """The TinyDB view of a table: queries, and writes that end in `commit` (durable after `barrier`)."""
        ...

    async def close(self) -> None:
        """Finish what is being written, compact when worthwhile, release the directory. May be repeated."""
        ...
