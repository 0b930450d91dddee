"""What an agenda offers on a day: a pure function of (seed, schedule id, local date, template, region).

Each opening range of a day is cut into slots of equal length, measured in real time: on the nights when the clocks
change the day has an hour less or more, no slot overlaps another and each carries the offset that is in force. What the
template says of public holidays and leave decides on which days there is nothing.
Each slot draws two octets of the digest of its schedule and week (`lanes.py`): whether it is kept for the
practitioner's own patients (then it is nowhere in here), whether and how long before its start somebody takes it, and
of which kind it is. How long before lies between 5 minutes and 14 days, half of it under a day and a half, so
occupation grows as the day nears.
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
from sandbox.population.agendas.slot_mask import SlotMask, Timetable, leads


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


def territory_zone(territories: Mapping[str, Territory], code: str) -> ZoneInfo:
    """The time zone of a SAS territory by its code; that of Paris for one that is unknown."""
    territory = territories.get(code)
    return PARIS if territory is None else zone_of(territory.department)


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


class SlotPattern:
    """A week in a region, shared by all the schedules that follow it: its pace, and the kinds that its slots may have.

    `leave`: weeks a year in which who holds such a schedule is away.
    """

    def __init__(self, template: AgendaTemplate, region: Region) -> None:
        self.zone, self.pace = region.zone, _pace(replace(template, **_OF_KINDS), region)
        self.groups, self.leave = len(template.cpts), template.leave
        kinds = tuple(_kinds(template))
        self.palette = Palette(tuple(dict.fromkeys(kinds)))
        places = {kind: at for at, kind in enumerate(self.palette.kinds)}
        self._codes = tuple(places[kind] for kind in kinds)  # by octet, group by group
        self._table = bytes(self._codes) if self.groups < 2 else b""

    def codes(self, lanes: SlotMask, drawn: bytes) -> Sequence[int]:
        """The kind of each candidate, as an index of the palette; the groups of CPTS take turns."""
        if self.groups < 2:
            return drawn[::2].translate(self._table)
        codes, turns = self._codes, lanes.turns(self.groups)
        return [codes[256 * turn + octet] for turn, octet in zip(turns, drawn[::2], strict=True)]

    def plan(self, seed: int, schedule_id: str, day: int) -> Columns:
        """What a schedule offers on a day (proleptic ordinal): nothing while its holder is on leave."""
        lanes = self.pace.day(day)
        drawn = lanes.drawn(seed, schedule_id.encode())
        gone = [lanes.gone(lane, drawn) for lane in range(len(lanes.starts))]
        away = pattern_of(seed, schedule_id) in absent(self.leave, day)
        offered = [instant > -math.inf and not away for instant in gone]
        starts, codes = compress(lanes.starts, offered), compress(self.codes(lanes, drawn), offered)
        return Columns(tuple(starts), lanes.length, tuple(compress(gone, offered)), tuple(codes), self.palette)


_OF_KINDS: dict[str, Any] = {"visibilities": (), "types": (), "reasons": (), "walkin": 0.0, "cpts": (), "leave": 0}


@lru_cache(maxsize=256)
def _pace(template: AgendaTemplate, region: Region) -> Timetable:
    """The pace of a week, whatever its kinds."""

    def grid(day: int) -> tuple[int, ...]:
        return tuple(_candidates(date.fromordinal(day), template, region))

    return Timetable(grid, region.zone, template.slot_minutes * 60, leads(template.own_patients, template.occupation))


@lru_cache(maxsize=1024)
def _rhythm(template: AgendaTemplate, region: Region) -> SlotPattern:
    return SlotPattern(template, region)


_RHYTHMS_KEPT = 4096
_rhythms: dict[tuple[int, int], tuple[AgendaTemplate, Region, SlotPattern]] = {}


def rhythm(template: AgendaTemplate, region: Region) -> SlotPattern:
    """The rhythm of a week in a region; the zone of the schools does not part weeks that do not mind it.

    Found by identity first: to hash a week takes longer than all the rest.
    """
    found = _rhythms.get((id(template), id(region)))  # both are held there, so nothing else can have their ids
    if found is None:
        minds = any(each.without_school for each in template.ranges)
        made = _rhythm(template, region if minds else Region(region.zone, region.more))
        make_room(_rhythms, _RHYTHMS_KEPT)
        found = _rhythms[id(template), id(region)] = (template, region, made)
    return found[2]


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
