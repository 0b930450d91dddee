"""What a practitioner of the SAS agenda has typed when a run begins: the weeks of his places. Pure.

Each slot of a place's week (`AgendaTemplate`) is a weekly series without an end, its days are those of the first
week; visibilities, types and reasons are given to them in turn. Leave is a closed period per week. Series of a week
that is closed on public holidays, or that has no Sunday, fall out on these.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, time, timedelta
from itertools import count

from sandbox.kernel.model import AgendaTemplate, Place, Practitioner
from sandbox.population.agendas.calendar import Region, region_of
from sandbox.population.agendas.leave import absent, pattern_of
from sandbox.sas.agenda.agenda import Agenda, Closure
from sandbox.sas.agenda.local_time import MINUTES_A_DAY, instant
from sandbox.sas.agenda.series import FOREVER, Kind, Series

LEAVE = "Congés"
_FIRST = date(2024, 1, 1)  # a Monday, before any run
_WEEKS_BACK, _WEEKS_AHEAD = 13, 106  # of leave, around the present one


def regions_of(person: Practitioner) -> Mapping[str, Region]:
    """Where the practitioner's places are, by their ids."""
    return {place.id: region_of(place.insee) for place in person.places}


def first_agenda(person: Practitioner, seed: int, today: date) -> Agenda:
    """The agenda that a practitioner has who has changed nothing: none when an editor holds it. `seed`: that of the
    population; `today` decides only for which weeks the leave is written down."""
    regions = regions_of(person)
    if person.editor:
        return Agenda(person.id, regions)
    closures = tuple(_leave(person, seed, today))
    return Agenda(person.id, regions, tuple(_series(person)), closures, serial=1 + len(closures))


def _series(person: Practitioner) -> Iterator[Series]:
    """One series per slot of the week. He is in one place at a time: places that are open on the same weekday have the
    weekdays by turns."""
    kinds = {place.id: in_turn(place.agenda) for place in person.places}
    for weekday in range(7):
        first = (_FIRST + timedelta(days=weekday)).toordinal()
        week = [(place, starts) for place in person.places if (starts := [*_starts(place.agenda, weekday)])]
        for place, starts in week[weekday % len(week) :][:1] if week else ():
            for start in starts:
                kind = _at(next(kinds[place.id]), place)
                yield Series(f"w{weekday}{start:04d}", first, FOREVER, start, place.agenda.slot_minutes, kind)


def in_turn(week: AgendaTemplate) -> Iterator[Kind]:
    """The kinds of the slots of a week, one after the other, for ever; without their place."""
    reasons: list[tuple[str, ...]] = [(reason,) for reason in week.reasons] or [()]
    holidays = week.holidays == "sunday" and 6 in week.days
    for number in count():
        yield Kind(
            "",
            week.visibilities[number % len(week.visibilities)],
            week.types[number % len(week.types)],
            reasons[number % len(reasons)],
            week.patients,
            holidays,
        )


def _at(kind: Kind, place: Place) -> Kind:
    return Kind(place.id, kind.visibilities, kind.type, kind.reasons, kind.max_patients, kind.holidays)


def _starts(week: AgendaTemplate, weekday: int) -> Iterator[int]:
    """When the slots of a weekday begin, in minutes: each opening range is cut into slots, lunch is kept free."""
    ranges = [(week.opens, week.closes)] if weekday in week.days else []
    ranges += [(each.opens, each.closes) for each in week.ranges if weekday in each.days and not each.without_school]
    pause = [_minute(at) for at in week.lunch or (time(), time())]
    for opens, closes in sorted(ranges):
        end = _minute(closes) or MINUTES_A_DAY  # 00:00 is the end of the day
        for start in range(_minute(opens), end - week.slot_minutes + 1, week.slot_minutes):
            if not (start < pause[1] and start + week.slot_minutes > pause[0]):
                yield start


def _leave(person: Practitioner, seed: int, today: date) -> Iterator[Closure]:
    """A closed period for each week of leave around `today`."""
    weeks = max((place.agenda.leave for place in person.places), default=0)
    if not weeks:
        return
    zone = region_of(person.places[0].insee).zone
    pattern, monday = pattern_of(seed, person.places[0].id), today.toordinal() - today.weekday()
    number = 0
    for day in range(monday - 7 * _WEEKS_BACK, monday + 7 * _WEEKS_AHEAD, 7):
        if pattern in absent(weeks, day):
            number += 1
            yield Closure(f"f{number}", instant(zone, day, 0), instant(zone, day + 7, 0), LEAVE)


def _minute(at: time) -> int:
    return at.hour * 60 + at.minute
