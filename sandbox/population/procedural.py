"""Procedural practitioners: number `i` of a seed is always the same person. Pure, one blake2b digest per person.

Ids are RPPS `8199` + number (7 digits) + Luhn digit, or for those who have an ADELI only `099` + number: valid,
visibly fictitious, and the number can be read back. Family and given names come from Faker's fr_FR word lists.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from itertools import accumulate
from typing import Literal, NamedTuple

from sandbox.kernel.flows import Flow
from sandbox.kernel.identifiers import has_luhn, luhn_digit
from sandbox.kernel.model import AgendaTemplate, Cpts, Editor, Place, Practitioner, Structure, Town
from sandbox.population.geography.departments import department, department_of, phone_of
from sandbox.population.geography.settling import DRAWS, draw, numbers_in
from sandbox.population.names import family_names, given_names
from sandbox.population.structures import NAMES, STREETS, Structures

MOST = 10_000_000  # numbers have seven digits
TYPING = 9_000_000  # from this number on people have no editor: they type their slots in the SAS agenda
_TYPING_SHARE = 25  # one of them for so many of the others: they are 4 % in addition
_PREFIX, _ADELI_PREFIX = "8199", "099"

# TRE_R38 codes and their weights: general practice first.
SPECIALTIES: tuple[tuple[str, int], ...] = (
    ("SM54", 780), ("SM26", 60), ("SM53", 60), ("SM40", 14), ("SM04", 14), ("SM15", 12), ("SM38", 12), ("SM42", 12),
    ("SM20", 8), ("SM19", 4), ("SM24", 6), ("SM41", 5), ("SM32", 4), ("SM39", 4), ("SM48", 3), ("SM16", 2),
)  # fmt: skip
FREE_TEXTS = (
    "Médecin généraliste", "Médecine du sport", "Homéopathie", "Médecine générale et ostéopathie", "Allergologie",
)  # fmt: skip
# How many of 256 practitioners:
_NO_PHONE = 13  # have no telephone: about 5 %
_ADELI_ONLY = 5  # have an ADELI and no RPPS: about 2 %
_FREE_TEXT = 5  # have their specialty as text
_MEMBERS = 154  # are members of a CPTS, where their editor speaks INT_R04 and a CPTS covers the town: about 60 %
_GROUPED = 51  # consult in a MSP or CDS (drawn per place): about 20 %
_IN_TWO = 32  # of the members, where there are several CPTS, have two that see the same slots; as many have two in turn

# How editors store national ids: they take these in turn.
STORED_FORMS: tuple[Literal["prefixed", "bare", "mixed"], ...] = ("prefixed", "bare", "mixed")
SPREAD = 0.01  # degrees around the centre of a town: about 1 km, more in a city
_CITY = 100_000  # inhabitants from which a town is wider than SPREAD
WIDEST = 5.0  # times SPREAD, in the largest cities


class Settled(NamedTuple):
    """What a directory needs to know of a practitioner. `spots`: (lat, lon) of each place, in degrees."""

    id: str
    editor: str
    specialty: str | None
    spots: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Recipe:
    """What procedural practitioners are drawn from.

    `towns` with inhabitants, `editors` slugs that hold individual agendas, `agendas` weeks with weights;
    `cpts_editors`: those of the editors that speak INT_R04; `cpts`: FINESS of the CPTS in whose zone a town lies, by
    INSEE code. `stored_forms`: how editors store national ids (Editor.stores), by slug. `typed`: the weeks, with
    weights, of those who type their slots in the SAS agenda; without any, there are no such people.
    `community_editors`: slugs of the editors that serve communities (flow PDM), where the CPTS have some.
    """

    towns: Sequence[tuple[Town, int]]
    editors: Sequence[str]
    agendas: Sequence[tuple[AgendaTemplate, int]]
    cpts_editors: frozenset[str] = frozenset()
    cpts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    stored_forms: Mapping[str, str] = field(default_factory=dict)
    typed: Sequence[tuple[AgendaTemplate, int]] = ()
    community_editors: Sequence[str] = ()

    @cached_property
    def _settled(self) -> Sequence[tuple[Town, int]]:
        """The towns sorted by département, so that the draws of each département are one interval."""
        return sorted(self.towns, key=lambda row: row[0].department)

    @cached_property
    def _town_sums(self) -> Sequence[int]:
        return list(accumulate(weight for _, weight in self._settled))

    @cached_property
    def _agenda_sums(self) -> Sequence[int]:
        return list(accumulate(weight for _, weight in self.agendas))

    @cached_property
    def _typed_sums(self) -> Sequence[int]:
        return list(accumulate(weight for _, weight in self.typed))

    @cached_property
    def _widths(self) -> Mapping[str, float]:
        return {town.insee: _width(inhabitants) for town, inhabitants in self.towns}

    @cached_property
    def structures(self) -> Structures:
        """The MSP and CDS of the towns."""
        return Structures(self._settled, self._widths)

    @cached_property
    def shares(self) -> Mapping[str, tuple[int, int]]:
        """The interval of draws [low, high[ of every département."""
        ends: dict[str, int] = {}
        for (town, _), total in zip(self._settled, self._town_sums, strict=True):
            ends[town.department] = -(-total * DRAWS // self._town_sums[-1])
        highs = list(ends.values())
        return dict(zip(ends, zip([0, *highs[:-1]], highs, strict=True), strict=True))

    @cached_property
    def boxes(self) -> Mapping[str, tuple[float, float, float, float]]:
        """South, north, west, east of all the places of a département's practitioners, in degrees."""
        found: dict[str, tuple[float, float, float, float]] = {}
        for town, _ in self.towns:
            width = self._widths[town.insee]
            box = (town.lat - width, town.lat + width, town.lon - width, town.lon + width)
            south, north, west, east = found.get(town.department, box)
            found[town.department] = (min(south, box[0]), max(north, box[1]), min(west, box[2]), max(east, box[3]))
        return found

    def town(self, drawn: int) -> Town:
        """A town, in proportion to its inhabitants; `drawn` is a 32-bit number."""
        return self._settled[_pick(self._town_sums, drawn)][0]

    def neighbour(self, home: Town, drawn: int) -> Town:
        """A town of the same département, in proportion to its inhabitants."""
        low, high = self.shares[home.department]
        return self.town(low + (drawn * (high - low) >> 32))

    def width(self, town: Town) -> float:
        """Degrees around its centre in which the town's addresses lie."""
        return self._widths[town.insee]

    def agenda(self, editor: str, drawn: int) -> AgendaTemplate:
        """A week, in proportion to its weight: of an agenda at that editor, or typed in the SAS agenda ("")."""
        weeks, sums = (self.agendas, self._agenda_sums) if editor else (self.typed, self._typed_sums)
        return weeks[_pick(sums, drawn)][0]

    def editor_of(self, seed: int, number: int) -> str:
        """Slug of the editor that holds the agenda of practitioner `number`; "" for one of the SAS agenda."""
        return self._editor(_digest(seed, number), number)

    def _editor(self, octets: bytes, number: int) -> str:
        return "" if number >= TYPING else self.editors[octets[0] % len(self.editors)]

    def typing(self, count: int) -> range:
        """The numbers of those who type their slots in the SAS agenda, where `count` others live."""
        return range(TYPING, TYPING + (-(-count // _TYPING_SHARE) if self.typed else 0))

    def stored(self, editor: str, national_id: str, octet: int) -> str:
        """A prefixed national id as that editor stores it; where the forms are mixed, `octet` decides."""
        form = self.stored_forms.get(editor)
        return national_id[1:] if form == "bare" or (form == "mixed" and octet % 2) else national_id

    def groups(self, octets: bytes, editor: str, home: Town) -> tuple[tuple[str, ...], ...]:
        """The CPTS of a practitioner, in groups: none, one, two in one group (both see the slots), or two in turn."""
        there = self.cpts.get(home.insee)
        if not there or octets[4] >= _MEMBERS or (editor and editor not in self.cpts_editors):
            return ()
        at = octets[5] % len(there)
        one, other = there[at], there[(at + 1) % len(there)]
        if one == other or octets[6] >= 2 * _IN_TWO:
            return ((one,),)
        return ((one, other),) if octets[6] < _IN_TWO else ((one,), (other,))


def speaking(editors: Iterable[Editor], flow: Flow) -> list[str]:
    """Slugs of those editors that are interfaced for a flow."""
    return [editor.slug for editor in editors if editor.speaks(flow)]


def stored_forms(editors: Iterable[Editor]) -> dict[str, str]:
    """How editors store national ids, by slug."""
    return {editor.slug: editor.stores for editor in editors}


def zones(cpts: Iterable[Cpts]) -> dict[str, tuple[str, ...]]:
    """FINESS of the CPTS in whose zone of intervention a town lies, by INSEE code."""
    found: dict[str, tuple[str, ...]] = {}
    for each in cpts:
        for insee in each.zone:
            found[insee] = (*found.get(insee, ()), each.finess)
    return found


def _width(inhabitants: int) -> float:
    return SPREAD * min(WIDEST, max(1.0, math.sqrt(inhabitants / _CITY)))


def _pick(sums: Sequence[int], drawn: int) -> int:
    return bisect_right(sums, drawn * sums[-1] >> 32)


_SPECIALTY_SUMS = list(accumulate(weight for _, weight in SPECIALTIES))


def _digest(seed: int, number: int) -> bytes:
    return hashlib.blake2b(b"person/%d/%d" % (seed, number)).digest()


def id_of(number: int) -> str:
    """Prefixed RPPS of practitioner `number` (below 10,000,000), unless he has an ADELI only.

    >>> id_of(0)
    '819900000001'
    """
    digits = f"{_PREFIX[1:]}{number:07d}"
    return f"8{digits}{luhn_digit(digits)}"


def index_of(national_id: str) -> int | None:
    """The number behind a procedural id (prefixed RPPS or ADELI); None for any other."""
    if not (national_id.isascii() and national_id.isdigit()):
        return None
    if len(national_id) == 12 and national_id.startswith(_PREFIX) and has_luhn(national_id[1:]):
        return int(national_id[4:11])
    if len(national_id) == 10 and national_id.startswith(_ADELI_PREFIX):
        return int(national_id[3:])
    return None


def practitioner_at(seed: int, number: int, recipe: Recipe) -> Practitioner:
    """Practitioner `number` of `seed`; raises ValueError outside [0, 10,000,000[."""
    if not 0 <= number < MOST:
        raise ValueError(f"practitioner number {number} is not in [0, {MOST}[")
    octets = _digest(seed, number)
    given, family = given_names(), family_names()
    towns = _towns(octets, seed, number, recipe)
    national_id, editor = _id(octets, number), recipe._editor(octets, number)
    groups = recipe.groups(octets, editor, towns[0])
    specialty = _specialty(octets)
    return Practitioner(
        id=national_id,
        family=family[_word(octets, 8) % len(family)].upper(),
        given=given[_word(octets, 12) % len(given)],
        editor=editor,
        places=tuple(
            _place(national_id, octets, town, recipe, at, _week(octets, at, recipe, editor, groups))
            for at, town in enumerate(towns)
        ),
        specialty=specialty,
        specialty_text=None if specialty else FREE_TEXTS[_word(octets, 16) % len(FREE_TEXTS)],
        phone=_phone(octets, towns[0]),
        stored_id=recipe.stored(editor, national_id, octets[5]),
        cpts=tuple(dict.fromkeys(finess for group in groups for finess in group)),
        password="" if editor else f"agenda-{towns[0].department}",
    )


def settled_in(seed: int, code: str, recipe: Recipe, numbers: range) -> Iterator[Settled]:
    """Those of the practitioners with these numbers whose places lie in a département, by number."""
    low, high = recipe.shares[code]
    for number in numbers_in(seed, low, high, numbers):
        octets = _digest(seed, number)
        spots = (_spot(octets, at, town, recipe) for at, town in enumerate(_towns(octets, seed, number, recipe)))
        yield Settled(_id(octets, number), recipe._editor(octets, number), _specialty(octets), tuple(spots))


def members_of(seed: int, cpts: Cpts, recipe: Recipe, numbers: range) -> Iterator[str]:
    """The ids of those of the practitioners with these numbers who are members of a CPTS, by number."""
    zone = frozenset(cpts.zone)
    low, high = recipe.shares[department_of(cpts.zone[0])]
    for number in numbers_in(seed, low, high, numbers):
        if (home := recipe.town(draw(seed, number))).insee in zone:
            octets = _digest(seed, number)
            groups = recipe.groups(octets, recipe._editor(octets, number), home)
            if any(cpts.finess in group for group in groups):
                yield _id(octets, number)


def _word(octets: bytes, at: int) -> int:
    return int.from_bytes(octets[at : at + 4], "big")


def _id(octets: bytes, number: int) -> str:
    return f"{_ADELI_PREFIX}{number:07d}" if octets[1] < _ADELI_ONLY else id_of(number)


def _specialty(octets: bytes) -> str | None:
    return None if octets[7] < _FREE_TEXT else SPECIALTIES[_pick(_SPECIALTY_SUMS, _word(octets, 16))][0]


def _phone(octets: bytes, town: Town) -> str | None:
    if octets[2] < _NO_PHONE:
        return None
    digits = phone_of(town.department, _word(octets, 20))
    if octets[3] % 3 == 0:  # some agendas store the number as it was typed; answers have the national form
        return " ".join(digits[at : at + 2] for at in range(0, 10, 2))
    return digits if octets[3] % 3 == 1 else f"+33{digits[1:]}"


def _drawn(octets: bytes, at: int) -> bytes:
    """The twelve octets that decide place number `at`."""
    return octets[25 + 12 * at : 37 + 12 * at]


def _towns(octets: bytes, seed: int, number: int, recipe: Recipe) -> tuple[Town, ...]:
    """The town of each place, all in one département: about 78 % of people have one place, 18 % two, 4 % three."""
    home = recipe.town(draw(seed, number))
    if octets[24] <= 200:
        return (home,)
    return (home, *(recipe.neighbour(home, _word(_drawn(octets, at), 0)) for at in range(1, 2 + (octets[24] > 246))))


def _spot(octets: bytes, at: int, town: Town, recipe: Recipe) -> tuple[float, float]:
    """Where in its town a place lies."""
    drawn, width = _drawn(octets, at), recipe.width(town)
    group = _group(drawn, town, recipe)
    if group is not None:
        return group.lat, group.lon
    return round(town.lat + (drawn[7] - 128) / 128 * width, 5), round(town.lon + (drawn[8] - 128) / 128 * width, 5)


def _group(drawn: bytes, town: Town, recipe: Recipe) -> Structure | None:
    """The MSP or CDS that a place is in."""
    return recipe.structures.drawn(town, drawn[7]) if drawn[9] < _GROUPED else None


def _place(national_id: str, octets: bytes, town: Town, recipe: Recipe, at: int, week: AgendaTemplate) -> Place:
    drawn = _drawn(octets, at)
    schedule = f"{national_id}-{at + 1}"
    lat, lon = _spot(octets, at, town, recipe)
    group = _group(drawn, town, recipe)
    alone = f"{1 + drawn[4] % 120} {STREETS[drawn[5] % len(STREETS)]} {NAMES[drawn[6] % len(NAMES)]}"
    return Place(
        id=schedule,
        structure=group.finess if group is not None else _structure(national_id, town, drawn, at),
        line=group.line if group is not None else alone,
        postal_code=town.postal_code,
        city=town.name,
        insee=town.insee,
        lat=lat,
        lon=lon,
        agenda=week,
        local_id=schedule,
        group=group,
    )


def _week(octets: bytes, at: int, recipe: Recipe, editor: str, groups: tuple[tuple[str, ...], ...]) -> AgendaTemplate:
    """The week of place number `at`."""
    week = recipe.agenda(editor, _word(_drawn(octets, at), 8))
    return _seen_by(week, groups) if groups else week


@lru_cache(maxsize=4096)
def _seen_by(week: AgendaTemplate, groups: tuple[tuple[str, ...], ...]) -> AgendaTemplate:
    """The week of a member of a CPTS: the CPTS sees some of its slots too, and some only it sees."""
    return replace(week, visibilities=(*week.visibilities, ("PUBLIC", "CPTS"), ("CPTS",)), cpts=groups)


def _structure(national_id: str, town: Town, drawn: bytes, at: int) -> str:
    """FINESS, else SIRET, else RPPS rang (guide, « Identifiants »: in this order of preference)."""
    kind = drawn[9] % 10
    if kind < 5:
        return f"1{department(town.department).digits}99{_word(drawn, 8) % 100_000:05d}"
    if kind < 9 or national_id.startswith("0"):
        siret = f"9990{_word(drawn, 4) % 100_000:05d}{at + 1:04d}"
        return f"3{siret}{luhn_digit(siret)}"
    return f"4{national_id[1:]}{at + 1:03d}"
