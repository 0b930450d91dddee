"""Series: their days, their occurrences, their parts, and when two of them overlap."""

from __future__ import annotations

from datetime import date

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.sas.agenda.series import (
    FOREVER,
    Series,
    before,
    occurrence_of,
    overlap,
    shifts_between,
    split_id,
    trimmed,
    without,
)
from tests.unit.sas.agenda.agendas import MONDAY, NOW, OWNER, REGIONS, YEAR, agenda, drafts, series

REGION = REGIONS["cabinet"]


def days(made: Series | None, last: int = MONDAY + 400) -> list[int]:
    return [] if made is None else [*made.days(MONDAY - 400, last)]


def test_a_series_has_the_same_weekday_of_each_week_but_for_those_skipped() -> None:
    made = msgspec.structs.replace(series(weeks=4), skipped=(MONDAY + 8,))
    assert days(made) == [MONDAY + 1, MONDAY + 15, MONDAY + 22]
    assert [made.has(day) for day in (MONDAY, MONDAY + 1, MONDAY + 8, MONDAY + 22, MONDAY + 29)] == [
        False, True, False, True, False,
    ]  # fmt: skip


def test_an_occurrence_is_named_by_its_practitioner_its_series_and_its_day() -> None:
    slot = occurrence_of(OWNER, series(id="17"), MONDAY + 1, REGION)
    assert slot is not None
    assert slot.id == "819800000127-17.20261124"
    assert split_id(slot.id) == (OWNER, "17", MONDAY + 1)
    assert slot.begins.isoformat() == "2026-11-24T09:00:00+01:00"
    assert slot.ends.isoformat() == "2026-11-24T09:30:00+01:00"


@pytest.mark.parametrize(
    "text",
    ["", "819800000127", "819800000127-17", "819800000127-17.2026112", "819800000127-17.20261332", "-17.20261124",
     "819800000127-.20261124", "819800000127-17.２０２６１１２４", "819800000127-17.00000000"],
)  # fmt: skip
def test_other_texts_name_no_slot(text: str) -> None:
    assert split_id(text) is None


def test_a_slot_within_the_hour_that_the_clocks_skip_falls_out_and_one_across_it_is_shorter() -> None:
    spring = date(2026, 3, 29).toordinal()
    assert occurrence_of(OWNER, series(spring, 130, 30), spring, REGION) is None
    across = occurrence_of(OWNER, series(spring, 90, 60), spring, REGION)
    assert across is not None
    assert across.end - across.start == 30 * 60


def test_a_slot_across_the_hour_that_exists_twice_is_longer() -> None:
    autumn = date(2026, 10, 25).toordinal()
    slot = occurrence_of(OWNER, series(autumn, 150, 60), autumn, REGION)
    assert slot is not None
    assert slot.end - slot.start == 2 * 3600


def test_a_series_that_keeps_public_holidays_free_falls_out_on_them() -> None:
    christmas = date(2026, 12, 25).toordinal()
    kind = msgspec.structs.replace(series().kind, holidays=False)
    made = msgspec.structs.replace(series(christmas - 7, weeks=4), kind=kind)
    slots = agenda(made).occurrences(NOW, NOW + YEAR)
    assert [slot.day for slot in slots] == [christmas - 7, christmas + 14]  # the first of January is one too


def test_the_ends_of_a_series_are_days_that_it_has() -> None:
    made = msgspec.structs.replace(series(weeks=4), skipped=(MONDAY + 1, MONDAY + 8, MONDAY + 22, MONDAY + 16))
    assert trimmed(made) == series(MONDAY + 15)
    assert trimmed(msgspec.structs.replace(series(), skipped=(MONDAY + 1,))) is None
    endless = msgspec.structs.replace(series(weeks=0), skipped=(MONDAY + 1,))
    assert trimmed(endless) == series(MONDAY + 8, weeks=0)


@given(drafts(), st.integers(0, 8))
def test_without_a_day_only_that_day_is_missing(made: Series, number: int) -> None:
    had = days(made)
    day = had[min(number, len(had) - 1)] if had else made.first
    assert days(without(made, day)) == [each for each in had if each != day]


@given(drafts(), st.integers(MONDAY - 20, MONDAY + 60))
def test_before_a_day_are_the_days_before_it(made: Series, day: int) -> None:
    assert days(before(made, day)) == [each for each in days(made) if each < day]


def clash(one: Series, other: Series) -> bool:
    """Whether occurrences overlap, by looking at all of them for a year and a half."""
    window = NOW - YEAR / 2, NOW + YEAR
    return any(
        a.start < b.end and b.start < a.end for a in agenda(one).typed(*window) for b in agenda(other).typed(*window)
    )


@settings(max_examples=150)
@given(drafts(), drafts())
def test_two_series_overlap_when_two_of_their_occurrences_do(one: Series, other: Series) -> None:
    zone, far = (REGIONS[each.kind.place].zone for each in (one, other))
    found = {overlap(one, other, shifts_between(zone, far)), overlap(other, one, shifts_between(far, zone))}
    if zone == far:
        assert found == {clash(one, other)}
    else:  # the clocks of the places may be further apart in another season: then they count as overlapping too
        assert found == {True} or not clash(one, other)


def test_series_that_end_before_others_begin_do_not_overlap_them() -> None:
    assert not overlap(series(weeks=2), series(MONDAY + 15, weeks=0))
    assert overlap(series(weeks=3), series(MONDAY + 15, weeks=0))
    assert not overlap(msgspec.structs.replace(series(weeks=3), skipped=(MONDAY + 8,)), series(MONDAY + 8))


def test_a_slot_across_midnight_overlaps_the_first_of_the_next_day() -> None:
    night = series(MONDAY + 1, 23 * 60 + 30, 60)
    assert overlap(night, series(MONDAY + 2, 15, 30))
    assert not overlap(night, series(MONDAY + 2, 30, 30))
    assert overlap(series(MONDAY + 2, 0, 10, weeks=0), msgspec.structs.replace(night, last=FOREVER))


@given(st.lists(drafts(), max_size=5), st.integers(0, 60 * 24), st.integers(1, 60 * 24), st.integers(0, 60 * 24))
def test_the_slots_of_a_window_are_those_of_a_larger_one_in_it(
    made: list[Series], start: int, length: int, more: int
) -> None:
    whole = agenda(*(msgspec.structs.replace(each, id=f"{at}") for at, each in enumerate(made)))
    low = NOW + 3600 * (start - 720)
    high = low + 3600 * length
    larger = whole.occurrences(low - 3600 * more, high + 3600 * more)
    assert whole.occurrences(low, high) == [slot for slot in larger if low <= slot.start < high]
    assert len({slot.id for slot in larger}) == len(larger)
