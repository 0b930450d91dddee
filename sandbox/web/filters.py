"""How values read on French pages: dates, times, telephone numbers, statuses. Pure; used as Jinja filters."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from sandbox.kernel.clock import PARIS, parse_datetime
from sandbox.kernel.flows import AppointmentStatus

DAYS = ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche")
MONTHS = (
    *("janvier", "février", "mars", "avril", "mai", "juin"),
    *("juillet", "août", "septembre", "octobre", "novembre", "décembre"),
)

_SHORT_MONTHS = ("janv.", "févr.", "mars", "avr.", "mai", "juin", "juil.", "août", "sept.", "oct.", "nov.", "déc.")

# An appointment's status as people call it, and the tone of its badge (see `.badge` in site.css).
STATUSES: Mapping[str, tuple[str, str]] = {
    AppointmentStatus.PENDING: ("en attente", "wait"),
    AppointmentStatus.BOOKED: ("réservé", "info"),
    AppointmentStatus.FULFILLED: ("honoré", "good"),
    AppointmentStatus.NOSHOW: ("non honoré", "bad"),
    AppointmentStatus.CANCELLED: ("annulé", "off"),
}


def local(value: datetime | str) -> datetime:
    """An instant as its reader's clock shows it: UTC becomes Paris time, any other offset is the place's own.

    Strings are read as FHIR dateTimes; raises ValueError when they are none.
    """
    instant = parse_datetime(value) if isinstance(value, str) else value
    return instant.astimezone(PARIS) if instant.tzinfo is UTC else instant


def french_date(value: date | str) -> str:
    """`lundi 23 novembre 2026`; the first of a month is `1er`."""
    day = local(value) if isinstance(value, datetime | str) else value
    number = "1er" if day.day == 1 else str(day.day)
    return f"{DAYS[day.weekday()]} {number} {MONTHS[day.month - 1]} {day.year}"


def short_date(value: date | str) -> str:
    """`23/11/2026`."""
    day = local(value) if isinstance(value, datetime | str) else value
    return f"{day.day:02}/{day.month:02}/{day.year}"


def day_date(value: date | str) -> str:
    """`lun. 23 nov.`: for the heads of columns."""
    day = local(value) if isinstance(value, datetime | str) else value
    return f"{DAYS[day.weekday()][:3]}. {day.day} {_SHORT_MONTHS[day.month - 1]}"


def french_time(value: datetime | str) -> str:
    """`14:20`."""
    return local(value).strftime("%H:%M")


def exact_time(value: datetime | str) -> str:
    """`14:20:05`."""
    return local(value).strftime("%H:%M:%S")


def french_datetime(value: datetime | str) -> str:
    """`lundi 23 novembre 2026 à 14:20`."""
    return f"{french_date(value)} à {french_time(value)}"


def status_label(status: str) -> str:
    """The French word for an appointment's status; an unknown one is shown as it is."""
    return STATUSES.get(status, (status, ""))[0]


def status_tone(status: str) -> str:
    """The tone of an appointment status's badge."""
    return STATUSES.get(status, ("", "off"))[1]


_FRENCH_PHONE = re.compile(r"(?:\+33|0)([1-9])(\d{2})(\d{2})(\d{2})(\d{2})")
_OVERSEAS_PHONE = re.compile(r"(\+\d{3})(\d{3})(\d{2})(\d{2})(\d{2})")


def phone(value: str | None) -> str:
    """`+33102030405` -> `01 02 03 04 05`; overseas keeps its prefix; unknown forms stay; None is an empty text."""
    compact = re.sub(r"[\s.\-]", "", value or "")
    if match := _FRENCH_PHONE.fullmatch(compact):
        return f"0{match[1]} " + " ".join(match.groups()[1:])
    if match := _OVERSEAS_PHONE.fullmatch(compact):
        return " ".join(match.groups())
    return value or ""


def plural(count: int, singular: str, many: str | None = None) -> str:
    """`1 créneau`, `2 créneaux` (French: 0 and 1 are singular); `many` defaults to the singular with an s."""
    return f"{count} {singular if abs(count) < 2 else many or singular + 's'}"


FILTERS: Mapping[str, Callable[..., Any]] = {
    "date_fr": french_date,
    "date_short": short_date,
    "date_day": day_date,
    "time_fr": french_time,
    "time_exact": exact_time,
    "datetime_fr": french_datetime,
    "status_label": status_label,
    "status_tone": status_tone,
    "phone": phone,
    "plural": plural,
}
