"""What a whole search costs beside the calls that it makes, and how soon its cards are there.

The editors are one process that answers with the bodies that our own editors make, kept from the first time; the
search runs in another, from criteria to the octets of the API's answer. Each has a core of its own where there are two.

bare      aiohttp asks the same ten editors the same questions at once and reads the answers with orjson, no more
search    a whole search over these ten editors, 35 KB each
          both per second of the processor's time

calm      a search whose editors answer in 50 ms, until the last card of nine of them
hung      the same, while the tenth does not answer at all

call      one call to one editor that answers in 50 ms, by turns with the searches
bare, …   the bare client's calls to all of them: what no search over this client can be faster than
ten, thirty      half of the searches over so many such editors end within …; `… p99`: 99 of 100, `bound`: may take
          all of these as 1 / seconds
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from multiprocessing.connection import Connection
from typing import Any, cast

import aiohttp
import orjson
from yarl import URL

from load.r03 import pin
from sandbox import ecosystem
from sandbox.config import EDITORS_FHIR, Settings
from sandbox.editor.agenda import Agenda
from sandbox.editor.slots import Desk, answer_schedules, answer_slots
from sandbox.kernel.clock import PARIS, Clock, as_of
from sandbox.kernel.entropy import Entropy
from sandbox.kernel.flows import Flow
from sandbox.kernel.journal import Journal
from sandbox.kernel.model import AgendaTemplate, ConsultationSite, Editor, Place, Practitioner, SosAssociation
from sandbox.kernel.world import WorldView
from sandbox.net.context import Context
from sandbox.net.http_client import HttpClient
from sandbox.population.load import load_population
from sandbox.population.people import Personas, Population
from sandbox.sas.aggregator import Aggregator
from sandbox.sas.criteria import Criteria, read_criteria
from sandbox.sas.directory import Directory
from sandbox.sas.events import Found
from sandbox.sas.queries import association_queries, lots, ordered, practitioner_queries
from sandbox.sas.search import document, run, whole
from sandbox.sas.specialties import SPECIALTIES

NOW = datetime(2026, 11, 24, 8, tzinfo=PARIS)
LOT = 25
DELAY_S = 0.05
HUNG = "editeur-9"
HUNG_TIMEOUT_S = 1.0
WARM_UP = 30  # searches
COSTED = 160  # searches, one by turns with the bare client
TIMED, HELD_UP = 120, 8
# A quarter to a third of the slots of three days are free: two or three practitioners make 35 KB.
WEEK = AgendaTemplate(days=(0, 1, 2, 3, 4, 5, 6), visibilities=(("PUBLIC",), ("PUBLIC", "PRO", "SNP"), ("SNP",)),
                      types=("AMB", "VR"), reasons=("Fièvre de l'enfant",), walkin=0.05, occupation=0.9,
                      slot_minutes=45, own_patients=0.2)  # fmt: skip


def measure(rounds: int) -> dict[str, list[float]]:
    """Per second, `rounds` of each by turns."""
    rates: dict[str, list[float]] = {}
    for _ in range(rounds):
        for variant in VARIANTS:
            for name, rate in _once(variant).items():
                rates.setdefault(name, []).append(rate)
    return rates


def _once(variant: str) -> dict[str, float]:
    processes = multiprocessing.get_context("spawn")
    ours, theirs = processes.Pipe()
    server = processes.Process(target=serve, args=(variant, theirs), daemon=True)
    server.start()
    port = ours.recv()
    results, child = processes.Pipe()
    client = processes.Process(target=load, args=(variant, port, child), daemon=True)
    client.start()
    try:
        found: dict[str, float] = results.recv()
        return found
    finally:
        client.join(10)
        ours.send("stop")
        server.join(10)


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
    return Population(base.seed, personas, base._recipe)


# The editors


def serve(variant: str, pipe: Connection) -> None:
    """The editors' process: says its port, answers until told to stop."""
    pin(0)
    ecosystem.run(_serve(variant, pipe))


async def _serve(variant: str, pipe: Connection) -> int:
    answers = _answers(variant)
    delay = 0.0 if variant == "cost" else DELAY_S
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Editors(answers, delay, variant == "hung"), "127.0.0.1", 0)
    ecosystem.tune_collector()
    pipe.send(server.sockets[0].getsockname()[1])
    await asyncio.to_thread(pipe.recv)
    server.close()
    return 0


class _Editors(asyncio.Protocol):
    """One connection to all editors: as little as can answer HTTP, since editors have machines of their own."""

    def __init__(self, answer: Callable[[bytes], bytes], delay: float, hangs: bool) -> None:
        self._answer, self._delay, self._hangs = answer, delay, hangs
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._received.endswith(b"\r\n\r\n"):
            return
        target, self._received = self._received.split(b" ", 2)[1], b""
        if self._hangs and target.split(b"/")[1] == HUNG.encode():
            return
        answer = self._answer(target)
        if self._delay:
            asyncio.get_running_loop().call_later(self._delay, self._transport.write, answer)
        else:
            self._transport.write(answer)


def _answers(variant: str) -> Callable[[bytes], bytes]:
    """What is answered to a request target, kept from the first time."""
    population = people(_editors_of(variant))
    clock = _clock()
    desks = {
        slug: Desk(editor, population, Agenda(population, editor, clock), clock, f"http://e/{slug}/fhir", "http://e/u")
        for slug, editor in population.editors.items()
    }

    @cache
    def answer(target: bytes) -> bytes:
        path, _, query = target.decode().partition("?")
        made = answer_slots if path.endswith("Slot") else answer_schedules
        body = made(desks[path.split("/")[1]], query)
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/fhir+json\r\ncontent-length: %d\r\n\r\n"
        return head % len(body) + body

    return answer


def _editors_of(variant: str) -> int:
    return 30 if variant == "thirty" else 10


def _clock() -> Clock:
    return Clock(time.time, as_of(NOW, time.time(), freeze=True))


# The search


def load(variant: str, port: int, pipe: Connection) -> None:
    """The searching process: sends what it measured."""
    pin(1)
    ecosystem.run(_load(variant, port, pipe))


async def _load(variant: str, port: int, pipe: Connection) -> int:
    with tempfile.TemporaryDirectory(prefix="sas-bench-") as directory:
        settings = Settings(
            port_base=port - EDITORS_FHIR,
            data_dir=directory,
            mtls=False,
            editor_timeout_s=HUNG_TIMEOUT_S if variant == "hung" else 7.0,
            breaker_failures=1000,
        )
        bench = _Bench(settings, people(_editors_of(variant)))
        try:
            pipe.send(await VARIANTS[variant](bench))
        finally:
            await bench.close()
    return 0


class _Bench:
    """A search's surroundings, and the bare client that asks the same."""

    def __init__(self, settings: Settings, population: Population) -> None:
        context = Context(
            settings=settings,
            world=WorldView(),
            clock=_clock(),
            journal=Journal(capacity=100),
            entropy=Entropy(os.urandom),
            population=population,
            sockets={},
            pki=None,
            master_secret=b"b" * 32,
        )
        self.http = HttpClient(context, "sas", "sas")
        self.aggregator = Aggregator(context, self.http, Directory(population), SPECIALTIES)
        self.session = aiohttp.ClientSession()
        self._searches = 0
        self.criteria = read_criteria({"insee": "33063"}, self.aggregator.directory, SPECIALTIES, NOW)
        self.urls = [
            URL(f"{settings.editor_fhir(query.editor)}/{query.path}", encoded=True)
            for query in self._queries(population)
        ]

    def _queries(self, population: Population) -> Sequence[Any]:
        criteria, directory = self.criteria, self.aggregator.directory
        (lot,) = lots(ordered(directory.candidates(criteria.specialty, criteria.area), criteria))
        associations = directory.associations(criteria.area)
        return [
            *practitioner_queries(lot, population.editors, criteria),
            *association_queries(associations, population.editors, criteria),
        ]

    async def close(self) -> None:
        """End what is under way."""
        await self.aggregator.close()
        await self.http.close()
        await self.session.close()

    async def bare(self) -> None:
        """The same questions, and no more."""
        await asyncio.gather(*map(self._fetched, self.urls))

    async def one(self) -> None:
        """One question."""
        await self._fetched(self.urls[0])

    async def _fetched(self, url: URL) -> object:
        async with self.session.get(url) as answer:
            return orjson.loads(await answer.read())

    async def search(self) -> None:
        """From the criteria to the octets of the answer; no two searches ask in the same order."""
        self._searches += 1
        results = await whole(self.criteria_of(self._searches), self.aggregator)
        assert not results.partial
        assert len(results.states) == len(self.urls)
        orjson.dumps(document(results, SPECIALTIES))

    def criteria_of(self, number: int) -> Criteria:
        """The same search in another order."""
        return replace(self.criteria, shuffle=str(number))


async def _cost(bench: _Bench) -> dict[str, float]:
    """Searches per second of the processor's time."""
    sizes = [len(await _body(bench, url)) for url in bench.urls]
    assert 30_000 <= statistics.mean(sizes) <= 42_000, sizes
    variants = {"bare": bench.bare, "search": bench.search}
    spent: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(-WARM_UP, COSTED):
        if number == 0:
            ecosystem.tune_collector()
        for name, each in variants.items():
            started = time.process_time()
            await each()
            if number >= 0:
                spent[name].append(time.process_time() - started)
    return {name: 1 / statistics.median(seconds) for name, seconds in spent.items()}


async def _body(bench: _Bench, url: URL) -> bytes:
    async with bench.session.get(url) as answer:
        return await answer.read()


async def _times(bench: _Bench) -> tuple[float, float, list[float]]:
    """Seconds: of one call and of bare calls to all in general, of searches in ascending order; by turns: all meet the
    same neighbours."""
    for _ in range(WARM_UP):
        await bench.search()
    ecosystem.tune_collector()
    calls: list[float] = []
    bare: list[float] = []
    searches: list[float] = []
    for _ in range(TIMED):
        for found, act in ((calls, bench.one), (bare, bench.bare), (searches, bench.search)):
            started = time.perf_counter()
            await act()
            found.append(time.perf_counter() - started)
    return statistics.median(calls), statistics.median(bare), sorted(searches)


async def _ten(bench: _Bench) -> dict[str, float]:
    return _timed("ten", 1.10, *await _times(bench))


async def _thirty(bench: _Bench) -> dict[str, float]:
    return _timed("thirty", 1.15, *await _times(bench))


def _timed(name: str, share: float, call: float, bare: float, searches: list[float]) -> dict[str, float]:
    """All as 1 / seconds; `share`: how much longer than a call a search may be."""
    return {
        f"call, {name}": 1 / call,
        f"bare, {name}": 1 / bare,
        name: 1 / statistics.median(searches),
        f"{name} p99": 1 / _p99(searches),
        f"bound, {name} p99": 1 / (share * call + 0.010),
    }


def _p99(ascending: Sequence[float]) -> float:
    return ascending[min(len(ascending) - 1, int(0.99 * len(ascending)))]


async def _calm(bench: _Bench) -> dict[str, float]:
    return {"calm": await _last_card(bench)}


async def _hung(bench: _Bench) -> dict[str, float]:
    return {"hung": await _last_card(bench)}


async def _last_card(bench: _Bench) -> float:
    """1 / seconds until the last card of the editors other than the hung one: median."""
    found = []
    for number in range(HELD_UP):
        started = last = time.perf_counter()
        seen: set[str] = set()
        async for event in run(bench.criteria_of(number), bench.aggregator):
            cards = {card.id for card in event.cards if card.editor != HUNG} if isinstance(event, Found) else set()
            if cards - seen:
                seen |= cards
                last = time.perf_counter()
        assert len(seen) == LOT - 2, len(seen)
        found.append(last - started)
    return 1 / statistics.median(found)


VARIANTS: dict[str, Callable[[_Bench], Awaitable[dict[str, float]]]] = {
    "cost": _cost,
    "calm": _calm,
    "hung": _hung,
    "ten": _ten,
    "thirty": _thirty,
}
