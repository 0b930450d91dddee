"""The drawn map of a search: centre, radius, towns, places of practice with and without free slots. Pure.

It needs nothing from outside: no tiles, no fonts. An area is small, so the projection is simple: a degree of latitude
has the same length everywhere, a degree of longitude the length that it has at the centre. Units of the drawing: SIZE
across and down, y downwards.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sandbox.kernel.model import Town
from sandbox.sas.directory.areas import KM_PER_DEGREE, Area

SIZE = 400.0
MARGIN = 20.0  # between the circle and the edge
APART = 21.0  # between the middles of two numbered marks
MOST_TOWNS = 9  # towns whose names are shown
MOST_MARKS = 200  # of marks for places without slots
_LETTER = 6.0  # width of one letter of a town's name
_ROOM = 10.0  # of a numbered mark, from its centre
_CROSS = 7.0  # length of one arm of the cross in the centre
_TURN = 2.399963  # the golden angle: overlapping marks try positions on a spiral, which never repeat
_LENGTHS = (0.5, 1, 2, 5, 10, 20, 50)  # km that a scale bar may show


@dataclass(frozen=True, slots=True)
class MapPoint:
    """A place of practice to be drawn. `card`: the card that it belongs to; `number`: number of the card on the page, 0
    when it has no free slots."""

    card: str
    name: str
    lat: float
    lon: float
    number: int = 0
    slots: int = 0


@dataclass(frozen=True, slots=True)
class Mark:
    """A drawn place. `x`, `y`: where the mark is; `home`: where the place is, when the mark had to move. `away`: the
    place is outside the map, and the mark at the edge shows its direction."""

    spot: MapPoint
    x: float
    y: float
    home: tuple[float, float] | None = None
    away: bool = False


@dataclass(frozen=True, slots=True)
class Label:
    """A town: its dot at `dot`, its name at `x`, `y` with the `anchor` of SVG texts (start, middle, end)."""

    name: str
    dot: tuple[float, float]
    x: float
    y: float
    anchor: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """The whole map. `ring`: radius of the circle in units; `bar`: length of the scale bar in units, `bar_km`: the
    distance that it stands for."""

    radius_km: float
    ring: float
    towns: tuple[Label, ...]
    free: tuple[Mark, ...]
    others: tuple[Mark, ...]
    bar: float
    bar_km: float

    size = SIZE
    middle = SIZE / 2


class _Projection:
    """Converts degrees to units of the drawing."""

    def __init__(self, area: Area) -> None:
        self.area = area
        self.per_km = (SIZE / 2 - MARGIN) / area.radius_km
        self._east = math.cos(math.radians(area.lat))

    def at(self, lat: float, lon: float) -> tuple[float, float]:
        x = SIZE / 2 + (lon - self.area.lon) * self._east * KM_PER_DEGREE * self.per_km
        y = SIZE / 2 - (lat - self.area.lat) * KM_PER_DEGREE * self.per_km
        return round(x, 1), round(y, 1)


def drawing(area: Area, spots: Sequence[MapPoint], towns: Iterable[Town]) -> Drawing:
    """The map of an area. `towns`: the largest first; those in the area are named where there is room."""
    sheet = _Projection(area)
    free = tuple(_numbered(sheet, [spot for spot in spots if spot.slots]))
    others = [Mark(spot, *sheet.at(spot.lat, spot.lon)) for spot in spots if not spot.slots]
    length = max((km for km in _LENGTHS if km <= area.radius_km / 2), default=_LENGTHS[0])
    return Drawing(
        radius_km=area.radius_km,
        ring=round(area.radius_km * sheet.per_km, 1),
        towns=tuple(_labels(sheet, towns, free)),
        free=free,
        others=tuple(mark for mark in others if _inside(mark.x, mark.y))[:MOST_MARKS],
        bar=round(length * sheet.per_km, 1),
        bar_km=length,
    )


def _inside(x: float, y: float, margin: float = 4.0) -> bool:
    return margin <= x <= SIZE - margin and margin <= y <= SIZE - margin


def _numbered(sheet: _Projection, spots: Sequence[MapPoint]) -> Iterator[Mark]:
    """The numbered marks, none of which hides another: a mark that would overlap is moved aside and joined to its place
    by a line."""
    taken: list[tuple[float, float]] = []
    for spot in spots:
        home = sheet.at(spot.lat, spot.lon)
        away = not _inside(*home)
        start = _edge(*home) if away else home
        x, y = _free_place(start, taken)
        taken.append((x, y))
        yield Mark(spot, x, y, home if not away and (x, y) != home else None, away)


def _edge(x: float, y: float) -> tuple[float, float]:
    """The point of the edge in the direction of a point outside the map."""
    across, down = x - SIZE / 2, y - SIZE / 2
    scale = (SIZE / 2 - 14) / max(abs(across), abs(down))
    return round(SIZE / 2 + across * scale, 1), round(SIZE / 2 + down * scale, 1)


def _free_place(home: tuple[float, float], taken: Sequence[tuple[float, float]]) -> tuple[float, float]:
    for step in range(200):
        away, turn = 6.0 * math.sqrt(step), _TURN * step
        x, y = home[0] + away * math.cos(turn), home[1] + away * math.sin(turn)
        if _inside(x, y, 12.0) and all(math.dist((x, y), other) >= APART for other in taken):
            return round(x, 1), round(y, 1)
    return home


def _labels(sheet: _Projection, towns: Iterable[Town], marks: Sequence[Mark]) -> Iterator[Label]:
    """The labels of the largest towns of the area whose names overlap neither each other nor a mark."""
    taken = [_Box(mark.x - _ROOM, mark.x + _ROOM, mark.y - _ROOM, mark.y + _ROOM) for mark in marks]
    named = 0
    for town in towns:
        at = sheet.at(town.lat, town.lon)
        if math.dist(at, (SIZE / 2, SIZE / 2)) > SIZE / 2 - MARGIN:
            continue
        for label, box in _positions(town.name, *at):
            if box.is_inside and not any(box.meets(other) for other in taken):
                taken.append(box)
                yield label
                named += 1
                break
        if named == MOST_TOWNS:
            return


@dataclass(frozen=True, slots=True)
class _Box:
    left: float
    right: float
    top: float
    bottom: float

    @property
    def is_inside(self) -> bool:
        return min(self.left, self.top) >= 0 and max(self.right, self.bottom) <= SIZE

    def meets(self, other: _Box) -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


def _positions(name: str, x: float, y: float) -> Iterator[tuple[Label, _Box]]:
    """Where a town's name may be: to the right, to the left, above, below, at a distance that keeps it off the cross in
    the centre; then the same four further away, off a mark on the town."""
    width = _LETTER * len(name)
    half = width / 2
    on_the_cross = math.dist((x, y), (SIZE / 2, SIZE / 2)) < _CROSS
    nearest = (_CROSS + 3, _CROSS - 2) if on_the_cross else (4.0, 0.0)
    for gap, lift in (nearest, (_ROOM + 3, _ROOM - 2)):
        right, left = round(x + gap, 1), round(x - gap, 1)
        above, below = round(y - 5 - lift, 1), round(y + 12 + lift, 1)
        yield Label(name, (x, y), right, y + 3.5, "start"), _Box(right - 2, right + width, y - 6, y + 6)
        yield Label(name, (x, y), left, y + 3.5, "end"), _Box(left - width, left + 2, y - 6, y + 6)
        yield Label(name, (x, y), x, above, "middle"), _Box(x - half, x + half, above - 10, above + 3)
        yield Label(name, (x, y), x, below, "middle"), _Box(x - half, x + half, below - 10, below + 3)
