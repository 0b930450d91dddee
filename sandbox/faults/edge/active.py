"""The faults of the present World that concern the HTTP ports of one process, found by actor and flow.

The latency of an editor's character is carried out with them, but it is not a fault: it is not counted and has no id.
The index is made when the World changes; a request without faults costs one look-up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping, Sequence
from dataclasses import dataclass, field

from sandbox.faults.counter import HitCounter
from sandbox.faults.edge.effects import Edit, Message, RequestEffect, RequestFault, Step
from sandbox.faults.kinds import ActiveFault, readable_faults
from sandbox.kernel.character import Delay, latencies
from sandbox.kernel.world import World


@dataclass(frozen=True, slots=True)
class Applied:
    """The combined effect of the faults that apply to a request. `faults`: their ids, joined by commas; empty when only
    the latency of a character delays the request."""

    effect: RequestEffect
    faults: str


@dataclass(slots=True)
class _Actor:
    """The faults of one actor. `latency`: by flow."""

    faults: list[ActiveFault[RequestFault]] = field(default_factory=list)
    latency: dict[str, Delay] = field(default_factory=dict)


class RequestFaults:
    """Decides which faults apply to each request. `chance()` returns a number in [0, 1)."""

    def __init__(self, chance: Callable[[], float]) -> None:
        self._chance = chance
        self._actors: dict[str, _Actor] = {}
        self._hits = HitCounter(chance)

    def update(self, world: World) -> None:
        """Take the faults of a World. The hits of a remaining fault are kept, unless a reset came between."""
        self._hits.update(world)
        self._actors = {actor: _Actor(latency=by_flow) for actor, by_flow in latencies(world.switches).items()}
        for fault, kind in readable_faults(world):
            if isinstance(kind, RequestFault):
                self._actors.setdefault(fault.target, _Actor()).faults.append(ActiveFault(fault, kind))

    def concern(self, actor: str) -> bool:
        """Whether this actor has anything to carry out: a fault, or latency of its own."""
        return actor in self._actors

    def apply(self, actor: str, flow: str) -> Applied | None:
        """The effect on a request of `flow` to `actor`; None: no effect. Delays add up, the first status wins, the
        edits of the answer are done one after the other."""
        concerned = self._actors.get(actor)
        if concerned is None:
            return None
        applied = [each for each in concerned.faults if self._applies(each, flow)]
        effects = [each.kind.effect(self._chance) for each in applied]
        delay = concerned.latency.get(flow)
        if delay is not None:
            effects.append(RequestEffect(delay=delay.drawn(self._chance())))
        if not effects:
            return None
        return Applied(_together(effects), ",".join(each.fault.id for each in applied))

    def hits(self) -> dict[str, int]:
        """How often each fault was applied in this process."""
        return dict(self._hits.counts)

    def _applies(self, each: ActiveFault[RequestFault], flow: str) -> bool:
        if each.fault.flow is not None and each.fault.flow != flow:
            return False
        return self._hits.applies(each.fault)


def _together(effects: Sequence[RequestEffect]) -> RequestEffect:
    status = next((effect.status for effect in effects if effect.status is not None), None)
    edits = [effect.edit for effect in effects if effect.edit is not None]
    return RequestEffect(sum(effect.delay for effect in effects), status, _chained(edits))


def _chained(edits: Sequence[Edit]) -> Edit | None:
    """One edit that combines them all: each receives the messages that the one before it passes on."""
    if len(edits) < 2:
        return edits[0] if edits else None

    def edit(message: Message) -> Iterable[Step]:
        steps: Iterable[Step] = [message]
        for each in edits:
            steps = _edited(steps, each)
        return steps

    return edit


def _edited(steps: Iterable[Step], edit: Edit) -> Iterable[Step]:
    for step in steps:
        if isinstance(step, MutableMapping):
            yield from edit(step)
        else:
            yield step
