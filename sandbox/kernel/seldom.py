"""Log lines with a limit on how often they are written: for events that other software can cause at will."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

EVERY_S = 60.0


class Seldom:
    """One kind of log line, written at most once every `every_s` seconds, with the number of those left out before it.

    `elapsed`: seconds of a clock that only goes forward.
    """

    def __init__(
        self, log: logging.Logger, every_s: float = EVERY_S, elapsed: Callable[[], float] = time.monotonic
    ) -> None:
        self._log, self._every_s, self._elapsed = log, every_s, elapsed
        self._next, self._left_out = float("-inf"), 0

    def warning(self, text: str, *values: object) -> bool:
        """Log a warning unless one was logged within `every_s`; True when it was logged."""
        return self._write(logging.WARNING, text, values)

    def error(self, text: str, *values: object) -> bool:
        """As `warning`, with level ERROR."""
        return self._write(logging.ERROR, text, values)

    def _write(self, level: int, text: str, values: tuple[object, ...]) -> bool:
        now = self._elapsed()
        if now < self._next:
            self._left_out += 1
            return False
        if self._left_out:
            text, values = text + " (%d more were not told)", (*values, self._left_out)
        self._next, self._left_out = now + self._every_s, 0
        self._log.log(level, text, *values)
        return True
