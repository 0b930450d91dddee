"""A population that can be replaced while roles hold it: what a role has from its start to its end.

A `Population` never changes. When the persona files are read again there is a new one, and `replace` puts it in the
place of the former, at once for everybody who holds this object. Those who `watch` then drop what they keep of the
former one.
"""

from __future__ import annotations

from collections.abc import Callable

from sandbox.population.people import Population


class ReloadablePopulation(Population):
    """A Population that can be replaced by another."""

    def __init__(self, population: Population) -> None:
        self._watchers: list[Callable[[], None]] = []
        self._present = population
        vars(self).update(vars(population))

    @property
    def current(self) -> Population:
        """The population of now."""
        return self._present

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call `watcher` whenever the population was replaced."""
        self._watchers.append(watcher)

    def replace(self, population: Population) -> None:
        """Put another population in the place of the present one, then call the watchers."""
        held = {"_watchers": self._watchers, "_present": population}
        self.__dict__ = {**vars(population), **held}
        for watcher in self._watchers:
            watcher()
