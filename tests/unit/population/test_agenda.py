"""Days of an agenda: pure, without overlap, right on the nights when the clocks change."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.kernel.clock import PARIS
from sandbox.kernel.model import AgendaTemplate, OpenRange
from sandbox.population.agendas.agenda import (
    PlannedSlot,
    day_plan,
    slot_id,
    slot_pattern,
    split_slot_id,
    zone_of,
)
from sandbox.population.agendas.calendar import Region, is_public_holiday, region_of
from sandbox.population.agendas.leave import PATTERNS, absent, pattern_of
from tests.support.planned_slots import day_slots

METROPOLE = Region(PARIS)
MOST_LEAVE = 6  # weeks a year

MONDAY = date(2026, 11, 23)
OPEN = AgendaTemplate(days=(0, 1, 2, 3, 4, 5, 6), occupation=0.0, own_patients=0.0)
ALL_DAY = replace(OPEN, opens=time(0), closes=time(0), lunch=None, slot_minutes=20)


def templates(**fixed):
    minutes = st.integers(0, 1380)
    return st.builds(
        lambda opens, length, step, occupation, own, walkin: AgendaTemplate(
            **fixed,
            days=(0, 1, 2, 3, 4, 5, 6),
            opens=time(opens // 60, opens % 60),
            closes=time(min(opens + length, 1439) // 60, min(opens + length, 1439) % 60),
            lunch=None,
            slot_minutes=step,
            visibilities=(("PUBLIC",), ("PUBLIC", "SNP")),
            types=("AMB", "HH", "VR"),
            reasons=("Fièvre",),
            occupation=occupation,
            own_patients=own,
            walkin=walkin,
        ),
        minutes, st.integers(30, 900), st.integers(5, 60), st.floats(0, 0.95), st.floats(0, 0.95), st.floats(0, 1),
    )  # fmt: skip


@given(templates(), st.integers(), st.text(max_size=20), st.dates(date(2000, 1, 1), date(2100, 1, 1)),
       st.sampled_from(["33063", "97411", "97105", "97502", "98818"]))  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_any_day_is_reproducible_ordered_and_within_its_hours(template, seed, schedule, day, insee):
    region = region_of(insee)
    zone = region.zone
    plan = day_slots(seed, schedule, day, template, region)
    assert plan == day_slots(seed, schedule, day, template, region)
    slots = [slot for slot, _ in plan]
    for slot, taken in plan:
        assert slot.end.astimezone(UTC) - slot.start.astimezone(UTC) == timedelta(minutes=template.slot_minutes)
        assert slot.start.astimezone(zone).date() == day
        assert slot.visibilities in template.visibilities
        assert slot.types
        assert set(slot.types) <= set(template.types)
        assert taken is None or taken < slot.start
    assert all(one.end.astimezone(UTC) <= two.start.astimezone(UTC) for one, two in pairwise(slots))
    if slots and slots[0].start.utcoffset() == slots[-1].end.utcoffset():
        assert slots[0].start.time() >= template.opens
        assert slots[-1].end.time() <= template.closes


def test_closed_days_have_no_slots():
    weekdays = AgendaTemplate(days=(0, 1))
    assert day_plan(1, "x", MONDAY, weekdays, METROPOLE)
    assert day_plan(1, "x", MONDAY + timedelta(days=2), weekdays, METROPOLE) == ()


def test_lunch_is_kept_free_of_slots():
    starts = {slot.start.time() for slot, _ in day_slots(1, "x", MONDAY, OPEN, METROPOLE)}
    assert time(12, 15) in starts
    assert time(14, 0) in starts
    assert not [start for start in starts if time(12, 30) <= start < time(14)]


@pytest.mark.parametrize(
    ("day", "slots", "offsets"),
    [
        (date(2026, 11, 23), 72, {"+01:00"}),
        (date(2026, 3, 29), 69, {"+01:00", "+02:00"}),  # an hour less
        (date(2026, 10, 25), 75, {"+02:00", "+01:00"}),  # an hour more
    ],
)
def test_nights_when_the_clocks_change_have_right_lengths_and_offsets(day, slots, offsets):
    plan = [slot for slot, _ in day_slots(1, "sos", day, ALL_DAY, METROPOLE)]
    assert len(plan) == slots
    assert {slot.start.isoformat()[-6:] for slot in plan} == offsets
    assert all(one.end.astimezone(UTC) == two.start.astimezone(UTC) for one, two in pairwise(plan))
    assert len({slot.start.astimezone(UTC) for slot in plan}) == slots


def test_everything_free_is_offered_and_everything_reserved_is_not():
    assert len(day_plan(1, "x", MONDAY, OPEN, METROPOLE)) == 34
    shares = [
        len(day_plan(seed, "x", MONDAY, AgendaTemplate(own_patients=0.5, lunch=None), METROPOLE)) / 40
        for seed in range(50)
    ]
    assert 0.4 < sum(shares) / 50 < 0.6


def test_occupation_grows_as_the_day_nears():
    template = AgendaTemplate(occupation=0.9, own_patients=0.0)
    plans = [planned for seed in range(40) for planned in day_plan(seed, "x", MONDAY, template, METROPOLE)]
    ahead = [timedelta(days=20), timedelta(days=7), timedelta(days=2), timedelta(hours=6), timedelta()]

    def taken(lead: timedelta) -> float:
        return sum(
            planned.taken is not None and planned.taken <= planned.start - lead.total_seconds() for planned in plans
        ) / len(plans)

    shares = [taken(lead) for lead in ahead]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert 0.85 < shares[-1] < 0.95
    assert shares[1] > 0.02
    assert shares[2] < shares[3] - 0.1


def test_cpts_groups_alternate_or_share_a_slot():
    seen = (("CPTS",),)
    both = AgendaTemplate(visibilities=seen, cpts=(("1", "2"),), own_patients=0.0)
    assert {slot.kind.cpts for slot in day_plan(1, "x", MONDAY, both, METROPOLE)} == {("1", "2")}
    turns = AgendaTemplate(visibilities=seen, cpts=(("1",), ("2",)), own_patients=0.0)
    groups = [slot.kind.cpts for slot in day_plan(1, "x", MONDAY, turns, METROPOLE)]
    assert set(groups) == {("1",), ("2",)}
    assert all(one != two for one, two in pairwise(groups))
    public = AgendaTemplate(visibilities=(("PUBLIC",),), cpts=(("1",),))
    assert {slot.kind.cpts for slot in day_plan(1, "x", MONDAY, public, METROPOLE)} == {()}


def test_other_schedules_seeds_and_days_have_other_slots():
    template = AgendaTemplate(occupation=0.5, own_patients=0.5)
    plan = day_plan(1, "x", MONDAY, template, METROPOLE)
    assert plan != day_plan(1, "y", MONDAY, template, METROPOLE)
    assert plan != day_plan(2, "x", MONDAY, template, METROPOLE)
    next_week = day_plan(1, "x", MONDAY + timedelta(days=7), template, METROPOLE)
    assert [slot.start for slot in plan] != [slot.start - 7 * 86400 for slot in next_week]


@pytest.mark.parametrize(
    ("insee", "zone"),
    [("33063", "Europe/Paris"), ("2A004", "Europe/Paris"), ("97411", "Indian/Reunion"), ("973", "America/Cayenne")],
)
def test_places_overseas_have_their_own_zone(insee, zone):
    assert zone_of(insee) == ZoneInfo(zone)


@given(st.from_regex(r"[A-Za-z0-9.-]{1,47}", fullmatch=True), st.integers(0, 4_000_000_000 // 60))
def test_slot_id_can_be_read_back(schedule, minute):
    key = slot_id(schedule, minute * 60)
    assert split_slot_id(key) == (schedule, minute * 60)
    assert len(key) <= 64


@pytest.mark.parametrize(
    "text", ["", "x", ".20260101T1000Z", "x.20260101T1000", "x.20261301T1000Z", "x.2026-1-1T10:0Z"]
)
def test_other_texts_are_no_slot_ids(text):
    assert split_slot_id(text) is None


def test_planned_slot_of_a_slot_keeps_time_and_kind():
    (planned, *_) = day_plan(1, "x", MONDAY, OPEN, METROPOLE)
    ((slot, _), *_) = day_slots(1, "x", MONDAY, OPEN, METROPOLE)
    assert PlannedSlot.of(slot) == planned
    assert slot.start == datetime(2026, 11, 23, 9, tzinfo=PARIS)


@st.composite
def weeks(draw):
    """Days of several ranges, in any order, that may meet but do not overlap."""
    cuts = sorted(draw(st.lists(st.integers(0, 95), min_size=4, max_size=8, unique=True)))
    spans = [(time(a // 4, a % 4 * 15), time(b // 4, b % 4 * 15)) for a, b in pairwise(cuts)]
    (opens, closes), *more = draw(st.permutations(spans))
    some_days = st.lists(st.integers(0, 6), max_size=7, unique=True).map(tuple)
    return AgendaTemplate(
        days=draw(some_days), opens=opens, closes=closes, lunch=None, own_patients=0.0,
        slot_minutes=draw(st.integers(5, 60)), holidays=draw(st.sampled_from(["closed", "sunday"])),
        ranges=tuple(OpenRange(draw(some_days), *span, draw(st.booleans())) for span in more),
    )  # fmt: skip


CLOCKS_CHANGE = [date(2026, 3, 29), date(2026, 10, 25), date(2026, 3, 28), date(2027, 3, 28), date(2026, 3, 8)]


@given(weeks(), st.dates(date(2020, 1, 1), date(2040, 1, 1)) | st.sampled_from(CLOCKS_CHANGE),
       st.sampled_from(["33063", "68224", "97105", "97502", "97801", "98735", "2A004"]))  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_ranges_of_any_week_give_a_sorted_grid_without_overlap(template, day, insee):
    region = region_of(insee)
    grid = slot_pattern(template, region).timetable.day(day.toordinal()).starts
    assert list(grid) == sorted(set(grid))
    assert all(two - one >= template.slot_minutes * 60 for one, two in pairwise(grid))
    assert all(datetime.fromtimestamp(start, region.zone).date() == day for start in grid)
    weekday = 6 if is_public_holiday(day, region) else day.weekday()
    if all(weekday not in each.days for each in (template, *template.ranges)):
        assert grid == ()


HALF_DAYS = AgendaTemplate(
    days=(0,), opens=time(9), closes=time(12), lunch=None, slot_minutes=30, own_patients=0.0,
    ranges=(OpenRange((0, 2), time(20), time(21)), OpenRange((2,), time(14), time(15))),
)  # fmt: skip


def local_starts(template, day, region=METROPOLE):
    return [f"{slot.start:%H:%M}" for slot, _ in day_slots(1, "x", day, template, region)]


def test_half_days_and_evenings_on_call_are_ranges_of_their_days():
    assert local_starts(HALF_DAYS, MONDAY) == ["09:00", "09:30", "10:00", "10:30", "11:00", "11:30", "20:00", "20:30"]
    assert local_starts(HALF_DAYS, MONDAY + timedelta(days=2)) == ["14:00", "14:30", "20:00", "20:30"]
    assert local_starts(HALF_DAYS, MONDAY + timedelta(days=1)) == []


def test_practices_close_on_public_holidays_and_others_open_like_on_sundays():
    armistice = date(2026, 11, 11)  # a Wednesday
    assert local_starts(HALF_DAYS, armistice) == []
    sundays = replace(HALF_DAYS, holidays="sunday", ranges=(OpenRange((6,), time(10), time(11)),))
    assert local_starts(sundays, armistice) == ["10:00", "10:30"]
    assert local_starts(replace(sundays, holidays="closed"), date(2026, 11, 15)) == ["10:00", "10:30"]


def test_public_holidays_are_those_of_the_place():
    stephens = date(2028, 12, 26)  # a Tuesday
    weekdays = replace(HALF_DAYS, days=(1,))
    assert local_starts(weekdays, stephens, region_of("33063"))
    assert not local_starts(weekdays, stephens, region_of("67482"))


def test_evenings_are_longer_when_there_is_no_school_that_day_or_the_next():
    late = replace(HALF_DAYS, days=(), ranges=(OpenRange((0, 1, 2, 3, 4, 5, 6), time(22), time(23), True),))
    bordeaux, paris = region_of("33063"), region_of("75056")
    assert [day for day in range(16, 23) if local_starts(late, date(2026, 11, day), bordeaux)] == [20, 21, 22]
    assert local_starts(late, date(2026, 11, 10), bordeaux)  # the eve of the 11th
    assert local_starts(late, date(2027, 2, 16), bordeaux)  # zone A has holidays, zone C not
    assert not local_starts(late, date(2027, 2, 23), paris)


def test_weeks_without_school_rules_share_one_pattern_across_school_zones():
    bordeaux, paris = (slot_pattern(OPEN, region_of(insee)) for insee in ("33063", "75056"))
    assert bordeaux is paris is slot_pattern(OPEN, METROPOLE)
    assert slot_pattern(OPEN, region_of("67482")) is not slot_pattern(OPEN, METROPOLE)
    late = replace(OPEN, closes=time(22), ranges=(OpenRange((0,), time(22), time(23), True),))
    assert slot_pattern(late, region_of("33063")) is not slot_pattern(late, region_of("75056"))


def test_who_has_leave_is_away_whole_weeks_from_all_places_and_comes_back():
    template = replace(OPEN, leave=5)
    days = [date(2027, 1, 4) + timedelta(days=day) for day in range(364)]
    for person in ("819900000001", "819900000019", "819900000027"):
        away = [not day_plan(7, f"{person}-1", day, template, METROPOLE) for day in days]
        holidays = [is_public_holiday(day, METROPOLE) for day in days]
        weeks = [all(away[at : at + 7]) for at in range(0, 364, 7)]
        assert sum(weeks) == 5
        assert all(gone == (weeks[at // 7] or holidays[at]) for at, gone in enumerate(away))
        assert away == [not day_plan(7, f"{person}-2", day, template, METROPOLE) for day in days]
    assert len({pattern_of(seed, "819900000001-1") for seed in range(50)}) > 15


@pytest.mark.parametrize("weeks", range(MOST_LEAVE + 1))
def test_every_pattern_of_leave_has_its_weeks(weeks):
    for year in (2026, 2027):
        first = date.fromisocalendar(year, 1, 1).toordinal()
        gone = Counter(pattern for day in range(first, first + 364) for pattern in absent(weeks, day))
        assert set(gone.values()) <= {7 * weeks}
        assert len(gone) == (PATTERNS if weeks else 0)


@pytest.mark.parametrize("weeks", [0, 2, MOST_LEAVE])
def test_candidates_of_several_weeks_are_away_in_the_weeks_of_leave(weeks):
    begins, ends = (datetime(2027, month, 1, tzinfo=PARIS).timestamp() for month in (7, 10))
    mask = slot_pattern(OPEN, METROPOLE).timetable.between(begins, ends)
    away = mask.away(weeks)
    for pattern in range(PATTERNS):
        gone = set(mask.flagged(away.get(pattern, 0)))
        days = [datetime.fromtimestamp(start, PARIS).date() for start in mask.starts]
        assert gone == {lane for lane, day in enumerate(days) if pattern in absent(weeks, day.toordinal())}
    assert bool(away) is bool(weeks)
