"""Draws the packages of `sandbox/` and their imports, from the import statements themselves, as an SVG picture.

    make architecture

Each package is a box with its sub-packages. A package imports only from boxes beside and below its own. An import is
drawn as an arrow unless a chain of other arrows leads to the same box, and unless it is one of the two lowest bands,
from which nearly everything imports. Needs nothing but Python >= 3.11; the same code gives the same picture.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "sandbox"

# The bands from top to bottom: title, then rows of packages and modules, each with the columns that its box takes.
BANDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("command line", ("cli", "supervisor commands banner kit check runner")),
    ("start", ("ecosystem:3", "ground:2 data_stores:4")),
    ("control plane and actors", ("control psc editor sas lrm hub",)),
    ("network and store", ("web:5", "net:5.3 store:0.7")),
    ("rules", ("fhir amqp edxl pki faults population",)),
    (
        "settings and files",
        ("config:0.7 partners:0.8 yaml_file:0.8 package_data:1.1 allocator:0.9 tasks:0.8 files:0.9",),
    ),
    ("kernel", ("kernel",)),
)
COLUMNS = 6  # a box takes as many as its `:n` says; where no box of a row says so, all have the same width
UNDRAWN = {each.partition(":")[0] for _, rows in BANDS[-2:] for row in rows for each in row.split()}
WIDTH, MARGIN, LABEL, GAP, PAD, LINE, BAND_GAP, ROW_GAP = 1000, 16, 112, 18, 8, 15, 30, 34
INSET = 12  # distance in px that an arrow keeps from the corner of a box
TITLE_PX, SMALL_PX = 13, 11.5
HEAD_OF_AN_ARROW = (
    '<defs><marker id="head" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="6" markerHeight="6" orient="auto">'
    '<path class="head" d="M0,0 L8,4 L0,8 z"/></marker></defs>'
)
CHARACTER = 6.3  # mean width of a character of SMALL_PX, in px
STYLE = """
  .page { fill: #ffffff } .band { fill: #f1f4f8 } .box { fill: #ffffff; stroke: #8a97a8 } .arrow { stroke: #5b7aa5 }
  .head { fill: #5b7aa5 } .name { fill: #17202c; font-weight: 600 } .sub { fill: #44505f } .label { fill: #5a6675 }
  text { font-family: system-ui, "Segoe UI", "DejaVu Sans", sans-serif }
  @media (prefers-color-scheme: dark) {
    .page { fill: #12161c } .band { fill: #1b222b } .box { fill: #232c37; stroke: #647386 } .arrow { stroke: #86a8d8 }
    .head { fill: #86a8d8 } .name { fill: #eef2f7 } .sub { fill: #c3ccd7 } .label { fill: #9aa7b6 }
  }"""

Imports = Mapping[str, frozenset[str]]
Point = tuple[float, float]


class Box(NamedTuple):
    """A package where it stands in the picture, in px."""

    name: str
    x: float
    y: float
    width: float
    height: float
    lines: tuple[str, ...]

    @property
    def middle(self) -> float:
        return self.x + self.width / 2

    def nearest(self, x: float) -> float:
        """The point where an arrow from or to x touches the box."""
        return min(max(x, self.x + INSET), self.x + self.width - INSET)


def children() -> tuple[str, ...]:
    """The packages and modules directly in `sandbox/`."""
    found = (path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file())
    return tuple(sorted(name for name in found if name != "__init__"))


def imports() -> Imports:
    """Child of `sandbox` -> the other children that it imports."""
    known = children()
    found: dict[str, set[str]] = {name: set() for name in known}
    for name in known:
        for path in (PACKAGE / f"{name}.py", *sorted((PACKAGE / name).rglob("*.py"))):
            if path.is_file():
                found[name] |= {other for other in _imported(path) if other in found and other != name}
    return {name: frozenset(others) for name, others in found.items()}


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            first, _, rest = node.module.partition(".")
            if first == "sandbox":
                yield from [rest.partition(".")[0]] if rest else [alias.name for alias in node.names]


def without_detours(graph: Imports) -> Imports:
    """Only the imports that no chain of other imports implies."""

    def reached(name: str) -> frozenset[str]:
        return graph[name].union(*(reached(other) for other in graph[name]))

    return {
        name: frozenset(other for other in others if not any(other in reached(way) for way in others - {other}))
        for name, others in graph.items()
    }


def sub_packages(name: str) -> tuple[str, ...]:
    """The packages inside a package."""
    return tuple(sorted(path.parent.name for path in (PACKAGE / name).glob("*/__init__.py")))


def _wrapped(words: tuple[str, ...], width: float) -> tuple[str, ...]:
    lines: list[str] = []
    for word in words:
        longer = f"{lines[-1]} · {word}" if lines else word
        if lines and len(longer) * CHARACTER <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return tuple(lines)


def _row(row: str, y: float) -> list[Box]:
    """The boxes of a row, side by side, all as high as the one with the most lines."""
    spans = [(name, float(columns or 0)) for name, _, columns in (each.partition(":") for each in row.split())]
    inner = WIDTH - 2 * MARGIN - LABEL - GAP
    column = (inner + GAP) / COLUMNS
    boxes: list[Box] = []
    x = float(MARGIN + LABEL)
    for name, columns in spans:
        width = (columns or COLUMNS / len(spans)) * column - GAP
        boxes.append(Box(name, x, y, width, 0.0, _wrapped(sub_packages(name), width - 2 * PAD)))
        x += width + GAP
    height = 2 * PAD + LINE * (1 + max(len(box.lines) for box in boxes)) + 2
    return [box._replace(height=height) for box in boxes]


def _layout() -> tuple[list[tuple[str, float, float]], dict[str, Box]]:
    """The bands (title, y, height) and the boxes by name."""
    bands, boxes, y = [], {}, float(MARGIN)
    for title, rows in BANDS:
        top = y
        y += GAP
        for at, row in enumerate(rows):
            y += ROW_GAP if at else 0
            placed = _row(row, y)
            boxes |= {box.name: box for box in placed}
            y += placed[0].height
        y += GAP
        bands.append((title, top, y - top))
        y += BAND_GAP
    return bands, boxes


def _box(box: Box) -> Iterator[str]:
    yield (
        f'<rect class="box" x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" rx="6"/>'
    )
    y = box.y + PAD + TITLE_PX - 2
    yield f'<text class="name" font-size="{TITLE_PX}" x="{box.middle:.1f}" y="{y:.1f}">{escape(box.name)}</text>'
    for at, line in enumerate(box.lines, 1):
        at_y = y + LINE * at + 2
        yield f'<text class="sub" font-size="{SMALL_PX}" x="{box.middle:.1f}" y="{at_y:.1f}">{escape(line)}</text>'


def _arrow(one: Box, other: Box) -> str:
    """The arrow from the lower edge of one box to the upper edge of the other; in a row, from side to side or over the
    others."""
    if one.y != other.y:
        start, end = _ends(one, other)
        y1, y2 = one.y + one.height, other.y - 4
        middle = (y1 + y2) / 2
        return _curve((start, y1), (start, middle), (end, middle), (end, y2))
    left, right = sorted((one, other), key=lambda box: box.x)
    if right.x - left.x - left.width < GAP + 1:
        y, ends = one.y + one.height / 2, (left.x + left.width, right.x)
        x1, x2 = ends if one is left else ends[::-1]
        return _curve((x1, y), (x1, y), (x1, y), (x2 - 3 if one is left else x2 + 3, y))
    bend = one.y - GAP - abs(one.middle - other.middle) / 24
    return _curve((one.middle, one.y), (one.middle, bend), (other.middle, bend), (other.middle, one.y - 4))


def _ends(one: Box, other: Box) -> tuple[float, float]:
    """The points where an arrow leaves a box and reaches one in a lower row: straight down where one is above the
    other."""
    left, right = max(one.x, other.x), min(one.x + one.width, other.x + other.width)
    if right - left > 2 * INSET:
        return (left + right) / 2, (left + right) / 2
    return one.nearest(other.middle), other.nearest(one.middle)


def _curve(start: Point, bend: Point, other_bend: Point, end: Point) -> str:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in (bend, other_bend, end))
    return f'<path class="arrow" marker-end="url(#head)" d="M{start[0]:.1f},{start[1]:.1f} C{points}"/>'


def _arrows(graph: Imports, boxes: Mapping[str, Box]) -> Iterator[str]:
    for name, box in boxes.items():
        for other in sorted(graph[name]):
            if other not in UNDRAWN:
                yield _arrow(box, boxes[other])


def checked(graph: Imports, boxes: Mapping[str, Box]) -> None:
    """Raises ValueError when a package has no band, or one imports from a band above its own."""
    if missing := set(children()) ^ set(boxes):
        raise ValueError(f"BANDS and sandbox/ differ by {', '.join(sorted(missing))}")
    pairs = [(one, other) for one, others in graph.items() for other in others]
    if upwards := sorted(f"{one} -> {other}" for one, other in pairs if boxes[other].y < boxes[one].y):
        raise ValueError(f"imports that go upwards: {', '.join(upwards)}")


def drawn() -> str:
    """The picture. Raises ValueError for what `checked` refuses."""
    graph = without_detours(imports())
    bands, boxes = _layout()
    checked(graph, boxes)
    height = bands[-1][1] + bands[-1][2] + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img" '
        'aria-label="The packages of the sandbox in bands; each imports only from its own band and those below">',
        f"<style>{STYLE}\n</style>",
        HEAD_OF_AN_ARROW,
        f'<rect class="page" width="{WIDTH}" height="{height:.0f}" rx="12"/>',
        *(line for band in bands for line in _band(*band)),
        '<g fill="none" stroke-width="1.3">',
        *_arrows(graph, boxes),
        '</g>\n<g text-anchor="middle">',
        *(line for box in boxes.values() for line in _box(box)),
        "</g>\n</svg>\n",
    ]
    return "\n".join(parts)


def _band(title: str, y: float, height: float) -> Iterator[str]:
    yield f'<rect class="band" x="{MARGIN}" y="{y:.1f}" width="{WIDTH - 2 * MARGIN}" height="{height:.1f}" rx="10"/>'
    first, joined, rest = title.partition(" and ")
    lines = [first, f"and {rest}"] if joined else [first]
    for at, line in enumerate(lines):
        at_y = y + height / 2 + 4 + 15 * (at - (len(lines) - 1) / 2)
        yield f'<text class="label" font-size="12.5" x="{MARGIN + 12}" y="{at_y:.1f}">{line}</text>'


if __name__ == "__main__":
    sys.stdout.write(drawn())
