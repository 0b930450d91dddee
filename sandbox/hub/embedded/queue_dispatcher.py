"""Reads `dispatch` and `dispatch.dlq` in order, inside the embedded broker, and publishes what the dispatcher decides
to exchange `distribution`.

Taking a message and publishing what follows from it are one batch of the broker's log: after a crash it is in one
place or in the other, never in both and never in neither. One Exchange per message goes to the journal.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable

from sandbox.amqp.broker.broker import Broker, VirtualHost
from sandbox.amqp.broker.message import Entry, Message
from sandbox.amqp.broker.queue import Queue
from sandbox.amqp.encoding import properties as props
from sandbox.hub.dispatching.dispatcher import Arrival, Publication
from sandbox.hub.dispatching.fault_effects import Decision
from sandbox.hub.dispatching.judge import Judge
from sandbox.kernel.hub.queues import DISPATCH, DISPATCH_DLQ, DISTRIBUTION, client_queues
from sandbox.net.context import Context

_AT_ONCE = 64  # messages per turn of the event loop
_TURN_S = 0.02  # seconds after which a turn ends, even with fewer messages

_log = logging.getLogger(__name__)


class QueueDispatcher:
    """Dispatches the messages of one virtual host. `cut` ends all connections of a client (a fault)."""

    def __init__(
        self,
        context: Context,
        broker: Broker,
        vhost: VirtualHost,
        clients: Iterable[str],
        judge: Judge,
        cut: Callable[[str], object],
    ) -> None:
        self.judge = judge
        self._context, self._broker, self._vhost = context, broker, vhost
        self._targets = {queue for client in clients for queue in client_queues(client)}
        self._sources = (vhost.queues[DISPATCH], vhost.queues[DISPATCH_DLQ])
        self._scheduled = self._stopped = False
        self._held: list[Callable[[], None]] = []  # messages that the next message will overtake
        self._cut = cut

    def start(self) -> None:
        """Dispatch waiting messages and those that arrive later. Needs a running event loop."""
        for queue in self._sources:
            queue.on_ready = self.wake
        self.wake()

    def stop(self) -> None:
        """Stop; messages that are not dispatched stay in their queues."""
        self._stopped = True
        for queue in self._sources:
            queue.on_ready = None

    def add_client(self, client: str) -> None:
        """Route messages to one more client."""
        self._targets.update(client_queues(client))

    def remove_client(self, client: str) -> None:
        """Treat messages to this client as unroutable from now on."""
        self._targets.difference_update(client_queues(client))

    def wake(self) -> None:
        """Look for messages in the next turn of the event loop."""
        if not (self._scheduled or self._stopped):
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._run)

    def _run(self) -> None:
        """Dispatch some messages, then let other tasks run. While the disk refuses, messages stay in their queues."""
        self._scheduled = False
        if self._stopped or self.judge.faults.paused or not self._broker.records.accepting:
            return
        now, until = self._context.clock.time(), time.perf_counter() + _TURN_S
        left = _AT_ONCE
        for queue in self._sources:
            while queue.ready and left:
                left -= 1
                entry = queue.take(now)
                if entry is not None:
                    self._dispatch(queue, entry, now)
                if time.perf_counter() > until:
                    left = 0
        if not left:
            self.wake()

    def _dispatch(self, queue: Queue, entry: Entry, now: float) -> None:
        try:
            arrival = _arrival(entry.message, queue.name)
        except Exception:  # noqa: BLE001 - it cannot be read (a page of it is gone): reported once, not repeated
            decision = self.judge.failed(_bare(entry.message, queue.name))
        else:
            decision = self.judge.judge(arrival, self._targets.__contains__)
        if not decision.hold:
            self._finish(queue, entry, decision, now)
            if self._held:
                self._release()
            return
        done = False

        def finish() -> None:
            nonlocal done
            if not (done or self._stopped):  # stopped: the message stays in its queue, because nothing was settled
                done = True
                self._finish(queue, entry, decision, self._context.clock.time())

        asyncio.get_running_loop().call_later(decision.hold, finish)
        if decision.swap:
            self._held.append(finish)

    def _release(self) -> None:
        """Publish the messages that were held back until another one has overtaken them."""
        held, self._held = self._held, []
        for finish in held:
            finish()

    def _finish(self, queue: Queue, entry: Entry, decision: Decision, now: float) -> None:
        try:
            for publication in decision.result.publications:
                self._publish(publication, now)
        except Exception:  # noqa: BLE001 - a defect of ours: the message must not stay half done
            decision = self.judge.failed(_bare(entry.message, queue.name))
            for publication in decision.result.publications:
                self._publish(publication, now)
        queue.settle(entry)
        self.judge.finished(decision)
        for client in decision.cut:
            self._cut(client)

    def _publish(self, publication: Publication, now: float) -> None:
        raw = props.build(
            content_type=publication.content_type,
            headers=publication.headers,
            expiration_ms=publication.expiration_ms,
        )
        message = Message(DISTRIBUTION, publication.routing_key, raw, publication.body, True, publication.expiration_ms)
        if not self._vhost.publish(message, now)[0]:
            _log.warning("hub: no queue '%s', message dropped", publication.routing_key)


def _bare(message: Message, queue: str) -> Arrival:
    """A message without content and headers."""
    return Arrival(message.routing_key, b"", None, None, {}, queue)


def _arrival(message: Message, queue: str) -> Arrival:
    properties, body = message.content()
    fields = props.read(properties)
    mode = fields.get(props.DELIVERY_MODE)
    return Arrival(
        routing_key=message.routing_key,
        body=body,
        content_type=props.text(fields, props.CONTENT_TYPE),
        delivery_mode=None if mode is None else mode[0],
        headers=props.headers(fields),
        queue=queue,
    )
