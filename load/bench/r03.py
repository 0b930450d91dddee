"""Requests per second of POST Appointment in three variants of one server.

raw      an ASGI function that reads the body and answers 201
memory   the SAS core's FHIR application over a store that only keeps rows in memory
durable  the same application over its real store: answered once on disk

The L02 messages are made and stored with the appointment, as in service; nothing sends them here. Plain HTTP/1.1
on loopback, 64 kept-alive connections, one request under way on each.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import multiprocessing
import os
import resource
import shutil
import socket
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from sandbox import ecosystem
from sandbox.config import SAS_FHIR, SAS_UI, Settings
from sandbox.fhir.appointment import render_appointment
from sandbox.kernel.clock import PARIS, Clock
from sandbox.kernel.flows import AppointmentStatus
from sandbox.kernel.identifiers import Identifier
from sandbox.kernel.model import Appointment
from sandbox.net.context import Context
from sandbox.net.http.server import Listener
from sandbox.population.load import load_population
from sandbox.sas.app import SasCore
from sandbox.store.embedded.tables import open_store
from sandbox.store.protocol import Delete, Put
from tests.support.contexts import make_context

VARIANTS = ("raw", "memory", "durable")
CONNECTIONS = 64
WARM_UP_S = 0.7
MEASURED_S = 2.5


class MemoryStore:
    """The store's interface without a disk."""

    def __init__(self) -> None:
        self._tables: dict[str, dict[str, bytes]] = {}

    def get(self, table: str, key: str) -> bytes | None:
        return self._tables.get(table, {}).get(key)

    def items(self, table: str) -> Iterator[tuple[str, bytes]]:
        return iter(list(self._tables.get(table, {}).items()))

    def count(self, table: str) -> int:
        return len(self._tables.get(table, {}))

    def commit(self, *writes: Put | Delete) -> Awaitable[None]:
        for write in writes:
            rows = self._tables.setdefault(write.table, {})
            if isinstance(write, Put):
                rows[write.key] = bytes(memoryview(write.value))  # like the store: a row has its own size
            else:
                rows.pop(write.key, None)
        return _done()

    @property
    def failure(self) -> str | None:
        return None

    def check(self) -> None: ...

    async def barrier(self) -> None: ...

    async def close(self) -> None: ...


async def _done() -> None: ...


def measure(rounds: int) -> dict[str, list[float]]:
    """Rates per second, `rounds` of each variant by turns."""
    rates: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    for _ in range(rounds):
        for variant in VARIANTS:
            rates[variant].append(once(variant))
    return rates


class Started(NamedTuple):
    """A server that listens: its port, the seconds that store and application took to start, the memory that it then
    uses in MiB, and its process."""

    port: int
    seconds: float
    mib: float
    pid: int


def once(variant: str, prepared: Path | None = None) -> float:
    """Answers per second of one server. `prepared`: a closed store of which the server opens a copy."""
    with server(variant, prepared) as started:
        pin(1)
        return asyncio.run(_load(started.port))


def started(variant: str, prepared: Path | None = None) -> Started:
    """The same server, only started."""
    with server(variant, prepared) as found:
        return found


@contextlib.contextmanager
def server(variant: str, prepared: Path | None = None) -> Iterator[Started]:
    """A server while it runs, in a process of its own."""
    processes = multiprocessing.get_context("spawn")
    ours, theirs = processes.Pipe()
    with tempfile.TemporaryDirectory(prefix="sas-bench-") as directory:
        if prepared is not None:
            shutil.copytree(prepared, Path(directory) / "sas")
        server = processes.Process(target=serve, args=(variant, directory, theirs), daemon=True)
        server.start()
        try:
            yield ours.recv()
        finally:
            ours.send("stop")
            server.join(30)


def pin(core: int) -> None:
    """Keep this process on one core, where there are several."""
    if hasattr(os, "sched_setaffinity") and len(os.sched_getaffinity(0)) > 1:
        os.sched_setaffinity(0, {core})


def serve(variant: str, directory: str, pipe: Connection) -> None:
    """The server's process: prints its port, runs until it is stopped."""
    pin(0)
    ecosystem.run(_serve(variant, Path(directory), pipe))


async def _serve(variant: str, directory: Path, pipe: Connection) -> int:
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    began = time.perf_counter()
    store: Any = open_store(directory / "sas") if variant == "durable" else MemoryStore()
    app: Any = raw if variant == "raw" else SasCore(_context(directory, sock), store).fhir
    listener = Listener(app, sock)
    seconds = time.perf_counter() - began
    await listener.start()
    ecosystem.tune_collector()
    pipe.send(Started(sock.getsockname()[1], seconds, held_mib(), os.getpid()))
    await asyncio.to_thread(pipe.recv)
    await listener.stop(0.5)
    await store.close()
    return 0


def held_mib() -> float:
    """Resident memory of this process, where the system tells (Linux); nan elsewhere."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return math.nan
    return pages * resource.getpagesize() / (1 << 20)


async def raw(scope: Any, receive: Any, send: Any) -> None:
    """The least work that any server does."""
    more = True
    while more:
        more = (await receive()).get("more_body", False)
    await send({"type": "http.response.start", "status": 201, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


def _context(directory: Path, sock: socket.socket) -> Context:
    settings = Settings(data_dir=str(directory), mtls=False, preset="minimal")
    return make_context(settings, sockets={SAS_FHIR: sock, SAS_UI: sock})


async def _load(port: int) -> float:
    """Answers per second over the measured time."""
    async with Load.on(port) as load:
        await load.slice(WARM_UP_S)
        count, seconds = await load.slice(MEASURED_S)
        return count / seconds


class Load:
    """Callers of one server, which call during each slice."""

    def __init__(self) -> None:
        self.count, self._turn, self._under_way, self._idle = 0, asyncio.Event(), 0, asyncio.Event()

    @classmethod
    @contextlib.asynccontextmanager
    async def on(cls, port: int) -> AsyncIterator[Load]:
        """CONNECTIONS callers of a port."""
        load, body = cls(), template()
        tasks = [asyncio.create_task(load._call(port, body)) for _ in range(CONNECTIONS)]
        try:
            yield load
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            for result in results:
                if not isinstance(result, asyncio.CancelledError):
                    raise RuntimeError(f"a caller ended: {result}")

    async def slice(self, seconds: float) -> tuple[int, float]:
        """Call for so many seconds; returns the number of answers, and the seconds until the last of them."""
        before, started = self.count, time.perf_counter()
        self._turn.set()
        await asyncio.sleep(seconds)
        self._turn.clear()
        self._idle.clear()
        if self._under_way:
            await self._idle.wait()
        return self.count - before, time.perf_counter() - started

    async def _call(self, port: int, template: bytes) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while True:
            await self._turn.wait()
            self._under_way += 1
            await _post(reader, writer, template)
            self._under_way -= 1
            self.count += 1
            if not self._under_way:
                self._idle.set()


def processor_time(pid: int) -> float:
    """Seconds of processor time of a process, where the system tells (Linux); nan elsewhere."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    except OSError:
        return math.nan
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _post(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, template: bytes) -> None:
    head = b"POST /sas/fhir/Appointment HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/fhir+json\r\n"
    body = template.replace(b"$ID", str(uuid.uuid4()).encode())
    writer.write(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    answer = await reader.readuntil(b"\r\n\r\n")
    if not answer.startswith(b"HTTP/1.1 201"):
        raise RuntimeError(answer.decode(errors="replace"))


def template() -> bytes:
    """A body with `$ID` where the identifier goes."""
    population = load_population(Settings(preset="minimal"))
    practitioner = next(iter(population.practitioners()))
    editor = population.editors[practitioner.editor]
    now = Clock(time.time).now().astimezone(PARIS).replace(microsecond=0)
    body = render_appointment(
        Appointment(
            identifier=Identifier(editor.system, "$ID"),
            operator=population.regulators[0].identifier,
            status=AppointmentStatus.BOOKED,
            start=now.replace(minute=0),
            end=now.replace(minute=15),
            created=now,
            practitioner=practitioner.id,
        )
    )
    assert json.loads(body)["identifier"][0]["value"] == "$ID"
    return body
