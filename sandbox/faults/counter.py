"""Counts how often each fault was applied in this process, and decides whether it applies now."""

from __future__ import annotations

from collections.abc import Callable

from sandbox.kernel.world import Fault, World


class HitCounter:
    """Counts by the id of the fault. `chance()` gives a number in [0, 1)."""

    def __init__(self, chance: Callable[[], float]) -> None:
        self._chance = chance
        self._epoch = 0
        self.counts: dict[str, int] = {}

    def update(self, world: World) -> None:
        """Take the faults of a World. The counts of remaining faults are kept, unless a reset came between."""
        known = self.counts if world.epoch == self._epoch else {}
        self._epoch = world.epoch
        self.counts = {fault.id: known.get(fault.id, 0) for fault in world.faults}

    def applies(self, fault: Fault) -> bool:
        """Whether a matching fault applies this time, by its count and probability. If so, the application is
        counted."""
        if fault.count is not None and self.counts[fault.id] >= fault.count:
            return False
        if fault.probability < 1 and self._chance() >= fault.probability:
            return False
        self.counts[fault.id] += 1
        return True
