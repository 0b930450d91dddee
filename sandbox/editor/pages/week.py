"""What the pages show of an agenda: one week of free slots, and proposals instead of a slot that is taken. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo

from sandbox.editor.agenda import HORIZON, Agenda
from sandbox.editor.appointments.booking import slot_key
from sandbox.editor.appointments.venues import Venue, find_venue, schedules_of_holder
from sandbox.kernel.model import Editor, Slot
from sandbox.population.people import Population

NEAREST = 6  # slots proposed of the same agenda
ELSEWHERE = 3  # and at each other place
MOST_PLACES = 4
REACH = timedelta(days=7)  # how far from the slot, before and after, others are proposed


@dataclass(frozen=True, slots=True)
class AgendaWeek:
    """The free slots of an agenda from Monday to Sunday, by day; `earlier`, `later`: a day of the week before and
    after, None where the agenda is not open.
    """

    monday: date
    days: tuple[tuple[date, tuple[Slot, ...]], ...]
    earlier: date | None
    later: date | None

    @property
    def sunday(self) -> date:
        """The last day."""
        return self.monday + timedelta(days=6)

    @property
    def empty(self) -> bool:
        """True when no slot is free."""
        return not any(slots for _, slots in self.days)


def agenda_week(agenda: Agenda, schedule: str, day: date, zone: tzinfo | None, now: datetime) -> AgendaWeek:
    """The week of `day` in an agenda whose hours are local to `zone`. A day outside the days that the agenda is open is
    replaced by the nearest open one.
    """
    first, last = now.astimezone(zone).date(), (now + HORIZON).astimezone(zone).date()
    day = min(max(day, first), last)
    monday = day - timedelta(days=day.weekday())
    sunday = monday + timedelta(days=6)
    start, end = datetime.combine(monday, time.min, zone), datetime.combine(sunday, time.max, zone)
    by_day: dict[date, list[Slot]] = {monday + timedelta(days=each): [] for each in range(7)}
    for slot in agenda.free(schedule, start, end, now):
        by_day[slot.start.date()].append(slot)
    return AgendaWeek(
        monday=monday,
        days=tuple((each, tuple(slots)) for each, slots in by_day.items()),
        earlier=monday - timedelta(days=1) if monday > first else None,
        later=sunday + timedelta(days=1) if sunday < last else None,
    )


def week_asked(text: str | None, default: date) -> date:
    """The day that a page's `semaine` names (`YYYY-MM-DD`), else `default`."""
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return default


@dataclass(frozen=True, slots=True)
class Proposal:
    """Free slots of one agenda, by time; `here`: of the agenda of the slot that was wanted."""

    venue: Venue
    slots: tuple[Slot, ...]
    here: bool


def proposals(agenda: Agenda, population: Population, editor: Editor, slot: Slot, now: datetime) -> list[Proposal]:
    """Instead of a slot: the nearest free ones of its agenda, then those at the other places of the same holder."""
    found = []
    for schedule in schedules_of_holder(population, editor, slot.schedule)[: 1 + MOST_PLACES]:
        here = schedule == slot.schedule
        venue = find_venue(population, editor, schedule)
        near = _nearest(agenda, schedule, slot, now, NEAREST if here else ELSEWHERE)
        if venue is not None and near:
            found.append(Proposal(venue, near, here))
    return found


def _nearest(agenda: Agenda, schedule: str, slot: Slot, now: datetime, most: int) -> tuple[Slot, ...]:
    begin, end = max(slot.start - REACH, now), max(slot.start, now) + REACH
    free = [
        one
        for one in agenda.free(schedule, begin, end, now)
        if one.walkin <= slot.walkin and slot_key(one) != slot_key(slot)
    ]
    free.sort(key=lambda one: abs(one.start - slot.start))
    return tuple(sorted(free[:most], key=lambda one: one.start))
