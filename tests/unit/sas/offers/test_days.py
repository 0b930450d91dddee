"""When an orientation without a slot takes place, in every zone and on the nights when the clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.kernel.clock import PARIS
from sandbox.kernel.errors import RequestError
from sandbox.population.agendas.agenda import zone_of
from sandbox.sas.offers.days import MINUTES, MOST_DAYS, TODAY, agreed_times, rest_of_day

NOW = datetime(2026, 11, 23, 10, 30, 40, tzinfo=PARIS)
ZONES = ("33063", "97411", "97105", "97302", "97611", "98735")
INSTANTS = st.integers(1_767_225_600, 1_830_297_600).map(lambda at: datetime.fromtimestamp(at, UTC))  # 2026 and 2027


@given(INSTANTS, st.sampled_from(ZONES))
def test_the_rest_of_a_day_ends_at_the_next_midnight_there(now: datetime, insee: str) -> None:
    zone = zone_of(insee)
    start, end = rest_of_day(now, zone)
    assert start.astimezone(UTC) == now  # an hour that comes twice equals no hour of another zone
    assert timedelta() < end.astimezone(UTC) - now <= timedelta(hours=25)
    assert (end.hour, end.minute, end.tzinfo) == (0, 0, zone)
    assert end.date() == start.date() + timedelta(days=1)
    assert agreed_times(TODAY, now, zone) == (start, end)


@given(INSTANTS, st.integers(0, MOST_DAYS * 24 * 60), st.sampled_from(ZONES))
def test_an_hour_within_three_days_is_admitted_as_it_was_said(now: datetime, minutes: int, insee: str) -> None:
    zone = zone_of(insee)
    agreed = now.replace(second=0, microsecond=0) + timedelta(minutes=minutes)
    start, end = agreed_times(agreed.isoformat(), now, zone)
    assert start.astimezone(UTC) == agreed
    assert end.astimezone(UTC) - start.astimezone(UTC) == timedelta(minutes=MINUTES)
    assert start.tzinfo == end.tzinfo == zone


@pytest.mark.parametrize(
    ("agreed", "start", "end"),
    [
        ("2026-10-25T02:50:00+02:00", "2026-10-25T02:50:00+02:00", "2026-10-25T02:10:00+01:00"),
        ("2026-10-25T02:50:00+01:00", "2026-10-25T02:50:00+01:00", "2026-10-25T03:10:00+01:00"),
    ],
)
def test_twenty_minutes_are_twenty_minutes_when_the_clocks_change(agreed: str, start: str, end: str) -> None:
    found = agreed_times(agreed, datetime(2026, 10, 24, 22, tzinfo=PARIS), PARIS)
    assert [each.isoformat() for each in found] == [start, end]


def test_an_hour_without_an_offset_is_of_the_zone_of_the_place() -> None:
    reunion = ZoneInfo("Indian/Reunion")
    assert agreed_times("2026-11-23T15:00", NOW, reunion)[0].isoformat() == "2026-11-23T15:00:00+04:00"


@pytest.mark.parametrize(
    ("agreed", "said"),
    [
        ("", "has no hour"),
        ("2026-11-24", "has no hour"),
        ("in the evening", "is not a dateTime"),
        ("2026-11-23T10:29:59+01:00", "is past"),
        ("2026-11-26T10:31:00+01:00", "3 days"),
        ("1969-12-31T10:31:00+01:00", "1970"),
        ("0001-01-01T00:00:00+14:00", "1970"),
        ("9999-12-31T23:59:59-12:00", "2099"),
    ],
)
def test_others_are_refused_with_the_reason(agreed: str, said: str) -> None:
    with pytest.raises(RequestError) as refusal:
        agreed_times(agreed, NOW, PARIS)
    assert refusal.value.status == 422
    assert refusal.value.issues[0].expression == "agreed"
    assert said in str(refusal.value)
