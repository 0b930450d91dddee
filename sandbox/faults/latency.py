"""`latency`: the answer comes later."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sandbox.faults.base import Effect, Params, Place, number

LONGEST = 120_000  # ms; far over every time-out of the guide


class Latency:
    """Adds `ms`, more or less `jitter_ms` (evenly spread, never below 0), before the request is served."""

    name = "latency"
    place: Place = "edge"
    params: Mapping[str, str] = {
        "ms": f"milliseconds added to each answer, 0 to {LONGEST}",
        "jitter_ms": f"spread around ms in milliseconds, 0 to {LONGEST}; 0 when absent",
    }

    def validate(self, params: Params) -> None:
        """Raise RequestError when a duration is missing, no number or out of bounds."""
        number(params, "ms", 0, LONGEST)
        number(params, "jitter_ms", 0, LONGEST, 0)

    def effect(self, params: Params, chance: Callable[[], float]) -> Effect:
        """A delay drawn anew for each request."""
        ms, jitter = number(params, "ms", 0, LONGEST), number(params, "jitter_ms", 0, LONGEST, 0)
        if jitter:
            ms = max(0.0, ms + jitter * (2 * chance() - 1))
        return Effect(delay=ms / 1000)
