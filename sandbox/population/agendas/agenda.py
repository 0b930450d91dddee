"""What an agenda offers on a day: a pure function of (seed, schedule id, local date, template, region).

Each opening range of a day is cut into slots of equal length, measured in real time. On the nights when the clocks
change the day has an hour less or more; no slot overlaps another, and each carries the offset that is in force. On
public holidays and during leave there are no slots, as far as the template says so.

Each slot draws two octets of the digest of its schedule and week (`slot_mask.py`). They decide whether it is kept for
the practitioner's own patients (then it is left out here), whether and how long before its start somebody takes it,
and of which kind it is. The lead time lies between 5 minutes and 14 days, half of the time under a day and a half, so
occupation grows as the day comes nearer.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import compress
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sandbox.kernel.bounded import make_room
from sandbox.kernel.clock import PARIS
from sandbox.kernel.model import AgendaTemplate, Palette, Slot, SlotKind, Territory
from sandbox.population.agendas.calendar import Region, is_late, is_public_holiday, region_of
from sandbox.population.agendas.leave import absent, pattern_of
from sandbox.population.agendas.slot_mask import SlotMask, Timetable, lead_times


class PlannedSlot(NamedTuple):
    """One slot that the agenda offers. `start`, `end` and `taken` (when somebody takes it) are in epoch seconds."""

    start: int
    end: int
    taken: int | None
    kind: SlotKind

    @classmethod
    def of(cls, slot: Slot) -> PlannedSlot:
        """The planned slot of a domain value; `taken` is unknown."""
        kind = SlotKind(slot.visibilities, slot.types, slot.reason, slot.walkin, slot.cpts)
        return cls(int(slot.start.timestamp()), int(slot.end.timestamp()), None, kind)


def zone_of(insee: str) -> ZoneInfo:
    """The time zone of a town by its INSEE code (or a département code): overseas ones have their own."""
    return region_of(insee).zone


def territory_zone(territories: Mapping[str, Territory], code: str) -> ZoneInfo:
    """The time zone of a SAS territory by its code; that of Paris for one that is unknown."""
    territory = territories.get(code)
    return PARIS if territory is None else zone_of(territory.department)


class DayPlan(NamedTuple):
    """The slots that a schedule offers on a day, by time. Instants in epoch seconds, `length` in seconds.

    `gone`: the first instant at which a slot is not offered any more, because it is taken (always before its start) or
    has just started. `codes`: its kind, as an index of `palette.kinds`.
    """

    starts: Sequence[int]
    length: int
    gone: Sequence[float]
    codes: Sequence[int]
    palette: Palette

    def slots(self) -> Iterator[PlannedSlot]:
        """The slots one by one."""
        kinds = self.palette.kinds
        for start, gone, code in zip(self.starts, self.gone, self.codes, strict=True):
            yield PlannedSlot(start, start + self.length, None if gone > start else int(gone), kinds[code])


class SlotPattern:
    """The week of a template in a region, shared by all schedules that follow it: its timetable and its slots' kinds.

    `groups`: how many groups of CPTS see its slots in turn; `leave`: weeks a year in which the holder is away.
    """

    def __init__(self, template: AgendaTemplate, region: Region) -> None:
        self.zone, self.timetable = region.zone, _timetable(replace(template, **_WITHOUT_KINDS), region)
        self.groups, self.leave = len(template.cpts), template.leave
        kinds = tuple(_kinds(template))
        self.palette = Palette(tuple(dict.fromkeys(kinds)))
        places = {kind: at for at, kind in enumerate(self.palette.kinds)}
        self._codes = tuple(places[kind] for kind in kinds)  # by octet, group by group
        self._table = bytes(self._codes) if self.groups < 2 else b""

    def codes(self, mask: SlotMask, drawn: bytes) -> Sequence[int]:
        """The kind of each candidate, as an index of the palette; groups of CPTS see the slots in turn."""
        if self.groups < 2:
            return drawn[::2].translate(self._table)
        codes, turns = self._codes, mask.turns(self.groups)
        return [codes[256 * turn + octet] for turn, octet in zip(turns, drawn[::2], strict=True)]

    def plan(self, seed: int, schedule_id: str, day: int) -> DayPlan:
        """What a schedule offers on a day (proleptic ordinal): nothing while its holder is on leave."""
        mask = self.timetable.day(day)
        drawn = mask.draw(seed, schedule_id.encode())
        gone = [mask.gone(lane, drawn) for lane in range(len(mask.starts))]
        away = pattern_of(seed, schedule_id) in absent(self.leave, day)
        offered = [instant > -math.inf and not away for instant in gone]
        starts, codes = compress(mask.starts, offered), compress(self.codes(mask, drawn), offered)
        return DayPlan(tuple(starts), mask.length, tuple(compress(gone, offered)), tuple(codes), self.palette)


_WITHOUT_KINDS: dict[str, Any] = {"visibilities": (), "types": (), "reasons": (), "walkin": 0.0, "cpts": (), "leave": 0}


@lru_cache(maxsize=256)
def _timetable(template: AgendaTemplate, region: Region) -> Timetable:
    """The timetable of a week; it does not depend on the kinds of its slots."""

    def starts_of(day: int) -> tuple[int, ...]:
        return tuple(_candidates(date.fromordinal(day), template, region))

    lead = lead_times(template.own_patients, template.occupation)
    return Timetable(starts_of, region.zone, template.slot_minutes * 60, lead)


@lru_cache(maxsize=1024)
def _slot_pattern(template: AgendaTemplate, region: Region) -> SlotPattern:
    return SlotPattern(template, region)


_PATTERNS_KEPT = 4096
_patterns: dict[tuple[int, int], tuple[AgendaTemplate, Region, SlotPattern]] = {}


def slot_pattern(template: AgendaTemplate, region: Region) -> SlotPattern:
    """The pattern of a week in a region. Regions that differ in school holidays only share those patterns that do not
    depend on them.

    It is found by identity first, because computing the hash of a template takes longer than all the rest.
    """
    found = _patterns.get((id(template), id(region)))  # the cache holds both, so no other object can have their ids
    if found is None:
        by_school = any(each.without_school for each in template.ranges)
        made = _slot_pattern(template, region if by_school else Region(region.zone, region.more))
        make_room(_patterns, _PATTERNS_KEPT)
        found = _patterns[id(template), id(region)] = (template, region, made)
    return found[2]


def day_plan(
    seed: int, schedule_id: str, day: date, template: AgendaTemplate, region: Region
) -> tuple[PlannedSlot, ...]:
    """The slots that a schedule offers on a local date, by time; own-patients slots left out."""
    return tuple(slot_pattern(template, region).plan(seed, schedule_id, day.toordinal()).slots())


def as_slot(schedule_id: str, planned: PlannedSlot, zone: ZoneInfo) -> Slot:
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
    """When slots start, in order. Where two ranges meet in an hour that the clocks skip, the later range begins once
    the earlier one has ended."""
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


def _kinds(template: AgendaTemplate) -> Iterator[SlotKind]:
    """256 kinds per group of CPTS, one per drawn octet. Each feature has its share of them, whatever the others.

    Multiplied by an odd number modulo 256, the octets are permuted: so one octet draws every feature.
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
