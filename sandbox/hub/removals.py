"""Clients that are taken away while the hub runs: what the World asks for, and what the hub tells of it.

A word of the World is obeyed once. What was done stands in the health line under `removed`, for as long as the World
asks: control reads it back with `told`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from sandbox.kernel.hub.clients import leaving_clients
from sandbox.kernel.world import World

KEY = "removed"  # in the health line


class Lost(msgspec.Struct, frozen=True):
    """A queue that was deleted, and how many messages it held: `ready`, and `unacked` at its consumers (None: a
    RabbitMQ does not tell)."""

    vhost: str
    queue: str
    ready: int
    unacked: int | None


class Removal(msgspec.Struct, frozen=True):
    """What became of a client. `connections`: how many were closed; None: they are RabbitMQ's to close. `kept`: the
    queues are somebody else's (`--hub-topology=assume`) and stay."""

    word: str
    queues: tuple[Lost, ...] = ()
    connections: int | None = None
    kept: bool = False


class Removals:
    """The hub's books."""

    def __init__(self) -> None:
        self._begun: dict[str, str] = {}
        self._done: dict[str, Removal] = {}

    def pending(self, world: World) -> dict[str, str]:
        """The clients to take away that nobody has begun with, each with its word."""
        wanted = leaving_clients(world.switches)
        return {client: word for client, word in wanted.items() if self._begun.get(client) != word}

    def begin(self, world: World) -> dict[str, str]:
        """The same, and they are begun with. What the World asks for no more is forgotten."""
        fresh, self._begun = self.pending(world), leaving_clients(world.switches)
        self._done = {client: done for client, done in self._done.items() if self._begun.get(client) == done.word}
        return fresh

    def resume(self) -> None:
        """The broker starts again: what was begun and is not done is to be begun again."""
        self._begun = {client: word for client, word in self._begun.items() if client in self._done}

    def done(self, client: str, removal: Removal) -> None:
        """It is, durably."""
        if self._begun.get(client) == removal.word:
            self._done[client] = removal

    def health(self) -> dict[str, object]:
        """What to join to the health line."""
        return {KEY: msgspec.to_builtins(self._done)} if self._done else {}


def told(health: dict[str, Any], client: str, word: str) -> Removal | None:
    """What the hub says about this client under this word; None as long as it has said nothing."""
    found = health.get(KEY, {}).get(client)
    removal = msgspec.convert(found, Removal) if found is not None else None
    return removal if removal is not None and removal.word == word else None


def counted(queues: Iterable[Lost]) -> int:
    """Messages that went with these queues."""
    return sum(lost.ready + (lost.unacked or 0) for lost in queues)
