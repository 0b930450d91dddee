"""The directory: the population as the platform sees it, searchable by specialty and area. Pure.

A search costs the area, not the country: places of practice are kept per specialty in cells of a coarse grid.
Radius and enlargement follow the town's département (contextual call, « centre et rayon »).
"""

from __future__ import annotations

import math
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from sandbox.kernel.flows import Flow
from sandbox.kernel.identifiers import Identifier, prefixed_person
from sandbox.kernel.model import Practitioner, Regulator, SosAssociation, Town
from sandbox.population.people import Population

GENERAL_MEDICINE = frozenset({"SM26", "SM53", "SM54"})  # R38 has three codes for general practitioners
CELL_DEGREES = 0.1  # 11 km from south to north
KM_PER_DEGREE = 111.2

# Radius of a search around a town, and what is added when nothing is found (km), by département: dense ones small.
RADIUS_KM = {
    "33": (10.0, 5.0),
    "35": (10.0, 5.0),
    "69": (5.0, 3.0),
}
FALLBACK_RADIUS_KM = (20.0, 10.0)


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
    """A practitioner whom an editor can be asked about; `distance_km` is that of the nearest place."""

    practitioner: Practitioner
    distance_km: float


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
    """Indexes over one population, made once at start-up."""

    def __init__(self, population: Population) -> None:
        self.population = population
        self._towns_by_name: dict[str, list[Town]] = defaultdict(list)
        for town in population.towns.values():
            self._towns_by_name[folded(town.name)].append(town)
        self._cells: dict[str, dict[tuple[int, int], list[str]]] = defaultdict(lambda: defaultdict(list))
        for practitioner in population.practitioners():
            self._index(practitioner)

    def _index(self, practitioner: Practitioner) -> None:
        code = practitioner.specialty
        if code is None or not self._is_interfaced(practitioner):
            return
        for cell in {_cell(place.lat, place.lon) for place in practitioner.places}:
            self._cells[_group(code)][cell].append(practitioner.id)

    def _is_interfaced(self, practitioner: Practitioner) -> bool:
        editor = self.population.editors.get(practitioner.editor)
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
            town for town in named if all(digit in (town.department, town.postal_code, town.insee) for digit in digits)
        ]
        return next(iter(matching or named), None)

    def candidates(self, specialty: str, area: Area, besides: Collection[str] = ()) -> list[Candidate]:
        """Interfaced practitioners of a specialty with a place in the area, in the order of the dataset.

        The three codes of general medicine are one specialty. `besides`: ids that are left out.
        """
        found: dict[str, Candidate] = {}
        cells = self._cells.get(_group(specialty), {})
        for cell in _cells_of(area):
            for id in cells.get(cell, ()):
                if id not in found and id not in besides and (near := self._near(id, area)) is not None:
                    found[id] = near
        return list(found.values())

    def _near(self, id: str, area: Area) -> Candidate | None:
        practitioner = self.population.practitioner(id)
        if practitioner is None:
            return None
        nearest = min(distance_km(area.lat, area.lon, place.lat, place.lon) for place in practitioner.places)
        return Candidate(practitioner, nearest) if nearest <= area.radius_km else None

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

    def regulator(self, identifier: Identifier) -> Regulator | None:
        """The account of exactly that pair (system, value): a value under another system is somebody else."""
        regulator = self.population.regulator(identifier.key)
        return regulator if regulator is not None and regulator.identifier.key == identifier.key else None

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


def _cell(lat: float, lon: float) -> tuple[int, int]:
    return math.floor(lat / CELL_DEGREES), math.floor(lon / CELL_DEGREES)


def _cells_of(area: Area) -> Iterator[tuple[int, int]]:
    """Every cell that the square around the circle touches."""
    north = area.radius_km / KM_PER_DEGREE
    east = north / max(0.05, math.cos(math.radians(area.lat)))
    south_west, north_east = _cell(area.lat - north, area.lon - east), _cell(area.lat + north, area.lon + east)
    for row in range(south_west[0], north_east[0] + 1):
        for column in range(south_west[1], north_east[1] + 1):
            yield row, column
