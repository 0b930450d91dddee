"""The population as one role holds it: one object from start to end, whoever lives there now.

A `Population` never changes. When the persona files are read again there is another one, and `take` puts it in the
place of the former, at once for everybody who holds this object; what was kept of the former people is then forgotten
by those who `watch`.
"""

from __future__ import annotations

from collections.abc import Callable

from sandbox.population.people import Population


class Residents(Population):
    """A Population that can be replaced by another."""

    def __init__(self, population: Population) -> None:
        self._watchers: list[Callable[[], None]] = []
        self._present = population
        vars(self).update(vars(population))

    @property
    def current(self) -> Population:
        """Those who live here now."""
        return self._present

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call `watcher` whenever other people have come."""
        self._watchers.append(watcher)

    def take(self, population: Population) -> None:
        """Other people come, all at once."""
        held = {"_watchers": self._watchers, "_present": population}
        self.__dict__ = {**vars(population), **held}
        for watcher in self._watchers:
            watcher()
