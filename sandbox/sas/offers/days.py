"""When an orientation without a slot takes place: at an hour that was agreed, or in the course of the day. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sandbox.kernel.clock import parse_datetime
from sandbox.kernel.errors import refused

TODAY = "today"  # instead of an hour: in the course of the day
MINUTES = 20  # of an appointment at an agreed hour
MOST_DAYS = 3  # an agreed hour lies within so many days


def rest_of_day(now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """From now to the next midnight of the zone."""
    local = now.astimezone(zone)
    return local, datetime.combine(local.date() + timedelta(days=1), time(), zone)


def agreed_times(agreed: str, now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Beginning and end of an appointment that was agreed on: TODAY, or a dateTime (without an offset: of the zone).

    Raises RequestError 422 for another text, and for an hour that is past (the present minute is not) or after more
    than MOST_DAYS days.
    """
    if agreed == TODAY:
        return rest_of_day(now, zone)
    try:
        if len(agreed.strip()) <= len("2026-01-01"):
            raise ValueError(f"'{agreed}' has no hour")
        start = parse_datetime(agreed, zone).astimezone(UTC)
    except ValueError as error:
        raise refused(f"{error}; expected a dateTime or '{TODAY}'", "agreed", code="value") from None
    earliest = now.astimezone(UTC).replace(second=0, microsecond=0)
    if start < earliest:
        raise refused(f"'{agreed}' is past", "agreed")
    if start > earliest + timedelta(days=MOST_DAYS):
        raise refused(f"'{agreed}' is more than {MOST_DAYS} days away", "agreed")
    return start.astimezone(zone), (start + timedelta(minutes=MINUTES)).astimezone(zone)
