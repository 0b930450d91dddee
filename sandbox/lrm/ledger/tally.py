"""Counts of orientations by the day on which they first came, by category and status. Pure."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, tzinfo

from sandbox.kernel.clock import PARIS
from sandbox.lrm.ledger.records import Orientation

NO_CATEGORY = ""  # category of an orientation without one

DayCounts = Counter[tuple[str, str]]  # by (category, status)


class Tally:
    """The counts of all days of `zone`. Each orientation is counted once, in its present state."""

    def __init__(self, zone: tzinfo = PARIS) -> None:
        self._zone = zone
        self._of: dict[str, tuple[str, str, str]] = {}
        self._days: dict[str, DayCounts] = {}

    def put(self, orientation: Orientation) -> None:
        """Count an orientation in its present state, on the day on which it was first received."""
        appointment = orientation.appointment
        before = self._of.get(orientation.appointment_id)
        day = before[0] if before is not None else self._day(orientation.history[0].at)
        now = (day, str(appointment.get("orientationCategory", NO_CATEGORY)), str(appointment["status"]))
        if before is not None:
            self._days[day][before[1:]] -= 1
        self._of[orientation.appointment_id] = now
        self._days.setdefault(day, Counter())[now[1:]] += 1

    def remove(self, appointment_id: str) -> None:
        """Stop counting an orientation that was not stored."""
        before = self._of.pop(appointment_id, None)
        if before is not None:
            self._days[before[0]][before[1:]] -= 1

    def _day(self, at: str) -> str:
        return datetime.fromisoformat(at).astimezone(self._zone).date().isoformat()

    def of_day(self, day: date) -> DayCounts:
        """The counts of a day that are not 0."""
        return +self._days.get(day.isoformat(), DayCounts())
