"""Typed slots of the SAS agenda: single ones and weekly series, their occurrences, and when two of them overlap. Pure.

A series repeats on the same weekday at the same local time, from its first day to its last; a single slot is a series
of one day. Days are proleptic ordinals (`date.toordinal`), times are minutes from local midnight.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from sandbox.population.agendas.calendar import Region, is_public_holiday
from sandbox.sas.agenda.local_time import MINUTES_A_DAY, instant

FOREVER = date(2099, 12, 31).toordinal()  # last day of a series without an end
WEEK = 7


class Kind(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What slots have in common but for their time. `place`: id of the place of consultation; `visibilities`: R314
    codes; `type`: v3-ActCode code; `max_patients`: how many patients one slot holds; `holidays` false: not on public
    holidays."""

    place: str
    visibilities: tuple[str, ...] = ("PUBLIC",)
    type: str = "AMB"
    reasons: tuple[str, ...] = ()
    max_patients: int = 1
    holidays: bool = True


class Series(msgspec.Struct, frozen=True, gc=False):
    """One typed slot, weekly from the day `first` to the day `last` but for the days `skipped` (ascending).

    `id`: unique among the practitioner's; `start`, `length` in minutes. `last` is a day of the series, or FOREVER.
    """

    id: str
    first: int
    last: int
    start: int
    length: int
    kind: Kind
    skipped: tuple[int, ...] = ()

    @property
    def weekly(self) -> bool:
        """False for a single slot."""
        return self.last > self.first

    def has(self, day: int) -> bool:
        """Whether it has an occurrence on that day (public holidays apart)."""
        return self.first <= day <= self.last and (day - self.first) % WEEK == 0 and day not in self.skipped

    def days(self, low: int, high: int) -> Iterator[int]:
        """Its days from `low` to `high`, ascending (public holidays apart)."""
        begin = self.first + max(0, -(-(low - self.first) // WEEK)) * WEEK
        for day in range(begin, min(self.last, high) + 1, WEEK):
            if day not in self.skipped:
                yield day


class Occurrence(NamedTuple):
    """One slot of a series on a day. `owner`: prefixed national id of the practitioner; `start`, `end`: epoch seconds;
    `last`: last day of its series, 0 for a single slot."""

    owner: str
    series: str
    day: int
    start: int
    end: int
    kind: Kind
    last: int
    zone: ZoneInfo

    @property
    def id(self) -> str:
        """`<owner>-<series>.<yyyymmdd>`, see `split_id`."""
        return f"{self.owner}-{self.series}.{date.fromordinal(self.day):%Y%m%d}"

    @property
    def begins(self) -> datetime:
        """The start, in the zone of the place."""
        return datetime.fromtimestamp(self.start, self.zone)

    @property
    def ends(self) -> datetime:
        """The end, in the zone of the place."""
        return datetime.fromtimestamp(self.end, self.zone)


class SlotId(NamedTuple):
    """The parts of an occurrence's id."""

    owner: str
    series: str
    day: int


def split_id(text: str) -> SlotId | None:
    """The parts of an occurrence's id; None when it is none.

    >>> split_id("819800000127-12.20261201")
    SlotId(owner='819800000127', series='12', day=739951)
    """
    name, _, stamp = text.rpartition(".")
    owner, _, series = name.partition("-")
    if not owner or not series or len(stamp) != 8 or not (stamp.isascii() and stamp.isdigit()):
        return None
    try:
        return SlotId(owner, series, date(int(stamp[:4]), int(stamp[4:6]), int(stamp[6:])).toordinal())
    except ValueError:
        return None


def occurrence_of(owner: str, series: Series, day: int, region: Region) -> Occurrence | None:
    """The occurrence on a day of the series; None when it falls out: on a public holiday, or in the hour that the
    clocks skip."""
    if not series.kind.holidays and is_public_holiday(date.fromordinal(day), region):
        return None
    start = instant(region.zone, day, series.start)
    end = instant(region.zone, day, series.start + series.length)
    if end <= start:
        return None
    last = series.last if series.weekly else 0
    return Occurrence(owner, series.id, day, start, end, series.kind, last, region.zone)


def expanded(owner: str, series: Series, region: Region, days: tuple[int, int]) -> Iterator[Occurrence]:
    """The occurrences that begin on the days from the first to the last of `days`, by time."""
    for day in series.days(*days):
        found = occurrence_of(owner, series, day, region)
        if found is not None:
            yield found


# Parts of a series


def trimmed(series: Series) -> Series | None:
    """The series from its first to its last day that is not skipped; None when it has no day."""
    skipped = frozenset(series.skipped)
    first, last = series.first, series.last
    if last < FOREVER:
        last = first + (last - first) // WEEK * WEEK
        while last >= first and last in skipped:
            last -= WEEK
    while first <= last and first in skipped:
        first += WEEK
    if first > last:
        return None
    kept = tuple(sorted(day for day in skipped if first < day < last and (day - first) % WEEK == 0))
    return msgspec.structs.replace(series, first=first, last=last, skipped=kept)


def without(series: Series, day: int) -> Series | None:
    """The series without one of its days."""
    return trimmed(msgspec.structs.replace(series, skipped=(*series.skipped, day)))


def before(series: Series, day: int) -> Series | None:
    """Its days before `day`."""
    return trimmed(msgspec.structs.replace(series, last=min(series.last, day - 1)))


# Overlap


def overlap(one: Series, other: Series, shifts: frozenset[int] = frozenset({0})) -> bool:
    """Whether an occurrence of one overlaps one of the other on the wall clock. `shifts`: the minutes by which the
    clock at the place of `one` may be ahead of that of the other."""
    return any(_overlap(one, other, shift) for shift in shifts)


def _overlap(one: Series, other: Series, shift: int) -> bool:
    """Compare the days of `one` with those of `other` that lie so much later that the times overlap."""
    reach = -(-(one.start + one.length + other.start + other.length + abs(shift)) // MINUTES_A_DAY)
    for later in range(-reach, reach + 1):
        begin = other.start + shift + later * MINUTES_A_DAY
        if begin < one.start + one.length and one.start < begin + other.length and _together(one, other, later):
            return True
    return False


def _together(one: Series, other: Series, later: int) -> bool:
    """Whether `other` has a day that is `later` days after one of `one`."""
    if (one.first + later - other.first) % WEEK and one.weekly and other.weekly:
        return False
    if not one.weekly:
        return other.has(one.first + later)
    if not other.weekly:
        return one.has(other.first - later)
    low, high = max(one.first, other.first - later), min(one.last, other.last - later)
    return any(other.has(day + later) for day in one.days(low, high))


@lru_cache(maxsize=64)
def shifts_between(zone: ZoneInfo, other: ZoneInfo) -> frozenset[int]:
    """The minutes by which the clock of `zone` is ahead of the `other`, over a year."""
    if zone.key == other.key:
        return frozenset({0})
    days = (datetime.fromordinal(day).replace(tzinfo=UTC) for day in range(738_000, 738_366))
    return frozenset(_minutes(day, zone) - _minutes(day, other) for day in days)


def _minutes(at: datetime, zone: ZoneInfo) -> int:
    offset = at.astimezone(zone).utcoffset()
    assert offset is not None
    return int(offset.total_seconds()) // 60
