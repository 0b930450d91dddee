"""The places that a regulator can search around: a town, an address in it, a postal code, a département. Pure.

An address lies somewhere in its town, as `population/geocoding.py` has it.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, islice

from sandbox.kernel.model import Town
from sandbox.kernel.text.words import folded
from sandbox.population.geocoding import geocode, split_number
from sandbox.population.geography.departments import DEPARTMENTS
from sandbox.population.geography.gazetteer import postal_codes
from sandbox.sas.directory.areas import Area, area_of, area_of_department
from sandbox.sas.directory.place_names import (
    CITY_CODES,
    CITY_OF,
    DEPARTMENT_NAMES,
    Contradiction,
    TownName,
    contradiction,
    fits,
    joined,
    letters_of,
    nearly_fits,
    read_town,
)

ADDRESS, TOWN, DEPARTMENT = "address", "town", "department"

_POSTAL_CODE = re.compile(r"(?<![0-9])[0-9]{5}(?![0-9])")
_DEPARTMENT = re.compile(r"(?:departement\s+)?([0-9][0-9ab][0-9]?)")
_ABOUT = re.compile(r"^departement (?:de la |de l |des |du |de |d )?")
_COUNTRY = re.compile(r"[\s,(]+france\)?\s*$", re.IGNORECASE)
MOST_OTHERS = 8
LEAST_GLUED = 4  # letters that must be typed before names are compared without their spaces
_CITY_CODES = {city: tuple(code for code in CITY_CODES if CITY_CODES[code] == city) for city in CITY_CODES.values()}


@dataclass(frozen=True, slots=True)
class Spot:
    """The place of a search. `kind`: `address`, `town` or `department`; `label` as people read it.

    `town`: that of the place; of a département, the one nearest to its barycentre. `point` (lat, lon) of an address.
    `others`: what else the text may mean, when it does not say which (`Saint-Denis (93)`).
    """

    kind: str
    label: str
    town: Town
    area: Area
    point: tuple[float, float] | None = None
    others: tuple[str, ...] = ()


class Places:
    """Towns by what people type."""

    def __init__(self, towns: Mapping[str, Town]) -> None:
        self._towns = towns
        self._codes: dict[str, tuple[str, ...]] = {}  # postal codes of the towns that were looked at

    @cached_property
    def _names(self) -> list[tuple[str, Town]]:
        """Every town with its folded name."""
        return [(folded(town.name), town) for town in self._towns.values()]

    @cached_property
    def _by_name(self) -> dict[str, list[Town]]:
        found: dict[str, list[Town]] = defaultdict(list)
        for name, town in self._names:
            found[name].append(town)
        return found

    @cached_property
    def _by_letters(self) -> dict[str, list[Town]]:
        found: dict[str, list[Town]] = defaultdict(list)
        for name, town in self._names:
            found[letters_of(name)].append(town)
        return found

    @cached_property
    def _by_postal_code(self) -> dict[str, list[Town]]:
        found: dict[str, list[Town]] = defaultdict(list)
        for town in self._towns.values():
            for code in self.postal_codes(town):
                found[code].append(town)
        return dict(found)

    def postal_codes(self, town: Town) -> tuple[str, ...]:
        """All its postal codes, the main one first."""
        found = self._codes.get(town.insee)
        if found is None:
            several = (*postal_codes().get(town.insee, ()), *_CITY_CODES.get(town.insee, ()))
            found = self._codes[town.insee] = tuple(dict.fromkeys((town.postal_code, *several)))
        return found

    @cached_property
    def _by_department(self) -> dict[str, list[Town]]:
        found: dict[str, list[Town]] = defaultdict(list)
        for town in self._towns.values():
            found[town.department].append(town)
        return found

    def town(self, insee: str = "", name: str = "") -> Town | None:
        """The town by INSEE code, else by its name in any spelling (`place_names.py`); None if unknown.

        Of several towns of one name, the first of the dataset, unless the text says which. Raises Contradiction.
        """
        insee = CITY_OF.get(insee, insee)
        if insee in self._towns:
            return self._towns[insee]
        return next(iter(self._named(read_town(name))), None)

    def _named(self, said: TownName) -> list[Town]:
        """The towns that are meant, the first of the dataset first. Raises Contradiction: none fits what is said."""
        apart = said.apart()
        return self._exactly(said) or (self._exactly(apart) if apart else [])

    def _exactly(self, said: TownName) -> list[Town]:
        named, alike = self._by_name.get(said.name, []), self._by_letters.get(said.letters, [])
        fitting = self._fitting(named, said) or self._fitting(alike, said)
        if alike and not fitting:
            owner = next((towns[0].name for code in said.codes if (towns := self._by_postal_code.get(code))), "")
            raise contradiction((named or alike)[0], said, owner)
        return fitting

    def _fitting(self, towns: Sequence[Town], said: TownName) -> list[Town]:
        """Those of which all is true, else those of which it nearly is."""
        return [town for town in towns if fits(town, said, self.postal_codes(town))] or [
            town for town in towns if nearly_fits(town, said, self.postal_codes(town), self._by_postal_code)
        ]

    def spot_of(self, town: Town, street: str = "", number: str = "") -> Spot:
        """A town, or an address in it when there is a street. A number at the head of the street counts as one."""
        street = " ".join(street.split())
        if not street:
            return Spot(TOWN, self._told(town), town, area_of(town))
        if not number:
            number, street = split_number(street)
        line = f"{number} {street}" if number else street
        point = geocode(town, number, street)
        return Spot(ADDRESS, f"{line}, {town.name}", town, area_of(town, point), point)

    def spot(self, text: str) -> Spot | None:
        """The place that a text names; None when it names none. Raises Contradiction.

        `Bordeaux` · `33800` · `12 rue du Modèle, 33000 Bordeaux` · `33`, `Gironde` or `Gironde (33)`: a town is
        stronger than a département of the same name.
        """
        text = joined(_COUNTRY.sub("", text).strip())
        if not text:
            return None
        try:
            towns = self._towns_of(text)
        except Contradiction:
            if (meant := self._department(text)) is not None:  # `Vienne (86)` is no town
                return meant
            raise
        if towns:
            return replace(self.spot_of(towns[0]), others=self._besides(towns, text))
        return self._department(text) or self._address(text)

    def _towns_of(self, text: str) -> list[Town]:
        """By name, else by postal code."""
        return self._named(read_town(text)) or self._by_postal_code.get(text.strip(), [])

    def others(self, name: str) -> tuple[str, ...]:
        """What else than the first town of that name may be meant, as texts that say which. Raises Contradiction."""
        return self._besides(self._towns_of(name), name)

    def _besides(self, towns: Sequence[Town], text: str) -> tuple[str, ...]:
        others = [self._told(town) for town in towns[1 : MOST_OTHERS + 1]]
        said = read_town(text)
        code = DEPARTMENT_NAMES.get(said.name)
        apart = said.district is None and not said.codes and towns and towns[0].department != code
        if code in self._by_department and apart:
            others.append(f"{DEPARTMENTS[code].name} ({code})")
        return tuple(others)

    def _department(self, text: str) -> Spot | None:
        said = read_town(text)
        written = _DEPARTMENT.fullmatch(folded(text))
        code = written[1].upper() if written else DEPARTMENT_NAMES.get(_ABOUT.sub("", said.name), "")
        towns = self._by_department.get(code)
        if code not in DEPARTMENTS or not towns:
            return None
        if any(each not in (code.lower(), code[:2].lower()) for each in said.codes):
            told, name = ", ".join(said.codes), f"{DEPARTMENTS[code].name} ({code})"
            detail, french = f"'{told}' is not {name}", f"Le lieu se contredit : « {told} » n'est pas {name}."
            raise Contradiction(detail, french)
        area = area_of_department(code, towns)
        nearest = min(towns, key=lambda town: math.hypot(town.lat - area.lat, town.lon - area.lon))
        return Spot(DEPARTMENT, f"{DEPARTMENTS[code].name} ({code})", nearest, area)

    def _address(self, text: str) -> Spot | None:
        for street, place in _cuts(text):
            towns = self._towns_of(place)
            if towns and street.strip(" ,"):
                number, name = split_number(street)
                spot = self.spot_of(towns[0], name.strip(" ,"), number)
                return replace(spot, others=self._besides(towns[:MOST_OTHERS], place) if len(towns) > 1 else ())
        return None

    def suggestions(self, most: int) -> list[str]:
        """What to offer before anybody types: names of the first towns of the dataset (the hand-made ones, then the
        largest), with the département where several have the name."""
        return sorted(map(self._told, islice(self._towns.values(), most)), key=folded)

    def beginning(self, text: str, most: int = 10) -> list[str]:
        """At most `most` towns and départements whose name, postal code or a word of whose name begins so."""
        wanted = folded(text)
        if not wanted:
            return []
        named = (town for name, town in self._names if _begins(name, wanted))
        towns = chain(self._by_postal_code.get(wanted, ()), named, self._glued(wanted))
        departments = (each for each in DEPARTMENTS.values() if _begins(folded(each.name), wanted))
        texts = [self._told(town) for town in islice(towns, most)]
        texts += [f"{each.name} ({each.code})" for each in departments]
        return [*dict.fromkeys(texts)][:most]

    def _glued(self, wanted: str) -> Iterator[Town]:
        """Towns whose name begins so without its spaces: `lhay` for L'Haÿ."""
        letters = letters_of(wanted)
        if len(letters) >= LEAST_GLUED:
            for name, towns in self._by_letters.items():
                if name.startswith(letters):
                    yield from towns

    def _told(self, town: Town) -> str:
        return f"{town.name} ({town.department})" if len(self._by_name[folded(town.name)]) > 1 else town.name


def _begins(name: str, wanted: str) -> bool:
    return name.startswith(wanted) or f" {wanted}" in name


def _cuts(text: str) -> Iterator[tuple[str, str]]:
    """Where a street may end and its town begin: at the last comma, before a postal code."""
    street, comma, place = text.rpartition(",")
    if comma:
        yield street, place
    code = _POSTAL_CODE.search(text)
    if code is not None:
        yield text[: code.start()], text[code.start() :]
