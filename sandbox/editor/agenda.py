"""An editor's agendas: generated slots, less those that somebody took, less those that regulators booked here.

What a schedule drew for the days asked is a `Share`; what is free of it only changes at known instants (a slot is
taken, a slot starts) and when a booking takes or releases a slot. Nothing is durable here: whoever books calls `take`
again after a restart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import compress
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from sandbox.kernel.bounded import make_room
from sandbox.kernel.clock import Clock
from sandbox.kernel.model import ConsultationSite, Editor, Place, Slot
from sandbox.population.agendas.agenda import Columns, Planned, SlotPattern, as_slot, rhythm, slot_id, split_slot_id
from sandbox.population.agendas.calendar import region_of
from sandbox.population.agendas.leave import pattern_of
from sandbox.population.agendas.slot_mask import SlotMask, Timetable
from sandbox.population.people import Population

HORIZON = timedelta(days=30)  # how far ahead an agenda is open
_HORIZON = HORIZON.total_seconds()
WINDOWS_KEPT = 256  # windows asked lately
_BACK = 6 * 3600  # a window that is open since `now` begins at a multiple of this (s): it stays the same for a while
_PAST_KEPT = 2 * 86_400  # bookings of slots that are this long over (s) need no memory


class Week(NamedTuple):
    """One schedule and the week that repeats in it."""

    schedule: str
    rhythm: SlotPattern

    @property
    def zone(self) -> ZoneInfo:
        """Where its hours are local."""
        return self.rhythm.zone


def week_of(where: Place | ConsultationSite) -> Week:
    """The schedule of a place of consultation or of a site."""
    return Week(where.id, rhythm(where.agenda, region_of(where.insee)))


class FreeSlots(msgspec.Struct, eq=False, gc=False):
    """What a schedule drew for the days asked, and which of it is free: `flags`, in [since, until[ (epoch seconds)."""

    week: Week
    lanes: SlotMask
    drawn: bytes
    flags: int
    since: float
    until: float

    @property
    def count(self) -> int:
        """How many slots are free."""
        return self.flags.bit_count()

    @property
    def marks(self) -> bytes:
        """One octet per candidate: 0 where it is not free."""
        return self.lanes.marks(self.flags)

    def starts(self) -> Sequence[int]:
        """When the free slots start, by time; epoch seconds."""
        return tuple(compress(self.lanes.starts, self.marks))

    def all_codes(self) -> Sequence[int]:
        """The kind of each candidate, free or not."""
        return self.week.rhythm.codes(self.lanes, self.drawn)

    def codes(self) -> Sequence[int]:
        """The kind of each free slot."""
        return tuple(compress(self.all_codes(), self.marks))

    def cut(self, first: int, end: int) -> FreeSlots:
        """Only the free slots [first, end[ of it."""
        kept = [*self.lanes.flagged(self.flags)][first:end]
        return FreeSlots(
            self.week, self.lanes, self.drawn, sum(0x8000 << 16 * lane for lane in kept), self.since, self.until
        )


class Window(dict[Timetable, SlotMask]):
    """The candidates of each pace that start in [first, last], epoch seconds. Nobody changes it but by looking."""

    def __init__(self, first: float, last: float) -> None:
        self.first, self.last = first, last

    def __missing__(self, pace: Timetable) -> SlotMask:
        lanes = self[pace] = pace.between(self.first, self.last)
        return lanes


class Agenda:
    """The agendas of one editor. `now` and `clock` are sandbox time."""

    def __init__(self, population: Population, editor: Editor, clock: Clock) -> None:
        self._population, self._editor, self._clock = population, editor, clock
        self._windows: dict[tuple[int, int], Window] = {}
        self._taken: dict[str, frozenset[int]] = {}  # schedule id -> starts of the slots booked here
        self.version = 0  # of the bookings

    def week(self, schedule_id: str) -> Week | None:
        """The week of one of this editor's schedules."""
        placed = self._population.place(schedule_id)
        if placed is not None:
            return week_of(placed[1]) if placed[0].editor == self._editor.slug else None
        held = self._population.site(schedule_id)
        return week_of(held[1]) if held is not None and held[0].editor == self._editor.slug else None

    def window(self, start: float, end: float, now: float) -> Window:
        """From `start` to `end`, cut to what is published: not before `now`, not beyond the horizon. Epoch seconds.

        The same window again, as far as slots are concerned, is the same object.
        """
        # Slots start at whole seconds; what starts before `now` is not free anyway.
        first = math.ceil(start) if start > now else int(now // _BACK) * _BACK
        last = math.floor(end) if end < now + _HORIZON else int((now + _HORIZON) // 60) * 60
        if last < now:
            first, last = 1, 0
        found = self._windows.get((first, last))
        if found is None:
            make_room(self._windows, WINDOWS_KEPT)
            found = self._windows[first, last] = Window(first, last)
        return found

    def look(self, week: Week, window: Window, now: float, last: FreeSlots | None = None) -> FreeSlots:
        """What is free of a schedule at `now`. `last`: what was found of the same schedule before, if anything."""
        lanes = window[week.rhythm.pace]
        if last is not None and last.lanes is lanes:
            drawn = last.drawn
        else:
            drawn = lanes.drawn(self._population.seed, week.schedule.encode())
        flags, since, until = lanes.free(drawn, now)
        if week.rhythm.leave and (away := lanes.away(week.rhythm.leave)):
            flags &= ~away.get(pattern_of(self._population.seed, week.schedule), 0)
        booked = self._taken.get(week.schedule)
        if booked:
            flags &= ~lanes.flags_of(booked)
        return FreeSlots(week, lanes, drawn, flags, since, until)

    def free(self, schedule_id: str, start: datetime, end: datetime, now: datetime) -> list[Slot]:
        """The free slots that start in [start, end], by time; never one before `now` or beyond the horizon."""
        week = self.week(schedule_id)
        if week is None:
            return []
        window = self.window(start.timestamp(), end.timestamp(), now.timestamp())
        share = self.look(week, window, now.timestamp())
        length, kinds = share.lanes.length, week.rhythm.palette.kinds
        return [
            as_slot(schedule_id, Planned(start, start + length, None, kinds[code]), week.zone)
            for start, code in zip(share.starts(), share.codes(), strict=True)
        ]

    def find(self, key: str) -> Slot | None:
        """The slot with that id, also when it is over or taken; None when the agenda never offered it."""
        found = self._locate(key)
        return None if found is None else as_slot(found[0].schedule, found[1], found[0].zone)

    def is_free(self, key: str, now: datetime) -> bool:
        """True when the slot exists, has not started and nobody has taken it."""
        found = self._locate(key)
        if found is None:
            return False
        week, planned = found
        instant = now.timestamp()
        # At its very start it still is offered: « never a slot before now ».
        gone = planned.start < instant if planned.taken is None else planned.taken <= instant
        return not gone and planned.start not in self._taken.get(week.schedule, ())

    def take(self, key: str) -> None:
        """Mark a slot as booked. The caller has checked `is_free` and makes it durable."""
        split = split_slot_id(key)
        if split is None:
            return
        schedule, start = split
        over = self._clock.now().timestamp() - _PAST_KEPT
        kept = frozenset(each for each in self._taken.get(schedule, ()) if each > over)
        self._taken[schedule] = kept | {start}
        self.version += 1

    def release(self, key: str) -> None:
        """A booking was cancelled: the slot is as free as if it had never been made."""
        split = split_slot_id(key)
        if split is None:
            return
        schedule, start = split
        taken = self._taken.pop(schedule, frozenset()) - {start}
        if taken:
            self._taken[schedule] = taken
        self.version += 1

    def _locate(self, key: str) -> tuple[Week, Planned] | None:
        split = split_slot_id(key)
        week = self.week(split[0]) if split is not None else None
        if split is None or week is None or slot_id(*split) != key:
            return None
        plan = self._plan(week, datetime.fromtimestamp(split[1], week.zone).toordinal())
        return next(((week, planned) for planned in plan.slots() if planned.start == split[1]), None)

    def _plan(self, week: Week, day: int) -> Columns:
        return week.rhythm.plan(self._population.seed, week.schedule, day)
