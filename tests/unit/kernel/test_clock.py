from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.kernel.clock import PARIS, Clock, as_of, fhir_instant, l02_datetime, parse_datetime, parse_period
from sandbox.kernel.world import ClockSetting


def test_time_runs_from_the_instant_that_was_asked_for() -> None:
    wall = 1_000.0
    clock = Clock(lambda: wall, as_of(datetime(2026, 3, 1, 9, tzinfo=PARIS), wall, freeze=False))
    assert clock.now() == datetime(2026, 3, 1, 9, tzinfo=PARIS)
    wall += 60
    assert clock.now() == datetime(2026, 3, 1, 9, 1, tzinfo=PARIS)


def test_frozen_time_stands_still() -> None:
    wall = 1_000.0
    clock = Clock(lambda: wall, as_of(datetime(2026, 3, 1, 9, tzinfo=PARIS), wall, freeze=True))
    wall += 60
    assert clock.now() == datetime(2026, 3, 1, 9, tzinfo=PARIS)


def test_without_a_setting_sandbox_time_is_the_wall_clock_in_paris() -> None:
    now = Clock(lambda: 0.0, ClockSetting()).now()
    assert (now.isoformat(), now.tzinfo) == ("1970-01-01T01:00:00+01:00", PARIS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-22T10:00:00.000+01:00", "2026-11-22T10:00:00+01:00"),
        ("2026-11-22T10:00:00 01:00", "2026-11-22T10:00:00+01:00"),
        ("2026-11-22T10:00:00Z", "2026-11-22T10:00:00+00:00"),
        ("2026-11-22T10:00:00.25-0300", "2026-11-22T10:00:00.250000-03:00"),
        ("2026-07-01T10:00", "2026-07-01T10:00:00+02:00"),
        ("2026-11-22", "2026-11-22T00:00:00+01:00"),
    ],
)
def test_a_datetime_is_read_in_every_form_the_guide_shows(text: str, expected: str) -> None:
    assert parse_datetime(text).isoformat() == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "demain",
        "2026-13-01T10:00:00",
        "2026-11-22T25:00:00",
        "22/11/2026",
        "2026-11",
        "2026-02-30T10:00:00.000+01:00",
    ],
)
def test_what_is_no_datetime_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(ValueError, match="is not a dateTime"):
        parse_datetime(text)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2026", "2026-01-01T00:00:00+01:00", "2026-12-31T23:59:59.999999+01:00"),
        ("2026-11", "2026-11-01T00:00:00+01:00", "2026-11-30T23:59:59.999999+01:00"),
        ("2026-10", "2026-10-01T00:00:00+02:00", "2026-10-31T23:59:59.999999+01:00"),
        ("2028-02", "2028-02-01T00:00:00+01:00", "2028-02-29T23:59:59.999999+01:00"),
        ("2099", "2099-01-01T00:00:00+01:00", "2099-12-31T23:59:59.999999+01:00"),
        ("2026-10-25", "2026-10-25T00:00:00+02:00", "2026-10-25T23:59:59.999999+01:00"),
        ("2026-11-22T10:00", "2026-11-22T10:00:00+01:00", "2026-11-22T10:00:59.999999+01:00"),
        ("2026-11-22T10:00Z", "2026-11-22T10:00:00+00:00", "2026-11-22T10:00:59.999999+00:00"),
        ("2026-11-22T10:00:00Z", "2026-11-22T10:00:00+00:00", "2026-11-22T10:00:00+00:00"),
    ],
)
def test_a_partial_date_is_a_period(text: str, first: str, last: str) -> None:
    period = parse_period(text)
    assert tuple(instant.isoformat() for instant in period) == (first, last)


@pytest.mark.parametrize("text", ["", "26", "0000", "2026-13", "2026-00", "2026-1", "2026-11-31", "2026-11-22T10"])
def test_a_partial_date_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a dateTime"):
        parse_period(text)


@pytest.mark.parametrize("text", ["1969", "1970", "2100", "9999-12"])
def test_a_partial_date_that_no_flow_carries_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not between"):
        parse_period(text)


def test_a_datetime_without_offset_belongs_to_the_zone_that_was_given() -> None:
    reunion = parse_datetime("2026-11-22T10:00:00", ZoneInfo("Indian/Reunion"))
    assert reunion.utcoffset() == timedelta(hours=4)


def test_the_guides_formats() -> None:
    instant = datetime(2026, 11, 22, 10, 0, 0, 123_456, PARIS)
    assert fhir_instant(instant) == "2026-11-22T10:00:00.123+01:00"
    assert l02_datetime(instant) == "2026-11-22T10:00:00+01:00"
    assert l02_datetime(datetime(2026, 1, 1, tzinfo=UTC)).endswith("+00:00")


@given(st.datetimes(timezones=st.just(UTC)).filter(lambda instant: 1970 < instant.year < 2100))
def test_a_written_instant_reads_back_the_same(instant: datetime) -> None:
    local = instant.astimezone(PARIS).replace(microsecond=0)
    for written in (fhir_instant(local), l02_datetime(local)):
        assert parse_datetime(written).timestamp() == local.timestamp()  # times in a repeated hour equal no other


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "2100-01-01T00:00:00Z", "9999-12-31"])
def test_a_date_outside_the_calendar_of_the_flows_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not between 1970-01-01 and 2099-12-31"):
        parse_datetime(text)


@pytest.mark.parametrize("text", ["1970-01-01T00:00:00Z", "2099-12-31T23:59:59.999Z"])
def test_the_calendar_of_the_flows_is_closed(text: str) -> None:
    assert parse_datetime(text).year in (1970, 2099)


@pytest.mark.parametrize("text", ["1999-12-31T23:59:59Z", "2099-01-01T00:00:00Z"])
def test_a_sandbox_lives_between_2000_and_2098(text: str) -> None:
    with pytest.raises(ValueError, match="is not between 2000-01-01 and 2098-12-31"):
        as_of(parse_datetime(text), 0.0, freeze=False)
