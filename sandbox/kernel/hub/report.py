"""The hub's report about itself to the control plane, besides its few health figures. It is bounded, and made at most
once a second.

It is part of the hub's health, under `monitor`, as plain values; the control plane reads it with `read`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from sandbox.kernel.hub.counts import Counts

MOST_QUEUES, MOST_CONNECTIONS = 200, 200
KEY = "monitor"  # in the hub's health


class QueueState(msgspec.Struct, frozen=True):
    """A queue in use. `oldest`: sandbox time (epoch seconds) since when its head waits; None: unknown. Other figures
    are None with a broker that does not report them."""

    vhost: str
    name: str
    ready: int
    unacked: int | None
    consumers: int
    oldest: float | None = None


class ConnectionState(msgspec.Struct, frozen=True):
    """A client's connection. `product`, `version`, `name`: as the client introduces itself, may be empty; `since`:
    sandbox time, epoch seconds."""

    client: str
    vhost: str
    product: str
    version: str
    name: str
    address: str
    since: float
    consumers: int


class RefusalState(msgspec.Struct, frozen=True):
    """Channels and connections of a client (empty: its login was refused) that the broker closed with one
    reply code. `text`: of the last one; `last`: sandbox time, epoch seconds."""

    client: str
    code: int
    count: int
    text: str
    last: float


class HubReport(msgspec.Struct, frozen=True):
    """The whole report. `unseen_*`: how many rows did not fit; `connections` None: the broker does not report them;
    `refusals`: what the broker closed, the latest first; `hits`: by fault id, how often the fault was applied;
    `trouble`: what is wrong, for people."""

    counts: Counts
    queues: tuple[QueueState, ...] = ()
    unseen_queues: int = 0
    connections: tuple[ConnectionState, ...] | None = None
    unseen_connections: int = 0
    refusals: tuple[RefusalState, ...] = ()
    hits: dict[str, int] = {}
    trouble: str = ""


def plain(report: HubReport) -> dict[str, Any]:
    """The report as plain values, for the health."""
    found: dict[str, Any] = msgspec.to_builtins(report)
    return found


def read(health: dict[str, object]) -> HubReport | None:
    """The report in a health, None when there is none."""
    return msgspec.convert(health[KEY], HubReport) if KEY in health else None
