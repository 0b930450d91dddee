"""Procedural practitioners: number `i` of a seed always is the same person. Pure, one blake2b per person.

Ids are RPPS `8199` + number (7 digits) + Luhn digit: valid, visibly fictitious, and the number can be read back.
Phones lie in the ranges that ARCEP keeps for fiction. Family and given names come from Faker's fr_FR word lists.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from sandbox.kernel.identifiers import has_luhn, luhn_digit
from sandbox.kernel.model import AgendaTemplate, Place, Practitioner, Town
from sandbox.population.names import family_names, given_names

MOST = 10_000_000  # numbers have seven digits
_PREFIX = "8199"

# TRE_R38 codes and their weights: general practice first.
SPECIALTIES: tuple[tuple[str, int], ...] = (
    ("SM54", 80), ("SM26", 6), ("SM53", 6), ("SM40", 2), ("SM15", 2), ("SM04", 2), ("SM38", 2),
)  # fmt: skip
_STREETS = ("rue", "avenue", "place", "allée", "chemin", "cours", "impasse", "quai")
_NAMES = ("de l'Exemple", "du Modèle", "de la Maquette", "des Essais", "du Prototype", "de l'Ébauche", "du Décor",
          "du Gabarit", "de la Simulation", "du Brouillon", "de la Répétition", "du Canevas")  # fmt: skip
_FICTION = {"33": "0536490", "35": "0261910", "69": "0465710"}  # ARCEP: numbers for audiovisual works
_NO_PHONE = 13  # of 256: about 5 %


@dataclass(frozen=True)
class Recipe:
    """What procedural practitioners are drawn from; weights are cumulated once.

    `towns` with inhabitants, `editors` slugs that hold individual agendas, `agendas` weeks with weights.
    """

    towns: Sequence[tuple[Town, int]]
    editors: Sequence[str]
    agendas: Sequence[tuple[AgendaTemplate, int]]

    @cached_property
    def _town_sums(self) -> Sequence[int]:
        return list(accumulate(weight for _, weight in self.towns))

    @cached_property
    def _agenda_sums(self) -> Sequence[int]:
        return list(accumulate(weight for _, weight in self.agendas))

    def town(self, draw: int) -> Town:
        """A town, in proportion to its inhabitants; `draw` is a 32-bit number."""
        return self.towns[_pick(self._town_sums, draw)][0]

    def agenda(self, draw: int) -> AgendaTemplate:
        """A week, in proportion to its weight."""
        return self.agendas[_pick(self._agenda_sums, draw)][0]

    def editor_of(self, seed: int, number: int) -> str:
        """Slug of the editor that holds the agenda of practitioner `number`."""
        return self.editors[_digest(seed, number)[0] % len(self.editors)]


def _pick(sums: Sequence[int], draw: int) -> int:
    return bisect_right(sums, draw * sums[-1] >> 32)


_SPECIALTY_SUMS = list(accumulate(weight for _, weight in SPECIALTIES))


def _digest(seed: int, number: int) -> bytes:
    return hashlib.blake2b(b"person/%d/%d" % (seed, number)).digest()


def id_of(number: int) -> str:
    """Prefixed RPPS of practitioner `number` (below 10,000,000).

    >>> id_of(0)
    '819900000001'
    """
    digits = f"{_PREFIX[1:]}{number:07d}"
    return f"8{digits}{luhn_digit(digits)}"


def index_of(national_id: str) -> int | None:
    """The number behind a procedural id; None for any other."""
    if len(national_id) == 12 and national_id.startswith(_PREFIX) and has_luhn(national_id[1:]):
        return int(national_id[4:11])
    return None


def practitioner_at(seed: int, number: int, recipe: Recipe) -> Practitioner:
    """Practitioner `number` of `seed`; raises ValueError outside [0, 10,000,000[."""
    if not 0 <= number < MOST:
        raise ValueError(f"practitioner number {number} is not in [0, {MOST}[")
    octets = _digest(seed, number)
    given, family = given_names(), family_names()
    town = recipe.town(_word(octets, 4))
    national_id = id_of(number)
    return Practitioner(
        id=national_id,
        family=family[_word(octets, 8) % len(family)].upper(),
        given=given[_word(octets, 12) % len(given)],
        editor=recipe.editors[octets[0] % len(recipe.editors)],
        places=_places(national_id, octets, town, recipe),
        specialty=SPECIALTIES[_pick(_SPECIALTY_SUMS, _word(octets, 16))][0],
        phone=_phone(octets, town),
        stored_id=national_id if octets[1] % 3 else national_id[1:],
    )


def _word(octets: bytes, at: int) -> int:
    return int.from_bytes(octets[at : at + 4], "big")


def _phone(octets: bytes, town: Town) -> str | None:
    if octets[2] < _NO_PHONE:
        return None
    head = _FICTION.get(town.department, "0199000")
    digits = f"{head}{_word(octets, 20) % 1000:03d}"
    if octets[3] % 3 == 0:  # some agendas keep what was typed; answers correct it
        return " ".join(digits[at : at + 2] for at in range(0, 10, 2))
    return digits if octets[3] % 3 == 1 else f"+33{digits[1:]}"


def _places(national_id: str, octets: bytes, home: Town, recipe: Recipe) -> tuple[Place, ...]:
    count = 1 + (octets[24] > 200) + (octets[24] > 246)  # about 78 % have one, 18 % two, 4 % three
    return tuple(_place(national_id, octets[25 + 12 * at :], home, recipe, at) for at in range(count))


def _place(national_id: str, octets: bytes, home: Town, recipe: Recipe, at: int) -> Place:
    """One place from twelve octets; places after the first may lie in another town of the same département."""
    town = home
    if at and (other := recipe.town(_word(octets, 0))).department == home.department:
        town = other
    schedule = f"{national_id}-{at + 1}"
    return Place(
        id=schedule,
        structure=_structure(national_id, town, octets, at),
        line=f"{1 + octets[4] % 120} {_STREETS[octets[5] % len(_STREETS)]} {_NAMES[octets[6] % len(_NAMES)]}",
        postal_code=town.postal_code,
        city=town.name,
        insee=town.insee,
        lat=round(town.lat + (octets[7] - 128) / 12_800, 5),  # at most one hundredth of a degree: about 1 km
        lon=round(town.lon + (octets[8] - 128) / 12_800, 5),
        agenda=recipe.agenda(_word(octets, 8)),
        local_id=schedule,
    )


def _structure(national_id: str, town: Town, octets: bytes, at: int) -> str:
    """FINESS, else SIRET, else RPPS rang (guide, « Identifiants »: in this order of preference)."""
    kind = octets[9] % 10
    if kind < 5:
        return f"1{town.department[:2]}99{_word(octets, 8) % 100_000:05d}"
    if kind < 9:
        siret = f"9990{_word(octets, 4) % 100_000:05d}{at + 1:04d}"
        return f"3{siret}{luhn_digit(siret)}"
    return f"4{national_id[1:]}{at + 1:03d}"
