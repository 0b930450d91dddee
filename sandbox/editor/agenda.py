"""An editor's agendas: generated slots, less those that somebody took, less those that regulators booked here.

A day of a schedule is computed when asked for and kept (bounded). What is free of it only changes at known instants
(a slot is taken, a slot starts) and when a booking takes or releases a slot, so the free part is kept with the span of
time for which it holds. Nothing is durable here: whoever books calls `take` again after a restart.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sandbox.kernel.clock import Clock
from sandbox.kernel.model import AgendaTemplate, ConsultationSite, Editor, Place, Slot
from sandbox.population.agenda import Planned, as_slot, day_plan, slot_id, split_slot_id, zone_of
from sandbox.population.people import Population

HORIZON = timedelta(days=30)  # how far ahead an agenda is open
DAYS_KEPT = 4096  # practitioner-days held at most
_PAST_KEPT = 2 * 86_400  # bookings of slots that are this long over (s) need no memory


class Week(NamedTuple):
    """One schedule and the week that repeats in it."""

    schedule: str
    template: AgendaTemplate
    zone: ZoneInfo


def week_of(where: Place | ConsultationSite) -> Week:
    """The schedule of a place of consultation or of a site."""
    return Week(where.id, where.agenda, zone_of(where.insee))


@dataclass(slots=True)
class View:
    """What is free of one day, for any `now` in [since, until[. `rendered`: the whole of it as bytes, per form."""

    since: float
    until: float
    slots: tuple[Planned, ...]
    rendered: dict[object, bytes] = field(default_factory=dict)


class Window:
    """From `start` to `end`, cut to what is published: not before `now`, not beyond the horizon. Epoch seconds."""

    def __init__(self, start: datetime, end: datetime, now: datetime) -> None:
        self.now = now.timestamp()
        self.first = max(start.timestamp(), self.now)
        self.last = min(end.timestamp(), self.now + HORIZON.total_seconds())
        self._days: dict[ZoneInfo, Sequence[tuple[date, bool]]] = {}

    def days(self, zone: ZoneInfo) -> Sequence[tuple[date, bool]]:
        """The local dates it touches; True where every slot that is still to come that day lies inside."""
        if zone not in self._days:
            self._days[zone] = tuple(self._cut(zone)) if self.first <= self.last else ()
        return self._days[zone]

    def _cut(self, zone: ZoneInfo) -> Iterable[tuple[date, bool]]:
        day = datetime.fromtimestamp(self.first, zone).date()
        last = datetime.fromtimestamp(self.last, zone).date()
        while day <= last:
            begin, after = _midnight(day, zone), _midnight(day + timedelta(days=1), zone)
            # Slots start on whole minutes, and those before now are gone anyway.
            yield day, (self.first == self.now or self.first <= begin) and self.last >= after - 60
            day += timedelta(days=1)

    def cut(self, slots: tuple[Planned, ...]) -> tuple[Planned, ...]:
        """Those slots that start inside."""
        return tuple(slot for slot in slots if self.first <= slot.start <= self.last)


def _midnight(day: date, zone: ZoneInfo) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()


@dataclass(slots=True)
class _Day:
    plan: tuple[Planned, ...]
    view: View


_NO_VIEW = View(math.inf, -math.inf, ())


class Agenda:
    """The agendas of one editor. `now` and `clock` are sandbox time."""

    def __init__(self, population: Population, editor: Editor, clock: Clock) -> None:
        self._population, self._editor, self._clock = population, editor, clock
        self._days: dict[tuple[str, date], _Day] = {}
        self._taken: dict[str, set[int]] = {}  # schedule id -> starts of the slots booked here

    def week(self, schedule_id: str) -> Week | None:
        """The week of one of this editor's schedules."""
        placed = self._population.place(schedule_id)
        if placed is not None:
            return week_of(placed[1]) if placed[0].editor == self._editor.slug else None
        held = self._population.site(schedule_id)
        return week_of(held[1]) if held is not None and held[0].editor == self._editor.slug else None

    def view(self, week: Week, day: date, now: float) -> View:
        """What is free of a schedule on a local date at `now` (epoch seconds)."""
        key = (week.schedule, day)
        held = self._days.get(key)
        if held is None:
            held = self._keep(key, _Day(self._plan(week, day), _NO_VIEW))
        if not held.view.since <= now < held.view.until:
            held.view = _view(held.plan, self._taken.get(week.schedule, ()), now)
        return held.view

    def free(self, schedule_id: str, start: datetime, end: datetime, now: datetime) -> list[Slot]:
        """The free slots that start in [start, end], by time; never one before `now` or beyond the horizon."""
        week = self.week(schedule_id)
        if week is None:
            return []
        window = Window(start, end, now)
        return [
            as_slot(schedule_id, planned, week.zone)
            for day, _ in window.days(week.zone)
            for planned in window.cut(self.view(week, day, window.now).slots)
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
        return _gone_at(planned) > instant and planned.start not in self._taken.get(week.schedule, ())

    def take(self, key: str) -> None:
        """Mark a slot as booked. The caller has checked `is_free` and makes it durable."""
        split = split_slot_id(key)
        if split is None:
            return
        schedule, start = split
        over = self._clock.now().timestamp() - _PAST_KEPT
        kept = {each for each in self._taken.get(schedule, ()) if each > over}
        self._taken[schedule] = kept | {start}
        self._forget(schedule, start)

    def release(self, key: str) -> None:
        """A booking was cancelled: the slot is as free as if it had never been made."""
        split = split_slot_id(key)
        if split is None:
            return
        schedule, start = split
        taken = self._taken.get(schedule, set())
        taken.discard(start)
        if not taken:
            self._taken.pop(schedule, None)
        self._forget(schedule, start)

    def _locate(self, key: str) -> tuple[Week, Planned] | None:
        split = split_slot_id(key)
        week = self.week(split[0]) if split is not None else None
        if split is None or week is None or slot_id(*split) != key:
            return None
        day = datetime.fromtimestamp(split[1], week.zone).date()
        held = self._days.get((week.schedule, day))
        plan = held.plan if held is not None else self._plan(week, day)
        return next(((week, planned) for planned in plan if planned.start == split[1]), None)

    def _plan(self, week: Week, day: date) -> tuple[Planned, ...]:
        return day_plan(self._population.seed, week.schedule, day, week.template, week.zone)

    def _keep(self, key: tuple[str, date], day: _Day) -> _Day:
        if len(self._days) >= DAYS_KEPT:  # the oldest goes; a hit does not renew, so that hits cost nothing
            del self._days[next(iter(self._days))]
        self._days[key] = day
        return day

    def _forget(self, schedule: str, start: int) -> None:
        week = self.week(schedule)
        if week is not None:
            self._days.pop((schedule, datetime.fromtimestamp(start, week.zone).date()), None)


def _gone_at(planned: Planned) -> float:
    """The first instant at which the slot is not offered any more: taken (always before it starts), or started.

    At its very start it still is offered: « never a slot before now ».
    """
    return math.nextafter(planned.start, math.inf) if planned.taken is None else planned.taken


def _view(plan: Iterable[Planned], booked: Container[int], now: float) -> View:
    free, since, until = [], -math.inf, math.inf
    for planned in plan:
        start, _, taken, _ = planned
        gone = _gone_at(planned) if taken is None else taken
        if gone <= now:
            since = max(since, gone)
        elif start not in booked:
            if gone < until:
                until = gone
            free.append(planned)
    return View(since, until, tuple(free))
