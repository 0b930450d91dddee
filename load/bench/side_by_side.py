"""`python -m load.bench.side_by_side`: one INT_R01 answer from our editors, and from what a vendor would use instead.

raw      an ASGI function that answers the octets from memory, on our own listener
sandbox  the whole sandbox (preset `national`, plain HTTP), asked for 25 practitioners and 3 days by lists redrawn from
         practitioners that were asked for before; no two requests share a query
mockoon  Mockoon CLI with the same octets as the body of a route, templating off
models   FastAPI, the answer built and serialised by the models of fhir.resources

A rate is requests per second of the processor time of the server's process. Servers that are not installed are left out
with a message; docs/benchmarks.md has the commands and the results.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from load.peers import mockoon
from load.ports import free_base
from sandbox.config import load_settings
from sandbox.fhir.queries.search import slot_query
from sandbox.kernel.clock import PARIS
from sandbox.population.load import load_population

EDITOR = "agenda-azur"
ASKED_FROM = datetime(2026, 12, 3, 14, tzinfo=PARIS)  # Thursday afternoon, until Saturday night
ASKED_TO = datetime(2026, 12, 6, tzinfo=PARIS)
LOT, WARMED = 25, 400
READY_S = 30.0
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Plan:
    """The duration of a measurement: rounds, and in each of them the seconds before the count and of the count."""

    rounds: int = 3
    warm_up_s: float = 1.0
    measured_s: float = 4.0


WHOLE = Plan()


def main(plan: Plan = WHOLE) -> int:
    """Measure alternately, print rates and ratios to raw; exit code 0."""
    with tempfile.TemporaryDirectory(prefix="sas-side-by-side-") as name:
        directory = Path(name)
        body = directory / "slots.json"
        asked = queries()
        with sandbox(directory) as (_, base):
            octets = _answer(base, next(asked))
            body.write_bytes(octets)
        slots = json.loads(octets)["total"]
        print(f"one answer: {slots} slots, {len(octets):,} octets")
        rates: dict[str, list[float]] = {}
        for _ in range(plan.rounds):
            for each in ("raw", "sandbox", *_installed()):
                rates.setdefault(each, []).append(_measured(each, body, asked, plan))
    medians = {name: statistics.median(found) for name, found in rates.items()}
    for name, rate in medians.items():
        print(f"  {name:<8} {rate:>10,.1f} /s of processor time, {rate / medians['raw']:.4f} of raw")
    return 0


def _installed() -> Sequence[str]:
    found = []
    if shutil.which(mockoon.COMMAND):
        found.append("mockoon")
    if importlib.util.find_spec("fastapi"):
        found.append("models")
    for missing in {"mockoon", "models"} - {*found}:
        print(f"{missing} is not installed: left out", file=sys.stderr)
    return found


def _measured(name: str, body: Path, asked: Iterator[str], plan: Plan) -> float:
    if name == "sandbox":
        with sandbox(body.parent) as (pid, base):
            return _rate(pid, base, asked, plan)
    module = {"raw": "asgi", "mockoon": "mockoon", "models": "fastapi_slots"}[name]
    port = _free_port()
    with running([sys.executable, "-m", f"load.peers.{module}", str(port), str(body)]) as process:
        base = ("127.0.0.1", port, "/Slot")
        until_ready(base)
        return _rate(process.pid, base, asked, plan)


Base = tuple[str, int, str]


@contextlib.contextmanager
def sandbox(directory: Path) -> Iterator[tuple[int, Base]]:
    """The whole sandbox as a process: its pid, and where the editor answers."""
    ready, port = directory / "ready.json", free_base()
    ready.unlink(missing_ok=True)
    options = ["--preset", "national", "--no-mtls", "--as-of", ASKED_FROM.isoformat(), "--port-base", str(port)]
    files = ["--data-dir", str(directory / "data"), "--ready-file", str(ready)]
    with running([sys.executable, "-m", "sandbox.cli", "up", *options, *files]) as process:
        ends = time.monotonic() + READY_S
        while not ready.exists():
            if process.poll() is not None or time.monotonic() > ends:
                raise RuntimeError("the sandbox is not ready")
            time.sleep(0.05)
        yield process.pid, ("127.0.0.1", port + 43, f"/{EDITOR}/fhir/Slot")


@contextlib.contextmanager
def running(command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A server on a core of its own, if there are two; it ends with the block."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(cores) > 1:
        os.sched_setaffinity(process.pid, {cores[0]})
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def queries() -> Iterator[str]:
    """Queries as the SAS core sends them: first all practitioners that are to be warm, in lots of LOT, then lots drawn
    from these; the period asked for begins a millisecond later with each query."""
    population = load_population(load_settings({"preset": "national"}, {}))
    ids = [person.id for person in population.of_editor(EDITOR)][:WARMED]
    number = 0
    while True:
        chosen = ids[number * LOT : (number + 1) * LOT] if number < WARMED // LOT else random.sample(ids, LOT)
        yield slot_query(chosen, ASKED_FROM + timedelta(seconds=60, milliseconds=number), ASKED_TO, cpts=False)
        number += 1


def _rate(pid: int, base: Base, asked: Iterator[str], plan: Plan) -> float:
    with contextlib.closing(_connect(base)) as connection:
        _ask(connection, base, asked, plan.warm_up_s)
        began = _processor_time(pid)
        count = _ask(connection, base, asked, plan.measured_s)
        return count / (_processor_time(pid) - began)


def _ask(connection: socket.socket, base: Base, asked: Iterator[str], seconds: float) -> int:
    ends, count = time.monotonic() + seconds, 0
    while time.monotonic() < ends or not count:
        _exchange(connection, base, next(asked))
        count += 1
    return count


def _exchange(connection: socket.socket, base: Base, query: str) -> bytes:
    connection.sendall(f"GET {base[2]}?{query} HTTP/1.1\r\nHost: {base[0]}\r\nAccept: */*\r\n\r\n".encode())
    received = bytearray()
    while b"\r\n\r\n" not in received:
        received += connection.recv(1 << 16) or _cut()
    head, _, rest = bytes(received).partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(head.decode(errors="replace"))
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    parts = [rest]
    missing = length - len(rest)
    while missing:
        parts.append(connection.recv(min(missing, 1 << 20)) or _cut())
        missing -= len(parts[-1])
    return b"".join(parts)


def _cut() -> bytes:
    raise ConnectionError("the server hung up")


def _answer(base: Base, query: str) -> bytes:
    with contextlib.closing(_connect(base)) as connection:
        return _exchange(connection, base, query)


def _connect(base: Base) -> socket.socket:
    connection = socket.create_connection(base[:2], timeout=30)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def until_ready(base: Base) -> None:
    """Wait until a server accepts a connection. Raises OSError when it does not within READY_S."""
    ends = time.monotonic() + READY_S
    while True:
        try:
            _connect(base).close()
            return
        except OSError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.05)


def _processor_time(pid: int) -> float:
    """Seconds of processor time of a process, from /proc."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    raise SystemExit(main())
