"""Where the dispatcher's decisions are taken, counted and told: one office, embedded broker or RabbitMQ."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime

import msgspec

from sandbox.edxl.codes import HubCode
from sandbox.faults.hub import HubFaults
from sandbox.hub.dispatching.checks import Refusal
from sandbox.hub.dispatching.dispatcher import DEAD_LETTERS, Arrival, Dispatched, dispatch, refuse
from sandbox.hub.dispatching.fault_effects import Decision, disturb
from sandbox.hub.meters import Meters
from sandbox.kernel.flows import Flow
from sandbox.kernel.hub.clients import HUB_ID, added_clients, added_xml_clients
from sandbox.kernel.hub.counts import UNKNOWN
from sandbox.kernel.journal import Exchange
from sandbox.kernel.world import World
from sandbox.net.amqp.hub_clients import client_ids
from sandbox.net.amqp.hub_forms import xml_clients
from sandbox.net.context import Context

_FAILED = "the dispatcher failed on this message"
_NOTE = 500  # characters of an error's cause that the journal gets

_log = logging.getLogger(__name__)


class Judge:
    """Judges the messages of one virtual host, and lets the hub's faults strike.

    `routed`, `refused`: messages since the start.
    """

    def __init__(self, context: Context, faults: HubFaults, vhost: str, meters: Meters) -> None:
        self.routed = self.refused = 0
        self._context, self.faults, self._vhost, self._meters = context, faults, vhost, meters
        self._clients = frozenset((HUB_ID, *client_ids(context.settings, context.population)))
        self._configured = self._xml_clients = xml_clients(context.settings, context.population)
        context.world.watch(self._follow)

    def judge(self, arrival: Arrival, exists: Callable[[str], bool]) -> Decision:
        """What to do with a message, and one Exchange for the journal; never raises, whatever the message."""
        started, now = time.perf_counter(), self._context.clock.now()
        try:
            decision = self._decide(arrival, exists, now)
        except Exception:  # noqa: BLE001 - a defect of ours: the message must not come again and again
            return self.failed(arrival)
        return self._settled(arrival, decision, now, started)

    def failed(self, arrival: Arrival) -> Decision:
        """We failed on this message, and would again: its sender is told (700), once; call it where that was caught."""
        _log.exception("hub: the dispatcher failed on a message from %s", arrival.routing_key)
        started, now = time.perf_counter(), self._context.clock.now()
        if arrival.queue == DEAD_LETTERS:  # nobody waits for it any more
            result = Dispatched((), HubCode.INTERNAL_CLIENT_ERROR, _FAILED, arrival.routing_key, "")
        else:
            refusal = Refusal(HubCode.INTERNAL_CLIENT_ERROR, _FAILED)
            result = refuse(arrival, refusal, now=now, new_id=self._context.entropy.uuid, xml_clients=self._xml_clients)
        return self._settled(arrival, Decision(result), now, started)

    def _settled(self, arrival: Arrival, decision: Decision, now: datetime, started: float) -> Decision:
        """Counted and journalled."""
        self._count(decision.result)
        self._tell(decision, len(arrival.body), now.timestamp(), (time.perf_counter() - started) * 1000)
        return msgspec.structs.replace(decision, began=started)

    def unroutable(self, arrival: Arrival) -> Decision:
        """The same message again, once a broker returned what was to be routed: no queue takes it."""
        self.routed -= 1
        self._meters.withdrawn("routed")
        return self.judge(arrival, lambda _: False)

    def finished(self, decision: Decision) -> None:
        """What a message led to is published."""
        self._meters.took(time.perf_counter() - decision.began)

    def _decide(self, arrival: Arrival, exists: Callable[[str], bool], now: datetime) -> Decision:
        new_id, settings = self._context.entropy.uuid, self._context.settings
        result = dispatch(
            arrival,
            exists=exists,
            now=now,
            new_id=new_id,
            message_ttl_s=settings.message_ttl_s,
            strict=settings.hub_strict,
            xml_clients=self._xml_clients,
        )
        if not self.faults:
            return Decision(result)
        return disturb(arrival, result, self.faults, now=now, new_id=new_id, xml_clients=self._xml_clients)

    def _follow(self, world: World) -> None:
        self._xml_clients = self._configured | added_xml_clients(world.switches)

    def _count(self, result: Dispatched) -> None:
        if not result.code:
            self.routed += 1
            self._meters.judged("routed")
            return
        self.refused += 1
        self._meters.judged("dead" if result.code == HubCode.DEAD_LETTER_QUEUED else "refused")
        self._meters.error(HubCode(result.code).name, self._known(result.sender), self._vhost)

    def _known(self, sender: str) -> str:
        """A sender's name, if it is a client's: what others may write there is without bound."""
        known = sender in self._clients or sender in added_clients(self._context.world.world.switches)
        return sender if known else UNKNOWN

    def _tell(self, decision: Decision, size: int, at: float, ms: float) -> None:
        result = decision.result
        queue = result.publications[0].routing_key if result.publications else ""
        self._context.journal.put(
            Exchange(
                at=at,
                actor="hub",
                flow=Flow.INT_L02,
                direction="in",
                action=f"{result.sender} → {queue.rpartition('.')[0]}",
                peer=result.sender,
                status=result.code,
                ms=ms,
                size=size,
                note=_note(result, queue)[:_NOTE],
                fault=decision.faults,
                ref=result.distribution_id,
                about=result.about,
            )
        )


def _note(result: Dispatched, queue: str) -> str:
    unread = f"; content of another use case, not read: {result.noted}" if result.noted else ""
    return result.reason or f"{queue}{unread}"
