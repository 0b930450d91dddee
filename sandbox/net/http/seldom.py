"""A logger for what a stranger can make happen as often as he likes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable


class Seldom:
    """One line every `every` seconds at most; it says how many were left out before it."""

    def __init__(self, log: logging.Logger, every: float, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._log, self._every, self._elapsed = log, every, elapsed
        self._next, self._left_out = 0.0, 0

    def warning(self, text: str, *values: object) -> None:
        """Log it, unless another was a moment ago."""
        now = self._elapsed()
        if now < self._next:
            self._left_out += 1
            return
        if self._left_out:
            text, values = text + " (%d more were not told)", (*values, self._left_out)
        self._next, self._left_out = now + self._every, 0
        self._log.warning(text, *values)
