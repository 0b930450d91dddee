"""Which stores a data directory holds, and the schema of each: for what must look at all of them at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sandbox.editor import schema as editor
from sandbox.hub.embedded import messages
from sandbox.kernel.errors import StoreError, UsageError
from sandbox.lrm import schema as lrm
from sandbox.sas import schema as sas
from sandbox.store.embedded.frames import read_header
from sandbox.store.embedded.repair import Examination, examine_log, examine_tables, repair_log, repair_tables
from sandbox.store.embedded.tables import PLAIN
from sandbox.store.schema import Schema


@dataclass(frozen=True, slots=True)
class StoreFiles:
    """One store: its log, and how it is examined (argument: keep rows that were changed by hand) and repaired (gives
    where the old files are kept)."""

    directory: Path
    log: Path
    schema: Schema
    examine: Callable[[bool], Examination]
    repair: Callable[[Examination], Path]


def stores_in(data: Path) -> Iterator[StoreFiles]:
    """Every store that was begun."""
    schemas: dict[str, Schema] = {"sas": sas.SCHEMA, "psc": PLAIN, "control": PLAIN}
    schemas |= {f"editors/{path.name}": editor.SCHEMA for path in sorted((data / "editors").glob("*"))}
    schemas |= {f"lrm/{path.name}": lrm.SCHEMA for path in sorted((data / "lrm").glob("*"))}
    for name, schema in schemas.items():
        if (data / name / "log").exists() or (data / name / "db.json").exists():
            yield _tables(data / name, schema)
    if (data / "hub" / messages.FILE).exists():
        yield _messages(data / "hub", data / "hub" / messages.FILE, messages.SCHEMA)


def require_readable(data: Path) -> None:
    """Refuse a directory of which any store is of a version that cannot be read, before another is migrated.

    Raises UsageError. A damaged file is for whoever opens it to say.
    """
    for store in stores_in(data):
        if _is_outdated(store) and (refused := store.examine(False).refused):
            raise UsageError(refused)


def _is_outdated(store: StoreFiles) -> bool:
    try:
        with store.log.open("rb") as file:
            header = read_header(file)
    except (OSError, StoreError):
        return False
    return (header.format, header.version) != (2, store.schema.version)


def _tables(directory: Path, schema: Schema) -> StoreFiles:
    return StoreFiles(
        directory,
        directory / "log",
        schema,
        lambda keep_changed: examine_tables(directory, schema, keep_changed=keep_changed),
        lambda found: repair_tables(directory, found),
    )


def _messages(directory: Path, path: Path, schema: Schema) -> StoreFiles:
    return StoreFiles(
        directory, path, schema, lambda _: examine_log(path, schema), lambda found: repair_log(path, found)
    )
