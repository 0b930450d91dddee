"""`latency`: the answer comes later."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, ClassVar

from msgspec import Meta

from sandbox.faults.edge.effects import RequestEffect, RequestFault
from sandbox.faults.kinds import register
from sandbox.faults.parameters import about

LONGEST = 120_000  # ms; far over every time-out of the guide
_Ms = Annotated[float, Meta(ge=0, le=LONGEST)]


@register
class Latency(RequestFault):
    """Adds `ms`, more or less `jitter_ms` (evenly spread, never below 0), before the request is served."""

    name: ClassVar[str] = "latency"
    sentence: ClassVar[str] = "La réponse arrive plus tard."

    ms: Annotated[_Ms, about(f"milliseconds added to each answer, 0 to {LONGEST}", "Retard, en ms", example="2000")]
    jitter_ms: Annotated[
        _Ms,
        about(f"spread around ms in milliseconds, 0 to {LONGEST}; 0 when absent", "Écart autour du retard, en ms"),
    ] = 0.0

    def effect(self, chance: Callable[[], float]) -> RequestEffect:
        """A delay that is drawn anew for each request."""
        spread = self.jitter_ms * (2 * chance() - 1) if self.jitter_ms else 0.0
        return RequestEffect(delay=max(0.0, self.ms + spread) / 1000)
