"""How values read on French pages: dates, times, telephone numbers, statuses. Pure; used as Jinja filters."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, tzinfo
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


def local(value: datetime | str, zone: tzinfo = PARIS) -> datetime:
    """An instant as a clock in `zone` shows it. Strings are read as FHIR dateTimes; raises ValueError when they are
    none."""
    return (parse_datetime(value) if isinstance(value, str) else value).astimezone(zone)


def french_date(value: date | str, zone: tzinfo = PARIS) -> str:
    """`lundi 23 novembre 2026`; the first of a month is `1er`."""
    day = _day(value, zone)
    number = "1er" if day.day == 1 else str(day.day)
    return f"{DAYS[day.weekday()]} {number} {MONTHS[day.month - 1]} {day.year}"


def short_date(value: date | str, zone: tzinfo = PARIS) -> str:
    """`23/11/2026`."""
    day = _day(value, zone)
    return f"{day.day:02}/{day.month:02}/{day.year}"


def day_date(value: date | str, zone: tzinfo = PARIS) -> str:
    """`lun. 23 nov.`: for the heads of columns."""
    day = _day(value, zone)
    return f"{DAYS[day.weekday()][:3]}. {day.day} {_SHORT_MONTHS[day.month - 1]}"


def short_time(value: datetime | str, zone: tzinfo = PARIS) -> str:
    """`14:20`, where the zone is said elsewhere; in the hour that an October night has twice, `02:20 (heure d'été)`."""
    instant = local(value, zone)
    season = _season(instant)
    return instant.strftime("%H:%M") + (f" ({season})" if season else "")


def french_time(value: datetime | str, zone: tzinfo = PARIS) -> str:
    """`14:20`; elsewhere than in the time of Paris with the place: `14:20 (heure de La Réunion)`."""
    instant = local(value, zone)
    season, place = _season(instant), zone_name(zone)
    said = " ".join(filter(None, (season or ("heure" if place else ""), place)))
    return instant.strftime("%H:%M") + (f" ({said})" if said else "")


def exact_time(value: datetime | str, zone: tzinfo = PARIS) -> str:
    """`14:20:05`."""
    return local(value, zone).strftime("%H:%M:%S")


def french_datetime(value: datetime | str, zone: tzinfo = PARIS) -> str:
    """`lundi 23 novembre 2026 à 14:20`, with the zone as `french_time`."""
    return f"{french_date(value, zone)} à {french_time(value, zone)}"


def zone_name(zone: tzinfo) -> str:
    """`de La Réunion`; "" for the time of Paris, which needs no word."""
    return "" if str(zone) == str(PARIS) else _ZONES.get(str(zone), str(zone))


_ZONES = {
    "America/Guadeloupe": "de la Guadeloupe",
    "America/Martinique": "de la Martinique",
    "America/Cayenne": "de la Guyane",
    "Indian/Reunion": "de La Réunion",
    "America/Miquelon": "de Saint-Pierre-et-Miquelon",
    "Indian/Mayotte": "de Mayotte",
    "America/St_Barthelemy": "de Saint-Barthélemy",
    "America/Marigot": "de Saint-Martin",
    "Pacific/Wallis": "de Wallis-et-Futuna",
    "Pacific/Tahiti": "de la Polynésie française",
    "Pacific/Noumea": "de la Nouvelle-Calédonie",
}


def _season(instant: datetime) -> str:
    """Which of the two hours of the same name an instant lies in; "" for an hour that is there once."""
    if instant.replace(fold=0).utcoffset() == instant.replace(fold=1).utcoffset():
        return ""
    return "heure d'été" if instant.dst() else "heure d'hiver"


def _day(value: date | str, zone: tzinfo) -> date:
    """The day of an instant in `zone`; a date (`1980-01-31` too) is a day everywhere."""
    if isinstance(value, str) and len(value) == len("1980-01-31"):
        return date.fromisoformat(value)
    return local(value, zone) if isinstance(value, datetime | str) else value


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


def time_left(end: datetime, now: datetime) -> str:
    """`encore 12 min`, `encore 2 h 05 min`, counted in minutes that have begun; `délai écoulé` from `end` on."""
    minutes = -(-int((end - now).total_seconds()) // 60)
    if end <= now:
        return "délai écoulé"
    hours, rest = divmod(max(minutes, 1), 60)
    return f"encore {hours} h {rest:02} min" if hours else f"encore {rest} min"


FILTERS: Mapping[str, Callable[..., Any]] = {
    "date_fr": french_date,
    "date_short": short_date,
    "date_day": day_date,
    "time_fr": french_time,
    "time_short": short_time,
    "zone_name": zone_name,
    "time_exact": exact_time,
    "datetime_fr": french_datetime,
    "status_label": status_label,
    "status_tone": status_tone,
    "phone": phone,
    "plural": plural,
    "time_left": time_left,
}
