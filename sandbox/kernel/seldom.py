"""Lines that a log gets now and then, however often there is a reason for them."""

from __future__ import annotations

import time
from collections.abc import Callable

EVERY_S = 60.0


class Seldom:
    """One kind of line. `elapsed`: seconds of a clock that only goes forward."""

    def __init__(self, every_s: float = EVERY_S, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._every_s, self._elapsed = every_s, elapsed
        self._next, self._left_out = float("-inf"), 0

    def due(self) -> int | None:
        """How many lines were left out since the last one that was written; None: leave this one out too."""
        if self._elapsed() < self._next:
            self._left_out += 1
            return None
        self._next = self._elapsed() + self._every_s
        left_out, self._left_out = self._left_out, 0
        return left_out
