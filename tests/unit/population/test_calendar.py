"""The calendar of France: what the law and the decrees say, against dates that were published."""

from __future__ import annotations

from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest

from sandbox.population.agendas.calendar import (
    easter,
    is_late,
    is_public_holiday,
    is_without_school,
    public_holidays,
    region_of,
)
from sandbox.population.geography.departments import DEPARTMENTS

OF_2026 = {(1, 1), (4, 6), (5, 1), (5, 8), (5, 14), (5, 25), (7, 14), (8, 15), (11, 1), (11, 11), (12, 25)}


def test_easter_is_when_it_was_and_will_be():
    known = {1818: (3, 22), 1943: (4, 25), 2000: (4, 23), 2008: (3, 23), 2024: (3, 31), 2025: (4, 20), 2026: (4, 5),
             2027: (3, 28), 2038: (4, 25), 2049: (4, 18), 2285: (3, 22)}  # fmt: skip
    assert {year: (easter(year).month, easter(year).day) for year in known} == known
    assert all(easter(year).weekday() == 6 for year in range(1900, 2200))


def test_everybody_has_eleven_public_holidays():
    assert {(day.month, day.day) for day in public_holidays(2026)} == OF_2026
    for code in DEPARTMENTS:
        assert {(day.month, day.day) for day in public_holidays(2026, region_of(code).more)} >= OF_2026


@pytest.mark.parametrize(
    ("insee", "more"),
    [
        ("57463", {(4, 3), (12, 26)}), ("67482", {(4, 3), (12, 26)}), ("68224", {(4, 3), (12, 26)}),
        ("97105", {(5, 27)}), ("97209", {(5, 22)}), ("97302", {(6, 10)}), ("97411", {(12, 20)}), ("97608", {(4, 27)}),
        ("97701", {(10, 9)}), ("97801", {(5, 28)}), ("97502", set()), ("98613", {(4, 28), (6, 29), (7, 29)}),
        ("98735", {(3, 5), (4, 3), (11, 20)}), ("98818", {(9, 24)}), ("33063", set()), ("2A004", set()),
    ],
)  # fmt: skip
def test_some_departements_have_additional_public_holidays(insee, more):
    region = region_of(insee)
    found = {(day.month, day.day) for day in public_holidays(2026, region.more)} - OF_2026
    assert found == more
    assert all(is_public_holiday(date(2026, *day), region) for day in more)


# As published in the Bulletin officiel: first Saturday of the winter and spring holidays.
PUBLISHED = {
    2023: {"A": ((2, 4), (4, 8)), "B": ((2, 11), (4, 15)), "C": ((2, 18), (4, 22))},
    2024: {"A": ((2, 17), (4, 13)), "B": ((2, 24), (4, 20)), "C": ((2, 10), (4, 6))},
    2025: {"A": ((2, 22), (4, 19)), "B": ((2, 8), (4, 5)), "C": ((2, 15), (4, 12))},
    2026: {"A": ((2, 7), (4, 4)), "B": ((2, 14), (4, 11)), "C": ((2, 21), (4, 18))},
    2027: {"A": ((2, 13), (4, 10)), "B": ((2, 20), (4, 17)), "C": ((2, 6), (4, 3))},
}
TOUSSAINT = {2022: 22, 2023: 21, 2024: 19, 2025: 18, 2026: 17}
NOEL = {2022: 17, 2023: 23, 2024: 21, 2025: 20, 2026: 19}
SUMMER = {2023: 8, 2024: 6, 2025: 5, 2026: 4, 2027: 3}
TOWNS = {"A": "33063", "B": "35238", "C": "75056"}


def begins(region, day):
    """True when holidays of two weeks begin that Saturday."""
    fortnight = [is_without_school(day + timedelta(days=at), region) for at in range(16)]
    return all(fortnight) and not is_without_school(day - timedelta(days=1), region)


@pytest.mark.parametrize("school", "ABC")
def test_school_holidays_are_those_that_were_published(school):
    region = region_of(TOWNS[school])
    assert region.school == school
    for year, zones in PUBLISHED.items():
        assert all(begins(region, date(year, *day)) for day in zones[school])
        others = {day for zone, days in zones.items() if zone != school for day in days}
        assert not any(begins(region, date(year, *day)) for day in others)
    for month, days in ((10, TOUSSAINT), (12, NOEL), (7, SUMMER)):
        assert all(begins(region, date(year, month, day)) for year, day in days.items())
    assert not is_without_school(date(2026, 9, 1), region)
    assert is_without_school(date(2026, 8, 31), region)
    assert is_without_school(date(2027, 1, 1), region)
    assert not is_without_school(date(2027, 1, 4), region)


def test_every_departement_of_the_mainland_has_a_zone_and_corsica_its_own():
    zones = {code: region_of(code).school for code in DEPARTMENTS}
    assert {code for code, zone in zones.items() if zone == "Corse"} == {"2A", "2B"}
    assert {code for code, zone in zones.items() if not zone} == {code for code in DEPARTMENTS if len(code) == 3}
    corsica = region_of("2A004")
    assert is_without_school(date(2026, 10, 20), corsica)
    assert not is_without_school(date(2026, 2, 10), corsica)
    assert not is_without_school(date(2026, 2, 24), corsica)


def test_overseas_only_week_ends_and_public_holidays_are_known_to_be_without_school():
    reunion = region_of("97411")
    assert reunion.zone == ZoneInfo("Indian/Reunion")
    assert not is_without_school(date(2026, 7, 22), reunion)
    assert is_without_school(date(2026, 7, 14), reunion)
    assert is_without_school(date(2026, 7, 18), reunion)


def test_evenings_are_late_before_and_on_days_without_school():
    bordeaux = region_of("33063")
    week = [date(2026, 11, 9) + timedelta(days=at) for at in range(7)]
    assert [is_late(day, bordeaux) for day in week] == [False, True, True, False, True, True, True]
