"""Editors that answer after a given delay, and the simplest client that can ask them.

All editors are one process without an event loop: it answers with bodies that our own editors made, kept from the
first time, and looks at a request only for its target, so that what is measured waits for the editors' delay and not
for their work. Time-outs of select(2) are exact to some 50 µs; those of epoll, which event loops wait with, are
whole milliseconds.
"""

from __future__ import annotations

import asyncio
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import cache, partial
from multiprocessing.connection import Connection
from typing import Any, cast

from load.bench.r03 import pin
from sandbox import ecosystem
from sandbox.config import Settings
from sandbox.editor.agenda import Agenda
from sandbox.editor.fhir.server import FhirServer
from sandbox.editor.fhir.slots import answer_schedules, answer_slots
from sandbox.kernel.clock import PARIS, Clock, as_of
from sandbox.kernel.flows import Flow
from sandbox.kernel.model import AgendaTemplate, ConsultationSite, Editor, Place, Practitioner, SosAssociation
from sandbox.population.load import load_population
from sandbox.population.people import Personas, Population

NOW = datetime(2026, 11, 24, 8, tzinfo=PARIS)
LOT = 25
HUNG = "editeur-9"
SEND_BUFFER = 1 << 20  # octets: an answer is written at once, even if the client is not reading yet
# A quarter to a third of the slots of three days are free: two or three practitioners make 35 KB.
WEEK = AgendaTemplate(days=(0, 1, 2, 3, 4, 5, 6), visibilities=(("PUBLIC",), ("PUBLIC", "PRO", "SNP"), ("SNP",)),
                      types=("AMB", "VR"), reasons=("Fièvre de l'enfant",), walkin=0.05, occupation=0.9,
                      slot_minutes=45, own_patients=0.2)  # fmt: skip


def people(editors: int) -> Population:
    """25 practitioners in Bordeaux, spread over so many editors; beyond 25 editors, SOS associations have the rest."""
    base = load_population(Settings(preset="minimal"))
    town = base.towns["33063"]
    slugs = [f"editeur-{at}" for at in range(editors)]
    practising = slugs[:LOT]
    persons = [
        Practitioner(
            id=f"81990{at:07d}", family=f"MARTIN-{at}", given="Camille", editor=practising[at % len(practising)],
            places=(Place(f"81990{at:07d}-1", "1330000018", f"{at} rue du Décor", "33000", town.name, town.insee,
                          town.lat + at / 1000, town.lon, WEEK),),
            phone="+33536490001",
        )
        for at in range(LOT)
    ]  # fmt: skip
    associations = [
        SosAssociation(f"3399900{at:08d}", f"SOS {at}", slug, (
            ConsultationSite(f"site-{at}", f"Site {at}", None, "1 rue du Décor", "33000", town.name, town.insee,
                             town.lat, town.lon, (), WEEK),))
        for at, slug in enumerate(slugs[LOT:])
    ]  # fmt: skip
    flows = (Flow.INT_R01, Flow.SOS)
    personas = Personas(
        territories=base.territories,
        towns=base.towns,
        editors={slug: Editor(slug, slug, f"urn:oid:1.2.{at}", flows, "") for at, slug in enumerate(slugs)},
        practitioners=tuple(persons),
        cpts={},
        sos={each.siret: each for each in associations},
        regulators=base.regulators,
        examples={},
    )
    return Population(base.seed, personas, base.procedural.recipe)


def frozen_clock() -> Clock:
    """Both sides' clock, at NOW."""
    return Clock(time.time, as_of(NOW, time.time(), freeze=True))


# The editors


def serve(editors: int, delay_s: float, hangs: bool, pipe: Connection) -> None:
    """The editors' process: prints its port, then answers until it is stopped."""
    pin(0)
    answers = _answers(editors)
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        ecosystem.tune_collector()
        pipe.send(listening.getsockname()[1])
        _Editors(listening, answers, delay_s, hangs).run(pipe)


class _Editors:
    """All connections to all editors, with the least code that can answer HTTP, because real editors have machines of
    their own."""

    def __init__(self, listening: socket.socket, answer: Callable[[bytes], bytes], delay_s: float, hangs: bool) -> None:
        self._listening, self._answer, self._delay, self._hangs = listening, answer, delay_s, hangs
        self._received: dict[socket.socket, bytes] = {}
        self._due: deque[tuple[float, socket.socket, bytes]] = deque()

    def run(self, told: Connection) -> None:
        """Answer until the process is ended."""
        while True:
            waits = max(0.0, self._due[0][0] - time.perf_counter()) if self._due else None
            sources: list[Any] = [told, self._listening, *self._received]
            ready, _, _ = select.select(sources, [], [], waits)
            now = time.perf_counter()
            while self._due and self._due[0][0] <= now:
                _, partner, answer = self._due.popleft()
                partner.sendall(answer)
            if told in ready:
                return
            self._look_at(ready)

    def _look_at(self, ready: Iterable[socket.socket]) -> None:
        for sock in ready:
            if sock is self._listening:
                partner, _ = sock.accept()
                partner.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
                partner.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._received[partner] = b""
            elif octets := sock.recv(65_536):
                self._take(sock, self._received[sock] + octets)
            else:
                del self._received[sock]
                sock.close()

    def _take(self, partner: socket.socket, octets: bytes) -> None:
        if not octets.endswith(b"\r\n\r\n"):
            self._received[partner] = octets
            return
        self._received[partner] = b""
        target = octets.split(b" ", 2)[1]
        if self._hangs and target.split(b"/")[1] == HUNG.encode():
            return
        if self._delay:
            self._due.append((time.perf_counter() + self._delay, partner, self._answer(target)))
        else:
            partner.sendall(self._answer(target))


def _answers(editors: int) -> Callable[[bytes], bytes]:
    """The answer to a request target, cached from the first time."""
    population = people(editors)
    clock = frozen_clock()
    servers = {
        slug: FhirServer(
            editor, population, Agenda(population, editor, clock), clock, f"http://e/{slug}/fhir", "http://e/u"
        )
        for slug, editor in population.editors.items()
    }

    @cache
    def answer(target: bytes) -> bytes:
        path, _, query = target.decode().partition("?")
        made = answer_slots if path.endswith("Slot") else answer_schedules
        body = made(servers[path.split("/")[1]], query)
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/fhir+json\r\ncontent-length: %d\r\n\r\n"
        return head % len(body) + body

    return answer


# The barest client


class Barest(asyncio.Protocol):
    """One connection that sends a prepared request and counts the octets of an answer whose size it knows: no client on
    this event loop can be faster, in whatever language it is written."""

    def __init__(self, request: bytes) -> None:
        self._request, self._size, self._missing = request, 0, 0
        self._whole: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        self._transport = cast(asyncio.Transport, transport)

    def ask(self) -> asyncio.Future[None]:
        """Send the request; done once the answer is complete. The first answer determines the size."""
        self._missing = self._size
        self._whole = asyncio.get_running_loop().create_future()
        self._transport.write(self._request)
        return self._whole

    def data_received(self, data: bytes) -> None:
        """Octets of the answer."""
        if not self._size:
            head, _, _ = data.partition(b"\r\n\r\n")
            self._size = self._missing = len(head) + 4 + int(head.rpartition(b"content-length: ")[2])
        self._missing -= len(data)
        if not self._missing and self._whole is not None:
            self._whole.set_result(None)

    def close(self) -> None:
        """Close the connection."""
        self._transport.abort()


async def barest(port: int, targets: Sequence[str]) -> list[Barest]:
    """A connection for each target."""
    loop = asyncio.get_running_loop()
    made = []
    for target in targets:
        request = f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: application/json+fhir\r\n\r\n".encode()
        _, client = await loop.create_connection(partial(Barest, request), "127.0.0.1", port)
        made.append(client)
    return made
