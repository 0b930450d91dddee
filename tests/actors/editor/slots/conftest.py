"""Desks of the shipped editors, whose clock a test may set."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox.config import Settings
from sandbox.editor.agenda import Agenda
from sandbox.editor.fhir.slots import Desk, answer_schedules, answer_slots
from sandbox.fhir.queries.search import schedule_query, slot_query
from sandbox.kernel.clock import PARIS, Clock
from sandbox.kernel.flows import IG_VERSIONS
from sandbox.population.load import load_population
from sandbox.population.people import Population
from tests.actors.editor.slots.stages import COMMUNE, GARDE, Stage

NOW = datetime(2026, 11, 23, 10, 3, tzinfo=PARIS)


class Office:
    """The editors of one population, and sandbox time. `ig`: the version of the guide by which they answer."""

    def __init__(self, population: Population, now: datetime = NOW, ig: str = IG_VERSIONS[0]) -> None:
        self.population, self.now, self.ig = population, now, ig
        self.clock = Clock(lambda: self.now.timestamp())
        self.desks: dict[str, Desk] = {}

    def desk(self, slug: str) -> Desk:
        """That editor's desk."""
        if slug not in self.desks:
            editor = self.population.editors[slug]
            agenda = Agenda(self.population, editor, self.clock)
            fhir, ui = f"https://127.0.0.1:8043/{slug}/fhir", f"http://127.0.0.1:8001/{slug}"
            self.desks[slug] = Desk(editor, self.population, agenda, self.clock, fhir, ui, ig=self.ig)
        return self.desks[slug]

    def example(self, name: str) -> tuple[str, list[str]]:
        """Editor and ids of an entry of `examples`."""
        value: Any = self.population.examples[name]
        return value["editor"], value.get("ids") or [value["id"]]

    def query(self, name: str, hours: float = 72, start: datetime | None = None) -> str:
        """What the SAS core asks for one of the examples."""
        slug, ids = self.example(name)
        first = start or self.now
        window = (first, first + timedelta(hours=hours))
        if name.startswith("sos"):
            return schedule_query(ids, *window)
        return slot_query(ids, *window, cpts=slug == "rdv-commune")

    def body(self, name: str, hours: float = 72, start: datetime | None = None) -> bytes:
        """The answer of the editor concerned."""
        slug, _ = self.example(name)
        answer = answer_schedules if name.startswith("sos") else answer_slots
        return answer(self.desk(slug), self.query(name, hours, start))

    def bundle(self, name: str, hours: float = 72, start: datetime | None = None) -> dict[str, Any]:
        """The same, parsed."""
        parsed: dict[str, Any] = json.loads(self.body(name, hours, start))
        return parsed


@pytest.fixture(scope="session")
def population() -> Population:
    return load_population(Settings(practitioners=400))


@pytest.fixture
def office(population: Population) -> Office:
    return Office(population)


@pytest.fixture(scope="session")
def office_of(population: Population) -> Callable[[int, datetime], Office]:
    """An office of another seed and time."""
    populations = {population.seed: population}

    def make(seed: int, now: datetime) -> Office:
        if seed not in populations:
            populations[seed] = load_population(Settings(seed=seed, practitioners=400))
        return Office(populations[seed], now)

    return make


@pytest.fixture(scope="session")
def official(shared: Path) -> Callable[..., list[str]]:
    """`errors(resource, ig)` of the official definitions."""
    spec = importlib.util.spec_from_file_location("profile_check", shared / "tools" / "profile_check.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    errors: Callable[..., list[str]] = module.errors
    return errors


@pytest.fixture
def stage(office) -> Callable[..., Stage]:
    def make(name: str, hours: float = 24) -> Stage:
        return Stage(office, office.query(name, hours), office.example(name)[0])

    return make


@pytest.fixture
def among(office) -> Callable[..., Stage]:
    """A search for these ids of an editor."""

    def make(slug: str, *ids: str, hours: float = 24) -> Stage:
        window = (office.now, office.now + timedelta(hours=hours))
        if slug == GARDE:
            return Stage(office, schedule_query(ids, *window), slug)
        return Stage(office, slot_query(ids, *window, cpts=slug == COMMUNE), slug)

    return make
