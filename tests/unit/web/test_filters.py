"""How values read on pages."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from sandbox.web.filters import (
    day_date,
    exact_time,
    french_date,
    french_datetime,
    french_time,
    phone,
    plural,
    short_date,
    status_label,
    status_tone,
)

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


def test_other_offsets_are_the_place_s_own_time() -> None:
    reunion = AFTERNOON.astimezone(timezone(timedelta(hours=4)))
    assert french_time(reunion) == "17:20"
    assert french_time("2026-11-23T17:20:00+04:00") == "17:20"


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
