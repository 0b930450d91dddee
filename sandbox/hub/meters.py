"""What the dispatcher counts, as the real one does: messages, errors by reason, sender and virtual host, and how long
a message takes from the moment that it is read until what it led to is published.

Bounded: reasons are the model's codes, senders the hub's clients (all others are `UNKNOWN`), hosts the configured ones.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable

import msgspec

BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
UNKNOWN = "unknown"
STEP_S, STEPS = 5, 60  # rates are told for the last five minutes, in steps of five seconds
OUTCOMES = ("routed", "refused", "dead")


class ErrorCount(msgspec.Struct, frozen=True):
    """How many messages of a sender in a virtual host led to an error. `reason`: its official name."""

    reason: str
    sender: str
    vhost: str
    count: int


class Counts(msgspec.Struct, frozen=True):
    """All of it. `buckets`: messages per bound of BOUNDS_S and one for longer ones, each counted once; `seconds`: their
    sum; `rates`: messages per step by outcome (OUTCOMES), the present step last."""

    messages: int
    errors: tuple[ErrorCount, ...]
    buckets: tuple[int, ...]
    seconds: float
    rates: dict[str, tuple[int, ...]]


class Meters:
    """The counters of a hub, all virtual hosts together. `elapsed`: seconds of a clock that only goes forward."""

    def __init__(self, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._elapsed = elapsed
        self._messages = 0
        self._errors: Counter[tuple[str, str, str]] = Counter()
        self._buckets = [0] * (len(BOUNDS_S) + 1)
        self._seconds = 0.0
        self._steps: deque[tuple[int, Counter[str]]] = deque(maxlen=STEPS)

    def judged(self, outcome: str) -> None:
        """A message was judged: one of OUTCOMES."""
        self._messages += 1
        self._now()[outcome] += 1

    def withdrawn(self, outcome: str) -> None:
        """That judgement does not hold, another follows."""
        self._messages -= 1
        self._now()[outcome] -= 1

    def error(self, reason: str, sender: str, vhost: str) -> None:
        """A message led to an error."""
        self._errors[reason, sender, vhost] += 1

    def took(self, seconds: float) -> None:
        """What a message led to is published."""
        self._buckets[bisect_left(BOUNDS_S, seconds)] += 1
        self._seconds += seconds

    def counts(self) -> Counts:
        """As of now."""
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
