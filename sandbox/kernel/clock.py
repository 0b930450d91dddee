"""Sandbox time: the wall clock shifted or stopped, always in a French zone; and the guide's date formats."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from sandbox.kernel.world import ClockSetting

PARIS = ZoneInfo("Europe/Paris")

# Dates that every flow carries and every page shows; sandbox time stays a year within them, as searches look ahead.
# Before 1970 offsets were not whole minutes everywhere.
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)  # LATEST itself is outside
_CLOCK_FROM, _CLOCK_UNTIL = datetime(2000, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC)


class Clock:
    """`now()` of the sandbox. `wall` gives seconds since the epoch and is injected by `ecosystem`."""

    def __init__(self, wall: Callable[[], float], setting: ClockSetting | None = None) -> None:
        self._wall = wall
        self.setting = setting or ClockSetting()

    def now(self) -> datetime:
        """Aware datetime in Europe/Paris."""
        return datetime.fromtimestamp(self.time(), PARIS)

    def time(self) -> float:
        """`now()` in seconds since the epoch."""
        setting = self.setting
        return self._wall() + setting.offset if setting.frozen is None else setting.frozen

    def real(self) -> float:
        """The wall clock's seconds since the epoch, for certificates, tokens and sessions: software outside the sandbox
        checks them, by the real time."""
        return self._wall()


def as_of(instant: datetime, wall: float, *, freeze: bool) -> ClockSetting:
    """The setting whose clock shows `instant` when the wall clock shows `wall` (seconds since the epoch).

    Raises ValueError for an instant outside the years 2000 to 2098, to which sandbox time is limited.
    """
    if not _CLOCK_FROM <= instant < _CLOCK_UNTIL:
        raise ValueError(f"sandbox time {instant.isoformat()} is not between 2000-01-01 and 2098-12-31 (UTC)")
    stamp = instant.timestamp()
    return ClockSetting(offset=stamp - wall, frozen=stamp if freeze else None)


def fhir_instant(instant: datetime) -> str:
    """`YYYY-MM-DDThh:mm:ss.sss+hh:mm`: exactly three decimals, the instant's own offset (guide, R01-45)."""
    return instant.isoformat(timespec="milliseconds")


def l02_datetime(instant: datetime) -> str:
    """`YYYY-MM-DDThh:mm:ss±hh:mm`: no decimals, never `Z` (RC-DE `sentAt`, RS-SAS-RDV `created`)."""
    return instant.isoformat(timespec="seconds").replace("Z", "+00:00")


_DATETIME = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:T(\d{2}:\d{2}(?::\d{2})?)(\.\d{1,9})?(Z|[+\- ]\d{2}:?\d{2})?)?", re.IGNORECASE
)


_PARTIAL = re.compile(r"(\d{4})(?:-(\d{2}))?")


def parse_period(text: str, zone: ZoneInfo = PARIS) -> tuple[datetime, datetime]:
    """First and last instant of a FHIR date or dateTime, which may be partial: `2026`, `2026-11`, `2026-11-22`,
    `2026-11-22T10:00` (R4, « date », « dateTime »); one with seconds is both. As lenient as `parse_datetime`.

    Raises ValueError with what was expected, also for a date outside EARLIEST to LATEST.
    """
    match = _PARTIAL.fullmatch(text.strip())
    if match is None:
        first = parse_datetime(text, zone)
        return first, first + _length(text)
    year, month = int(match[1]), int(match[2] or 1)
    try:
        last_month = month if match[2] else 12
        day = monthrange(year, last_month)[1]
        first, last = datetime(year, month, 1, tzinfo=zone), datetime(year, last_month, day, 23, 59, 59, 999_999, zone)
    except ValueError as error:  # of the calendar: IllegalMonthError is one
        raise ValueError(f"'{text}' is not a dateTime: {error}") from None
    return within_calendar(first, text), within_calendar(last, text)


def _length(text: str) -> timedelta:
    """How much longer than its first instant a day or a minute lasts."""
    time = text.strip().upper().partition("T")[2]
    if not time:
        return timedelta(days=1, microseconds=-1)
    return timedelta() if time[5:6] == ":" else timedelta(minutes=1, microseconds=-1)


def parse_datetime(text: str, zone: ZoneInfo = PARIS) -> datetime:
    """A FHIR dateTime, leniently: with or without seconds, decimals, offset (without: `zone`).

    A space before the offset is a `+` that was not percent-encoded. Raises ValueError with what was expected, also for
    a date outside EARLIEST to LATEST.
    """
    return within_calendar(_parsed(text, zone), text)


def within_calendar(instant: datetime, text: str = "") -> datetime:
    """Return the aware instant. Raises ValueError, quoting `text`, when it is outside EARLIEST to LATEST."""
    if not EARLIEST <= instant < LATEST:
        raise ValueError(f"'{text or instant.isoformat()}' is not between 1970-01-01 and 2099-12-31 (UTC)")
    return instant


def _parsed(text: str, zone: ZoneInfo) -> datetime:
    if len(text) == 29 and text[10] == "T" and text[19] == "." and text[23] in "+-" and text[26] == ":":
        try:  # the guide's own form, which needs no leniency
            return datetime.fromisoformat(text)
        except ValueError:
            pass  # the rules below say what is wrong
    match = _DATETIME.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"'{text}' is not a dateTime (expected YYYY-MM-DDThh:mm:ss[.sss][+hh:mm])")
    day, time, decimals, offset = match.groups()
    try:
        naive = datetime.fromisoformat(f"{day}T{time or '00:00'}")
    except ValueError as error:
        raise ValueError(f"'{text}' is not a dateTime: {error}") from None
    if decimals:
        naive += timedelta(seconds=float(decimals))
    if offset is None:
        return naive.replace(tzinfo=zone)
    if offset in "Zz":
        return naive.replace(tzinfo=UTC)
    return datetime.fromisoformat(naive.isoformat() + offset.replace(" ", "+"))
