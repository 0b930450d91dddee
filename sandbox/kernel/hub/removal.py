"""What the hub reports about clients that were removed while it runs.

The report is part of the hub's health, under `removed`, for as long as the World asks for the removal; the control
plane reads it with `reported_removal`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

KEY = "removed"  # in the hub's health


class Lost(msgspec.Struct, frozen=True):
    """A queue that was deleted, and how many messages it held: `ready`, and `unacked` at its consumers (None: a
    RabbitMQ does not report it)."""

    vhost: str
    queue: str
    ready: int
    unacked: int | None


class Removal(msgspec.Struct, frozen=True):
    """What became of a client. `word`: value of its `hub:leaving:` switch, new for each removal; `connections`: how
    many were closed, None with a RabbitMQ, which closes them itself; `kept`: the queues belong to the owner of the
    RabbitMQ (`--hub-topology=assume`) and stay."""

    word: str
    queues: tuple[Lost, ...] = ()
    connections: int | None = None
    kept: bool = False


def reported_removal(health: dict[str, Any], client: str, word: str) -> Removal | None:
    """The hub's report about the removal of this client that `word` names; None while there is none."""
    found = health.get(KEY, {}).get(client)
    removal = msgspec.convert(found, Removal) if found is not None else None
    return removal if removal is not None and removal.word == word else None


def lost_messages(queues: Iterable[Lost]) -> int:
    """How many messages were deleted with these queues."""
    return sum(lost.ready + (lost.unacked or 0) for lost in queues)
