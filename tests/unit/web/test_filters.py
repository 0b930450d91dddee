"""The form of values on pages."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from sandbox.population.agendas.agenda import zone_of
from sandbox.web.filters import (
    day_date,
    exact_time,
    french_date,
    french_datetime,
    french_time,
    phone,
    plural,
    short_date,
    short_time,
    status_label,
    status_tone,
    zone_name,
)

REUNION = ZoneInfo("Indian/Reunion")

AFTERNOON = datetime(2026, 11, 23, 13, 20, tzinfo=UTC)


def test_dates_are_spelt_out_in_french() -> None:
    assert french_date(date(2026, 11, 23)) == "lundi 23 novembre 2026"
    assert french_date(date(2026, 8, 1)) == "samedi 1er août 2026"
    assert short_date(date(2026, 8, 1)) == "01/08/2026"


def test_utc_instants_are_shown_in_paris_time() -> None:
    assert french_time(AFTERNOON) == "14:20"
    assert french_datetime("2026-11-23T13:20:00Z") == "lundi 23 novembre 2026 à 14:20"
    assert french_date(datetime(2026, 11, 23, 23, 30, tzinfo=UTC)) == "mardi 24 novembre 2026"
    assert short_date("2026-11-23T23:30:00Z") == "24/11/2026"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("2026-11-23T07:00:00Z", "11:00"),
        ("2026-11-23T09:00:00+01:00", "12:00"),
        ("2026-11-23T10:00:00+04:00", "10:00"),
    ],
)
def test_whatever_offset_an_instant_has_it_is_shown_in_the_time_of_the_place(written: str, shown: str) -> None:
    assert french_time(written, REUNION) == f"{shown} (heure de La Réunion)"
    assert french_datetime(written, REUNION) == f"lundi 23 novembre 2026 à {shown} (heure de La Réunion)"
    assert short_time(written, REUNION) == shown


def test_the_day_is_that_of_the_place() -> None:
    late = "2026-11-23T22:00:00+01:00"
    assert (short_date(late), short_date(late, REUNION)) == ("23/11/2026", "24/11/2026")
    assert french_date(late, ZoneInfo("Pacific/Tahiti")) == "lundi 23 novembre 2026"
    assert day_date(late, ZoneInfo("Pacific/Noumea")) == "mar. 24 nov."
    assert short_date("1980-01-31", REUNION) == "31/01/1980"  # a birthday is the same day everywhere


@pytest.mark.parametrize("code", ["971", "972", "973", "974", "975", "976", "977", "978", "986", "987", "988"])
def test_every_overseas_zone_has_a_french_name(code: str) -> None:
    name = zone_name(zone_of(code))
    assert name.startswith(("de la ", "de La ", "de "))
    assert "/" not in name
    assert zone_name(zone_of("33")) == ""


def test_the_hour_that_an_october_night_has_twice_is_told_apart() -> None:
    night = [f"2026-10-25T0{hour}:30:00Z" for hour in (0, 1, 2)]
    assert [french_time(each) for each in night] == ["02:30 (heure d'été)", "02:30 (heure d'hiver)", "03:30"]
    assert [short_time(each) for each in night] == ["02:30 (heure d'été)", "02:30 (heure d'hiver)", "03:30"]
    assert french_time("2026-03-29T00:30:00Z") == "01:30"
    assert french_time("2026-03-29T01:30:00Z") == "03:30"
    miquelon = ZoneInfo("America/Miquelon")
    assert french_time("2026-11-01T03:30:00Z", miquelon) == "01:30 (heure d'été de Saint-Pierre-et-Miquelon)"


def test_unreadable_date_raises() -> None:
    with pytest.raises(ValueError, match="dateTime"):
        french_time("soon")


@pytest.mark.parametrize(
    ("status", "label", "tone"),
    [
        ("booked", "réservé", "info"),
        ("fulfilled", "honoré", "good"),
        ("noshow", "non honoré", "bad"),
        ("cancelled", "annulé", "off"),
        ("pending", "en attente", "wait"),
        ("waitlist", "waitlist", "off"),
    ],
)
def test_statuses_have_words_and_tones(status: str, label: str, tone: str) -> None:
    assert (status_label(status), status_tone(status)) == (label, tone)


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("+33102030405", "01 02 03 04 05"),
        ("0102030405", "01 02 03 04 05"),
        ("+262262010203", "+262 262 01 02 03"),
        ("15", "15"),
        (None, ""),
    ],
)
def test_telephone_numbers_are_grouped(stored: str | None, shown: str) -> None:
    assert phone(stored) == shown


def test_zero_and_one_are_singular() -> None:
    assert [plural(count, "patient") for count in (0, 1, 2)] == ["0 patient", "1 patient", "2 patients"]
    assert plural(3, "créneau", "créneaux") == "3 créneaux"


def test_heads_of_columns_and_exact_times() -> None:
    assert day_date(AFTERNOON) == day_date(AFTERNOON.date()) == "lun. 23 nov."
    assert day_date("2026-05-01T10:00:00+02:00") == "ven. 1 mai"
    assert exact_time(AFTERNOON) == "14:20:00"
