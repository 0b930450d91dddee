"""The embedded store (a log under TinyDB) beside SQLite: durable writes, memory and start with 200,000 rows.

Both keep the same rows, one table, keys and JSON as octets, each write durable when it returns: SQLite with
`journal_mode=WAL` and `synchronous=FULL`, through the standard library's `sqlite3` in a thread of its own, as an event
loop must use it. Writes that wait while SQLite commits share the next commit, as in our log. SQLite reads a row from
its file when it is asked for; our store holds all of them in memory, which is what its 200,000 rows cost.

Each variant runs in a process of its own, in a new directory of the system's temporary ones.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from sandbox.allocator import tune
from sandbox.store.embedded.tables import open_store
from sandbox.store.protocol import Put

ROWS = 200_000
CALLERS = 64
ALONE_S, TOGETHER_S = 2.0, 3.0
STORES = ("ours", "sqlite3")
TABLE = "appointments"
_ROW = (
    b'{"id":"%s","version":1,"editor":"agenda-azur","sender":"urn:oid:1.2.250.1.999.1|%s","status":"booked",'
    b'"start":"2026-11-23T10:30:00+01:00","end":"2026-11-23T10:45:00+01:00","practitioner":"810000000001",'
    b'"regulator":"urn:oid:1.2.250.1.71.4.2.1|3330000001/42","created":"2026-11-23T10:00:00+01:00",'
    b'"received":"2026-11-23T10:00:01+01:00","category":"PS","flagged":false}'
)


def rows(count: int) -> Iterator[tuple[str, bytes]]:
    """(key, row): as large as an appointment of the SAS core, 440 octets."""
    for number in range(count):
        key = f"{number:08x}-2222-4333-8444-555555555555"
        yield key, _ROW % (key.encode(), key.encode())


class Durable(Protocol):
    """The operations of a store that are measured."""

    async def write(self, key: str, row: bytes) -> None:
        """Returns when the row is on disk."""

    async def fill(self) -> None:
        """Write ROWS rows, many in each commit."""

    def read(self, key: str) -> bytes:
        """The row of a key."""

    async def close(self) -> None:
        """Close the store as a role does."""


class Ours:
    """The embedded store."""

    def __init__(self, directory: Path) -> None:
        self._store = open_store(directory)

    async def write(self, key: str, row: bytes) -> None:
        await self._store.commit(Put(TABLE, key, row))

    async def fill(self) -> None:
        for at, (key, row) in enumerate(rows(ROWS)):
            written = self._store.commit(Put(TABLE, key, row))
            if at % 1000 == 999:
                await written

    def read(self, key: str) -> bytes:
        return self._store.get(TABLE, key) or b""

    async def close(self) -> None:
        await self._store.close()


class Sqlite:
    """SQLite, each commit of which includes all waiting writes."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._thread = ThreadPoolExecutor(1)
        self._database = sqlite3.connect(directory / "store.db", check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=FULL")
        self._database.execute(f"CREATE TABLE IF NOT EXISTS {TABLE} (key TEXT PRIMARY KEY, row BLOB) WITHOUT ROWID")
        self._waiting: list[tuple[tuple[str, bytes], asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def write(self, key: str, row: bytes) -> None:
        written = asyncio.get_running_loop().create_future()
        self._waiting.append(((key, row), written))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_what_waits())
        await written

    async def _write_what_waits(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            await loop.run_in_executor(self._thread, self._insert, [row for row, _ in waiting])
            for _, written in waiting:
                written.set_result(None)
            await asyncio.sleep(0)  # callers who were just answered may have further writes

    def _insert(self, several: list[tuple[str, bytes]]) -> None:
        self._database.execute("BEGIN IMMEDIATE")
        self._database.executemany(f"INSERT OR REPLACE INTO {TABLE} VALUES (?, ?)", several)
        self._database.execute("COMMIT")

    async def fill(self) -> None:
        whole = list(rows(ROWS))
        for at in range(0, ROWS, 1000):
            self._insert(whole[at : at + 1000])

    def read(self, key: str) -> bytes:
        found = self._database.execute(f"SELECT row FROM {TABLE} WHERE key = ?", (key,)).fetchone()
        return bytes(found[0])

    async def close(self) -> None:
        self._thread.shutdown()
        self._database.close()


KINDS: dict[str, Callable[[Path], Durable]] = {"ours": Ours, "sqlite3": Sqlite}


def rate(rounds: int) -> dict[str, list[float]]:
    """Durable writes per second: one caller at a time; CALLERS at once, by the clock and by the processor's time."""
    names = [f"{name}, {how}" for how in ("alone", "together", "together by cpu") for name in STORES]
    found: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds):
        for how in ("alone", "together"):
            for name in STORES:
                with tempfile.TemporaryDirectory(prefix="sas-bench-") as directory:
                    by_clock, by_processor = _child(name, how, directory)
                    found[f"{name}, {how}"].append(by_clock)
                    if how == "together":
                        found[f"{name}, {how} by cpu"].append(by_processor)
    return found


def held(rounds: int) -> dict[str, list[float]]:
    """A store of ROWS rows in a new process: seconds until a row can be read, additional MiB, and microseconds for
    reading one row."""
    found: dict[str, list[float]] = {f"{name}, {unit}": [] for unit in ("s", "MiB", "µs a read") for name in STORES}
    with tempfile.TemporaryDirectory(prefix="sas-bench-") as directory:
        for name in STORES:
            _child(name, "fill", f"{directory}/{name}")
        for _ in range(rounds):
            for name in STORES:
                seconds, mib = _child(name, "open", f"{directory}/{name}")
                found[f"{name}, s"].append(seconds)
                found[f"{name}, MiB"].append(mib)
                found[f"{name}, µs a read"].append(_child(name, "read", f"{directory}/{name}")[0])
    return found


def _child(name: str, task: str, directory: str) -> tuple[float, float]:
    command = [sys.executable, "-m", "load.bench.store", name, task, directory]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    first, second = said.split()
    return float(first), float(second)


async def _alone(store: Durable) -> tuple[float, float]:
    """Writes per second of one caller who waits for each."""
    over, done = time.perf_counter() + ALONE_S, 0
    for key, row in rows(ROWS):
        await store.write(key, row)
        done += 1
        if time.perf_counter() > over:
            break
    return done / ALONE_S, 0.0


async def _together(store: Durable) -> tuple[float, float]:
    """Writes of CALLERS who each wait for their own, per second and per second of the processor's time."""
    over, todo, spent = time.perf_counter() + TOGETHER_S, rows(1 << 32), time.process_time()
    done = 0

    async def caller() -> None:
        nonlocal done
        while time.perf_counter() < over:
            await store.write(*next(todo))
            done += 1

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return done / TOGETHER_S, done / (time.process_time() - spent)


def _read(store: Durable) -> float:
    """Microseconds of a read, for rows spread over the store."""
    keys = [key for at, (key, _) in enumerate(rows(ROWS)) if at % 7 == 0]
    began = time.perf_counter()
    for key in keys:
        store.read(key)
    return (time.perf_counter() - began) / len(keys) * 1e6


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / (1 << 20)


async def _task(name: str, task: str, directory: Path) -> tuple[float, float]:
    tune()
    before, began = _resident_mib(), time.perf_counter()
    store = KINDS[name](directory)
    try:
        if task == "open":
            wanted, row = next(rows(1))
            if store.read(wanted) != row:
                raise RuntimeError("the store has lost a row")
            return time.perf_counter() - began, _resident_mib() - before
        if task == "fill":
            await store.fill()
            return 0.0, 0.0
        if task == "read":
            return _read(store), 0.0
        return await (_alone if task == "alone" else _together)(store)
    finally:
        await store.close()


if __name__ == "__main__":
    name, task, directory = sys.argv[1:]
    first, second = asyncio.run(_task(name, task, Path(directory)))
    sys.stdout.write(f"{first} {second}\n")
    sys.stdout.flush()
    os._exit(0)  # nothing of the measurement is left that would have to be cleaned up
