"""How often each fault struck in this process, and whether it strikes now."""

from __future__ import annotations

from collections.abc import Callable

from sandbox.kernel.world import Fault, World


class Hits:
    """Counts by fault. `chance()` gives a number in [0, 1)."""

    def __init__(self, chance: Callable[[], float]) -> None:
        self._chance = chance
        self._epoch = 0
        self.counts: dict[str, int] = {}

    def update(self, world: World) -> None:
        """Take the faults of a World: counts of those that stay are kept, unless a reset came between."""
        known = self.counts if world.epoch == self._epoch else {}
        self._epoch = world.epoch
        self.counts = {fault.id: known.get(fault.id, 0) for fault in world.faults}

    def strikes(self, fault: Fault) -> bool:
        """Does a fault that is concerned strike this time, by its count and probability? A strike is counted."""
        if fault.count is not None and self.counts[fault.id] >= fault.count:
            return False
        if fault.probability < 1 and self._chance() >= fault.probability:
            return False
        self.counts[fault.id] += 1
        return True
