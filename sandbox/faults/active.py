"""The faults of the present World as one process carries them: found by actor and flow, hits counted.

The latency that an editor has by character is carried out with them, but is no fault: it is counted and told nowhere.
The index is made when the World changes; a request that nothing concerns costs one look-up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sandbox.faults.base import Effect
from sandbox.faults.hits import Hits
from sandbox.faults.registry import EDGE_KINDS
from sandbox.kernel.character import Delay, latencies
from sandbox.kernel.world import Fault, World


@dataclass(frozen=True, slots=True)
class Hit:
    """What the faults that struck do together. `faults`: their ids, joined by commas; none for mere latency."""

    delay: float
    status: int | None
    faults: str


@dataclass(slots=True)
class _Actor:
    """What concerns one actor. `latency`: by flow."""

    faults: list[Fault] = field(default_factory=list)
    latency: dict[str, Delay] = field(default_factory=dict)


class ActiveFaults:
    """Decides, request by request. `chance()` gives a number in [0, 1)."""

    def __init__(self, chance: Callable[[], float]) -> None:
        self._chance = chance
        self._actors: dict[str, _Actor] = {}
        self._hits = Hits(chance)

    def update(self, world: World) -> None:
        """Take the faults of a World. Hits of a fault that stays are kept, unless a reset came between."""
        self._hits.update(world)
        self._actors = {actor: _Actor(latency=by_flow) for actor, by_flow in latencies(world.switches).items()}
        for fault in world.faults:
            if fault.kind in EDGE_KINDS:  # a control plane newer than this role may know more
                self._actors.setdefault(fault.target, _Actor()).faults.append(fault)

    def concern(self, actor: str) -> bool:
        """Is there anything to carry out at this actor: a fault, or latency of its own."""
        return actor in self._actors

    def strike(self, actor: str, flow: str) -> Hit | None:
        """What to do to a request of `flow` to `actor`; None: nothing. Delays add up, the first status wins."""
        concerned = self._actors.get(actor)
        if concerned is None:
            return None
        struck = [fault for fault in concerned.faults if self._strikes(fault, flow)]
        effects = [EDGE_KINDS[fault.kind].effect(fault.params, self._chance) for fault in struck]
        delay = concerned.latency.get(flow)
        if delay is not None:
            effects.append(Effect(delay=delay.drawn(self._chance())))
        if not effects:
            return None
        return _combine(effects, ",".join(fault.id for fault in struck))

    def hits(self) -> dict[str, int]:
        """How often each fault struck in this process."""
        return dict(self._hits.counts)

    def _strikes(self, fault: Fault, flow: str) -> bool:
        if fault.flow is not None and fault.flow != flow:
            return False
        return self._hits.strikes(fault)


def _combine(effects: list[Effect], faults: str) -> Hit:
    status = next((effect.status for effect in effects if effect.status is not None), None)
    return Hit(sum(effect.delay for effect in effects), status, faults)
