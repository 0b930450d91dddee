"""Local times of a place as instants, so that what does not overlap on the wall clock never overlaps. Pure.

On the night when the clocks go forward, a local time that does not exist is the instant of the change: a slot across it
becomes shorter, and one within the skipped hour has no length and falls out. On the night when they go back, a local
time that exists twice is the first of the two: a slot that ends after the change is an hour longer.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

MINUTES_A_DAY = 1440


def instant(zone: ZoneInfo, day: int, minute: int) -> int:
    """Epoch seconds of a local time: `day` proleptic ordinal, `minute` from its midnight (1440 and more: later
    days)."""
    day, minute = day + minute // MINUTES_A_DAY, minute % MINUTES_A_DAY
    midnight, plain = _day(zone, day)
    return midnight + 60 * minute if plain else _exactly(zone, day, minute)


def local(zone: ZoneInfo, instant: float) -> tuple[int, int]:
    """Day (proleptic ordinal) and minute of it that the wall clock shows at an instant (epoch seconds)."""
    there = datetime.fromtimestamp(instant, zone)
    return there.toordinal(), there.hour * 60 + there.minute


@lru_cache(maxsize=8192)
def _day(zone: ZoneInfo, day: int) -> tuple[int, bool]:
    """Midnight, and whether the clocks do not change on the day."""
    midnight = _exactly(zone, day, 0)
    return midnight, _exactly(zone, day + 1, 0) - midnight == 60 * MINUTES_A_DAY


def _exactly(zone: ZoneInfo, day: int, minute: int) -> int:
    there = datetime.combine(date.fromordinal(day), time(), zone) + timedelta(minutes=minute)
    found = int(there.timestamp())
    if datetime.fromtimestamp(found, zone).replace(tzinfo=None) == there.replace(tzinfo=None):
        return found
    return _change(zone, int(there.replace(fold=1).timestamp()), found)


def _change(zone: ZoneInfo, before: int, after: int) -> int:
    """The instant between two others at which the offset of the zone changes."""

    def offset(at: int) -> timedelta | None:
        return datetime.fromtimestamp(at, UTC).astimezone(zone).utcoffset()

    then = offset(after)
    while after - before > 1:
        middle = (before + after) // 2
        before, after = (before, middle) if offset(middle) == then else (middle, after)
    return after
