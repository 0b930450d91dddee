"""Days of an agenda: pure, without overlap, right on the nights when the clocks change."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.kernel.clock import PARIS
from sandbox.kernel.model import AgendaTemplate
from sandbox.population.agenda import Planned, day_plan, day_slots, slot_id, split_slot_id, zone_of

MONDAY = date(2026, 11, 23)
OPEN = AgendaTemplate(days=(0, 1, 2, 3, 4, 5, 6), occupation=0.0, own_patients=0.0)
ALL_DAY = replace(OPEN, opens=time(0), closes=time(0), lunch=None, slot_minutes=20)


def templates():
    minutes = st.integers(0, 1380)
    return st.builds(
        lambda opens, length, step, occupation, own, walkin: AgendaTemplate(
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
    zone = zone_of(insee)
    plan = day_slots(seed, schedule, day, template, zone)
    assert plan == day_slots(seed, schedule, day, template, zone)
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
    assert day_plan(1, "x", MONDAY, weekdays, PARIS)
    assert day_plan(1, "x", MONDAY + timedelta(days=2), weekdays, PARIS) == ()


def test_lunch_is_kept_free_of_slots():
    starts = {slot.start.time() for slot, _ in day_slots(1, "x", MONDAY, OPEN, PARIS)}
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
    plan = [slot for slot, _ in day_slots(1, "sos", day, ALL_DAY, PARIS)]
    assert len(plan) == slots
    assert {slot.start.isoformat()[-6:] for slot in plan} == offsets
    assert all(one.end.astimezone(UTC) == two.start.astimezone(UTC) for one, two in pairwise(plan))
    assert len({slot.start.astimezone(UTC) for slot in plan}) == slots


def test_everything_free_is_offered_and_everything_reserved_is_not():
    assert len(day_plan(1, "x", MONDAY, OPEN, PARIS)) == 34
    shares = [
        len(day_plan(seed, "x", MONDAY, AgendaTemplate(own_patients=0.5, lunch=None), PARIS)) / 40 for seed in range(50)
    ]
    assert 0.4 < sum(shares) / 50 < 0.6


def test_occupation_grows_as_the_day_nears():
    template = AgendaTemplate(occupation=0.9, own_patients=0.0)
    plans = [planned for seed in range(40) for planned in day_plan(seed, "x", MONDAY, template, PARIS)]
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
    assert {slot.kind.cpts for slot in day_plan(1, "x", MONDAY, both, PARIS)} == {("1", "2")}
    turns = AgendaTemplate(visibilities=seen, cpts=(("1",), ("2",)), own_patients=0.0)
    groups = [slot.kind.cpts for slot in day_plan(1, "x", MONDAY, turns, PARIS)]
    assert set(groups) == {("1",), ("2",)}
    assert all(one != two for one, two in pairwise(groups))
    public = AgendaTemplate(visibilities=(("PUBLIC",),), cpts=(("1",),))
    assert {slot.kind.cpts for slot in day_plan(1, "x", MONDAY, public, PARIS)} == {()}


def test_other_schedules_seeds_and_days_have_other_slots():
    template = AgendaTemplate(occupation=0.5, own_patients=0.5)
    plan = day_plan(1, "x", MONDAY, template, PARIS)
    assert plan != day_plan(1, "y", MONDAY, template, PARIS)
    assert plan != day_plan(2, "x", MONDAY, template, PARIS)
    next_week = day_plan(1, "x", MONDAY + timedelta(days=7), template, PARIS)
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
    (planned, *_) = day_plan(1, "x", MONDAY, OPEN, PARIS)
    ((slot, _), *_) = day_slots(1, "x", MONDAY, OPEN, PARIS)
    assert Planned.of(slot) == planned
    assert slot.start == datetime(2026, 11, 23, 9, tzinfo=PARIS)
