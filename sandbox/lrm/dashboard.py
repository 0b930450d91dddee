"""The day in numbers: orientations by category and status on the day they first came, and how they are drawn. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, tzinfo

from sandbox.kernel.clock import PARIS
from sandbox.lrm.records import Orientation

STATUSES = ("pending", "booked", "fulfilled", "noshow", "cancelled")
OTHER = ""  # an orientation without category
CATEGORIES: Mapping[str, str] = {
    "PS": "Professionnel de santé",
    "CPTS": "CPTS",
    "SOS": "SOS Médecins",
    "PDM": "Place de marché",
    "CDS": "Centre de santé",
    "MSP": "Maison de santé",
    OTHER: "Sans catégorie",
}

WIDTH, ROW = 600, 52  # of the drawing, in its own units; a row is a label and its bar
_TO_BAR = 27

DayCounts = Counter[tuple[str, str]]  # by (category, status)


class Tally:
    """Counts of every day of `zone`, kept as orientations come and change: each is counted once, as it is now."""

    def __init__(self, zone: tzinfo = PARIS) -> None:
        self._zone = zone
        self._of: dict[str, tuple[str, str, str]] = {}
        self._days: dict[str, DayCounts] = {}

    def put(self, orientation: Orientation) -> None:
        """An orientation as it is now; the day on which it first came stays its day."""
        appointment = orientation.appointment
        before = self._of.get(orientation.appointment_id)
        day = before[0] if before is not None else self._day(orientation.history[0].at)
        now = (day, str(appointment.get("orientationCategory", OTHER)), str(appointment["status"]))
        if before is not None:
            self._days[day][before[1:]] -= 1
        self._of[orientation.appointment_id] = now
        self._days.setdefault(day, Counter())[now[1:]] += 1

    def remove(self, appointment_id: str) -> None:
        """It is not kept after all."""
        before = self._of.pop(appointment_id, None)
        if before is not None:
            self._days[before[0]][before[1:]] -= 1

    def _day(self, at: str) -> str:
        return datetime.fromisoformat(at).astimezone(self._zone).date().isoformat()

    def of_day(self, day: date) -> DayCounts:
        """The counts of a day: none of them is 0."""
        return +self._days.get(day.isoformat(), DayCounts())


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a bar: from `x`, `width` wide, in units of the drawing."""

    status: str
    count: int
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Bar:
    """A category's row: its upper edge `y`, and that of its bar."""

    label: str
    total: int
    y: int
    bar: int
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class Drawing:
    """All bars; `total` of the day, `height` in units of the drawing, `by_status` in the order of STATUSES."""

    bars: tuple[Bar, ...]
    total: int
    height: int
    by_status: Mapping[str, int]


def drawn(counts: DayCounts) -> Drawing:
    """A bar for each category that has any, all on one scale; its segments follow the order of STATUSES."""
    totals = {name: sum(counts[name, status] for status in STATUSES) for name in CATEGORIES}
    longest = max(totals.values(), default=0)
    bars: list[Bar] = []
    for name, total in totals.items():
        if total:
            bars.append(_bar(name, total, len(bars) * ROW, counts, (WIDTH - 60) / longest))
    by_status = {status: sum(counts[name, status] for name in CATEGORIES) for status in STATUSES}
    return Drawing(tuple(bars), sum(totals.values()), max(len(bars) * ROW, 1), by_status)


def _bar(name: str, total: int, y: int, counts: DayCounts, scale: float) -> Bar:
    segments: list[Segment] = []
    x = 0.0
    for status in STATUSES:
        if count := counts[name, status]:
            segments.append(Segment(status, count, round(x, 2), round(count * scale, 2)))
            x += count * scale
    return Bar(CATEGORIES[name], total, y, y + _TO_BAR, tuple(segments))
