"""Local times as instants, on nights when the clocks change too."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.kernel.clock import PARIS
from sandbox.sas.agenda.local_time import instant, local

SPRING, AUTUMN = date(2026, 3, 29).toordinal(), date(2026, 10, 25).toordinal()
ZONES = [PARIS, ZoneInfo("America/Miquelon"), ZoneInfo("Indian/Reunion"), ZoneInfo("America/Guadeloupe")]


def shown(day: int, minute: int) -> str:
    return datetime.fromtimestamp(instant(PARIS, day, minute), PARIS).isoformat()


@pytest.mark.parametrize(
    ("minute", "expected"),
    [
        (119, "2026-03-29T01:59:00+01:00"),
        (120, "2026-03-29T03:00:00+02:00"),
        (150, "2026-03-29T03:00:00+02:00"),
        (180, "2026-03-29T03:00:00+02:00"),
        (181, "2026-03-29T03:01:00+02:00"),
        (24 * 60, "2026-03-30T00:00:00+02:00"),
    ],
)
def test_a_time_that_the_clocks_skip_is_the_instant_of_the_change(minute: int, expected: str) -> None:
    assert shown(SPRING, minute) == expected


@pytest.mark.parametrize(
    ("minute", "expected"),
    [
        (119, "2026-10-25T01:59:00+02:00"),
        (150, "2026-10-25T02:30:00+02:00"),
        (180, "2026-10-25T03:00:00+01:00"),
    ],
)
def test_a_time_that_exists_twice_is_the_first(minute: int, expected: str) -> None:
    assert shown(AUTUMN, minute) == expected


@given(
    st.sampled_from(ZONES),
    st.integers(date(2025, 1, 1).toordinal(), date(2028, 1, 1).toordinal()) | st.integers(SPRING - 1, SPRING + 1),
    st.integers(0, 2 * 1440),
    st.integers(0, 600),
)
def test_later_on_the_wall_clock_is_never_earlier(zone: ZoneInfo, day: int, minute: int, more: int) -> None:
    assert instant(zone, day, minute) <= instant(zone, day, minute + more)


@given(st.sampled_from(ZONES), st.integers(date(2025, 1, 1).toordinal(), date(2028, 1, 1).toordinal()), st.integers())
def test_the_wall_clock_shows_what_was_asked_for_unless_it_is_skipped(zone: ZoneInfo, day: int, minute: int) -> None:
    minute %= 1440
    there = local(zone, instant(zone, day, minute))
    skipped = there != (day, minute)
    assert not skipped or (there[0] == day and there[1] > minute)
