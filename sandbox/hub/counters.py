"""The dispatcher's counters, as the real hub has them: messages; errors by reason, sender and virtual host; the time
from the reading of a message until its result is published.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable

from sandbox.kernel.hub.counts import BOUNDS_S, OUTCOMES, STEP_S, STEPS, Counts, ErrorCount


class DispatchCounters:
    """The counters of a hub, all virtual hosts together. `elapsed`: seconds of a monotonic clock."""

    def __init__(self, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._elapsed = elapsed
        self._messages = 0
        self._errors: Counter[tuple[str, str, str]] = Counter()
        self._buckets = [0] * (len(BOUNDS_S) + 1)
        self._seconds = 0.0
        self._steps: deque[tuple[int, Counter[str]]] = deque(maxlen=STEPS)

    def count(self, outcome: str) -> None:
        """Count a message by its outcome, one of OUTCOMES."""
        self._messages += 1
        self._now()[outcome] += 1

    def take_back(self, outcome: str) -> None:
        """Undo `count`, because the message gets another outcome."""
        self._messages -= 1
        self._now()[outcome] -= 1

    def count_error(self, reason: str, sender: str, vhost: str) -> None:
        """Count a message that led to an error. `reason`: the error's official name."""
        self._errors[reason, sender, vhost] += 1

    def count_time(self, seconds: float) -> None:
        """Count the time that a message took until its result was published."""
        self._buckets[bisect_left(BOUNDS_S, seconds)] += 1
        self._seconds += seconds

    def counts(self) -> Counts:
        """All counts at present."""
        return Counts(
            messages=self._messages,
            errors=tuple(ErrorCount(*labels, count) for labels, count in sorted(self._errors.items())),
            buckets=tuple(self._buckets),
            seconds=self._seconds,
            rates=self._rates(),
        )

    def _now(self) -> Counter[str]:
        step = int(self._elapsed() // STEP_S)
        if not self._steps or self._steps[-1][0] != step:
            self._steps.append((step, Counter()))
        return self._steps[-1][1]

    def _rates(self) -> dict[str, tuple[int, ...]]:
        last = int(self._elapsed() // STEP_S)
        by_step = dict(self._steps)
        shown = [by_step.get(step, Counter()) for step in range(last - STEPS + 1, last + 1)]
        return {outcome: tuple(max(0, step[outcome]) for step in shown) for outcome in OUTCOMES}
