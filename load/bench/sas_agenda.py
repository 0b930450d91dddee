"""Searches whose slots are typed in the SAS agenda, from criteria to the octets of the API's answer, per second of the
processor's time; no network in any of them.

one editor   25 practitioners of one editor, whose answer (that our own editor made) is there at once; half of them
             have 20 free slots each in the three days
typed        the same practitioners without an editor, with the same slots typed in the SAS agenda

100          100 practitioners around Bordeaux with 100 typed slots each: a search in Bordeaux, and the memory of the
             process
10,000       the same with 9,900 more such practitioners elsewhere
"""

from __future__ import annotations

import asyncio
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from datetime import time as hour
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec

from load.bench.editors import LOT, NOW, frozen_clock
from load.bench.r03 import held_mib, pin
from sandbox import ecosystem
from sandbox.config import Settings
from sandbox.editor.agenda import Agenda as EditorAgenda
from sandbox.editor.fhir.server import FhirServer
from sandbox.editor.fhir.slots import answer_slots
from sandbox.kernel.clock import PARIS
from sandbox.kernel.flows import Flow
from sandbox.kernel.journal import Journal
from sandbox.kernel.model import AgendaTemplate, Editor, OpenRange, Place, Practitioner
from sandbox.net.http.client import Reply
from sandbox.population.load import load_population
from sandbox.population.people import Personas, Population
from sandbox.sas.agenda import agendas
from sandbox.sas.agenda.agenda import Agenda
from sandbox.sas.agenda.agendas import Agendas, Occupancy
from sandbox.sas.agenda.rows import encode
from sandbox.sas.agenda.series import Kind, Series
from sandbox.sas.agenda.week import regions_of
from sandbox.sas.api.answers import page
from sandbox.sas.directory.directory import Directory
from sandbox.sas.directory.specialties import SPECIALTIES
from sandbox.sas.search.aggregator import Aggregator
from sandbox.sas.search.criteria import read_criteria
from sandbox.sas.search.editors import EditorSources
from sandbox.sas.search.run import whole
from sandbox.sas.search.sources import SlotSource
from sandbox.sas.search.typed_slots import TypedSlots
from sandbox.store.embedded.tables import open_store
from sandbox.store.protocol import Put
from tests.support.contexts import make_context

ALLOWED_MIB = 150
FEW, MANY = 100, 10_000
_SLOTS = 100  # of each of these
_SEARCHES, _WARM_UP, _SLICES = 60, 20, 3
_EDITOR = "editeur"
_LENGTH = 60  # minutes
# 20 slots of an hour in the three days from NOW, a Tuesday.
_WEEK = AgendaTemplate(
    days=(), lunch=None, slot_minutes=_LENGTH, occupation=0.0, own_patients=0.0, reasons=("Fièvre",),
    ranges=(OpenRange((1, 2), hour(9), hour(16)), OpenRange((3,), hour(9), hour(15))),
)  # fmt: skip
_CLOSED = AgendaTemplate(days=())


def measure(rounds: int) -> dict[str, list[float]]:
    """Searches per second and MiB, `rounds` of each, the variants by turns."""
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        for pair in (("one editor", "typed"), (f"{FEW}", f"{MANY}")):
            for name, figures in _alternately(pair).items():
                found.setdefault(name, []).extend(figures)
    return found


def _alternately(names: Sequence[str]) -> dict[str, list[float]]:
    with _started(names[0]) as one, _started(names[1]) as other:
        pipes = dict(zip(names, (one, other), strict=True))
        found = {f"{name}, MiB": [pipe.recv()] for name, pipe in pipes.items()}
        for _ in range(_SLICES):
            for name, pipe in pipes.items():
                pipe.send("measure")
                found.setdefault(name, []).append(pipe.recv())
    return found


@contextmanager
def _started(variant: str) -> Iterator[Connection]:
    """A process that searches; it sends its memory, then searches per second each time it is told to measure."""
    processes = multiprocessing.get_context("spawn")
    ours, theirs = processes.Pipe()
    process = processes.Process(target=search_when_told, args=(variant, theirs), daemon=True)
    process.start()
    try:
        yield ours
    finally:
        ours.send("stop")
        process.join(10)


def search_when_told(variant: str, pipe: Connection) -> None:
    """The searching process."""
    pin(1)
    ecosystem.run(_search_when_told(variant, pipe))


async def _search_when_told(variant: str, pipe: Connection) -> int:
    with tempfile.TemporaryDirectory(prefix="sas-bench-") as directory:
        search, close = await _searching(variant, Path(directory))
        for _ in range(_WARM_UP):
            await search()
        ecosystem.tune_collector()
        pipe.send(held_mib())
        while await asyncio.to_thread(pipe.recv) == "measure":
            spent = []
            for _ in range(_SEARCHES):
                started = time.process_time()
                await search()
                spent.append(time.process_time() - started)
            pipe.send(1 / statistics.median(spent))
        await close()
    return 0


async def _searching(
    variant: str, directory: Path
) -> tuple[Callable[[], Awaitable[None]], Callable[[], Awaitable[None]]]:
    """What searches once, and what ends everything."""
    editor = _EDITOR if variant == "one editor" else ""
    population = _population([*_people(editor)] if variant in ("one editor", "typed") else [*_crowd(int(variant))])
    settings = Settings(data_dir=str(directory), mtls=False)
    context = make_context(settings, clock=frozen_clock(), journal=Journal(capacity=100), population=population)
    store = open_store(directory / "sas")
    if variant != "one editor":
        for at, person in enumerate(population.practitioners()):
            await store.commit(Put(agendas.TABLE, person.id, _row(person, at, crowd=variant != "typed")))
    sources: list[SlotSource] = [TypedSlots(context, Agendas(context, store), Occupancy())]
    directory_of = Directory(population)
    if editor:
        sources.append(EditorSources(context, _Ready(population), directory_of))  # type: ignore[arg-type]
    aggregator = Aggregator(directory_of, SPECIALTIES, sources, settings)
    criteria = read_criteria({"insee": "33063"}, directory_of, SPECIALTIES, NOW)
    slots = LOT // 2 * 20 if variant in ("one editor", "typed") else 0
    numbers = iter(range(1 << 30))

    async def search() -> None:
        results = await whole(replace(criteria, shuffle=f"{next(numbers)}"), aggregator)
        assert not results.partial
        assert not slots or sum(state.slots for state in results.sources) == slots, results.sources
        assert len(results.cards) == 5
        msgspec.json.encode(page(results, SPECIALTIES), enc_hook=list)

    async def close() -> None:
        await aggregator.close()
        await store.close()

    return search, close


class _Ready:
    """Stands in for the HTTP client: the editor's answer to a query, made once and there at once."""

    def __init__(self, population: Population) -> None:
        editor, clock = population.editors[_EDITOR], frozen_clock()
        agenda = EditorAgenda(population, editor, clock)
        self._server = FhirServer(editor, population, agenda, clock, "http://e/fhir", "http://e/u")
        self._answer: Reply | None = None

    async def request(self, method: str, url: str, **_: Any) -> Reply:
        """The answer; every search asks about the same practitioners, in another order."""
        if self._answer is None:
            self._answer = Reply(200, {}, answer_slots(self._server, url.partition("?")[2]))
        return self._answer

    async def close(self) -> None:
        """Nothing is open."""


def _population(people: Sequence[Practitioner]) -> Population:
    base = load_population(Settings(preset="minimal"))
    personas = Personas(
        territories=base.territories,
        towns=base.towns,
        editors={_EDITOR: Editor(_EDITOR, _EDITOR, "urn:oid:1.2.3", (Flow.INT_R01,), "")},
        practitioners=tuple(people),
        cpts={},
        sos={},
        regulators=base.regulators,
        examples={},
    )
    return Population(base.seed, personas, base.procedural.recipe)


def _people(editor: str) -> Iterator[Practitioner]:
    """25 practitioners in Bordeaux; every second one has slots."""
    for at in range(LOT):
        yield _person(at, editor, _WEEK if at % 2 else _CLOSED, "33063", (44.84 + at / 1000, -0.58))


def _crowd(count: int) -> Iterator[Practitioner]:
    """The first 100 around Bordeaux, the others around Rennes."""
    for at in range(count):
        insee, lat, lon = ("33063", 44.84, -0.58) if at < FEW else ("35238", 48.11, -1.68)
        yield _person(at, "", _CLOSED, insee, (lat + at % 10 / 1000, lon + at // 10 % 10 / 1000))


def _person(at: int, editor: str, week: AgendaTemplate, insee: str, point: tuple[float, float]) -> Practitioner:
    id = f"81990{at:07d}"
    place = Place(f"{id}-1", "1330000018", f"{at} rue du Décor", "33000", "Bordeaux", insee, *point, week)
    return Practitioner(id, f"MARTIN-{at}", "Camille", editor, (place,), phone="+33536490001")


def _row(person: Practitioner, at: int, *, crowd: bool) -> bytes:
    """Single slots of an hour from NOW on, ten a day; of the 25 practitioners: the 20 that the editor has."""
    kind = Kind(person.places[0].id, reasons=("Fièvre",))
    day = NOW.toordinal()
    hours = [(day + number // 10, 9 + number % 10) for number in range(_SLOTS)]
    if not crowd:
        starts = [_instants(each) for each in range(3)] if at % 2 else []
        hours = [(start.toordinal(), start.hour) for some in starts for start in some]
    series = [Series(f"{number}", each, each, start * 60, _LENGTH, kind) for number, (each, start) in enumerate(hours)]
    return encode(Agenda(person.id, regions_of(person), tuple(series), serial=len(series)))


def _instants(days: int) -> list[datetime]:
    """When the slots of `_WEEK` begin on a day."""
    day = (NOW + timedelta(days=days)).date()
    return [
        datetime(day.year, day.month, day.day, at, tzinfo=PARIS)
        for each in _WEEK.ranges
        if day.weekday() in each.days
        for at in range(each.opens.hour, each.closes.hour)
    ]
