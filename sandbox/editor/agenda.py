"""An editor's agendas: generated slots, less those that somebody took, less those that regulators booked here.

A day of a schedule is computed when asked for and kept (bounded). What is free of it only changes at known instants
(a slot is taken, a slot starts) and when a booking takes or releases a slot, so the free part is kept with the span of
time for which it holds. Nothing is durable here: whoever books calls `take` again after a restart.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import compress
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sandbox.kernel.bounded import make_room
from sandbox.kernel.clock import Clock
from sandbox.kernel.model import ConsultationSite, Editor, Palette, Place, Slot
from sandbox.population.agenda import Columns, Planned, Rhythm, as_slot, rhythm, slot_id, split_slot_id
from sandbox.population.calendar import region_of
from sandbox.population.people import Population

HORIZON = timedelta(days=30)  # how far ahead an agenda is open
DAYS_KEPT = 4096  # practitioner-days held at most
_PAST_KEPT = 2 * 86_400  # bookings of slots that are this long over (s) need no memory


class Week(NamedTuple):
    """One schedule and the week that repeats in it."""

    schedule: str
    rhythm: Rhythm

    @property
    def zone(self) -> ZoneInfo:
        """Where its hours are local."""
        return self.rhythm.zone


def week_of(where: Place | ConsultationSite) -> Week:
    """The schedule of a place of consultation or of a site."""
    return Week(where.id, rhythm(where.agenda, region_of(where.insee)))


@dataclass(slots=True, eq=False)
class View:
    """What is free of one day, for any `now` in [since, until[: columns as in `Columns`.

    `rendered`: the slots as bytes, one each, by form of answer. `plan`: all that the day offers.
    """

    since: float
    until: float
    starts: Sequence[int]
    length: int
    codes: Sequence[int]
    palette: Palette
    plan: Columns
    rendered: dict[str, Sequence[bytes]] = field(default_factory=dict)


class Stretch(NamedTuple):
    """Slots [first, last[ of a view: those of a day that lie in the window."""

    week: Week
    view: View
    first: int
    last: int


# Day (proleptic ordinal), and the bounds that cut it; infinite where all that is to come of the day lies inside.
Days = tuple[tuple[int, float, float], ...]


class Window(dict[Rhythm, Days]):
    """From `start` to `end`, cut to what is published: not before `now`, not beyond the horizon. Epoch seconds.

    By rhythm: the days on which slots may lie in it.
    """

    def __init__(self, start: datetime, end: datetime, now: datetime) -> None:
        self.now = now.timestamp()
        self.first = max(start.timestamp(), self.now)
        self.last = min(end.timestamp(), self.now + HORIZON.total_seconds())

        self._spans: dict[ZoneInfo, range] = {}

    def __missing__(self, rhythm: Rhythm) -> Days:
        days = self[rhythm] = _shared(tuple(self._cut(rhythm))) if self.first <= self.last else ()
        return days

    def _cut(self, rhythm: Rhythm) -> Iterable[tuple[int, float, float]]:
        for day in self._spans.get(rhythm.zone) or self._span(rhythm.zone):
            grid = rhythm.grid(day)
            if grid and grid[0] <= self.last and grid[-1] >= self.first:
                bounded = self.now < self.first > grid[0]  # those before now are gone anyway
                yield day, self.first if bounded else -math.inf, self.last if self.last < grid[-1] else math.inf

    def _span(self, zone: ZoneInfo) -> range:
        first, last = (datetime.fromtimestamp(each, zone).toordinal() for each in (self.first, self.last))
        span = self._spans[zone] = range(first, last + 1)
        return span


@lru_cache(maxsize=1024)
def _shared(days: Days) -> Days:
    """The same days as one object: comparing what was asked with what is asked then takes no time."""
    return days


class Agenda:
    """The agendas of one editor. `now` and `clock` are sandbox time."""

    def __init__(self, population: Population, editor: Editor, clock: Clock) -> None:
        self._population, self._editor, self._clock = population, editor, clock
        self._views: dict[tuple[str, int], View] = {}
        population.watch(lambda: self._views.clear())
        self._taken: dict[str, frozenset[int]] = {}
        self.booked: Mapping[str, frozenset[int]] = self._taken  # schedule id -> starts of the slots booked here

    def week(self, schedule_id: str) -> Week | None:
        """The week of one of this editor's schedules."""
        placed = self._population.place(schedule_id)
        if placed is not None:
            return week_of(placed[1]) if placed[0].editor == self._editor.slug else None
        held = self._population.site(schedule_id)
        return week_of(held[1]) if held is not None and held[0].editor == self._editor.slug else None

    def search(self, weeks: Iterable[Week], window: Window) -> list[Stretch]:
        """The free slots of these schedules in the window: by schedule, then day; days without any are left out."""
        now, views, found = window.now, self._views, []
        for week in weeks:
            schedule = week.schedule
            for day, begin, end in window[week.rhythm]:
                view = views.get((schedule, day))
                if view is None or not view.since <= now < view.until:
                    view = self._look(week, day, now, view)
                starts = view.starts
                first = bisect_left(starts, begin) if begin > -math.inf else 0
                last = bisect_right(starts, end) if end < math.inf else len(starts)
                if first < last:
                    found.append(Stretch(week, view, first, last))
        return found

    def free(self, schedule_id: str, start: datetime, end: datetime, now: datetime) -> list[Slot]:
        """The free slots that start in [start, end], by time; never one before `now` or beyond the horizon."""
        week = self.week(schedule_id)
        if week is None:
            return []
        window = Window(start, end, now)
        return [
            as_slot(schedule_id, Planned(start, start + view.length, None, view.palette.kinds[code]), week.zone)
            for _, view, first, last in self.search((week,), window)
            for start, code in zip(view.starts[first:last], view.codes[first:last], strict=True)
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
        self._forget(schedule, start)

    def release(self, key: str) -> None:
        """A booking was cancelled: the slot is as free as if it had never been made."""
        split = split_slot_id(key)
        if split is None:
            return
        schedule, start = split
        taken = self._taken.pop(schedule, frozenset()) - {start}
        if taken:
            self._taken[schedule] = taken
        self._forget(schedule, start)

    def _locate(self, key: str) -> tuple[Week, Planned] | None:
        split = split_slot_id(key)
        week = self.week(split[0]) if split is not None else None
        if split is None or week is None or slot_id(*split) != key:
            return None
        plan = self._plan(week, datetime.fromtimestamp(split[1], week.zone).toordinal())
        return next(((week, planned) for planned in plan.slots() if planned.start == split[1]), None)

    def _look(self, week: Week, day: int, now: float, held: View | None) -> View:
        """The view of a day at `now`, made again and kept; `held` is one that does not hold now."""
        schedule, views = week.schedule, self._views
        if held is None:
            make_room(views, DAYS_KEPT)
        plan = self._plan(week, day) if held is None else held.plan
        view = views[schedule, day] = _view(plan, self._taken.get(schedule, ()), now)
        return view

    def _plan(self, week: Week, day: int) -> Columns:
        return week.rhythm.plan(self._population.seed, week.schedule, day)

    def _forget(self, schedule: str, start: int) -> None:
        week = self.week(schedule)
        if week is not None:
            self._views.pop((schedule, datetime.fromtimestamp(start, week.zone).toordinal()), None)


def _view(plan: Columns, booked: Container[int], now: float) -> View:
    """What is free of a day from `now` until the next of its slots goes, by itself."""
    starts, length, gone, codes, palette = plan
    free = [instant > now for instant in gone]
    if booked:
        free = [each and start not in booked for each, start in zip(free, starts, strict=True)]
    until = min(compress(gone, free), default=math.inf)
    return View(now, until, tuple(compress(starts, free)), length, tuple(compress(codes, free)), palette, plan)
