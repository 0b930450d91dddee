"""Which layout the rows of a store have, and how those of an earlier version become those of today.

A log states the version of its records (`frames`). A role gives its `Schema` when it opens its store; data of an
earlier version are migrated once, atomically with the new version's number, or refused. Data from before versions
existed are version 0.

A change of layout that today's readers would not understand takes the next number and a migration from the last one:
a function from the tables to the writes that change them. It may raise StoreError for what it cannot read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from sandbox.kernel.errors import StoreError
from sandbox.store.protocol import Delete, Put

Tables = Mapping[str, Mapping[str, bytes]]
Migration = Callable[[Tables], Iterable[Put | Delete]]


def _unchanged(tables: Tables) -> Iterable[Put | Delete]:
    return ()


@dataclass(frozen=True, slots=True)
class Schema:
    """`migrations[n]` leads from version n to the next; a number without one is refused."""

    version: int = 1
    migrations: Mapping[int, Migration] = field(default_factory=lambda: {0: _unchanged})

    def path_from(self, version: int) -> list[Migration]:
        """The migrations to apply, in order. Raises StoreError when there is no way."""
        if version > self.version:
            raise StoreError(
                f"was written by a newer sandbox (data format {version}, this one knows {self.version}): "
                "use that one, or choose another --data-dir"
            )
        steps = [self.migrations.get(each) for each in range(version, self.version)]
        if any(step is None for step in steps):
            raise too_old(f"data format {version}")
        return [step for step in steps if step is not None]


def too_old(what: str) -> StoreError:
    """The refusal of data that no migration reads."""
    return StoreError(
        f"was written by an older sandbox ({what}) and cannot be read any more: choose another --data-dir"
    )


def require_known(
    tables: Tables, readers: Mapping[str, Callable[[bytes], object]], others: Collection[str] = ()
) -> None:
    """Check that today's readers understand rows from before versions existed.

    `readers` by table raise ValueError for a row that they do not understand; `others` are tables whose rows need no
    check (an outbox's: `outbox_tables`). Raises StoreError (`too_old`) for any other table, or row.
    """
    for name, rows in tables.items():
        if name not in readers and name not in others and rows:
            raise too_old(f"its table '{name}' is unknown")
        for key, row in rows.items() if name in readers else ():
            try:
                readers[name](row)
            except ValueError as error:
                raise too_old(f"row '{key}' of its table '{name}': {error}") from None
