"""A time-out that may be set again often: the event loop's timer is replaced only when it would fire too late."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

CLOSE_ENOUGH = 0.001  # seconds: the resolution of the event loops' timers


class Deadline:
    """Calls `passed` at the time that was set last (of the running loop's clock); it may be set again then."""

    def __init__(self, passed: Callable[[], None]) -> None:
        self._passed, self._loop = passed, asyncio.get_running_loop()
        self._when: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._fires_at = 0.0

    def set(self, when: float) -> None:
        """Call at `when`, instead of whatever was set before."""
        self._when = when
        if self._timer is None or when < self._fires_at:
            self._arm(when)

    def off(self) -> None:
        """Do not call, until it is set again."""
        self._when = None

    def end(self) -> None:
        """Do not call, and cancel the loop's timer."""
        self._when = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._fires_at, self._timer = when, self._loop.call_at(when, self._check)

    def _check(self) -> None:
        self._timer, when = None, self._when
        if when is None:
            return
        if self._loop.time() + CLOSE_ENOUGH < when:
            self._arm(when)
            return
        self._when = None
        self._passed()
