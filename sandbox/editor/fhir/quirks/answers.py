"""What a quirk works on: the answer to a search, the search itself, and whom the quirk concerns. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sandbox.fhir.queries.search import window_end, written_ids
from sandbox.kernel.clock import PARIS
from sandbox.population.agendas.agenda import zone_of
from sandbox.population.people import Population

Node = dict[str, Any]  # a JSON object


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to a search: `document` is the searchset, or an OperationOutcome."""

    status: int
    document: Node


@dataclass(frozen=True, slots=True)
class Search:
    """What was searched. `asked`: prefixed id -> how it was written in the query; `end`: of the window."""

    population: Population
    asked: Mapping[str, str]
    now: datetime
    end: datetime

    def owner(self, schedule: str) -> str | None:
        """Prefixed id of the practitioner or association whose schedule it is."""
        return _holder_of(self.population, schedule)

    def owner_of(self, resource: Node) -> str | None:
        """As the function `owner_of`, in this search's population."""
        return owner_of(self.population, resource)

    def zone(self, schedule: str) -> ZoneInfo:
        """The time zone of a schedule's place."""
        where = self.population.place(schedule) or self.population.site(schedule)
        return zone_of(where[1].insee) if where else PARIS

    def stored(self, key: str) -> str:
        """A prefixed id as the agenda stores it; SIRETs are stored without their prefix."""
        person = self.population.practitioner(key)
        return (person.stored_id or person.id) if person else key[1:]


Concerns = Callable[[str | None], bool]  # whether a quirk concerns the owner with that prefixed id (None: no owner)
Quirk = Callable[[Answer, Search, Concerns], Answer]


def search_of(population: Population, raw_query: str, now: datetime) -> Search:
    """What a query that was answered correctly asked for."""
    return Search(population, written_ids(raw_query), now, window_end(raw_query))


def _holder_of(population: Population, schedule: str) -> str | None:
    if placed := population.place(schedule):
        return placed[0].id
    sited = population.site(schedule)
    return sited[0].siret if sited else None


def owner_of(population: Population, resource: Node) -> str | None:
    """Prefixed id of the practitioner or association that a resource belongs to; None for the resources of a CPTS."""
    kind, key = resource["resourceType"], str(resource["id"])
    if kind == "Slot":
        return _holder_of(population, schedule_of(resource))
    if kind in ("Schedule", "PractitionerRole", "Location"):
        return _holder_of(population, key)
    return key if kind == "Practitioner" or key in population.sos else None


def entries_of(bundle: Node, kind: str) -> Iterator[Node]:
    """The entries whose resource has that type."""
    return (entry for entry in bundle.get("entry", ()) if entry["resource"]["resourceType"] == kind)


def slots_of(bundle: Node) -> list[Node]:
    """The Slot resources of a bundle."""
    return [entry["resource"] for entry in entries_of(bundle, "Slot")]


def schedule_of(slot: Node) -> str:
    """Id of the Schedule that a Slot refers to."""
    return str(slot["schedule"]["reference"]).partition("/")[2]


def cpts_named_by(slots: Iterable[Node]) -> Collection[str]:
    """FINESS of the CPTS that slots name; it is the id of their HealthcareService and of their Organization."""
    return {
        extension["valueReference"]["reference"].partition("/")[2]
        for slot in slots
        for concept in slot.get("serviceType", ())
        for extension in concept.get("extension", ())
    }


def is_of_cpts(resource: Node, search: Search) -> bool:
    """True for the HealthcareService and the Organization of a CPTS."""
    return resource["id"] in search.population.cpts


def drop(bundle: Node, gone: Callable[[Node], bool]) -> None:
    """Remove the entries whose resource is `gone`, and subtract removed slots from the total."""
    entries = bundle.pop("entry", [])
    kept = [entry for entry in entries if not gone(entry["resource"])]
    before, after = (sum(each["resource"]["resourceType"] == "Slot" for each in some) for some in (entries, kept))
    bundle["total"] -= before - after
    if kept:
        bundle["entry"] = kept
