"""The directory: the population as the platform sees it, searchable by specialty and area. Pure.

A search costs the area, not the country: places of practice are kept per specialty in cells of a coarse grid, as
arrays of coordinates; the practitioners of a département are read into it when a search first touches the département.
Radius and enlargement follow the town's département (contextual call, « centre et rayon »).
"""

from __future__ import annotations

import math
import unicodedata
from array import array
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice

from sandbox.kernel.flows import Flow
from sandbox.kernel.identifiers import prefixed_person
from sandbox.kernel.model import Practitioner, SosAssociation, Town
from sandbox.population.people import Population
from sandbox.population.procedural import Settled

GENERAL_MEDICINE = frozenset({"SM26", "SM53", "SM54"})  # R38 has three codes for general practitioners
CELL_DEGREES = 0.1  # 11 km from south to north
KM_PER_DEGREE = 111.2

_Key = tuple[int, int]  # row and column of a cell

# Radius of a search around a town, and what is added when nothing is found (km): the denser the département, the less.
FALLBACK_RADIUS_KM = (20.0, 10.0)  # also where the platform's table has none: Guyane and Mayotte
_RADII = {
    (5.0, 3.0): "69 75 92 93 94 95",
    (10.0, 5.0): "06 13 14 29 30 31 33 34 35 38 42 44 54 57 59 62 66 67 68 74 76 77 78 83 84 90 91 971 972 974",
    (30.0, 15.0): "02 03 07 08 11 16 2A 28 39 40 41 43 47 53 65 71 79 88",
    (40.0, 20.0): "05 09 10 18 19 2B 24 32 46 61 70 89",
    (50.0, 25.0): "04 12 15 23 36 48 52 55 58",
}
RADIUS_KM = {code: radius for radius, codes in _RADII.items() for code in codes.split()}


@dataclass(frozen=True, slots=True)
class Area:
    """Where to look: centre in degrees, radius in km, and by how much it grows when nothing is found."""

    lat: float
    lon: float
    radius_km: float
    enlargement_km: float

    def enlarged(self) -> Area:
        """The same centre, one enlargement further."""
        return Area(self.lat, self.lon, self.radius_km + self.enlargement_km, self.enlargement_km)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A practitioner whom an editor can be asked about; `distance_km` is that of the nearest place.

    Of the thousands around a city few are ever asked, so the person behind the id is looked up when needed.
    """

    id: str
    distance_km: float
    population: Population = field(repr=False, compare=False)

    @property
    def practitioner(self) -> Practitioner:
        """The person."""
        found = self.population.practitioner(self.id)
        assert found is not None, self.id
        return found


@dataclass(slots=True)
class _Cell:
    """The places of one specialty in one cell: whose they are, and their latitudes and longitudes in turn."""

    ids: list[str] = field(default_factory=list)
    spots: array[float] = field(default_factory=lambda: array("d"))


def area_of(town: Town) -> Area:
    """Area around a town, by the table of its département (an unknown one: the fallback)."""
    radius, enlargement = RADIUS_KM.get(town.department, FALLBACK_RADIUS_KM)
    return Area(town.lat, town.lon, radius, enlargement)


def distance_km(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    """Great-circle distance (haversine)."""
    phi1, phi2 = math.radians(lat1), math.radians(lat2)
    half = math.sin((phi2 - phi1) / 2) ** 2
    half += math.cos(phi1) * math.cos(phi2) * math.sin(math.radians(lon2 - lon1) / 2) ** 2
    return 12742.0 * math.asin(min(1.0, math.sqrt(half)))


def folded(text: str) -> str:
    """A name without accents, case, hyphens or apostrophes, `Saint` for `St`: for comparing what people type."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    words = "".join(char if char.isalnum() else " " for char in plain).split()
    return " ".join({"st": "saint", "ste": "sainte"}.get(word, word) for word in words)


class Directory:
    """Indexes over one population, made at start-up and again when other people have come."""

    def __init__(self, population: Population) -> None:
        self._source = population
        self._begin()
        population.watch(self._begin)

    def _begin(self) -> None:
        population = self.population = self._source.current
        vars(self).pop("_towns_by_name", None)
        self._cells: dict[str, dict[_Key, _Cell]] = defaultdict(lambda: defaultdict(_Cell))
        self._unread = dict(population.departments)
        for person in population.handmade():
            spots = tuple((place.lat, place.lon) for place in person.places)
            self._index(Settled(person.id, person.editor, person.specialty, spots))

    @cached_property
    def _towns_by_name(self) -> dict[str, list[Town]]:
        found: dict[str, list[Town]] = defaultdict(list)
        for town in self.population.towns.values():
            found[folded(town.name)].append(town)
        return found

    def _index(self, person: Settled) -> None:
        if person.specialty is None or not self._is_interfaced(person.editor):
            return
        cells = self._cells[_group(person.specialty)]
        for spot in person.spots:
            cell = cells[_cell(*spot)]
            cell.ids.append(person.id)
            cell.spots.extend(spot)

    def _read(self, area: Area) -> None:
        """Index the départements that the area touches and that were not read yet."""
        low, high = _corners(area)
        for code, (south, north, west, east) in [*self._unread.items()]:
            if south <= high[0] and low[0] <= north and west <= high[1] and low[1] <= east:
                del self._unread[code]
                for person in self.population.settled_in(code):
                    self._index(person)

    def _is_interfaced(self, slug: str) -> bool:
        editor = self.population.editors.get(slug)
        return editor is not None and (editor.speaks(Flow.INT_R01) or editor.speaks(Flow.INT_R04))

    def town(self, insee: str = "", name: str = "") -> Town | None:
        """The town by INSEE code, else by name (`Bordeaux`, `bordeaux (33)`, `33000 Bordeaux`); None if unknown.

        Of several towns of one name, the first of the dataset; a département or postal code in the text decides.
        """
        if insee in self.population.towns:
            return self.population.towns[insee]
        words = folded(name).split()
        digits = [word for word in words if word[0].isdigit()]
        named = self._towns_by_name.get(" ".join(word for word in words if not word[0].isdigit()), [])
        matching = [
            town
            for town in named
            if all(digit in (town.department.lower(), town.postal_code, town.insee.lower()) for digit in digits)
        ]
        return next(iter(matching or named), None)

    def suggestions(self, most: int) -> list[str]:
        """What to offer to somebody who types: names of the first towns of the dataset (the hand-made ones, then the
        largest), with the département where several have the name."""
        named = (
            (town, self._towns_by_name[folded(town.name)]) for town in islice(self.population.towns.values(), most)
        )
        texts = (f"{town.name} ({town.department})" if len(same) > 1 else town.name for town, same in named)
        return sorted(texts, key=folded)

    def candidates(self, specialty: str, area: Area, besides: Collection[str] = ()) -> list[Candidate]:
        """Interfaced practitioners of a specialty with a place in the area, in the order of the dataset.

        The three codes of general medicine are one specialty. `besides`: ids that are left out.
        """
        self._read(area)
        found: dict[str, float] = {}
        cells = self._cells.get(_group(specialty), {})
        for cell in _cells_of(area):
            if (held := cells.get(cell)) is not None:
                _gather(found, held, area)
        return [Candidate(id, distance, self.population) for id, distance in found.items() if id not in besides]

    def associations(self, area: Area) -> list[SosAssociation]:
        """SOS associations with a consultation site in the area whose editor speaks the SOS search."""
        return [
            association
            for association in self.population.sos.values()
            if self._speaks_sos(association)
            and any(distance_km(area.lat, area.lon, site.lat, site.lon) <= area.radius_km for site in association.sites)
        ]

    def _speaks_sos(self, association: SosAssociation) -> bool:
        editor = self.population.editors.get(association.editor)
        return editor is not None and editor.speaks(Flow.SOS)

    def practitioner(self, national_id: str) -> Practitioner | None:
        """By national id, prefixed or not."""
        return self.population.practitioner(prefixed_person(national_id))

    def organization_of(self, practitioner: Practitioner) -> str | None:
        """The CPTS that he takes part through, else his structure when he has only one; prefixed IDNST."""
        if practitioner.cpts:
            return practitioner.cpts[0]
        structures = {place.structure for place in practitioner.places}
        return structures.pop() if len(structures) == 1 else None

    def association_of(self, editor: str) -> str | None:
        """SIRET of the SOS association that an editor serves, when it serves only one."""
        served = [association.siret for association in self.population.sos.values() if association.editor == editor]
        return served[0] if len(served) == 1 else None


def _group(specialty: str) -> str:
    return "SM54" if specialty in GENERAL_MEDICINE else specialty


def _cell(lat: float, lon: float) -> _Key:
    return math.floor(lat / CELL_DEGREES), math.floor(lon / CELL_DEGREES)


def _corners(area: Area) -> tuple[tuple[float, float], tuple[float, float]]:
    """The south-western and the north-eastern corner of the square around the circle, in degrees."""
    north = area.radius_km / KM_PER_DEGREE
    east = north / max(0.05, math.cos(math.radians(area.lat)))
    return (area.lat - north, area.lon - east), (area.lat + north, area.lon + east)


def _cells_of(area: Area) -> Iterator[_Key]:
    """Every cell that this square touches."""
    low, high = _corners(area)
    first, last = _cell(*low), _cell(*high)
    for row in range(first[0], last[0] + 1):
        for column in range(first[1], last[1] + 1):
            yield row, column


def _gather(found: dict[str, float], cell: _Cell, area: Area) -> None:
    """Add who has a place of the cell in the area; the nearest of his places counts."""
    spots = iter(cell.spots)
    for id, lat, lon in zip(cell.ids, spots, spots, strict=True):
        distance = distance_km(area.lat, area.lon, lat, lon)
        if distance <= area.radius_km and distance < found.get(id, math.inf):
            found[id] = distance
