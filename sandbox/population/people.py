"""Everybody in the ecosystem, found by identifier. Pure: derived from (seed, personas, count).

The hand-made people of the persona files are held. Procedural practitioners are derived when they are asked for, and
kept in a bounded cache: a practitioner's number is read from the id itself, and who lives in a département follows from
the draws (`geography/settling.py`). So nobody is enumerated at the start, however many there are.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import chain, zip_longest
from typing import overload

from sandbox.kernel.identifiers import prefixed_person, regulator_login
from sandbox.kernel.model import (
    Community,
    Cpts,
    Editor,
    Place,
    Practitioner,
    Regulator,
    SosAssociation,
    Structure,
    Territory,
    Town,
)
from sandbox.population.communities import Communities
from sandbox.population.duty import doctors_of
from sandbox.population.organizations import Organizations
from sandbox.population.procedural import Recipe, Settled, index_of, members_of, practitioner_at, settled_in

KEPT = 8192  # derived practitioners held at most

_PERSONAS = uuid.UUID("0f4f6d1e-0d52-4b56-a7a4-6a2d5c7f3b11")


@dataclass(frozen=True)
class Personas:
    """The hand-made people and places, validated (`load.py` reads them from the persona files)."""

    territories: Mapping[str, Territory]
    towns: Mapping[str, Town]
    editors: Mapping[str, Editor]
    practitioners: tuple[Practitioner, ...]
    cpts: Mapping[str, Cpts]
    sos: Mapping[str, SosAssociation]
    regulators: tuple[Regulator, ...]
    examples: Mapping[str, object]
    structures: Mapping[str, Structure] = field(default_factory=dict)
    communities: Mapping[str, Community] = field(default_factory=dict)


class ProceduralPractitioners:
    """The first `count` procedural practitioners of a seed whose agenda an editor holds, and those of the SAS agenda.

    `typing`: the numbers of the latter.
    """

    def __init__(self, seed: int, recipe: Recipe, count: int) -> None:
        self._seed, self.recipe, self.count = seed, recipe, count
        self.typing = recipe.typing(count)
        self.numbered = lru_cache(KEPT)(self._make)

    def _make(self, number: int) -> Practitioner:
        return practitioner_at(self._seed, number, self.recipe)

    def __iter__(self) -> Iterator[Practitioner]:
        return (self.numbered(number) for number in chain(range(self.count), self.typing))

    def __len__(self) -> int:
        return self.count + len(self.typing)

    def find(self, national_id: str) -> Practitioner | None:
        """The practitioner with that prefixed RPPS or ADELI."""
        number = index_of(national_id)
        if number is None or (number >= self.count and number not in self.typing):
            return None
        person = self.numbered(number)
        return person if person.id == national_id else None  # each number has either an RPPS or an ADELI

    @property
    def departments(self) -> Mapping[str, tuple[float, float, float, float]]:
        """Where they live: south, north, west, east (degrees) by département."""
        return self.recipe.boxes if self.count else {}

    def settled_in(self, department: str) -> Iterator[Settled]:
        """Those of one of these départements; all their places lie in it."""
        for numbers in (range(self.count), self.typing):
            yield from settled_in(self._seed, department, self.recipe, numbers)

    def members_of(self, cpts: Cpts) -> Iterator[str]:
        """The ids of the members of a CPTS of a département: of those with an editor and of those of the SAS agenda in
        turn."""
        found = [members_of(self._seed, cpts, self.recipe, numbers) for numbers in (range(self.count), self.typing)]
        return (id for pair in zip_longest(*found) for id in pair if id is not None)

    @cached_property
    def by_editor(self) -> dict[str, Sequence[int]]:
        """Numbers of those whose agenda an editor holds, by its slug."""
        found: dict[str, list[int]] = {}
        for number in range(self.count):
            found.setdefault(self.recipe.editor_of(self._seed, number), []).append(number)
        return dict(found)


class Population(Organizations):
    """Who lives in the ecosystem: the hand-made people, `count` procedural practitioners, and for each 25 of them one
    more who types his slots in the SAS agenda.

    `examples` has the shape of `examples` in endpoints.json. Identifiers may be given with or without their prefix.
    """

    def __init__(self, seed: int, personas: Personas, recipe: Recipe, count: int = 0) -> None:
        self.seed, self.count = seed, count
        self.territories, self.towns = personas.territories, personas.towns
        self.editors, self.cpts = personas.editors, personas.cpts
        self.regulators, self.examples = personas.regulators, personas.examples
        self._made = {person.id: person for person in personas.practitioners}
        self._places = {place.id: (person, place) for person in personas.practitioners for place in person.places}
        self._regulators = _regulator_keys(self.regulators)
        self.procedural = ProceduralPractitioners(seed, recipe, count)
        bodies: list[Cpts | SosAssociation] = [*personas.cpts.values(), *personas.sos.values()]
        communities = Communities(personas.communities, bodies, recipe, self.towns, self.procedural.members_of)
        super().__init__(personas.sos, personas.structures, communities, recipe)
        self._found = lru_cache(KEPT)(self._find)

    @property
    def current(self) -> Population:
        """This one; that of now for a `ReloadablePopulation`."""
        return self

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call `watcher` when a `ReloadablePopulation` was replaced; this one never changes."""

    def __len__(self) -> int:
        """How many practitioners there are."""
        return len(self._made) + len(self.procedural)

    def practitioner(self, national_id: str) -> Practitioner | None:
        """The practitioner with that RPPS or ADELI, with or without its prefix."""
        return self._made.get(national_id) or self._found(national_id)

    def doctor(self, national_id: str) -> Practitioner | None:
        """Anybody whom an appointment may name: a practitioner with an agenda, or a doctor of an SOS association."""
        found = self.practitioner(national_id)
        if found is None and (on_call := self._on_call.get(prefixed_person(national_id))) is not None:
            found = on_call[0]
        return found

    def association_of(self, national_id: str) -> SosAssociation | None:
        """The SOS association one of whose doctors has that RPPS."""
        on_call = self._on_call.get(prefixed_person(national_id))
        return on_call[1] if on_call is not None else None

    @cached_property
    def _on_call(self) -> dict[str, tuple[Practitioner, SosAssociation]]:
        return {doctor.id: (doctor, sos) for sos in self.sos.values() for doctor in doctors_of(sos)}

    def _find(self, national_id: str) -> Practitioner | None:
        prefixed = prefixed_person(national_id)
        return self._made.get(prefixed) or self.procedural.find(prefixed)

    def practitioners(self) -> Iterable[Practitioner]:
        """All of them, the hand-made first, then the procedural by number."""
        yield from self._made.values()
        yield from self.procedural

    def handmade(self) -> Iterable[Practitioner]:
        """Those of the persona files."""
        return self._made.values()

    def of_editor(self, slug: str) -> Sequence[Practitioner]:
        """The practitioners whose agenda that editor holds; with "" those of the SAS agenda."""
        made = [person for person in self._made.values() if person.editor == slug]
        numbers = self.procedural.by_editor.get(slug, ()) if slug else self.procedural.typing
        return _LazyPractitioners(made, self.procedural, numbers)

    def types_slots(self, national_id: str) -> bool:
        """True for the prefixed id of a practitioner who types slots in the SAS agenda. Cheap: a procedural one is not
        derived for it."""
        if (made := self._made.get(national_id)) is not None:
            return not made.editor
        number = index_of(national_id)
        return number is not None and number in self.procedural.typing

    def place(self, schedule_id: str) -> tuple[Practitioner, Place] | None:
        """The practitioner and place of consultation with that Schedule."""
        held = self._places.get(schedule_id)
        if held is not None:
            return held
        person = self.practitioner(schedule_id.rpartition("-")[0])
        for place in person.places if person is not None else ():
            if person is not None and place.id == schedule_id:
                return person, place
        return None

    def regulator(self, key: str) -> Regulator | None:
        """By `system|value`, by the value alone, or by e-mail (in any case); an RPPS with or without its prefix."""
        names = (name for each in (regulator_login(key), key) for name in (each, each.lower()))
        return next((found for name in names if (found := self._regulators.get(name)) is not None), None)


class _LazyPractitioners(Sequence[Practitioner]):
    """Hand-made practitioners, then procedural ones by number; each is derived only when it is read."""

    def __init__(
        self, made: Sequence[Practitioner], procedural: ProceduralPractitioners, numbers: Sequence[int]
    ) -> None:
        self._made, self._procedural, self._numbers = made, procedural, numbers

    def __len__(self) -> int:
        return len(self._made) + len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> Practitioner: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Practitioner]: ...
    def __getitem__(self, index: int | slice) -> Practitioner | Sequence[Practitioner]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        at = range(len(self))[index]
        if at < len(self._made):
            return self._made[at]
        return self._procedural.numbered(self._numbers[at - len(self._made)])

    def __iter__(self) -> Iterator[Practitioner]:
        return (self[at] for at in range(len(self)))


def persona_key(regulator: Regulator) -> str:
    """The account id (UUID) of a regulator of the persona files.

    It follows from his e-mail address, so that a changed identifier in the files is a change of the same person.
    """
    return str(uuid.uuid5(_PERSONAS, regulator.email.casefold()))


def _regulator_keys(regulators: Iterable[Regulator]) -> dict[str, Regulator]:
    keys: dict[str, Regulator] = {}
    for regulator in regulators:
        for key in (regulator.identifier.key, regulator.identifier.value, regulator.email.lower()):
            keys.setdefault(key, regulator)
    return keys
