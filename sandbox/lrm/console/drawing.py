"""The drawing of the orientations of a day: a bar for each category, a segment for each status. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sandbox.lrm.ledger.tally import NO_CATEGORY, DayCounts

STATUSES = ("pending", "booked", "fulfilled", "noshow", "cancelled")
CATEGORIES: Mapping[str, str] = {
    "PS": "Professionnel de santé",
    "CPTS": "CPTS",
    "SOS": "SOS Médecins",
    "PDM": "Place de marché",
    "CDS": "Centre de santé",
    "MSP": "Maison de santé",
    NO_CATEGORY: "Sans catégorie",
}

WIDTH, ROW = 600, 52  # sizes in units of the drawing; a row is a label and its bar
_TO_BAR = 27


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a bar: from `x`, `width` wide, in units of the drawing."""

    status: str
    count: int
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Bar:
    """The row of a category: its upper edge `y`, and the upper edge of its bar."""

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


def draw(counts: DayCounts) -> Drawing:
    """A bar for each category that has orientations, all with the same scale; its segments follow the order of
    STATUSES."""
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
