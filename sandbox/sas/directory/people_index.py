"""Practitioners by specialty and area. Pure.

Those of a département are read into the index when a lookup first touches it; hand-made ones are in it from the start.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from sandbox.population.people import Population
from sandbox.population.procedural import Settled
from sandbox.sas.directory.areas import Area
from sandbox.sas.directory.grid import GridIndex, corners

Lists: TypeAlias = Callable[[str], bool]  # whether somebody (id) is searched though no editor can be asked about him


def everybody(_: str) -> bool:
    """Accepts everybody."""
    return True


def nobody(_: str) -> bool:
    """Accepts nobody."""
    return False


class PeopleIndex:
    """An index of all practitioners who have a place of practice. `is_interfaced`: whether the editor with that slug
    answers searches."""

    def __init__(self, population: Population, is_interfaced: Callable[[str], bool]) -> None:
        self._population, self._is_interfaced = population, is_interfaced
        self._interfaced, self._others = GridIndex(), GridIndex()
        self._unread = dict(population.procedural.departments)
        for person in population.handmade():
            points = tuple((place.lat, place.lon) for place in person.places)
            self._add(Settled(person.id, person.editor, person.specialty, points))

    def within(self, specialty: str, area: Area, lists: Lists) -> dict[str, float]:
        """As `GridIndex.within`: those whose editor answers searches, then those of the others whom `lists` accepts."""
        self._read(area)
        found = self._interfaced.within(specialty, area)
        found |= {id: distance for id, distance in self._others.within(specialty, area).items() if lists(id)}
        return found

    def _read(self, area: Area) -> None:
        """Add the people of those départements of the area that were not read yet."""
        low, high = corners(area)
        for code, (south, north, west, east) in [*self._unread.items()]:
            if south <= high[0] and low[0] <= north and west <= high[1] and low[1] <= east:
                del self._unread[code]
                for person in self._population.procedural.settled_in(code):
                    self._add(person)

    def _add(self, person: Settled) -> None:
        (self._interfaced if self._is_interfaced(person.editor) else self._others).add(person)
