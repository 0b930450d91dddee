"""What the results page shows of a search in its present state. Pure.

Cards are numbered through all pages, and the map carries the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, tzinfo
from enum import StrEnum
from functools import lru_cache
from typing import TypeAlias

from sandbox.fhir.nos import CONSULTATIONS
from sandbox.population.people import Population
from sandbox.sas.console.map import Drawing, MapPoint, drawing
from sandbox.sas.search.cards import Card, CardPlace, CardSlot
from sandbox.sas.search.criteria import DISTANCE, SHUFFLED
from sandbox.sas.search.events import CARDS_PER_PAGE, Results
from sandbox.web.filters import short_time

SHOWN = 6  # slots of a day that are visible at first; the others are shown on request
DAY_WORDS = ("aujourd'hui", "demain", "après-demain")
VISIBILITIES: Mapping[str, str] = {
    "PUBLIC": "Grand public",
    "PRO": "Professionnels de santé",
    "SNP": "Régulation (SNP)",
    "CPTS": "CPTS",
}
TYPES = ("VR", "HH")  # consultations that do not take place at the surgery
WORDS: Mapping[str, str] = {"VR": "téléconsultation", "HH": "à domicile"}
MARKS: Mapping[str, str] = {"VR": "télé", "HH": "domicile"}
Choices: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Filter:
    """One group of the form. `several`: boxes to tick, else one of a list that begins with `nothing`."""

    name: str
    legend: str
    choices: Choices
    several: bool = True
    nothing: str = ""


FILTERS = (
    Filter("visibility", "Visibilité", tuple(VISIBILITIES.items())),
    Filter("type", "Type de consultation", tuple(CONSULTATIONS.items())),
    Filter(
        "kind",
        "Structure",
        (
            ("cpts", "CPTS"),
            ("sos", "SOS Médecins"),
            ("cds", "Centre de santé"),
            ("msp", "Maison de santé"),
        ),
    ),
    Filter(
        "booking",
        "Prise de rendez-vous",
        (("with", "sur rendez-vous"), ("without", "sans rendez-vous")),
        several=False,
        nothing="avec ou sans",
    ),
    Filter(
        "within",
        "Distance",
        tuple((str(km), f"{km} km au plus") for km in (2, 5, 10, 20, 50)),
        several=False,
        nothing="tout le rayon",
    ),
    Filter(
        "order",
        "Ordre",
        ((DISTANCE, "du plus proche au plus loin"), (SHUFFLED, "mélangé")),
        several=False,
        nothing="selon le lieu",
    ),
)


@dataclass(frozen=True, slots=True)
class ShownSlot:
    """A slot. `time`: when it begins, local time; `marks`: short texts beside the time; `words`: everything known about
    the slot."""

    slot: CardSlot
    time: str
    marks: tuple[str, ...]
    words: str


@dataclass(frozen=True, slots=True)
class Day:
    """A column of a place. `word`: « demain », "" for later days; `slots` are visible, `more` are shown on request."""

    date: date
    word: str
    slots: Sequence[ShownSlot]
    more: Sequence[ShownSlot]


@dataclass(frozen=True, slots=True)
class ShownPlace:
    """A place with free slots."""

    place: CardPlace
    days: tuple[Day, ...]


@dataclass(frozen=True, slots=True)
class ShownCard:
    """A card of the page. `number`: counted through all pages; `first`: it is the preferred doctor's."""

    card: Card
    number: int
    first: bool
    places: tuple[ShownPlace, ...]


class Empty(StrEnum):
    """Why a page has no card: it is after the last page; the area has nobody of that specialty; no source answered;
    some sources did not answer; or all answered, and nothing is free."""

    BEYOND = "beyond"
    NOBODY = "nobody"
    UNANSWERED = "unanswered"
    PARTLY = "partly"
    BUSY = "busy"


@dataclass(frozen=True, slots=True)
class ResultsView:
    """The part of the page that follows the search. `total`: cards with slots found so far, of all pages."""

    results: Results
    running: bool
    cards: tuple[ShownCard, ...]
    drawing: Drawing
    total: int

    @classmethod
    def of(cls, results: Results, population: Population, *, running: bool) -> ResultsView:
        """The view of a search in its present state."""
        first = CARDS_PER_PAGE * (results.criteria.page - 1) + 1
        cards = tuple(_shown(card, number, results) for number, card in enumerate(results.cards, first))
        spots = [*_spots(cards, results, population)]
        drawn = drawing(results.area, spots, population.towns.values())
        return cls(results, running, cards, drawn, sum(len(lot.cards) for lot in results.lots.values()))

    @property
    def days(self) -> tuple[date, ...]:
        """The days of the search."""
        return self.results.criteria.days

    @property
    def enlarged_from(self) -> float | None:
        """The radius (km) in which nothing was found, when the area was enlarged; else None."""
        asked = self.results.criteria.area.radius_km
        return asked if self.results.area.radius_km > asked else None

    @property
    def empty(self) -> Empty | None:
        """Why the search ended without a card; None while it is running, and when it has cards."""
        results = self.results
        if self.running or self.cards:
            return None
        if results.criteria.page > 1:
            return Empty.BEYOND
        if not results.sources:
            return Empty.NOBODY
        if not results.partial:
            return Empty.BUSY
        return Empty.PARTLY if len(results.failures) < len(results.sources) else Empty.UNANSWERED

    @property
    def unplaced(self) -> tuple[ShownCard, ...]:
        """The cards of the page that are not on the map: the directory does not know their places."""
        placed = {mark.spot.card for mark in self.drawing.free}
        return tuple(shown for shown in self.cards if shown.card.key not in placed)


def _shown(card: Card, number: int, results: Results) -> ShownCard:
    places = tuple(ShownPlace(place, (*_days(place, results),)) for place in card.places if place.slots)
    return ShownCard(card, number, card.id == results.criteria.preferred, places)


def _days(place: CardPlace, results: Results) -> Iterator[Day]:
    criteria = results.criteria
    today = criteria.start.astimezone(criteria.zone).date()
    for day in criteria.days:
        slots = [_shown_slot(slot, criteria.zone) for slot in place.on(day, criteria.zone)]
        away = (day - today).days
        word = DAY_WORDS[away] if away < len(DAY_WORDS) else ""
        yield Day(day, word, slots[:SHOWN], slots[SHOWN:])


def _shown_slot(slot: CardSlot, zone: tzinfo) -> ShownSlot:
    marks, words = _kind(slot.walkin, slot.types, slot.reasons, slot.visibilities, slot.cpts)
    start = short_time(slot.start, zone)
    return ShownSlot(slot, start, marks, f"de {start} à {short_time(slot.end, zone)}{words}")


@lru_cache(maxsize=1024)
def _kind(
    walkin: bool,
    types: tuple[str, ...],
    reasons: tuple[str, ...],
    visibilities: tuple[str, ...],
    cpts: tuple[str, ...],
) -> tuple[tuple[str, ...], str]:
    """Marks and words of a slot, shown beside its time. Cached: a page has hundreds of slots, most of the same kind."""
    words = [
        *(["sans rendez-vous"] if walkin else []),
        *(WORDS[code] for code in TYPES if code in types),
        *([f"motif : {', '.join(reasons)}"] if reasons else []),
        *([f"visible : {', '.join(VISIBILITIES.get(code, code) for code in visibilities)}"] if visibilities else []),
        *cpts,
    ]
    marks = [*(["sans rdv"] if walkin else []), *(MARKS[code] for code in TYPES if code in types)]
    if visibilities and "PUBLIC" not in visibilities:
        marks.append(" ".join(visibilities))
    return tuple(marks), "".join(f", {each}" for each in words)


def _spots(cards: Sequence[ShownCard], results: Results, population: Population) -> Iterator[MapPoint]:
    """The places of the page's cards and of those without slots, as far as the directory knows them."""
    for shown in cards:
        for place in shown.card.places:
            if place.slots and (at := _where(place, population)) is not None:
                yield MapPoint(shown.card.key, shown.card.name, *at, shown.number, len(place.slots))
    for card in results.without_slots:
        for place in card.places:
            if (at := _where(place, population)) is not None:
                yield MapPoint(card.id, card.name, *at)


def _where(place: CardPlace, population: Population) -> tuple[float, float] | None:
    known = population.place(place.id) or population.site(place.id)
    return (known[1].lat, known[1].lon) if known is not None else None
