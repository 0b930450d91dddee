"""What practitioners of the SAS agenda have typed when a run begins, and agendas as rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date, datetime, time
from itertools import islice, pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.kernel.clock import PARIS
from sandbox.kernel.model import AgendaTemplate, OpenRange, Practitioner
from sandbox.population.agendas.leave import absent, pattern_of
from sandbox.population.people import Population
from sandbox.sas.agenda.agenda import Closure
from sandbox.sas.agenda.rows import check, decode, encode
from sandbox.sas.agenda.series import FOREVER, Kind, Series
from sandbox.sas.agenda.week import first_agenda, in_turn, regions_of
from tests.unit.sas.agenda.agendas import MONDAY, NOW, YEAR, agenda, drafts

TODAY = date.fromordinal(MONDAY)
SEED = 20260101


@pytest.fixture
def person(population: Population) -> Practitioner:
    found = population.practitioner("819800000127")
    assert found is not None
    return found


def with_week(person: Practitioner, week: AgendaTemplate, *more: AgendaTemplate) -> Practitioner:
    weeks = (week, *more)
    places = tuple(replace(person.places[at], agenda=each) for at, each in enumerate(weeks))
    return replace(person, places=places)


def test_each_slot_of_a_week_is_a_weekly_series_without_an_end(person: Practitioner) -> None:
    week = AgendaTemplate(days=(1,), opens=time(9), closes=time(11), lunch=(time(9, 30), time(10)), slot_minutes=30)
    held = first_agenda(with_week(person, week), SEED, TODAY)
    assert [(each.start, each.length, each.last) for each in held.series] == [
        (540, 30, FOREVER),
        (600, 30, FOREVER),
        (630, 30, FOREVER),
    ]
    first, *_ = held.occurrences(NOW, NOW + YEAR)
    assert first.begins == datetime(2026, 11, 24, 9, tzinfo=PARIS)
    assert first.id == f"{person.id}-w10540.20261124"


def test_further_ranges_and_the_end_of_the_day(person: Practitioner) -> None:
    ranges = (OpenRange((3,), time(8), time(9)), OpenRange((3,), time(20), time(21), without_school=True))
    week = AgendaTemplate(days=(3,), opens=time(23), closes=time(0), lunch=None, slot_minutes=30, ranges=ranges)
    held = first_agenda(with_week(person, week), SEED, TODAY)
    assert [each.start for each in held.series] == [480, 510, 1380, 1410]


def test_kinds_are_given_in_turn() -> None:
    week = AgendaTemplate(visibilities=(("PUBLIC",), ("SNP",)), types=("AMB", "VR", "HH"), reasons=("A",), patients=2)
    kinds = [*islice(in_turn(week), 3)]
    assert [(each.visibilities, each.type) for each in kinds] == [
        (("PUBLIC",), "AMB"),
        (("SNP",), "VR"),
        (("PUBLIC",), "HH"),
    ]
    assert all((each.reasons, each.max_patients, each.holidays) == (("A",), 2, False) for each in kinds)
    sundays = replace(week, holidays="sunday", days=(0, 6), reasons=())
    assert next(in_turn(sundays)) == Kind("", ("PUBLIC",), "AMB", (), 2)


def test_places_that_are_open_on_the_same_days_have_them_by_turns(person: Practitioner) -> None:
    held = first_agenda(with_week(person, AgendaTemplate(), AgendaTemplate()), SEED, TODAY)
    slots = held.occurrences(NOW, NOW + 14 * 86400)
    assert all(one.end <= other.start for one, other in pairwise(slots))
    assert len(Counter(each.kind.place for each in slots)) == 2


def test_leave_is_a_closed_period_of_each_week(person: Practitioner) -> None:
    away = with_week(person, AgendaTemplate(leave=6))
    held = first_agenda(away, SEED, TODAY)
    pattern = pattern_of(SEED, away.places[0].id)
    assert held.closures
    for closure in held.closures:
        monday = datetime.fromtimestamp(closure.start, PARIS)
        assert (monday.weekday(), monday.hour, closure.label) == (0, 0, "Congés")
        assert pattern in absent(6, monday.toordinal())
    days = {each.day for each in held.occurrences(NOW, NOW + YEAR)}
    assert days
    assert not any(pattern in absent(6, day) for day in days)
    assert held.close(Closure("", int(NOW), int(NOW) + 1))[1].id not in {each.id for each in held.closures}


def test_who_has_an_editor_has_typed_nothing(population: Population) -> None:
    someone = next(each for each in population.practitioners() if each.editor)
    assert not first_agenda(someone, SEED, TODAY).series


def test_every_procedural_practitioner_without_editor_has_slots_that_do_not_overlap(population: Population) -> None:
    people = [each for each in population.practitioners() if not each.editor]
    assert len(people) > 5
    for each in people:
        slots = first_agenda(each, population.seed, TODAY).occurrences(NOW, NOW + 28 * 86400)
        assert slots
        assert all(one.end <= other.start for one, other in pairwise(slots))


# Rows


def test_a_row_gives_the_agenda_back(person: Practitioner) -> None:
    held = first_agenda(person, SEED, TODAY)
    held, _ = held.close(Closure("", int(NOW), int(NOW) + 86400, "Congés", person.places[0].id))
    row = encode(held)
    assert decode(row, person) == held
    assert check(row).serial == held.serial


@given(st.lists(drafts(), max_size=6))
def test_a_row_gives_any_series_back(typed: list[Series]) -> None:
    made = [msgspec.structs.replace(each, id=f"{at}") for at, each in enumerate(typed)]
    held = agenda(*(msgspec.structs.replace(each, skipped=(each.first + 7,) if each.weekly else ()) for each in made))
    someone = Practitioner(held.owner, "", "", "", ())
    assert decode(encode(held), someone).series == held.series
    assert regions_of(someone) == {}


def test_a_slot_takes_few_octets() -> None:
    kind = Kind("rouveyran-bordeaux", ("PUBLIC", "SNP"), "AMB", ("Consultation non programmée",))
    few = agenda(*(Series(f"{at}", MONDAY + at // 20, MONDAY + at // 20, 540 + at, 20, kind) for at in range(100)))
    assert len(encode(few)) < 60 * 100


def test_what_is_no_agenda_is_refused() -> None:
    with pytest.raises(msgspec.DecodeError):
        check(b'{"serial":"one"}')
