"""Requests per second of the server's core for `GET Slot` (INT_R01), and what a slot costs.

raw     an ASGI function that answers the same octets from memory
warm    the editors' role, asked for practitioner-days that were asked for before
cold    the same, asked for practitioner-days that nobody asked for before, of practitioners who were asked for on
        another day: who they are is known, nothing of the days is
first   the same, asked for practitioners whom nobody asked for before at all: they are derived too

each for lists of 25 practitioners (3 days, about 300 slots and 300 to 400 KB), `one` for one practitioner, `tls` over
mTLS. All variants run on the same server. Lists are redrawn, no two requests share a query and no answer is kept. A
rate is per second of the processor time of the server's process. Variants that are compared run at the same time and
are asked in turn, a slice of requests each, so that other load on the machine affects all alike; the median slice
counts.

1k, 1M  warm and cold with 1,000 and with 1,000,000 practitioners in the population; to have enough cold days of the
        few that an editor has of 1,000, those of four weeks are asked for
slot      slots derived and rendered, of practitioner-days not asked for before
template  renderings of one slot's bytes template
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
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

from load.bench.r03 import pin
from sandbox import ecosystem
from sandbox.config import EDITORS_FHIR, EDITORS_UI, Settings
from sandbox.editor.agenda import Agenda
from sandbox.editor.app import build
from sandbox.editor.fhir.agenda_cache import CachedAgenda, cached_agenda_of
from sandbox.editor.fhir.server import FhirServer
from sandbox.editor.fhir.slots import answer_slots
from sandbox.fhir.queries.search import slot_query
from sandbox.fhir.slots import R01, Renderer
from sandbox.kernel.clock import PARIS, Clock, as_of
from sandbox.net.context import Context
from sandbox.net.http.server import Listener
from sandbox.net.tls import client_context, server_context
from sandbox.pki.authority import Pki, ensure_pki, load_pki
from sandbox.pki.subjects import editor_subject, sas_subject
from sandbox.population.load import load_population
from tests.support.contexts import make_context

EDITOR = "agenda-azur"
SETTINGS = Settings(practitioners=100_000)
ASKED_FROM = datetime(2026, 12, 3, 14, tzinfo=PARIS)  # Thursday afternoon, until Saturday night
ASKED_TO = datetime(2026, 12, 6, tzinfo=PARIS)
SERVED_AT = ASKED_FROM + timedelta(minutes=5)  # the editors' clock: requests have been under way for a moment
LOT = 25
WARMED = 400  # practitioners who were asked about before; warm lists are drawn from these
WARM_UP, MEASURED = 300, 1500  # requests; other variants have fewer, because each needs its own practitioners
COLD_WARM_UP, COLD_MEASURED = 60, 120  # requests about practitioners who are all still known
FIRST_WARM_UP, FIRST_MEASURED = 400, 200  # requests until the caches are full, then requests that are measured
FEW, WEEKS = 400, 4  # practitioners who are asked about for the days of some weeks
SLICE = 60  # requests of which the rate is taken, where there are twice as many
CONNECTIONS = 8
PEOPLE = 3000  # practitioners whose slots are derived and rendered to measure one slot
MOST = 30_000  # most practitioners whose ids are needed


@dataclass(frozen=True)
class Variant:
    """The requests of a variant and its server: `app` raw, warm, cold or first; `people`: in the population."""

    app: str
    size: int = LOT
    tls: bool = False
    people: int = SETTINGS.practitioners
    weeks: int = 1


VARIANTS = {
    "raw": Variant("raw"),
    "warm": Variant("warm"),
    "cold": Variant("cold"),
    "first": Variant("first"),
    "raw one": Variant("raw", 1),
    "warm one": Variant("warm", 1),
    "raw tls": Variant("raw", tls=True),
    "warm tls": Variant("warm", tls=True),
    "cold tls": Variant("cold", tls=True),
    "warm 1k": Variant("warm", people=1_000),
    "warm 1M": Variant("warm", people=1_000_000),
    "cold 1k": Variant("cold", people=1_000, weeks=WEEKS),
    "cold 1M": Variant("cold", people=1_000_000, weeks=WEEKS),
}


# Variants that are compared: their servers run at the same time and are asked in turn, slice by slice.
COMPARED = (
    ("raw", "warm", "cold", "first"),
    ("raw one", "warm one"),
    ("raw tls", "warm tls", "cold tls"),
    ("warm 1k", "warm 1M"),
    ("cold 1k", "cold 1M"),
)


def measure(rounds: int) -> dict[str, list[float]]:
    """Rates per second: of every slice of every variant, `rounds` times."""
    rates: dict[str, list[float]] = {name: [] for name in (*VARIANTS, "template", "slot")}
    for _ in range(rounds):
        for names in COMPARED:
            for name, found in together(names).items():
                rates[name] += found
        for name, found in _in_process().items():
            rates[name] += found
    return rates


def together(names: Sequence[str]) -> dict[str, list[float]]:
    """The rates of slices of these variants, which take turns, so that other load on the machine affects all of
    them."""
    with contextlib.ExitStack() as stack:
        pin(1)
        servers = {name: stack.enter_context(_Server(VARIANTS[name])) for name in names}
        turns = max(len(server.slices) for server in servers.values())
        rates: dict[str, list[float]] = {name: [] for name in names}
        for turn in range(turns):
            for name, server in servers.items():
                if turn < len(server.slices):
                    rates[name].append(server.rate(server.slices[turn]))
    return rates


class _Server:
    """A server in a process of its own, with its connections; entering it sends the preparatory requests."""

    def __init__(self, variant: Variant) -> None:
        self._variant = variant
        self._before, during = _queries(variant)
        size = min(SLICE, len(during) // 2)
        self.slices = [during[at : at + size] for at in range(0, len(during) - size + 1, size)]
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> _Server:
        processes = multiprocessing.get_context("spawn")
        self._pipe, theirs = processes.Pipe()
        directory = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="sas-bench-"))
        self._process = processes.Process(target=serve, args=(self._variant, directory, theirs), daemon=True)
        self._process.start()
        self._stack.callback(self._stop)
        port = self._pipe.recv()
        tls = client_context(load_pki(Path(directory) / "pki"), "sas") if self._variant.tls else None
        self._connections = [self._stack.enter_context(_connect(port, tls)) for _ in range(CONNECTIONS)]
        _ask(self._connections, self._before)
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def _stop(self) -> None:
        self._pipe.send("stop")
        self._process.join(10)

    def rate(self, queries: Sequence[str]) -> float:
        """Answers per second of the server's processor time."""
        started = self._processor_time()
        _ask(self._connections, queries)
        return len(queries) / (self._processor_time() - started)

    def _processor_time(self) -> float:
        self._pipe.send("time")
        found: float = self._pipe.recv()
        return found


# The server


def serve(variant: Variant, directory: str, pipe: Connection) -> None:
    """The server's process: prints its port, then its processor time on request, until it is stopped."""
    pin(0)
    ecosystem.run(_serve(variant, Path(directory), pipe))


async def _serve(variant: Variant, directory: Path, pipe: Connection) -> int:
    context = _context(directory, ensure(directory) if variant.tls else None, variant.people)
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


def _context(directory: Path, pki: Pki | None, people: int) -> Context:
    sockets = {offset: socket.socket() for offset in (EDITORS_FHIR, EDITORS_UI)}
    for sock in sockets.values():
        sock.bind(("127.0.0.1", 0))
    return make_context(
        Settings(data_dir=str(directory), mtls=pki is not None, practitioners=people),
        clock=Clock(time.time, as_of(SERVED_AT, time.time(), freeze=False)),
        population=load_population(Settings(practitioners=people)),
        sockets=sockets,
        pki=pki,
    )


def _raw(context: Context, variant: Variant) -> Listener:
    """The least that any server does: returns an answer of the editors' own, of medium length, made once."""
    server, ids, size = _server(), _ids(variant.people), variant.size
    answers = [answer_slots(server, _query(ids[at : at + size], 0)) for at in range(0, WARMED, size)]
    body = sorted(answers, key=len)[len(answers) // 2]
    headers = [(b"content-type", b"application/fhir+json; charset=utf-8"), (b"content-length", b"%d" % len(body))]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    tls = None if context.pki is None else server_context(context.pki, client_certificate="required")
    return Listener(app, context.sockets[EDITORS_FHIR], tls=tls)


# The client


@cache
def _ids(people: int) -> Sequence[str]:
    """Practitioners whose agenda the editor holds, as many as needed."""
    held = load_population(Settings(practitioners=people)).of_editor(EDITOR)
    return [person.id for person in held[: min(len(held), MOST)] if person.id.startswith("8199")]


def _query(ids: Sequence[str], number: int, week: int = 0) -> str:
    """A query as the SAS core sends it; each begins a little later than the one before."""
    later = timedelta(weeks=week)
    return slot_query(ids, ASKED_FROM + later + timedelta(milliseconds=number), ASKED_TO + later, cpts=False)


def _queries(variant: Variant) -> tuple[list[str], list[str]]:
    """The queries before and during the measurement."""
    ids, size = _ids(variant.people), variant.size
    if variant.app == "cold":
        return _cold_queries(variant)
    if variant.app == "first":
        lists = [ids[at : at + size] for at in range(0, (FIRST_WARM_UP + FIRST_MEASURED) * size, size)]
        measured = FIRST_MEASURED
    else:
        known = ids[:WARMED]
        lists = [known[at : at + LOT] for at in range(0, WARMED, LOT)]
        lists += [random.sample(known, size) for _ in range(WARM_UP + MEASURED)]
        measured = MEASURED
    queries = [_query(some, number) for number, some in enumerate(lists)]
    return queries[:-measured], queries[-measured:]


def _cold_queries(variant: Variant) -> tuple[list[str], list[str]]:
    """The queries before the measurement: the Monday after the windows, so that everything except the days of the
    windows is known, and windows of other practitioners; then the measured windows."""
    wanted = FEW if variant.weeks > 1 else LOT * (COLD_WARM_UP + COLD_MEASURED)
    ids = _ids(variant.people)[:wanted]
    lists = [ids[at : at + LOT] for at in range(0, wanted, LOT)]
    monday = ASKED_TO + timedelta(days=1)
    known = [slot_query(some, monday, monday + timedelta(days=1), cpts=False) for some in lists]
    asked = [_query(some, at, week) for week in range(variant.weeks) for at, some in enumerate(lists)]
    random.shuffle(asked)  # later weeks have more free slots: the slices must not differ in this
    others = len(asked) * COLD_WARM_UP // (COLD_WARM_UP + COLD_MEASURED)
    return [*known, *asked[:others]], asked[others:]


def _connect(port: int, tls: ssl.SSLContext | None) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock if tls is None else tls.wrap_socket(sock, server_hostname="127.0.0.1")


def _ask(connections: Sequence[socket.socket], queries: Sequence[str]) -> None:
    """Send all queries, each connection in its own thread, with one request at a time on each."""
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


def _server() -> FhirServer:
    population, clock = load_population(SETTINGS), Clock(SERVED_AT.timestamp)
    editor = population.editors[EDITOR]
    agenda = Agenda(population, editor, clock)
    return FhirServer(editor, population, agenda, clock, "https://127.0.0.1:8043/a/fhir", "http://127.0.0.1:8001/a")


def _in_process() -> dict[str, list[float]]:
    """Per second of processor time, alternately: slots from nothing to their octets; renderings of a template alone."""
    server = _server()
    agenda, renderer, now = server.agenda, server.renderer, server.clock.time()
    window = agenda.window(ASKED_FROM.timestamp(), ASKED_TO.timestamp(), now)
    ids = _ids(SETTINGS.practitioners)[-PEOPLE:]
    files = [cached_agenda_of(person) for each in ids if (person := server.population.practitioner(each)) is not None]
    for file in files[: PEOPLE // 10]:
        file.refresh(agenda, window, now)
    template, values = _template(next(file for file in files if file.count), renderer)
    ecosystem.tune_collector()
    rates: dict[str, list[float]] = {"template": [], "slot": []}
    for at in range(PEOPLE // 10, PEOPLE, PEOPLE // 10):
        derived, started = 0, time.process_time()
        for file in files[at : at + PEOPLE // 10]:
            file.refresh(agenda, window, now)
            file.render(renderer, R01)
            derived += file.count
        rates["slot"].append(derived / (time.process_time() - started))
        started = time.process_time()
        for _ in range(PEOPLE):
            template % values
        rates["template"].append(PEOPLE / (time.process_time() - started))
    return rates


def _template(file: CachedAgenda, renderer: Renderer) -> tuple[bytes, tuple[bytes, ...]]:
    """The entry of one slot as a bytes template, and the values that fill it."""
    share = next(share for share in file.free if share.count)
    entry = file.only([share.cut(0, 1)]).render(renderer, R01)
    slot = json.loads(entry[1:])["resource"]
    said = [slot["id"], share.week.schedule, slot["start"], slot["end"]]
    key, schedule, start, end = (value.encode() for value in said)
    template = entry.replace(b"%", b"%%").replace(key, b"%b").replace(b'/%b"' % schedule, b'/%b"')
    template, values = template.replace(start, b"%b").replace(end, b"%b"), (key, key, schedule, start, end, key)
    if template % values != entry:
        raise RuntimeError("the template is not the slot's")
    return template, values
