"""The World: the state that the control plane decides (clock, faults, switches), pushed whole to every role."""

from __future__ import annotations

from collections.abc import Callable

import msgspec


class ClockSetting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How sandbox time derives from the wall clock: shifted by `offset` seconds, or stopped at `frozen` (epoch s)."""

    offset: float = 0.0
    frozen: float | None = None


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One fault at the edge of one actor.

    `target` names the actor (`editor:agenda-azur`, `sas`, `hub`, `lrm:fr.health.samu330`, `psc`); `flow` narrows it
    to one flow code; `probability` in ]0, 1]; `count` stops it after that many hits (counted in the one role that
    carries the actor); `params` belong to the kind and are validated by it.
    """

    id: str
    kind: str
    target: str
    flow: str | None = None
    probability: float = 1.0
    count: int | None = None
    params: dict[str, float | int | str | bool] = msgspec.field(default_factory=dict)


class World(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One revision of the world. A higher `epoch` means that everything before it was reset.

    `population`: which of the kept persona files are in force; empty: those that were read at the start.
    """

    revision: int = 0
    epoch: int = 0
    clock: ClockSetting = ClockSetting()
    faults: tuple[Fault, ...] = ()
    switches: dict[str, str] = msgspec.field(default_factory=dict)
    population: str = ""


class WorldView:
    """The World as one role sees it: the last revision that it received, also while the control plane does not run."""

    def __init__(self, world: World | None = None) -> None:
        self.world = world or World()
        self._watchers: list[Callable[[World], None]] = []

    def watch(self, watcher: Callable[[World], None]) -> None:
        """Call `watcher` with each World from now on, and with the present one at once."""
        self._watchers.append(watcher)
        watcher(self.world)

    def apply(self, world: World) -> bool:
        """Take a revision; one older than the present one is ignored (False)."""
        if world.revision < self.world.revision and world.epoch <= self.world.epoch:
            return False
        self.world = world
        for watcher in self._watchers:
            watcher(world)
        return True
