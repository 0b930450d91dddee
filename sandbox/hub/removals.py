"""Removal of clients while the hub runs: which removals the World asks for, which have begun and which are done.

A removal is named by the value of the client's `hub:leaving:` switch and is carried out once. The result is part of
the hub's health for as long as the World asks for the removal.
"""

from __future__ import annotations

import msgspec

from sandbox.kernel.hub.clients import leaving_clients
from sandbox.kernel.hub.removal import KEY, Removal
from sandbox.kernel.world import World


class Removals:
    """The removals that have begun and those that are done, by client id."""

    def __init__(self) -> None:
        self._begun: dict[str, str] = {}
        self._done: dict[str, Removal] = {}

    def pending(self, world: World) -> dict[str, str]:
        """The clients whose removal has not started, each with the name of its removal."""
        wanted = leaving_clients(world.switches)
        return {client: word for client, word in wanted.items() if self._begun.get(client) != word}

    def begin(self, world: World) -> dict[str, str]:
        """The clients of `pending`, whose removals count as started from now on. Removals that the World no longer asks
        for are forgotten."""
        fresh, self._begun = self.pending(world), leaving_clients(world.switches)
        self._done = {client: done for client, done in self._done.items() if self._begun.get(client) == done.word}
        return fresh

    def resume(self) -> None:
        """The broker starts again: removals that were started and are not done are to be started again."""
        self._begun = {client: word for client, word in self._begun.items() if client in self._done}

    def done(self, client: str, removal: Removal) -> None:
        """A removal is done and on disk."""
        if self._begun.get(client) == removal.word:
            self._done[client] = removal

    def health(self) -> dict[str, object]:
        """The part of the hub's health about removals."""
        return {KEY: msgspec.to_builtins(self._done)} if self._done else {}
