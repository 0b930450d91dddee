"""The places that a regulator can search around: a town, an address in it, a postal code, a département. Pure.

An address lies somewhere in its town, as `population/geocoding.py` has it.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from sandbox.kernel.model import Town
from sandbox.population.departments import DEPARTMENTS
from sandbox.population.geocoding import geocode, numbered
from sandbox.sas.areas import Area, area_of, area_of_department

ADDRESS, TOWN, DEPARTMENT = "address", "town", "department"

# The arrondissements of three cities are searched as their city: INSEE codes and postal codes.
_CITIES = (
    ("75056", range(75101, 75121), range(75001, 75021)),
    ("69123", range(69381, 69390), range(69001, 69010)),
    ("13055", range(13201, 13217), range(13001, 13017)),
)
_ARRONDISSEMENTS = {str(code): city for city, codes, _ in _CITIES for code in codes}
_POSTAL_CODES = {str(code): city for city, _, codes in _CITIES for code in codes}
_POSTAL_CODE = re.compile(r"(?<!\d)\d{5}(?!\d)")
_DEPARTMENT = re.compile(r"(?:departement\s+)?(\d[\dab]\d?)")


@dataclass(frozen=True, slots=True)
class Spot:
    """The place of a search. `kind`: `address`, `town` or `department`; `label` as people read it.

    `town`: that of the place; of a département, the one nearest to its barycentre. `point` (lat, lon) of an address.
    """

    kind: str
    label: str
    town: Town
    area: Area
    point: tuple[float, float] | None = None


def folded(text: str) -> str:
    """A name without accents, case, hyphens or apostrophes, `Saint` for `St`: for comparing what people type."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    words = "".join(char if char.isalnum() else " " for char in plain).split()
    return " ".join({"st": "saint", "ste": "sainte"}.get(word, word) for word in words)


class Places:
    """Towns by what people type."""

    def __init__(self, towns: Mapping[str, Town]) -> None:
        self._towns = towns

    @cached_property
    def _by_name(self) -> dict[str, list[Town]]:
        found: dict[str, list[Town]] = defaultdict(list)
        for town in self._towns.values():
            found[folded(town.name)].append(town)
        return found

    @cached_property
    def _by_postal_code(self) -> dict[str, Town]:
        found = {town.postal_code: town for town in [*self._towns.values()][::-1]}
        return found | {code: self._towns[city] for code, city in _POSTAL_CODES.items() if city in self._towns}

    @cached_property
    def _by_department(self) -> dict[str, list[Town]]:
        found: dict[str, list[Town]] = defaultdict(list)
        for town in self._towns.values():
            found[town.department].append(town)
        return found

    def town(self, insee: str = "", name: str = "") -> Town | None:
        """The town by INSEE code, else by name (`Bordeaux`, `bordeaux (33)`, `33000 Bordeaux`); None if unknown.

        Of several towns of one name, the first of the dataset; a département or postal code in the text decides.
        """
        insee = _ARRONDISSEMENTS.get(insee, insee)
        if insee in self._towns:
            return self._towns[insee]
        words = folded(name).split()
        digits = [word for word in words if word[0].isdigit()]
        named = self._by_name.get(" ".join(word for word in words if not word[0].isdigit()), [])
        matching = [
            town
            for town in named
            if all(digit in (town.department.lower(), town.postal_code, town.insee.lower()) for digit in digits)
        ]
        return next(iter(matching or named), None)

    def spot_of(self, town: Town, street: str = "", number: str = "") -> Spot:
        """A town, or an address in it when there is a street."""
        street = " ".join(street.split())
        if not street:
            return Spot(TOWN, town.name, town, area_of(town))
        line = f"{number} {street}" if number else street
        point = geocode(town, number, street)
        return Spot(ADDRESS, f"{line}, {town.name}", town, area_of(town, point), point)

    def spot(self, text: str) -> Spot | None:
        """The place that a text names; None when it names none.

        `Bordeaux` · `33000` · `12 rue du Modèle, 33000 Bordeaux` · `33`, `Gironde` or `Gironde (33)`: a town is
        stronger than a département of the same name.
        """
        text = text.strip()
        if not text:
            return None
        town = self.town(name=text) or self._by_postal_code.get(text)
        if town is not None:
            return self.spot_of(town)
        return self._department(text) or self._address(text)

    def _department(self, text: str) -> Spot | None:
        words = folded(text)
        bare = " ".join(word for word in words.split() if not word[0].isdigit())
        written = _DEPARTMENT.fullmatch(words)
        code = written[1].upper() if written else _DEPARTMENT_NAMES.get(bare, "")
        towns = self._by_department.get(code)
        if code not in DEPARTMENTS or not towns:
            return None
        area = area_of_department(code, towns)
        nearest = min(towns, key=lambda town: math.hypot(town.lat - area.lat, town.lon - area.lon))
        return Spot(DEPARTMENT, f"{DEPARTMENTS[code].name} ({code})", nearest, area)

    def _address(self, text: str) -> Spot | None:
        for street, place in _cuts(text):
            town = self.town(name=place) or self._by_postal_code.get(place.strip())
            if town is not None and street.strip(" ,"):
                number, name = numbered(street)
                return self.spot_of(town, name.strip(" ,"), number)
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
        towns = (
            town for town in self._towns.values() if _begins(folded(town.name), wanted) or town.postal_code == text
        )
        departments = (each for each in DEPARTMENTS.values() if _begins(folded(each.name), wanted))
        texts = [self._told(town) for town in islice(towns, most)]
        texts += [f"{each.name} ({each.code})" for each in departments]
        return [*dict.fromkeys(texts)][:most]

    def _told(self, town: Town) -> str:
        return f"{town.name} ({town.department})" if len(self._by_name[folded(town.name)]) > 1 else town.name


_DEPARTMENT_NAMES = {folded(each.name): each.code for each in DEPARTMENTS.values()}


def _begins(name: str, wanted: str) -> bool:
    return name.startswith(wanted) or f" {wanted}" in name


def _cuts(text: str) -> Iterator[tuple[str, str]]:
    """Where a street may end and its town begin: before a postal code, at the last comma."""
    code = _POSTAL_CODE.search(text)
    if code is not None:
        yield text[: code.start()], text[code.start() :]
    street, comma, place = text.rpartition(",")
    if comma:
        yield street, place
