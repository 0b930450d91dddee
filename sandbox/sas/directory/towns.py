"""The towns of the dataset, found by their names as people type them. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain, islice

from sandbox.kernel.model import Town
from sandbox.kernel.text.words import folded
from sandbox.population.geography.departments import DEPARTMENTS
from sandbox.population.geography.gazetteer import postal_codes
from sandbox.sas.directory.place_names import (
    CITY_CODES,
    CITY_OF,
    TownName,
    contradiction,
    fits,
    letters_of,
    nearly_fits,
    read_town,
)

LEAST_LETTERS = 4  # minimum number of letters before names are compared without their spaces
_CITY_CODES = {city: tuple(code for code in CITY_CODES if CITY_CODES[code] == city) for city in CITY_CODES.values()}


class Towns:
    """Towns by INSEE code, name, postal code and département; indexes are made when they are first needed."""

    def __init__(self, towns: Mapping[str, Town]) -> None:
        self._towns = towns
        self._codes: dict[str, tuple[str, ...]] = {}  # cache: postal codes by town

    @cached_property
    def _names(self) -> list[tuple[str, Town]]:
        """All towns, each with its folded name."""
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
    def by_department(self) -> Mapping[str, Sequence[Town]]:
        """The towns of each département, by its code."""
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

    def named_in(self, text: str) -> Sequence[Town]:
        """The towns that a text names by name or postal code, in the order of the dataset. Raises Contradiction."""
        return self._named(read_town(text)) or self._by_postal_code.get(text.strip(), [])

    def _named(self, said: TownName) -> list[Town]:
        """The towns that fit, in the order of the dataset. Raises Contradiction when towns have that name but none
        fits."""
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
        """The towns that fit; if there are none, the towns that nearly fit."""
        return [town for town in towns if fits(town, said, self.postal_codes(town))] or [
            town for town in towns if nearly_fits(town, said, self.postal_codes(town), self._by_postal_code)
        ]

    def beginning(self, text: str, most: int = 10) -> list[str]:
        """At most `most` labels of towns and départements that begin with the text: their name, a word of it, or all of
        the postal code."""
        wanted = folded(text)
        if not wanted:
            return []
        named = (town for name, town in self._names if _begins(name, wanted))
        towns = chain(self._by_postal_code.get(wanted, ()), named, self._without_spaces(wanted))
        departments = (each for each in DEPARTMENTS.values() if _begins(folded(each.name), wanted))
        texts = [self.label(town) for town in islice(towns, most)]
        texts += [f"{each.name} ({each.code})" for each in departments]
        return [*dict.fromkeys(texts)][:most]

    def _without_spaces(self, wanted: str) -> Iterator[Town]:
        """Towns whose name without spaces begins with the text: `lhay` for L'Haÿ."""
        letters = letters_of(wanted)
        if len(letters) >= LEAST_LETTERS:
            for name, towns in self._by_letters.items():
                if name.startswith(letters):
                    yield from towns

    def label(self, town: Town) -> str:
        """The town's name, with the département where several towns have the name."""
        return f"{town.name} ({town.department})" if len(self._by_name[folded(town.name)]) > 1 else town.name


def _begins(name: str, wanted: str) -> bool:
    return name.startswith(wanted) or f" {wanted}" in name
