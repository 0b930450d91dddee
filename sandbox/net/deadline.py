"""A time-out that is put off again and again: the loop's timer is left alone unless it would ring too late."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

CLOSE_ENOUGH = 0.001  # seconds: what loops count time-outs in


class Deadline:
    """Calls `ring` at the time that was set last (of the running loop's clock); it may be set again then."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring, self._loop = ring, asyncio.get_running_loop()
        self._when: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = 0.0

    def set(self, when: float) -> None:
        """At `when`, instead of whatever was set before."""
        self._when = when
        if self._timer is None or when < self._rings_at:
            self._arm(when)

    def off(self) -> None:
        """Not at all, for now."""
        self._when = None

    def end(self) -> None:
        """Not at all, and nothing waits any more."""
        self._when = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings_at, self._timer = when, self._loop.call_at(when, self._look)

    def _look(self) -> None:
        self._timer, when = None, self._when
        if when is None:
            return
        if self._loop.time() + CLOSE_ENOUGH < when:
            self._arm(when)
            return
        self._when = None
        self._ring()
