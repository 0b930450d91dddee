"""What is wrong with the files of a store, what of it can be kept, and a repair that drops only the rest. Blocking.

`examine` changes nothing; `repair` keeps a copy of the files as they were beside them. The caller holds the directory
(`directory.claim_directory`).
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from sandbox.kernel.errors import StoreError
from sandbox.store.embedded.commits import CHECKSUMS, checkpoint_number, decode
from sandbox.store.embedded.directory import discard
from sandbox.store.embedded.frames import Header, Piece, read_header, salvage
from sandbox.store.embedded.segment import replaced
from sandbox.store.embedded.snapshot import Rows, examine_snapshot, write_snapshot
from sandbox.store.embedded.tables import apply
from sandbox.store.schema import Schema

_TABLE_LINE = re.compile(rb'^\{?("(?:[^"\\]|\\.)*"):\{')
_NO_HEADER = Header(2, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Damage:
    """One fault. `where`: the file and what in it; `lost`: what a repair drops, in French for people."""

    where: str
    lost: str


@dataclass(slots=True)
class Examination:
    """What a store's files hold that is sound, and what is wrong with them. `torn`: octets of an unfinished write;
    `refused`: why no repair helps (the data are of a version that cannot be read)."""

    header: Header
    damages: list[Damage] = field(default_factory=list)
    torn: int = 0
    tables: dict[str, Rows] = field(default_factory=dict)
    checkpoint: int = 0
    records: list[bytes] = field(default_factory=list)
    refused: str = ""


def examine_log(path: Path, schema: Schema) -> Examination:
    """A log whose records are independent of any snapshot (the hub's messages); a missing one is a store not begun."""
    found = Examination(_NO_HEADER)
    if path.exists():
        for piece in _pieces(path, found):
            found.records.append(piece)
        _judge_version(path, schema, found)
    return found


def examine_tables(directory: Path, schema: Schema, *, keep_changed: bool = False) -> Examination:
    """A store of tables. `keep_changed`: rows of db.json that a person changed are kept as they are."""
    found = Examination(_NO_HEADER)
    log, snapshot = directory / "log", directory / "db.json"
    records = list(_pieces(log, found)) if log.exists() else []
    covered = _read_rows(snapshot, found, keep_changed)
    marks = {checkpoint_number(record) for record in records}
    if not log.exists() and covered:
        found.damages.append(Damage(f"{log} : manque", "tout ce qui a suivi db.json"))
    elif found.header.format == 2 and covered != found.header.checkpoint and covered not in marks:
        found.damages.append(Damage(f"{snapshot} : ne va pas avec {log.name}", "ce que db.json ne contient pas"))
    _replay(records, covered, found)
    _judge_version(log, schema, found)
    return found


def repair_log(path: Path, found: Examination) -> Path:
    """Keep the sound records only; gives where the old file is kept. Raises StoreError."""
    kept = _copied(path)
    try:
        replaced(path, found.records, version=found.header.version).close()
    except OSError as error:
        raise StoreError(f"cannot replace '{path}': {error.strerror or error}") from error
    return kept


def repair_tables(directory: Path, found: Examination) -> Path:
    """Write the sound rows as a new snapshot with an empty log; gives where the old files are kept. Raises
    StoreError. A repair that was interrupted may be made again."""
    log, snapshot = directory / "log", directory / "db.json"
    kept = _copied(log, snapshot)
    checkpoint = max(found.checkpoint, found.header.checkpoint) + 1
    write_snapshot(snapshot, found.tables, checkpoint)
    try:
        replaced(log, (), version=found.header.version, checkpoint=checkpoint).close()
    except OSError as error:
        raise StoreError(f"cannot replace '{log}': {error.strerror or error}") from error
    return kept


def _pieces(path: Path, found: Examination) -> Iterator[bytes]:
    """The sound records of a log; what is not sound is noted."""
    with path.open("rb") as file:
        try:
            found.header = read_header(file)
        except StoreError as error:
            found.damages.append(Damage(f"{path} : {error}", "tout ce que le fichier contenait"))
            return
        lost: list[Piece] = []
        for piece in salvage(file):
            if piece.octets is None:
                lost.append(piece)
                continue
            yield piece.octets
            found.damages += [_damage(path, each) for each in lost]
            lost = []
        size = file.seek(0, 2)
    for each in lost:
        if each.at + each.size < size or found.damages:
            found.damages.append(_damage(path, each))
        else:
            found.torn = each.size


def _damage(path: Path, piece: Piece) -> Damage:
    where = f"{path} : enregistrement {piece.number}, octets {piece.at} à {piece.at + piece.size}"
    return Damage(where, "ce que cet enregistrement changeait")


def _read_rows(path: Path, found: Examination, keep_changed: bool) -> int:
    """Rows of db.json into `found.tables`; the checkpoint that they stand for."""
    try:
        tables, covered, _, wrong = examine_snapshot(path)
    except StoreError as error:
        tables, covered = _rows_by_line(path), 0
        kept = sum(len(rows) for rows in tables.values())
        found.damages.append(Damage(str(error), f"ce qui n'est pas lisible ({kept} lignes le sont)"))
        covered = found.header.checkpoint
        wrong = []
    if not path.exists() and found.header.checkpoint:
        found.damages.append(Damage(f"{path} : manque", "tout ce qui a précédé le journal"))
        covered = found.header.checkpoint
    for table, key in wrong:
        if not keep_changed:
            found.damages.append(Damage(f"{path} : ligne '{key}' de la table '{table}'", "cette ligne"))
            tables.get(table, {}).pop(key, None)
    if wrong and keep_changed:
        found.damages.append(Damage(f"{path} : {len(wrong)} lignes modifiées", "rien : elles sont gardées"))
    found.tables, found.checkpoint = tables, covered
    return covered


def _rows_by_line(path: Path) -> dict[str, Rows]:
    """What can be read of a damaged db.json, which has one row per line."""
    tables: dict[str, Rows] = {}
    name = ""
    for line in path.read_bytes().splitlines():
        row = _row_of(line)
        if row is not None:
            if name and row[0] != CHECKSUMS:
                tables.setdefault(name, {})[row[0]] = row[1]
            continue
        match = _TABLE_LINE.match(line)
        if match is not None:
            name = str(msgspec.json.decode(match.group(1)))
    return tables


def _row_of(line: bytes) -> tuple[str, bytes] | None:
    for ending in (b"", b",", b"}", b"},"):
        if not line.endswith(ending):
            continue
        body = line[: len(line) - len(ending)]
        try:
            ((key, raw),) = msgspec.json.decode(b"{" + body + b"}", type=dict[str, msgspec.Raw]).items()
        except (msgspec.MsgspecError, ValueError):
            continue
        row = bytes(raw)
        return (key, row) if row[:1] == b"{" else None
    return None


def _replay(records: list[bytes], covered: int, found: Examination) -> None:
    """The log over the snapshot: from the mark of its checkpoint on, where the log has it."""
    numbers = [checkpoint_number(record) for record in records]
    start = numbers.index(covered) + 1 if covered and covered in numbers else 0
    for number, record in zip(numbers[start:], records[start:], strict=True):
        if number is None:
            apply(found.tables, decode(record))
        else:
            found.checkpoint = max(found.checkpoint, number)


def _judge_version(path: Path, schema: Schema, found: Examination) -> None:
    if not path.exists() or (found.header is _NO_HEADER):
        found.header = Header(2, 0, schema.version, found.header.checkpoint)
        return
    try:
        for migration in schema.path_from(found.header.version):
            apply(found.tables, list(migration(found.tables)))
        found.header = Header(2, found.header.salt, schema.version, found.header.checkpoint)
    except StoreError as error:
        found.refused = f"{path} {error}"


def _copied(*files: Path) -> Path:
    """A folder beside the files with copies of them. Raises StoreError."""
    directory = files[0].parent
    number = 1
    while (folder := directory / f"before-repair-{number}").exists():
        number += 1
    try:
        folder.mkdir(mode=0o700)
        for file in files:
            discard(file.with_name(file.name + ".next"))
            if file.exists():
                shutil.copy2(file, folder)
    except OSError as error:
        raise StoreError(f"cannot keep a copy in '{folder}': {error.strerror or error}") from error
    return folder
