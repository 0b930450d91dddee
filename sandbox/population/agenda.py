"""What an agenda offers on a day: a pure function of (seed, schedule id, local date, template, zone).

A day is cut into slots of equal length from opening to closing, measured in real time: on the nights when the clocks
change the day has an hour less or more, no slot overlaps another and each carries the offset that is in force.
Each slot draws eight octets of blake2b: whether it is kept for the practitioner's own patients (then it is nowhere in
here), whether and how long before its start somebody takes it, and of which kind it is. How long before
lies between 5 minutes and 14 days, half of it under a day and a half, so occupation grows as the day nears.
"""

from __future__ import annotations

import hashlib
import math
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sandbox.kernel.clock import PARIS
from sandbox.kernel.model import AgendaTemplate, Slot, SlotKind

_OVERSEAS = {
    "971": "America/Guadeloupe", "972": "America/Martinique", "973": "America/Cayenne", "974": "Indian/Reunion",
    "975": "America/Miquelon", "976": "Indian/Mayotte", "977": "America/Guadeloupe", "978": "America/Guadeloupe",
    "986": "Pacific/Wallis", "987": "Pacific/Tahiti", "988": "Pacific/Noumea",
}  # fmt: skip

_PER_BLOCK = 8  # slots drawn from one digest of 64 octets
_SHORTEST, _DOUBLINGS = 300, 12  # seconds of the shortest lead; the longest is 2^12 times that: 14 days
_LEADS = tuple(int(_SHORTEST * 2 ** (_DOUBLINGS * math.sqrt(octet / 255))) for octet in range(256))


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
    name = _OVERSEAS.get(insee[:3])
    return ZoneInfo(name) if name else PARIS


def day_plan(seed: int, schedule_id: str, day: date, template: AgendaTemplate, zone: ZoneInfo) -> tuple[Planned, ...]:
    """The slots that a schedule offers on a local date, by time; own-patients slots left out."""
    if day.weekday() not in template.days:
        return ()
    opens, closes, lunch = _hours(day, template.opens, template.closes, template.lunch, zone)
    step = template.slot_minutes * 60
    kinds = _kinds(template)
    own, taken = int(template.own_patients * 256), int(template.occupation * 256)
    key = f"{seed}/{schedule_id}/{day.toordinal()}/".encode()
    plan = []
    octets = b""
    for index in range((closes - opens) // step):
        at = index % _PER_BLOCK * 8
        if not at:
            octets = hashlib.blake2b(key + b"%d" % (index // _PER_BLOCK)).digest()
        start = opens + index * step
        if octets[at] < own or (lunch and start < lunch[1] and start + step > lunch[0]):
            continue
        lead = _LEADS[octets[at + 2]] + octets[at + 3] if octets[at + 1] < taken else None
        kind = kinds.of(octets, at, index)
        plan.append(Planned(start, start + step, None if lead is None else start - lead, kind))
    return tuple(plan)


def day_slots(
    seed: int, schedule_id: str, day: date, template: AgendaTemplate, zone: ZoneInfo
) -> tuple[tuple[Slot, datetime | None], ...]:
    """The same as slots with aware local times, each with the instant at which it is taken (None: never)."""
    return tuple(
        (as_slot(schedule_id, planned, zone), _local(planned.taken, zone))
        for planned in day_plan(seed, schedule_id, day, template, zone)
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


@lru_cache(maxsize=4096)
def _hours(
    day: date, opens: time, closes: time, lunch: tuple[time, time] | None, zone: ZoneInfo
) -> tuple[int, int, tuple[int, int] | None]:
    """Opening, closing and lunch in epoch seconds; closing at 00:00 is the end of the day."""
    last = day + timedelta(days=1) if closes == time(0) else day
    return (
        _epoch(day, opens, zone),
        _epoch(last, closes, zone),
        (_epoch(day, lunch[0], zone), _epoch(day, lunch[1], zone)) if lunch else None,
    )


def _epoch(day: date, at: time, zone: ZoneInfo) -> int:
    return int(datetime.combine(day, at, zone).timestamp())


class _Kinds:
    """The kinds of slots that a template makes, built once: visibilities x types x reason x walk-in x CPTS group."""

    def __init__(self, template: AgendaTemplate) -> None:
        self._visibilities = template.visibilities
        types = template.types
        self._types = (types, *((one,) for one in types)) if len(types) > 1 else (types,)
        self._reasons = (None, *template.reasons)
        self._walkin = int(template.walkin * 256)
        self._groups = template.cpts
        self._made: dict[tuple[int, int, int, bool, int], SlotKind] = {}

    def of(self, octets: bytes, at: int, index: int) -> SlotKind:
        """The kind drawn by the octets at `at`; CPTS groups alternate with the place of the slot in the day."""
        groups = self._groups
        key = (
            octets[at + 4] % len(self._visibilities),
            octets[at + 5] % len(self._types),
            octets[at + 6] % len(self._reasons),
            octets[at + 7] < self._walkin,
            index % len(groups) if groups else 0,
        )
        return self._made.get(key) or self._make(key)

    def _make(self, key: tuple[int, int, int, bool, int]) -> SlotKind:
        seen, types, reason, walkin, group = key
        visibilities = self._visibilities[seen]
        cpts = self._groups[group] if "CPTS" in visibilities and self._groups else ()
        kind = SlotKind(visibilities, self._types[types], self._reasons[reason], walkin, cpts)
        self._made[key] = kind
        return kind


@lru_cache(maxsize=1024)
def _kinds(template: AgendaTemplate) -> _Kinds:
    return _Kinds(template)
