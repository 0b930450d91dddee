"""The French calendar: public holidays and days without school, by where one lives. Pure.

Public holidays are those of the Code du travail (L3133-1), the two additional ones of Alsace-Moselle (L3134-13) and the
days that commemorate the abolition of slavery overseas (L3422-2); the collectivities of the Pacific have their own.

School holidays follow the rule that the decrees have kept since the school year 2022: two weeks from a Saturday at
Toussaint and Noël, summer, and two weeks in winter and two in spring. These begin a week apart in the zones A, B and C;
each year another zone is the first. The rule gives the published dates of 2022-2023 to 2026-2027, except for a day that
some of them add, and plausible ones after that. Corsica has the holidays that the zones have in common. Overseas the
rectors decide, and their dates are not known here: only Saturdays, Sundays and public holidays are without school.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sandbox.kernel.clock import PARIS
from sandbox.population.geography.departments import department_of

_OVERSEAS = {
    "971": "America/Guadeloupe", "972": "America/Martinique", "973": "America/Cayenne", "974": "Indian/Reunion",
    "975": "America/Miquelon", "976": "Indian/Mayotte", "977": "America/St_Barthelemy", "978": "America/Marigot",
    "986": "Pacific/Wallis", "987": "Pacific/Tahiti", "988": "Pacific/Noumea",
}  # fmt: skip

# Public holidays: month and day, or days after Easter, of those of the whole country; then the additional ones of some
# départements, by code.
_FIXED = ((1, 1), (5, 1), (5, 8), (7, 14), (8, 15), (11, 1), (11, 11), (12, 25))
_MOVING = (1, 39, 50)  # Mondays of Easter and Pentecost, Ascension
_GOOD_FRIDAY = -2
_ALSACE_MOSELLE = "57"
_MORE: dict[str, tuple[tuple[int, int], ...]] = {
    _ALSACE_MOSELLE: ((12, 26),), "971": ((5, 27),), "972": ((5, 22),), "973": ((6, 10),), "974": ((12, 20),),
    "976": ((4, 27),), "977": ((10, 9),), "978": ((5, 28),), "986": ((4, 28), (6, 29), (7, 29)),
    "987": ((3, 5), (11, 20)), "988": ((9, 24),),
}  # fmt: skip
_WITH_GOOD_FRIDAY = frozenset({_ALSACE_MOSELLE, "987"})

_ACADEMIES = {
    "A": "01 03 07 15 16 17 19 21 23 24 25 26 33 38 39 40 42 43 47 58 63 64 69 70 71 73 74 79 86 87 89 90",
    "B": "02 04 05 06 08 10 13 14 18 22 27 28 29 35 36 37 41 44 45 49 50 51 52 53 54 55 56 57 59 60 61 62 67 68 72 "
    "76 80 83 84 85 88",
    "C": "09 11 12 30 31 32 34 46 48 65 66 75 77 78 81 82 91 92 93 94 95",
    "Corse": "2A 2B",
}
_SCHOOL = {code: zone for zone, codes in _ACADEMIES.items() for code in codes.split()}
# The order in which the zones begin the holidays of winter and spring, in the years 0, 1 and 2 modulo 3.
_ORDER = ("BCA", "ABC", "CAB")
_FORTNIGHT = timedelta(days=15)  # from a Saturday to the Sunday two weeks later


class Region(NamedTuple):
    """Where the calendar is the same. `zone`: time zone; `more`: key of the additional public holidays ("": none);
    `school`: A, B, C, Corse, or "" where the school holidays are not known."""

    zone: ZoneInfo
    more: str = ""
    school: str = ""


def region_of(insee: str) -> Region:
    """The region of a town by its INSEE code (or of a département by its code)."""
    return _region(department_of(insee))


@lru_cache(maxsize=256)
def _region(code: str) -> Region:
    if code in _OVERSEAS:
        return Region(ZoneInfo(_OVERSEAS[code]), code if code in _MORE else "")
    return Region(PARIS, _ALSACE_MOSELLE if code in ("57", "67", "68") else "", _SCHOOL.get(code, ""))


def easter(year: int) -> date:
    """Easter Sunday (Gregorian, by the anonymous algorithm of 1876)."""
    golden, (century, rest) = year % 19, divmod(year, 100)
    correction = century - century // 4 - (8 * century + 13) // 25
    epact = (19 * golden + correction + 15) % 30
    epact -= (epact + golden // 11) // 29
    weekday = (2 * (century % 4) + 2 * (rest // 4) - rest % 4 - epact + 32) % 7
    after = epact + weekday - 7 * ((golden + 11 * epact + 22 * weekday) // 451)
    return date(year, 3, 22) + timedelta(days=after)


@lru_cache(maxsize=512)
def public_holidays(year: int, more: str = "") -> frozenset[date]:
    """The public holidays of a year; `more` as in Region."""
    moving = (*_MOVING, *((_GOOD_FRIDAY,) if more in _WITH_GOOD_FRIDAY else ()))
    fixed = (*_FIXED, *_MORE.get(more, ()))
    sunday = easter(year)
    return frozenset((*(sunday + timedelta(days=days) for days in moving), *(date(year, *day) for day in fixed)))


def is_public_holiday(day: date, region: Region) -> bool:
    """True on a public holiday, also when it is a Saturday or Sunday."""
    return day in public_holidays(day.year, region.more)


def is_without_school(day: date, region: Region) -> bool:
    """True on Saturdays and Sundays, on public holidays, and during the school holidays of the region."""
    if day.weekday() >= 5 or is_public_holiday(day, region):
        return True
    return any(first <= day <= last for first, last in _school_holidays(day.year, region.school))


def is_late(day: date, region: Region) -> bool:
    """True when there is no school on the day or on the next one, so that children may stay up in the evening."""
    return is_without_school(day, region) or is_without_school(day + timedelta(days=1), region)


@lru_cache(maxsize=256)
def _school_holidays(year: int, school: str) -> tuple[tuple[date, date], ...]:
    """First and last days of the school holidays that lie at least partly in a year."""
    if not school:
        return ()
    begins = [_saturday(year, 10, 17), _saturday(year - 1, 12, 17), _saturday(year, 12, 17)]
    if school in _ORDER[0]:
        weeks = timedelta(weeks=_ORDER[year % 3].index(school))
        begins += [_saturday(year, 2, 4) + weeks, _saturday(year, 4, 3) + weeks]
    return (*((first, first + _FORTNIGHT) for first in begins), (_saturday(year, 7, 2), date(year, 8, 31)))


def _saturday(year: int, month: int, day: int) -> date:
    """The first Saturday from that day on."""
    first = date(year, month, day)
    return first + timedelta(days=(5 - first.weekday()) % 7)
