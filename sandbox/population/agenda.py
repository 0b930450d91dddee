"""What an agenda offers on a day: a pure function of (seed, schedule id, local date, template, region).

Each opening range of a day is cut into slots of equal length, measured in real time: on the nights when the clocks
change the day has an hour less or more, no slot overlaps another and each carries the offset that is in force. What the
template says of public holidays and leave decides on which days there is nothing.
Each slot draws octets of the digest of its schedule and day: whether it is kept for the practitioner's own patients
(then it is nowhere in here), whether and how long before its start somebody takes it, and of which kind it is. How long
before lies between 5 minutes and 14 days, half of it under a day and a half, so occupation grows as the day nears.

A search touches thousands of slots of which it sends few, so a day is held in columns and no object is made per slot:
what is the same for all schedules of a template is computed once per day (`Rhythm`), the rest by whole columns.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import compress, cycle
from operator import sub
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sandbox.kernel.bounded import make_room
from sandbox.kernel.model import AgendaTemplate, Palette, Slot, SlotKind
from sandbox.population.calendar import Region, is_late, is_public_holiday, region_of
from sandbox.population.leave import absent, pattern_of

_SHORTEST, _DOUBLINGS = 300, 12  # seconds of the shortest lead; the longest is 2^12 times that: 14 days
_JUST_AFTER = 2**-20  # seconds, under any `now`'s microsecond: at its very start a slot still is offered
_DAYS_KEPT = 64  # days of candidates held per week


class Planned(NamedTuple):
    """One slot that the agenda offers: epoch seconds of start and end, of the instant at which somebody takes it."""

    start: int
    end: int
    taken: int | None
    kind: SlotKind

    @classmethod
    def of(cls, slot: Slot) -> Planned:
        """A slot as planned; `taken` unknown."""
        kind = SlotKind(slot.visibilities, slot.types, slot.reason, slot.walkin, slot.cpts)
        return cls(int(slot.start.timestamp()), int(slot.end.timestamp()), None, kind)


def zone_of(insee: str) -> ZoneInfo:
    """The time zone of a town by its INSEE code (or a département code): overseas ones have their own."""
    return region_of(insee).zone


class Columns(NamedTuple):
    """The slots that a schedule offers on a day, by time. Instants in epoch seconds, `length` in seconds.

    `gone`: the first instant at which a slot is not offered any more: it is taken (always before its start), or it
    has just started. `codes`: its kind, as an index of `palette.kinds`.
    """

    starts: Sequence[int]
    length: int
    gone: Sequence[float]
    codes: Sequence[int]
    palette: Palette

    def slots(self) -> Iterator[Planned]:
        """The same one by one."""
        kinds = self.palette.kinds
        for start, gone, code in zip(self.starts, self.gone, self.codes, strict=True):
            yield Planned(start, start + self.length, None if gone > start else int(gone), kinds[code])


class Rhythm:
    """A week in a region, shared by all the schedules that follow it: candidates of each day, and tables to draw by.

    Three octets per candidate: kept for own patients or not; how long before its start it is taken; its kind.
    """

    def __init__(self, template: AgendaTemplate, region: Region) -> None:
        self._template, self._region, self.zone = template, region, region.zone
        self.length = template.slot_minutes * 60
        own, taken = int(template.own_patients * 256), int(template.occupation * 256)
        self._offered = bytes(octet >= own for octet in range(256))
        self._leads = tuple(_lead(octet / taken) if octet < taken else -_JUST_AFTER for octet in range(256))
        self._groups = len(template.cpts)
        self._palette = Palette(tuple(_kinds(template)))
        self._grids: dict[int, tuple[int, ...]] = {}

    def grid(self, day: int) -> tuple[int, ...]:
        """Starts of all slots that a day (proleptic ordinal) may have, by time; closed days have none."""
        found = self._grids.get(day)
        if found is None:
            make_room(self._grids, _DAYS_KEPT)
            found = self._grids[day] = tuple(_candidates(date.fromordinal(day), self._template, self._region))
        return found

    def plan(self, seed: int, schedule_id: str, day: int) -> Columns:
        """What a schedule offers on a day (proleptic ordinal): nothing while its holder is on leave."""
        leave = self._template.leave
        away = leave and pattern_of(seed, schedule_id) in absent(leave, day)
        grid = () if away else self.grid(day)
        count = len(grid)
        octets = hashlib.shake_128(b"%d/%b/%d" % (seed, schedule_id.encode(), day)).digest(3 * count)
        offered = octets[:count].translate(self._offered)
        starts = tuple(compress(grid, offered))
        leads = map(self._leads.__getitem__, compress(octets[count : 2 * count], offered))
        codes: Sequence[int] = bytes(compress(octets[2 * count :], offered))
        if self._groups > 1:  # the groups of CPTS take turns
            turns = compress(cycle(range(0, 256 * self._groups, 256)), offered)
            codes = tuple(map(int.__add__, codes, turns))
        return Columns(starts, self.length, tuple(map(sub, starts, leads)), codes, self._palette)


def rhythm(template: AgendaTemplate, region: Region) -> Rhythm:
    """The rhythm of a week in a region; the zone of the schools does not part weeks that do not mind it."""
    minds = any(each.without_school for each in template.ranges)
    return _rhythm(template, region if minds else Region(region.zone, region.more))


_rhythm = lru_cache(maxsize=1024)(Rhythm)


def day_plan(seed: int, schedule_id: str, day: date, template: AgendaTemplate, region: Region) -> tuple[Planned, ...]:
    """The slots that a schedule offers on a local date, by time; own-patients slots left out."""
    return tuple(rhythm(template, region).plan(seed, schedule_id, day.toordinal()).slots())


def day_slots(
    seed: int, schedule_id: str, day: date, template: AgendaTemplate, region: Region
) -> tuple[tuple[Slot, datetime | None], ...]:
    """The same as slots with aware local times, each with the instant at which it is taken (None: never)."""
    return tuple(
        (as_slot(schedule_id, planned, region.zone), _local(planned.taken, region.zone))
        for planned in day_plan(seed, schedule_id, day, template, region)
    )


def _local(instant: int | None, zone: ZoneInfo) -> datetime | None:
    return None if instant is None else datetime.fromtimestamp(instant, zone)


def as_slot(schedule_id: str, planned: Planned, zone: ZoneInfo) -> Slot:
    """The domain value of a planned slot."""
    start, end = (datetime.fromtimestamp(instant, zone) for instant in (planned.start, planned.end))
    return Slot(schedule_id, start, end, *planned.kind)


def slot_id(schedule_id: str, start: int) -> str:
    """`<schedule id>.<start in UTC>`; `start` in epoch seconds.

    >>> slot_id("duvallon", 1767261600)
    'duvallon.20260101T1000Z'
    """
    return f"{schedule_id}.{datetime.fromtimestamp(start, UTC):%Y%m%dT%H%MZ}"


def split_slot_id(text: str) -> tuple[str, int] | None:
    """Schedule id and start (epoch seconds) of a slot id; None when it is none."""
    schedule, _, stamp = text.rpartition(".")
    if not schedule or len(stamp) != 14:
        return None
    try:
        start = datetime.strptime(stamp, "%Y%m%dT%H%MZ").replace(tzinfo=UTC)
    except ValueError:
        return None
    return schedule, int(start.timestamp())


def _candidates(day: date, template: AgendaTemplate, region: Region) -> Iterator[int]:
    """Starts, by time; where two ranges meet in an hour that the clocks skip, the later one waits for the earlier."""
    step, free = template.slot_minutes * 60, 0
    pause = tuple(_epoch(day, at, region.zone) for at in template.lunch or (time(0), time(0)))
    for opens, closes in _opened(day, template, region):
        last = day + timedelta(days=1) if closes == time(0) else day  # 00:00 is the end of the day
        begin, end = _epoch(day, opens, region.zone), _epoch(last, closes, region.zone)
        for start in range(max(begin, free), end - step + 1, step):
            if not (start < pause[1] and start + step > pause[0]):
                yield start
        free = max(free, end)


def _opened(day: date, template: AgendaTemplate, region: Region) -> list[tuple[time, time]]:
    """The opening ranges of a day, by time."""
    weekday = day.weekday()
    if is_public_holiday(day, region):
        if template.holidays == "closed":
            return []
        weekday = 6
    found = [(template.opens, template.closes)] if weekday in template.days else []
    for each in template.ranges:
        if weekday in each.days and (not each.without_school or is_late(day, region)):
            found.append((each.opens, each.closes))
    return sorted(found)


def _epoch(day: date, at: time, zone: ZoneInfo) -> int:
    return int(datetime.combine(day, at, zone).timestamp())


def _lead(share: float) -> int:
    """How long before its start a slot is taken, in seconds; `share` in [0, 1[."""
    return int(_SHORTEST * 2 ** (_DOUBLINGS * math.sqrt(share)))


def _kinds(template: AgendaTemplate) -> Iterator[SlotKind]:
    """256 kinds per group of CPTS: each feature has its share, spread over all values of the others.

    Multiplied by an odd number, the octets are all octets in another order: one octet draws every feature.
    """
    kinds = template.types
    choices = (kinds, *((one,) for one in kinds)) if len(kinds) > 1 else (kinds,)
    reasons = (None, *template.reasons)
    for group in template.cpts or ((),):
        for octet in range(256):
            visibilities = template.visibilities[octet * len(template.visibilities) >> 8]
            yield SlotKind(
                visibilities,
                choices[(octet * 77 % 256) * len(choices) >> 8],
                reasons[(octet * 157 % 256) * len(reasons) >> 8],
                (octet * 109 % 256) < int(template.walkin * 256),
                group if "CPTS" in visibilities else (),
            )
