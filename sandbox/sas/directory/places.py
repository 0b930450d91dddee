"""The places that a search can be made around: a town, an address in it, a postal code, a département. Pure.

The coordinates of an address are those that `population/geocoding.py` computes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sandbox.kernel.model import Town
from sandbox.kernel.text.words import folded
from sandbox.population.geocoding import geocode, split_number
from sandbox.population.geography.departments import DEPARTMENTS
from sandbox.sas.directory.areas import Area, area_of, area_of_department
from sandbox.sas.directory.place_names import DEPARTMENT_NAMES, Contradiction, joined, read_town
from sandbox.sas.directory.towns import Towns

ADDRESS, TOWN, DEPARTMENT = "address", "town", "department"

_POSTAL_CODE = re.compile(r"(?<![0-9])[0-9]{5}(?![0-9])")
_DEPARTMENT = re.compile(r"(?:departement\s+)?([0-9][0-9ab][0-9]?)")
_ABOUT = re.compile(r"^departement (?:de la |de l |des |du |de |d )?")
_COUNTRY = re.compile(r"[\s,(]+france\)?\s*$", re.IGNORECASE)
MOST_OTHERS = 8


@dataclass(frozen=True, slots=True)
class Locality:
    """The place around which a search looks. `kind`: `address`, `town` or `department`; `label` as people read it.

    `town`: that of the place; of a département, the one nearest to its barycentre. `point` (lat, lon) of an address.
    `others`: other places that an ambiguous text may mean (`Saint-Denis (93)`).
    """

    kind: str
    label: str
    town: Town
    area: Area
    point: tuple[float, float] | None = None
    others: tuple[str, ...] = ()


class Places:
    """Finds the place of a search from what people type."""

    def __init__(self, towns: Mapping[str, Town]) -> None:
        self.towns = Towns(towns)

    def locality_of(self, town: Town, street: str = "", number: str = "") -> Locality:
        """A town, or an address in it when there is a street. Where `number` is empty, it is the number at the
        beginning of `street`."""
        street = " ".join(street.split())
        if not street:
            return Locality(TOWN, self.towns.label(town), town, area_of(town))
        if not number:
            number, street = split_number(street)
        line = f"{number} {street}" if number else street
        point = geocode(town, number, street)
        return Locality(ADDRESS, f"{line}, {town.name}", town, area_of(town, point), point)

    def locality(self, text: str) -> Locality | None:
        """The place that a text names; None when it names none. Raises Contradiction.

        `Bordeaux` · `33800` · `12 rue du Modèle, 33000 Bordeaux` · `33`, `Gironde` or `Gironde (33)`: a town
        comes before a département of the same name.
        """
        text = joined(_COUNTRY.sub("", text).strip())
        if not text:
            return None
        try:
            towns = self.towns.named_in(text)
        except Contradiction:
            if (meant := self._department(text)) is not None:  # `Vienne (86)` is no town
                return meant
            raise
        if towns:
            return replace(self.locality_of(towns[0]), others=self._besides(towns, text))
        return self._department(text) or self._address(text)

    def others(self, name: str) -> tuple[str, ...]:
        """Other places that may be meant besides the first town of that name, as unambiguous texts (`Saint-Denis
        (93)`). Raises Contradiction."""
        return self._besides(self.towns.named_in(name), name)

    def _besides(self, towns: Sequence[Town], text: str) -> tuple[str, ...]:
        others = [self.towns.label(town) for town in towns[1 : MOST_OTHERS + 1]]
        said = read_town(text)
        code = DEPARTMENT_NAMES.get(said.name)
        apart = said.district is None and not said.codes and towns and towns[0].department != code
        if code is not None and apart and code in self.towns.by_department:
            others.append(f"{DEPARTMENTS[code].name} ({code})")
        return tuple(others)

    def _department(self, text: str) -> Locality | None:
        said = read_town(text)
        written = _DEPARTMENT.fullmatch(folded(text))
        code = written[1].upper() if written else DEPARTMENT_NAMES.get(_ABOUT.sub("", said.name), "")
        towns = self.towns.by_department.get(code)
        if code not in DEPARTMENTS or not towns:
            return None
        if any(each not in (code.lower(), code[:2].lower()) for each in said.codes):
            codes, name = ", ".join(said.codes), f"{DEPARTMENTS[code].name} ({code})"
            detail, french = f"'{codes}' is not {name}", f"Le lieu se contredit : « {codes} » n'est pas {name}."
            raise Contradiction(detail, french)
        area = area_of_department(code, towns)
        nearest = min(towns, key=lambda town: math.hypot(town.lat - area.lat, town.lon - area.lon))
        return Locality(DEPARTMENT, f"{DEPARTMENTS[code].name} ({code})", nearest, area)

    def _address(self, text: str) -> Locality | None:
        for street, place in _cuts(text):
            towns = self.towns.named_in(place)
            if towns and street.strip(" ,"):
                number, name = split_number(street)
                found = self.locality_of(towns[0], name.strip(" ,"), number)
                return replace(found, others=self._besides(towns[:MOST_OTHERS], place) if len(towns) > 1 else ())
        return None


def _cuts(text: str) -> Iterator[tuple[str, str]]:
    """(street, town) for each way to split the text: at the last comma, or before a postal code."""
    street, comma, place = text.rpartition(",")
    if comma:
        yield street, place
    code = _POSTAL_CODE.search(text)
    if code is not None:
        yield text[: code.start()], text[code.start() :]
