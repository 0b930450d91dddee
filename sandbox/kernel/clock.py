"""Sandbox time: the wall clock shifted or stopped, always in a French zone; and the guide's date formats."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from sandbox.kernel.world import ClockSetting

PARIS = ZoneInfo("Europe/Paris")


class Clock:
    """`now()` of the sandbox. `wall` gives seconds since the epoch and is injected by `ecosystem`."""

    def __init__(self, wall: Callable[[], float], setting: ClockSetting | None = None) -> None:
        self._wall = wall
        self.setting = setting or ClockSetting()

    def now(self) -> datetime:
        """Aware datetime in Europe/Paris."""
        return datetime.fromtimestamp(self.time(), PARIS)

    def time(self) -> float:
        """The same in seconds since the epoch."""
        setting = self.setting
        return self._wall() + setting.offset if setting.frozen is None else setting.frozen

    def real(self) -> float:
        """The wall clock's seconds since the epoch: what certificates, tokens and sessions go by, as those who check
        them elsewhere know no sandbox time."""
        return self._wall()


def as_of(instant: datetime, wall: float, *, freeze: bool) -> ClockSetting:
    """The setting whose clock shows `instant` when the wall clock shows `wall` (seconds since the epoch)."""
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


def parse_datetime(text: str, zone: ZoneInfo = PARIS) -> datetime:
    """A FHIR dateTime, leniently: with or without seconds, decimals, offset (without: `zone`).

    A space before the offset is a `+` that was not percent-encoded. Raises ValueError with what was expected.
    """
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
