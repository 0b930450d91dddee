"""Requests per second of the server's core for `GET Slot` (INT_R01), and what a slot costs.

raw   an ASGI function that answers the same octets from memory
warm  the editors' role, asked for practitioner-days that were asked for before
cold  the same, asked for practitioners whom nobody asked for before

each for lists of 25 practitioners (3 days, about 300 slots and 300 KB), `one` for one practitioner, `tls` over mTLS.
All variants run on the same server. Lists are redrawn and no two requests share a query. A rate is that of the
processor time that the server's process spends, whatever else the machine does.

slot      slots derived and rendered, of practitioner-days not asked for before
template  renderings of one slot's bytes template
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import random
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from load.r03 import pin
from sandbox import ecosystem
from sandbox.config import EDITORS_FHIR, EDITORS_UI, Settings
from sandbox.editor.agenda import Agenda, Window, week_of
from sandbox.editor.app import build
from sandbox.editor.slots import Desk, answer_slots
from sandbox.fhir.search import slot_query
from sandbox.fhir.slots import R01, Renderer
from sandbox.kernel.clock import PARIS, Clock, as_of
from sandbox.kernel.entropy import Entropy
from sandbox.kernel.journal import Journal
from sandbox.kernel.model import SlotKind
from sandbox.kernel.world import WorldView
from sandbox.net.context import Context
from sandbox.net.http_server import Listener
from sandbox.net.tls import client_context, server_context
from sandbox.pki.authority import Pki, ensure_pki, load_pki
from sandbox.pki.subjects import editor_subject, sas_subject
from sandbox.population.load import load_population

EDITOR = "agenda-azur"
SETTINGS = Settings(practitioners=100_000)
ASKED_FROM = datetime(2026, 12, 3, 14, tzinfo=PARIS)  # Thursday afternoon, until Saturday night
ASKED_TO = datetime(2026, 12, 6, tzinfo=PARIS)
SERVED_AT = ASKED_FROM + timedelta(minutes=5)  # the editors' clock: requests have been under way for a moment
LOT = 25
WARMED = 400  # practitioners asked for before, of whom warm lists are drawn
WARM_UP, MEASURED = 300, 2000  # requests; cold ones are fewer, as each needs its own practitioners
COLD_WARM_UP, COLD_MEASURED = 400, 1500  # until the caches are full, then on
CONNECTIONS = 8
PEOPLE = 3000  # whose slots are derived and rendered to time one


@dataclass(frozen=True)
class Variant:
    """What is asked of which server: `app` raw, warm or cold."""

    app: str
    size: int = LOT
    tls: bool = False


VARIANTS = {
    "raw": Variant("raw"),
    "warm": Variant("warm"),
    "cold": Variant("cold"),
    "raw one": Variant("raw", 1),
    "warm one": Variant("warm", 1),
    "raw tls": Variant("raw", tls=True),
    "warm tls": Variant("warm", tls=True),
    "cold tls": Variant("cold", tls=True),
}


def measure(rounds: int) -> dict[str, list[float]]:
    """Rates per second, `rounds` of each variant by turns."""
    rates: dict[str, list[float]] = {name: [] for name in (*VARIANTS, "template", "slot")}
    for _ in range(rounds):
        for name, variant in VARIANTS.items():
            rates[name].append(_once(variant))
        for name, rate in _in_process().items():
            rates[name].append(rate)
    return rates


def _once(variant: Variant) -> float:
    processes = multiprocessing.get_context("spawn")
    ours, theirs = processes.Pipe()
    with tempfile.TemporaryDirectory(prefix="sas-bench-") as directory:
        server = processes.Process(target=serve, args=(variant, directory, theirs), daemon=True)
        server.start()
        port = ours.recv()
        pin(1)
        try:
            return _load(variant, port, Path(directory), ours)
        finally:
            ours.send("stop")
            server.join(10)


# The server


def serve(variant: Variant, directory: str, pipe: Connection) -> None:
    """The server's process: says its port, then its processor time whenever asked, until told to stop."""
    pin(0)
    ecosystem.run(_serve(variant, Path(directory), pipe))


async def _serve(variant: Variant, directory: Path, pipe: Connection) -> int:
    context = _context(directory, ensure(directory) if variant.tls else None)
    port = context.sockets[EDITORS_FHIR].getsockname()[1]
    service: Any = _raw(context, variant) if variant.app == "raw" else build(context)
    await service.start()
    ecosystem.tune_collector()
    pipe.send(port)
    while await asyncio.to_thread(pipe.recv) != "stop":
        pipe.send(time.process_time())
    await service.stop()
    return 0


def ensure(directory: Path) -> Pki:
    """Certificates for a server on loopback and for the SAS core."""
    editors = load_population(Settings(preset="minimal")).editors
    clients = {"sas": sas_subject(), **{slug: editor_subject(editor) for slug, editor in editors.items()}}
    now = datetime.now(UTC)
    return ensure_pki(directory / "pki", hosts=("127.0.0.1",), clients=clients, now=now, bad_like=sas_subject())


def _context(directory: Path, pki: Pki | None) -> Context:
    sockets = {offset: socket.socket() for offset in (EDITORS_FHIR, EDITORS_UI)}
    for sock in sockets.values():
        sock.bind(("127.0.0.1", 0))
    return Context(
        settings=Settings(data_dir=str(directory), mtls=pki is not None, practitioners=SETTINGS.practitioners),
        world=WorldView(),
        clock=Clock(time.time, as_of(SERVED_AT, time.time(), freeze=False)),
        journal=Journal(),
        entropy=Entropy(os.urandom),
        population=load_population(SETTINGS),
        sockets=sockets,
        pki=pki,
        master_secret=b"b" * 32,
    )


def _raw(context: Context, variant: Variant) -> Listener:
    """The least that any server does: an answer of the editors' own, made once."""
    body = answer_slots(_desk(), _query(_ids()[: variant.size], 0))
    headers = [(b"content-type", b"application/fhir+json; charset=utf-8"), (b"content-length", b"%d" % len(body))]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    tls = None if context.pki is None else server_context(context.pki, client_certificate="required")
    return Listener(app, context.sockets[EDITORS_FHIR], tls=tls)


# The client


@cache
def _ids() -> Sequence[str]:
    """Everybody whose agenda the editor holds."""
    return [person.id for person in load_population(SETTINGS).of_editor(EDITOR) if person.id.startswith("8199")]


def _query(ids: Sequence[str], number: int) -> str:
    """As the SAS core asks; every request a little later than the one before."""
    return slot_query(ids, ASKED_FROM + timedelta(milliseconds=number), ASKED_TO, cpts=False)


def _queries(variant: Variant) -> tuple[list[str], list[str]]:
    """What is asked before and during the measurement."""
    ids, size = _ids(), variant.size
    if variant.app == "cold":
        lists = [ids[at : at + size] for at in range(0, (COLD_WARM_UP + COLD_MEASURED) * size, size)]
        measured = COLD_MEASURED
    else:
        known = ids[:WARMED]
        lists = [known[at : at + LOT] for at in range(0, WARMED, LOT)]
        lists += [random.sample(known, size) for _ in range(WARM_UP + MEASURED)]
        measured = MEASURED
    queries = [_query(some, number) for number, some in enumerate(lists)]
    return queries[:-measured], queries[-measured:]


def _load(variant: Variant, port: int, directory: Path, pipe: Connection) -> float:
    """Answers per second of the server's processor time."""
    tls = client_context(load_pki(directory / "pki"), "sas") if variant.tls else None
    before, during = _queries(variant)
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(_connect(port, tls)) for _ in range(CONNECTIONS)]
        _ask(connections, before, tls)
        started = _processor_time(pipe)
        _ask(connections, during, tls)
        return len(during) / (_processor_time(pipe) - started)


def _processor_time(pipe: Connection) -> float:
    pipe.send("time")
    found: float = pipe.recv()
    return found


def _connect(port: int, tls: ssl.SSLContext | None) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock if tls is None else tls.wrap_socket(sock, server_hostname="127.0.0.1")


def _ask(connections: Sequence[socket.socket], queries: Sequence[str], tls: ssl.SSLContext | None) -> None:
    """Ask everything, each connection in its own thread, one request under way on each."""
    waiting = iter(queries)
    failures: list[BaseException] = []

    def work(connection: socket.socket) -> None:
        buffer = memoryview(bytearray(1 << 20))
        try:
            for query in waiting:
                _exchange(connection, query, buffer)
        except (OSError, RuntimeError) as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(connection,)) for connection in connections]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def _exchange(connection: socket.socket, query: str, buffer: memoryview[int]) -> None:
    head = f"GET /{EDITOR}/fhir/Slot?{query} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/fhir+json\r\n\r\n"
    connection.sendall(head.encode())
    filled = connection.recv_into(buffer)
    start = bytes(buffer[: min(filled, 1000)])
    lines = start.partition(b"\r\n\r\n")[0]
    length = int(lines.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    if not start.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(start.decode(errors="replace"))
    missing = len(lines) + 4 + length - filled
    while missing:
        missing -= connection.recv_into(buffer, min(missing, len(buffer)))


# What a slot costs


def _desk() -> Desk:
    population, clock = load_population(SETTINGS), Clock(SERVED_AT.timestamp)
    editor = population.editors[EDITOR]
    agenda = Agenda(population, editor, clock)
    return Desk(editor, population, agenda, clock, "https://127.0.0.1:8043/a/fhir", "http://127.0.0.1:8001/a")


def _in_process() -> dict[str, float]:
    """Per second of processor time: renderings of a template alone; slots from nothing to their octets."""
    desk = _desk()
    agenda, renderer = desk.agenda, desk.renderer
    window = Window(ASKED_FROM, ASKED_TO, desk.clock.now())
    people = [person for each in _ids()[-PEOPLE:] if (person := desk.population.practitioner(each)) is not None]
    weeks = [(person, tuple(week_of(place) for place in person.places)) for person in people]
    derived = 0
    ecosystem.tune_collector()
    started = time.process_time()
    for person, some in weeks:
        for week, view, first, last in agenda.search(some, window):
            renderer.slots(R01, week.schedule, (person.specialty, None), week.zone, view)
            derived += last - first
    slot = derived / (time.process_time() - started)
    return {"template": _templates(renderer, derived), "slot": slot}


def _templates(renderer: Renderer, count: int) -> float:
    """Renderings per second of the template of one slot."""
    template = renderer.template(R01, SlotKind(("PUBLIC",), ("AMB",), None, False), ("SM54", None))
    key, schedule, begin = b"819912345678-1.20261203T1800Z", b"819912345678-1", b"2026-12-03T19:00:00.000+01:00"
    started = time.process_time()
    for _ in range(count):
        template % (key, key, schedule, begin, begin, key)
    return count / (time.process_time() - started)
