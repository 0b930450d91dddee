"""Takes the dispatcher's decision for each message, counts and journals it; used with the embedded broker and with a
RabbitMQ.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import msgspec

from sandbox.edxl.codes import HubCode
from sandbox.faults.hub import HubFaults
from sandbox.hub.counters import DispatchCounters
from sandbox.hub.dispatching.checks import Refusal
from sandbox.hub.dispatching.dispatcher import DEAD_LETTERS, Arrival, DispatchContext, Dispatched, dispatch, refuse
from sandbox.hub.dispatching.fault_effects import Decision, apply_faults
from sandbox.kernel.flows import Flow
from sandbox.kernel.hub.clients import HUB_ID, added_clients, added_xml_clients
from sandbox.kernel.hub.counts import UNKNOWN
from sandbox.kernel.world import World
from sandbox.net.amqp.hub_clients import client_ids
from sandbox.net.amqp.hub_forms import xml_clients
from sandbox.net.context import Context

_FAILED = "the dispatcher failed on this message"
_NOTE = 500  # longest error cause in the journal, in characters

_log = logging.getLogger(__name__)


class Judge:
    """Decides about the messages of one virtual host, and applies the hub's faults.

    `routed`, `refused`: messages since the start.
    """

    def __init__(self, context: Context, faults: HubFaults, vhost: str, counters: DispatchCounters) -> None:
        self.routed = self.refused = 0
        self._context, self.faults, self._vhost, self._counters = context, faults, vhost, counters
        self._journal = context.journal_of("hub")
        self._clients = frozenset((HUB_ID, *client_ids(context.settings, context.population)))
        self._configured = self._xml_clients = xml_clients(context.settings, context.population)
        context.world.watch(self._apply_world)

    def judge(self, arrival: Arrival, exists: Callable[[str], bool]) -> Decision:
        """The decision about a message, which is also counted and journalled; never raises, whatever the message."""
        started = time.perf_counter()
        try:
            decision = self._decide(arrival, exists)
        except Exception:  # noqa: BLE001 - a defect of ours: the message must not come again and again
            return self.failed(arrival)
        return self._settled(arrival, decision, started)

    def failed(self, arrival: Arrival) -> Decision:
        """The decision about a message on which the dispatcher failed: one report (700) to its sender. It logs the
        exception that is being handled, so call it in the `except` block."""
        _log.exception("hub: the dispatcher failed on a message from %s", arrival.routing_key)
        started = time.perf_counter()
        if arrival.queue == DEAD_LETTERS:  # its sender no longer has to wait for an answer
            result = Dispatched((), HubCode.INTERNAL_CLIENT_ERROR, _FAILED, arrival.routing_key, "")
        else:
            refusal = Refusal(HubCode.INTERNAL_CLIENT_ERROR, _FAILED)
            result = refuse(arrival, refusal, self._dispatch_context())
        return self._settled(arrival, Decision(result), started)

    def _settled(self, arrival: Arrival, decision: Decision, started: float) -> Decision:
        """Count and journal a decision."""
        self._count(decision.result)
        self._journal_decision(decision, len(arrival.body), (time.perf_counter() - started) * 1000)
        return msgspec.structs.replace(decision, began=started)

    def unroutable(self, arrival: Arrival) -> Decision:
        """The decision about a message that the broker has returned, because no queue takes it."""
        self.routed -= 1
        self._counters.take_back("routed")
        return self.judge(arrival, lambda _: False)

    def finished(self, decision: Decision) -> None:
        """Record how long a message took, when its result is published."""
        self._counters.count_time(time.perf_counter() - decision.began)

    def _decide(self, arrival: Arrival, exists: Callable[[str], bool]) -> Decision:
        settings, context = self._context.settings, self._dispatch_context()
        result = dispatch(
            arrival, context, exists=exists, message_ttl_s=settings.message_ttl_s, strict=settings.hub_strict
        )
        if not self.faults:
            return Decision(result)
        return apply_faults(arrival, result, self.faults, context)

    def _dispatch_context(self) -> DispatchContext:
        return DispatchContext(self._context.clock.now(), self._context.entropy.uuid, self._xml_clients)

    def _apply_world(self, world: World) -> None:
        self._xml_clients = self._configured | added_xml_clients(world.switches)

    def _count(self, result: Dispatched) -> None:
        if not result.code:
            self.routed += 1
            self._counters.count("routed")
            return
        self.refused += 1
        self._counters.count("dead" if result.code == HubCode.DEAD_LETTER_QUEUED else "refused")
        self._counters.count_error(HubCode(result.code).name, self._known(result.sender), self._vhost)

    def _known(self, sender: str) -> str:
        """The sender's name if it is a client, else UNKNOWN: the names that senders may write are not bounded."""
        known = sender in self._clients or sender in added_clients(self._context.world.world.switches)
        return sender if known else UNKNOWN

    def _journal_decision(self, decision: Decision, size: int, ms: float) -> None:
        result = decision.result
        queue = result.publications[0].routing_key if result.publications else ""
        self._journal.received(
            Flow.INT_L02,
            f"{result.sender} → {queue.rpartition('.')[0]}",
            result.sender,
            status=result.code,
            ms=ms,
            size=size,
            note=_note(result, queue)[:_NOTE],
            fault=decision.faults,
            ref=result.distribution_id,
            about=result.about,
        )


def _note(result: Dispatched, queue: str) -> str:
    unread = f"; content of another use case, not read: {result.noted}" if result.noted else ""
    return result.reason or f"{queue}{unread}"
