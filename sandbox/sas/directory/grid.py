"""Where practitioners consult: an index by specialty and area. Pure.

The cost of a lookup depends on the area, not on the country: places of practice are kept per group of specialties in
cells of a coarse grid, as arrays of coordinates.
"""

from __future__ import annotations

import math
from array import array
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from sandbox.population.geography.distances import degrees_around
from sandbox.population.procedural import Settled
from sandbox.sas.directory.areas import Area, distance_km
from sandbox.sas.directory.specialties import GENERAL_MEDICINE

CELL_DEGREES = 0.1  # 11 km from south to north
GENERAL = "SM54"
UNCODED = ""  # key of the group of practitioners whose specialty has no code

_Key = tuple[int, int]  # row and column of a cell


@dataclass(slots=True)
class _Cell:
    """The places of one specialty in one cell: the ids of the practitioners, and latitude and longitude alternately."""

    ids: list[str] = field(default_factory=list)
    points: array[float] = field(default_factory=lambda: array("d"))


class GridIndex:
    """Practitioners by specialty and place. The three codes of general medicine are one specialty."""

    def __init__(self) -> None:
        self._cells: dict[str, dict[_Key, _Cell]] = defaultdict(lambda: defaultdict(_Cell))

    def add(self, person: Settled) -> None:
        """Add all places of a practitioner."""
        cells = self._cells[_group(person.specialty or UNCODED)]
        for point in person.spots:
            cell = cells[_cell(*point)]
            cell.ids.append(person.id)
            cell.points.extend(point)

    def within(self, specialty: str, area: Area) -> dict[str, float]:
        """Distance in km to the nearest place, by id, of those with a place in the area. `specialty`: an R38 code, or
        UNCODED."""
        cells = self._cells.get(_group(specialty), {})
        found: dict[str, float] = {}
        for cell in _cells_of(area):
            if (held := cells.get(cell)) is not None:
                _gather(found, held, area)
        return found


def _group(specialty: str) -> str:
    return GENERAL if specialty in GENERAL_MEDICINE else specialty


def _cell(lat: float, lon: float) -> _Key:
    return math.floor(lat / CELL_DEGREES), math.floor(lon / CELL_DEGREES)


def corners(area: Area) -> tuple[tuple[float, float], tuple[float, float]]:
    """The south-western and the north-eastern corner of the square around the circle, as (lat, lon) in degrees."""
    north, east = degrees_around(area.lat, area.radius_km)
    return (area.lat - north, area.lon - east), (area.lat + north, area.lon + east)


def _cells_of(area: Area) -> Iterator[_Key]:
    """All cells that this square touches."""
    low, high = corners(area)
    first, last = _cell(*low), _cell(*high)
    for row in range(first[0], last[0] + 1):
        for column in range(first[1], last[1] + 1):
            yield row, column


def _gather(found: dict[str, float], cell: _Cell, area: Area) -> None:
    """Add the practitioners who have a place of the cell in the area, with the distance of the nearest one."""
    points = iter(cell.points)
    for id, lat, lon in zip(cell.ids, points, points, strict=True):
        distance = distance_km(area.lat, area.lon, lat, lon)
        if distance <= area.radius_km and distance < found.get(id, math.inf):
            found[id] = distance
