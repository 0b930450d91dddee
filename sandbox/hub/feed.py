"""The dispatcher's feed: reads `dispatch` and `dispatch.dlq` in order, inside the broker, and publishes what the
dispatcher decides to exchange `distribution`.

Taking a message and publishing what becomes of it are one batch of the broker's log: after a crash it is in one place
or in the other, never in both and never in neither. One Exchange per message goes to the journal.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from datetime import datetime

from sandbox.amqp import properties as props
from sandbox.amqp.broker import Broker, VirtualHost
from sandbox.amqp.message import Entry, Message
from sandbox.amqp.queue import Queue
from sandbox.hub.dispatcher import Arrival, Dispatched, Publication, dispatch
from sandbox.hub.topology import DISPATCH, DISPATCH_DLQ, DISTRIBUTION, client_queues
from sandbox.kernel.flows import Flow
from sandbox.kernel.journal import Exchange
from sandbox.net.context import Context

_AT_ONCE = 64  # messages per turn of the event loop
_NOTE = 500  # characters of an error's cause that the journal gets

_log = logging.getLogger(__name__)


class Feed:
    """The dispatcher at work in one virtual host. `routed`, `refused`: messages since the start."""

    def __init__(self, context: Context, broker: Broker, vhost: VirtualHost, clients: Iterable[str]) -> None:
        self.routed = self.refused = 0
        self._context, self._broker, self._vhost = context, broker, vhost
        self._targets = frozenset(queue for client in clients for queue in client_queues(client))
        self._sources = (vhost.queues[DISPATCH], vhost.queues[DISPATCH_DLQ])
        self._scheduled = self._stopped = False

    def start(self) -> None:
        """Dispatch what waits, and from now on whatever comes. Needs a running loop."""
        for queue in self._sources:
            queue.on_ready = self._wake
        self._wake()

    def stop(self) -> None:
        """Leave the rest where it is."""
        self._stopped = True
        for queue in self._sources:
            queue.on_ready = None

    def _wake(self) -> None:
        if not (self._scheduled or self._stopped):
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._run)

    def _run(self) -> None:
        """Some messages, then it is the others' turn. While the disk refuses, messages stay where they are safe."""
        self._scheduled = False
        if self._stopped or not self._broker.records.accepting:
            return
        now = self._context.clock.now()
        for _ in range(_AT_ONCE):
            queue = next((source for source in self._sources if source.ready), None)
            entry = None if queue is None else queue.take(now.timestamp())
            if queue is None:
                return
            if entry is not None:
                self._dispatch(queue, entry, now)
        self._wake()

    def _dispatch(self, queue: Queue, entry: Entry, now: datetime) -> None:
        started = time.perf_counter()
        message = entry.message
        try:
            result = dispatch(
                _arrival(message, queue.name),
                exists=self._targets.__contains__,
                now=now,
                new_id=self._context.entropy.uuid,
                message_ttl_s=self._context.settings.message_ttl_s,
            )
        except Exception:  # noqa: BLE001 - a defect of ours: the message must not come again and again
            _log.exception("hub: the dispatcher failed on a message from %s", message.routing_key)
            result = Dispatched((), 700, "the dispatcher failed on this message", message.routing_key, "")
        for publication in result.publications:
            self._publish(publication, now.timestamp())
        queue.settle(entry)
        self._count(result, message, now, (time.perf_counter() - started) * 1000)

    def _publish(self, publication: Publication, now: float) -> None:
        raw = props.build(
            content_type="application/json",
            headers=publication.headers,
            expiration_ms=publication.expiration_ms,
        )
        message = Message(DISTRIBUTION, publication.routing_key, raw, publication.body, True, publication.expiration_ms)
        if not self._vhost.publish(message, now)[0]:
            _log.warning("hub: no queue '%s', message dropped", publication.routing_key)

    def _count(self, result: Dispatched, message: Message, now: datetime, ms: float) -> None:
        if result.code:
            self.refused += 1
        else:
            self.routed += 1
        target = result.publications[0].routing_key.rpartition(".")[0] if result.publications else ""
        self._context.journal.put(
            Exchange(
                at=now.timestamp(),
                actor="hub",
                flow=Flow.INT_L02,
                direction="in",
                action=f"{result.sender} → {target}",
                peer=result.sender,
                status=result.code,
                ms=ms,
                size=message.size,
                note=result.reason[:_NOTE],
                ref=result.distribution_id,
            )
        )


def _arrival(message: Message, queue: str) -> Arrival:
    properties, body = message.content()
    fields = props.split(properties)
    mode = fields.get(props.DELIVERY_MODE)
    return Arrival(
        routing_key=message.routing_key,
        body=body,
        content_type=props.text(fields, props.CONTENT_TYPE),
        delivery_mode=None if mode is None else mode[0],
        headers=props.headers(fields),
        queue=queue,
    )
