"""Servers of the shipped editors, whose clock a test may set."""

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
from sandbox.editor.fhir.server import FhirServer
from sandbox.editor.fhir.slots import answer_schedules, answer_slots
from sandbox.fhir.queries.search import schedule_query, slot_query
from sandbox.kernel.clock import PARIS, Clock
from sandbox.kernel.flows import IG_VERSIONS
from sandbox.population.load import load_population
from sandbox.population.people import Population
from tests.actors.editor.slots.example_searches import COMMUNE, GARDE, ExampleSearch

NOW = datetime(2026, 11, 23, 10, 3, tzinfo=PARIS)


class LocalEditors:
    """The editors of one population, and sandbox time. `ig`: the version of the guide that they follow."""

    def __init__(self, population: Population, now: datetime = NOW, ig: str = IG_VERSIONS[0]) -> None:
        self.population, self.now, self.ig = population, now, ig
        self.clock = Clock(lambda: self.now.timestamp())
        self.servers: dict[str, FhirServer] = {}

    def server(self, slug: str) -> FhirServer:
        """That editor's server."""
        if slug not in self.servers:
            editor = self.population.editors[slug]
            agenda = Agenda(self.population, editor, self.clock)
            fhir, ui = f"https://127.0.0.1:8043/{slug}/fhir", f"http://127.0.0.1:8001/{slug}"
            self.servers[slug] = FhirServer(editor, self.population, agenda, self.clock, fhir, ui, ig=self.ig)
        return self.servers[slug]

    def example(self, name: str) -> tuple[str, list[str]]:
        """Editor and ids of an entry of `examples`."""
        value: Any = self.population.examples[name]
        return value["editor"], value.get("ids") or [value["id"]]

    def query(self, name: str, hours: float = 72, start: datetime | None = None) -> str:
        """The query that the SAS core sends for one of the examples."""
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
        return answer(self.server(slug), self.query(name, hours, start))

    def bundle(self, name: str, hours: float = 72, start: datetime | None = None) -> dict[str, Any]:
        """The same, parsed."""
        parsed: dict[str, Any] = json.loads(self.body(name, hours, start))
        return parsed


@pytest.fixture(scope="session")
def population() -> Population:
    return load_population(Settings(practitioners=400))


@pytest.fixture
def editors(population: Population) -> LocalEditors:
    return LocalEditors(population)


@pytest.fixture(scope="session")
def editors_of(population: Population) -> Callable[[int, datetime], LocalEditors]:
    """An editors of another seed and time."""
    populations = {population.seed: population}

    def make(seed: int, now: datetime) -> LocalEditors:
        if seed not in populations:
            populations[seed] = load_population(Settings(seed=seed, practitioners=400))
        return LocalEditors(populations[seed], now)

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
def searched(editors) -> Callable[..., ExampleSearch]:
    def make(name: str, hours: float = 24) -> ExampleSearch:
        return ExampleSearch(editors, editors.query(name, hours), editors.example(name)[0])

    return make


@pytest.fixture
def among(editors) -> Callable[..., ExampleSearch]:
    """A search for these ids of an editor."""

    def make(slug: str, *ids: str, hours: float = 24) -> ExampleSearch:
        window = (editors.now, editors.now + timedelta(hours=hours))
        if slug == GARDE:
            return ExampleSearch(editors, schedule_query(ids, *window), slug)
        return ExampleSearch(editors, slot_query(ids, *window, cpts=slug == COMMUNE), slug)

    return make
