"""An editor's agendas: the generated slots, without those that somebody took or that regulators booked here.

`FreeSlots` holds what was drawn for a schedule in a window and which of it is free. That changes only at known
instants (a slot is taken, or starts) and when a booking takes or releases a slot. Nothing here is durable: after a
restart whoever books calls `take` again.
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
from sandbox.population.agendas.agenda import (
    DayPlan,
    PlannedSlot,
    SlotPattern,
    as_slot,
    slot_id,
    slot_pattern,
    split_slot_id,
)
from sandbox.population.agendas.calendar import region_of
from sandbox.population.agendas.leave import pattern_of
from sandbox.population.agendas.slot_mask import SlotMask, Timetable
from sandbox.population.people import Population

HORIZON = timedelta(days=30)  # how far ahead an agenda is open
_HORIZON = HORIZON.total_seconds()
WINDOWS_KEPT = 256  # windows that were asked for last
_WINDOW_STEP = 6 * 3600  # seconds: a window from `now` begins at a multiple of it, to be the same for a while
_PAST_KEPT = 2 * 86_400  # seconds after which the booking of a past slot is forgotten


class Week(NamedTuple):
    """One schedule and the week that repeats in it."""

    schedule: str
    pattern: SlotPattern

    @property
    def zone(self) -> ZoneInfo:
        """Where its hours are local."""
        return self.pattern.zone


def week_of(where: Place | ConsultationSite) -> Week:
    """The schedule of a place of consultation or of a site."""
    return Week(where.id, slot_pattern(where.agenda, region_of(where.insee)))


class FreeSlots(msgspec.Struct, eq=False, gc=False):
    """The candidates of a schedule in a window and which of them are free.

    `mask`: the candidates; `drawn`: their draws; `flags`: those that are free in [since, until[ (epoch seconds);
    `leave_pattern`: that of the schedule's holder.
    """

    week: Week
    mask: SlotMask
    drawn: bytes
    flags: int
    since: float
    until: float
    leave_pattern: int

    @property
    def count(self) -> int:
        """How many slots are free."""
        return self.flags.bit_count()

    @property
    def marks(self) -> bytes:
        """One octet per candidate: 0 where it is not free."""
        return self.mask.marks(self.flags)

    def starts(self) -> Sequence[int]:
        """When the free slots start, in order; epoch seconds."""
        return tuple(compress(self.mask.starts, self.marks))

    def all_codes(self) -> Sequence[int]:
        """The kind of each candidate, free or not."""
        return self.week.pattern.codes(self.mask, self.drawn)

    def codes(self) -> Sequence[int]:
        """The kind of each free slot."""
        return tuple(compress(self.all_codes(), self.marks))

    def cut(self, first: int, end: int) -> FreeSlots:
        """The free slots from number `first` up to, but without, `end`."""
        kept = [*self.mask.flagged(self.flags)][first:end]
        return FreeSlots(
            self.week, self.mask, self.drawn, self.mask.flags_at(kept), self.since, self.until, self.leave_pattern
        )


class Window(dict[Timetable, SlotMask]):
    """The candidates of each timetable that start in [first, last] (epoch seconds), computed when first asked for."""

    def __init__(self, first: float, last: float) -> None:
        self.first, self.last = first, last

    def __missing__(self, timetable: Timetable) -> SlotMask:
        mask = self[timetable] = timetable.between(self.first, self.last)
        return mask


class Agenda:
    """The agendas of one editor. `now` and `clock` are sandbox time."""

    def __init__(self, population: Population, editor: Editor, clock: Clock) -> None:
        self._population, self._editor, self._clock = population, editor, clock
        self._windows: dict[tuple[int, int], Window] = {}
        self._taken: dict[str, frozenset[int]] = {}  # schedule id -> starts of the slots booked here
        self.version = 0  # raised by each booking and release

    def week(self, schedule_id: str) -> Week | None:
        """The week of a schedule; None when this editor does not hold it."""
        placed = self._population.place(schedule_id)
        if placed is not None:
            return week_of(placed[1]) if placed[0].editor == self._editor.slug else None
        held = self._population.site(schedule_id)
        return week_of(held[1]) if held is not None and held[0].editor == self._editor.slug else None

    def window(self, start: float, end: float, now: float) -> Window:
        """From `start` to `end`, cut to what is published: not before `now`, not beyond the horizon. Epoch seconds.

        Windows with the same slots are the same object, so they can be compared by identity.
        """
        # Slots start at whole seconds; what starts before `now` is not free anyway.
        first = math.ceil(start) if start > now else int(now // _WINDOW_STEP) * _WINDOW_STEP
        last = math.floor(end) if end < now + _HORIZON else int((now + _HORIZON) // 60) * 60
        if last < now:
            first, last = 1, 0
        found = self._windows.get((first, last))
        if found is None:
            make_room(self._windows, WINDOWS_KEPT)
            found = self._windows[first, last] = Window(first, last)
        return found

    def free_slots(self, week: Week, window: Window, now: float, last: FreeSlots | None = None) -> FreeSlots:
        """What is free of a schedule at `now`. `last`: what was found for the same schedule before, if anything."""
        mask = window[week.pattern.timetable]
        if last is not None and last.mask is mask:
            drawn = last.drawn
        else:
            drawn = mask.draw(self._population.seed, week.schedule.encode())
        flags, since, until = mask.free(drawn, now)
        leave_pattern = last.leave_pattern if last is not None else pattern_of(self._population.seed, week.schedule)
        leave = week.pattern.leave
        if leave and (away := mask.away(leave)) and leave_pattern in away:
            flags &= ~away[leave_pattern]
        booked = self._taken.get(week.schedule)
        if booked:
            flags &= ~mask.flags_of(booked)
        return FreeSlots(week, mask, drawn, flags, since, until, leave_pattern)

    def free(self, schedule_id: str, start: datetime, end: datetime, now: datetime) -> list[Slot]:
        """The free slots that start in [start, end], by time; never one before `now` or beyond the horizon."""
        week = self.week(schedule_id)
        if week is None:
            return []
        window = self.window(start.timestamp(), end.timestamp(), now.timestamp())
        found = self.free_slots(week, window, now.timestamp())
        length, kinds = found.mask.length, week.pattern.palette.kinds
        return [
            as_slot(schedule_id, PlannedSlot(start, start + length, None, kinds[code]), week.zone)
            for start, code in zip(found.starts(), found.codes(), strict=True)
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
        # A slot is still offered at the very instant of its start; only slots before `now` are left out.
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

    def _locate(self, key: str) -> tuple[Week, PlannedSlot] | None:
        split = split_slot_id(key)
        week = self.week(split[0]) if split is not None else None
        if split is None or week is None or slot_id(*split) != key:
            return None
        plan = self._plan(week, datetime.fromtimestamp(split[1], week.zone).toordinal())
        return next(((week, planned) for planned in plan.slots() if planned.start == split[1]), None)

    def _plan(self, week: Week, day: int) -> DayPlan:
        return week.pattern.plan(self._population.seed, week.schedule, day)
