"""The cost of a whole search in addition to its calls, and the time until its cards are available.

The editors are one process that answers with the bodies that our own editors make, kept from the first time
(`editors.py`); the search runs in another, from criteria to the octets of the API's answer. Each has a core of its own
where there are two.

bare      aiohttp asks the same ten editors the same questions at once and reads the answers with orjson, no more
search    a whole search over these ten editors, 35 KB each
          both per second of the processor's time

calm      a search whose editors answer in 50 ms, until the last card of nine of them
hung      the same, while the tenth does not answer at all

call, …   the slowest editor's time: one call by the barest client to one editor that answers in 50 ms, while nobody
          else asks, by turns with the searches
floor, …  the barest client's calls to all of them at once: octets counted, nothing read
aiohttp, …       `bare` with these editors
ten, thirty      half of the searches over so many such editors end within …; `… p99`: 99 of 100, `bound`: may take
          (where `call, … p99` misses it too, something else used the machine)
          all of these as 1 / seconds
"""

from __future__ import annotations

import asyncio
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

import aiohttp
import msgspec
import orjson
from yarl import URL

from load.bench.editors import HUNG, LOT, NOW, Barest, barest, frozen_clock, people, serve
from load.bench.r03 import pin
from sandbox import ecosystem
from sandbox.config import EDITORS_FHIR, Settings
from sandbox.kernel.journal import Journal
from sandbox.net.http.client import HttpClient
from sandbox.population.people import Population
from sandbox.sas.api.answers import page
from sandbox.sas.directory.directory import Directory
from sandbox.sas.directory.specialties import SPECIALTIES
from sandbox.sas.search.aggregator import Aggregator
from sandbox.sas.search.criteria import Criteria, read_criteria
from sandbox.sas.search.editor_queries import association_queries, practitioner_queries
from sandbox.sas.search.editors import EditorSources
from sandbox.sas.search.events import Found
from sandbox.sas.search.lots import lots, ordered
from sandbox.sas.search.run import run, whole
from tests.support.contexts import make_context

DELAY_S = 0.05
HUNG_TIMEOUT_S = 1.0
WARM_UP = 60  # searches that warm up: every question was asked once
COSTED = 160  # searches, alternating with the bare client
TIMED, HELD_UP = 200, 8
COMPARED = 4  # turns: in one of so many, the variants without a limit are measured too


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
    server = processes.Process(target=serve, args=_editors(variant, theirs), daemon=True)
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


def _editors(variant: str, pipe: Connection) -> tuple[int, float, bool, Connection]:
    return _editors_of(variant), 0.0 if variant == "cost" else DELAY_S, variant == "hung", pipe


def _editors_of(variant: str) -> int:
    return 30 if variant == "thirty" else 10


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
    """The environment of a search, and the bare client that asks the same."""

    def __init__(self, settings: Settings, population: Population) -> None:
        context = make_context(settings, clock=frozen_clock(), journal=Journal(capacity=100), population=population)
        self.http = HttpClient(context, "sas", "sas")
        directory = Directory(population)
        editors = EditorSources(context, self.http, directory)
        self.aggregator = Aggregator(directory, SPECIALTIES, [editors], settings)
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
        """End the running operations."""
        await self.aggregator.close()
        await self.http.close()
        await self.session.close()

    async def bare(self) -> None:
        """The same requests, without what a search adds."""
        await asyncio.gather(*map(self._fetched, self.urls))

    async def _fetched(self, url: URL) -> object:
        async with self.session.get(url) as answer:
            return orjson.loads(await answer.read())

    async def search(self) -> None:
        """From the criteria to the octets of the answer; every search asks in another order."""
        self._searches += 1
        results = await whole(self.criteria_of(self._searches), self.aggregator)
        assert not results.partial
        assert len(results.states) == len(self.urls)
        msgspec.json.encode(page(results, SPECIALTIES))

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


async def _times(bench: _Bench) -> dict[str, list[float]]:
    """Seconds that each took. They alternate, so that other load on the machine slows all of them alike."""
    clients = await barest(bench.urls[0].port or 0, [url.raw_path_qs for url in bench.urls])
    for _ in range(WARM_UP):
        await bench.search()
        await asyncio.gather(*map(Barest.ask, clients))
    ecosystem.tune_collector()
    judged = {"call": clients[0].ask, "search": bench.search}
    compared = {"floor": lambda: asyncio.gather(*map(Barest.ask, clients)), "aiohttp": bench.bare}
    found: dict[str, list[float]] = {name: [] for name in (*judged, *compared)}
    for turn in range(TIMED):
        for name, act in (judged if turn % COMPARED else {**judged, **compared}).items():
            started = time.perf_counter()
            await act()
            found[name].append(time.perf_counter() - started)
    for client in clients:
        client.close()
    return found


async def _ten(bench: _Bench) -> dict[str, float]:
    return _timed("ten", 1.10, await _times(bench))


async def _thirty(bench: _Bench) -> dict[str, float]:
    return _timed("thirty", 1.15, await _times(bench))


def _timed(name: str, share: float, found: dict[str, list[float]]) -> dict[str, float]:
    """All as 1 / seconds; `share`: the factor by which a search may be longer than a call."""
    half = {each: statistics.median(seconds) for each, seconds in found.items()}
    return {
        **{f"{each}, {name}": 1 / half[each] for each in ("call", "floor", "aiohttp")},
        name: 1 / half["search"],
        f"{name} p99": 1 / _p99(sorted(found["search"])),
        f"call, {name} p99": 1 / _p99(sorted(found["call"])),
        f"bound, {name} p99": 1 / (share * half["call"] + 0.010),
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
            cards = {card.id for card in event.cards if card.source != HUNG} if isinstance(event, Found) else set()
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
