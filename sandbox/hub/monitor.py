"""Makes the report about the embedded broker, at most once a second: queues in use, connections, and since when.

The waiting time of a queue's head is computed from its expiry where it has one, otherwise from the positions of the
queue's tail, which are recorded at each report.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from sandbox.amqp.broker.broker import Broker
from sandbox.amqp.broker.message import Entry
from sandbox.amqp.broker.queue import Queue
from sandbox.amqp.session.states import ConnectionState as State
from sandbox.hub.counters import DispatchCounters
from sandbox.kernel.hub.queues import DISPATCH, DISPATCH_DLQ
from sandbox.kernel.hub.report import (
    MOST_CONNECTIONS,
    MOST_QUEUES,
    ConnectionState,
    HubReport,
    QueueState,
    RefusalState,
    plain,
)
from sandbox.net.amqp.server import AmqpServer, Connection

EVERY_S = 1.0
_LOOKS = 3600  # recorded tails per queue without expiry
_TEXT = 80  # longest client description, in characters


class Monitor:
    """The monitor of one broker. `now`: sandbox time, epoch seconds; `refusals`: channels and connections that the
    broker closed."""

    def __init__(
        self,
        counters: DispatchCounters,
        now: Callable[[], float],
        refusals: Callable[[], tuple[RefusalState, ...]] = lambda: (),
    ) -> None:
        self._counters, self._now, self._refusals = counters, now, refusals
        self._since: dict[Connection, float] = {}
        self._tails: dict[tuple[str, str], deque[tuple[int, float]]] = {}
        self._last: dict[str, Any] = {}
        self._due = 0.0

    def report(
        self, broker: Broker | None, server: AmqpServer | None, hits: dict[str, int], trouble: str
    ) -> dict[str, Any]:
        """The present report, or the last one when that is less than a second old."""
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + EVERY_S
            now = self._now()
            queues = self._queues(broker, now) if broker is not None else []
            connections = self._connections(server.connections if server is not None else (), now)
            self._last = plain(
                HubReport(
                    counts=self._counters.counts(),
                    queues=tuple(queues[:MOST_QUEUES]),
                    unseen_queues=max(0, len(queues) - MOST_QUEUES),
                    connections=tuple(connections[:MOST_CONNECTIONS]),
                    unseen_connections=max(0, len(connections) - MOST_CONNECTIONS),
                    refusals=self._refusals(),
                    hits=hits,
                    trouble=trouble,
                )
            )
        return self._last

    def _queues(self, broker: Broker, now: float) -> list[QueueState]:
        """The queues in use: the dispatcher's own first, then by the number of messages that wait."""
        queues = [queue for vhost in broker.vhosts.values() for queue in vhost.queues.values()]
        for queue in queues:
            if queue.ttl_ms is None:
                self._look(queue, now)
        used = [queue for queue in queues if queue.ready or queue.unacked or queue.consumers]
        rows = [
            QueueState(
                queue.vhost, queue.name, len(queue.ready), queue.unacked, len(queue.consumers), self._oldest(queue)
            )
            for queue in used
        ]
        return sorted(rows, key=lambda row: (row.name not in (DISPATCH, DISPATCH_DLQ), -row.ready, row.vhost, row.name))

    def _look(self, queue: Queue, now: float) -> None:
        """Record the position of the queue's tail."""
        tails = self._tails.setdefault((queue.vhost, queue.name), deque(maxlen=_LOOKS))
        if not queue.ready:
            tails.clear()
            return
        tail = queue.ready[-1].position
        if not tails or tails[-1][0] < tail:
            tails.append((tail, now))
        while len(tails) > 1 and tails[0][0] < queue.ready[0].position:
            tails.popleft()

    def _oldest(self, queue: Queue) -> float | None:
        if not queue.ready:
            return None
        head = queue.ready[0]
        if queue.ttl_ms is not None and head.expires_at is not None:
            return head.expires_at - _life_s(head, queue.ttl_ms)
        tails = self._tails.get((queue.vhost, queue.name))
        return tails[0][1] if tails else None

    def _connections(self, connections: Iterable[Connection], now: float) -> list[ConnectionState]:
        self._since = {connection: self._since.get(connection, now) for connection in connections}
        running = [each for each in self._since.items() if each[0].session.state is State.RUNNING]
        rows = [_connection(connection, since) for connection, since in running]
        return sorted(rows, key=lambda row: (row.client, row.since))


def _life_s(entry: Entry, ttl_ms: int) -> float:
    """The longest time that a message may wait in its queue (s)."""
    own = entry.message.expiration
    return (ttl_ms if own is None else min(own, ttl_ms)) / 1000


def _connection(connection: Connection, since: float) -> ConnectionState:
    session = connection.session
    properties = session.client_properties
    peer = connection.transport.get_extra_info("peername")
    return ConnectionState(
        client=session.user,
        vhost=session.vhost.name,
        product=_text(properties.get("product")),
        version=_text(properties.get("version")),
        name=_text(properties.get("connection_name")),
        address=f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else "",
        since=since,
        consumers=sum(len(channel.deliveries.consumers) for channel in session.channels.values()),
    )


def _text(value: object) -> str:
    """A property with which a client describes itself, as text: it may be any AMQP value."""
    if isinstance(value, bytes | bytearray):
        value = value.decode("utf-8", "replace")
    return "" if value is None else str(value)[:_TEXT]
