"""The drawing of the hub's message rates: bars of the last minutes, stacked by outcome. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sandbox.kernel.hub.counts import OUTCOMES, STEP_S, STEPS

WIDTH, HEIGHT = 600, 120
_GAP = 2


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle of the drawing, in units of its `viewBox`."""

    outcome: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Drawing:
    """`highest`: messages per second at the top of the drawing; `totals`: messages by outcome over the whole time."""

    bars: tuple[Bar, ...]
    highest: float
    totals: Mapping[str, int]
    width: int = WIDTH
    height: int = HEIGHT
    minutes: int = STEPS * STEP_S // 60


def draw(rates: Mapping[str, Sequence[int]]) -> Drawing:
    """The drawing of messages per step, by outcome."""
    columns = list(zip(*(rates[outcome] for outcome in OUTCOMES), strict=True))
    most = max([sum(column) for column in columns], default=0) or 1
    step = WIDTH / max(1, len(columns))
    bars: list[Bar] = []
    for number, column in enumerate(columns):
        top = float(HEIGHT)
        for outcome, count in zip(OUTCOMES, column, strict=True):
            height = count * HEIGHT / most
            top -= height
            if count:
                bars.append(Bar(outcome, number * step + _GAP / 2, top, step - _GAP, height))
    totals = {outcome: sum(rates[outcome]) for outcome in OUTCOMES}
    return Drawing(tuple(bars), most / STEP_S, totals)
