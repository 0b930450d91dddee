"""Where the dispatcher's decisions are taken and told: the same office for the embedded broker and for RabbitMQ."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime

from sandbox.faults.hub import HubFaults
from sandbox.hub.dispatcher import Arrival, Dispatched, dispatch
from sandbox.hub.mishaps import Decision, disturb
from sandbox.kernel.flows import Flow
from sandbox.kernel.journal import Exchange
from sandbox.net.context import Context

_NOTE = 500  # characters of an error's cause that the journal gets

_log = logging.getLogger(__name__)


class Office:
    """Judges the messages of one virtual host, and lets the hub's faults strike.

    `routed`, `refused`: messages since the start.
    """

    def __init__(self, context: Context, faults: HubFaults) -> None:
        self.routed = self.refused = 0
        self._context, self.faults = context, faults

    def judge(self, arrival: Arrival, exists: Callable[[str], bool]) -> Decision:
        """What to do with a message, and one Exchange for the journal; never raises, whatever the message."""
        started, now = time.perf_counter(), self._context.clock.now()
        try:
            decision = self._decide(arrival, exists, now)
        except Exception:  # noqa: BLE001 - a defect of ours: the message must not come again and again
            _log.exception("hub: the dispatcher failed on a message from %s", arrival.routing_key)
            text = "the dispatcher failed on this message"
            decision = Decision(Dispatched((), 700, text, arrival.routing_key, ""))
        self._tell(decision, len(arrival.body), now.timestamp(), (time.perf_counter() - started) * 1000)
        return decision

    def unroutable(self, arrival: Arrival) -> Decision:
        """The same message again, once a broker returned what was to be routed: no queue takes it."""
        self.routed -= 1
        return self.judge(arrival, lambda _: False)

    def _decide(self, arrival: Arrival, exists: Callable[[str], bool], now: datetime) -> Decision:
        new_id, settings = self._context.entropy.uuid, self._context.settings
        result = dispatch(
            arrival,
            exists=exists,
            now=now,
            new_id=new_id,
            message_ttl_s=settings.message_ttl_s,
            strict=settings.hub_strict,
        )
        return disturb(arrival, result, self.faults, now=now, new_id=new_id) if self.faults else Decision(result)

    def _tell(self, decision: Decision, size: int, at: float, ms: float) -> None:
        result = decision.result
        if result.code:
            self.refused += 1
        else:
            self.routed += 1
        target = result.publications[0].routing_key.rpartition(".")[0] if result.publications else ""
        self._context.journal.put(
            Exchange(
                at=at,
                actor="hub",
                flow=Flow.INT_L02,
                direction="in",
                action=f"{result.sender} → {target}",
                peer=result.sender,
                status=result.code,
                ms=ms,
                size=size,
                note=result.reason[:_NOTE],
                fault=decision.faults,
                ref=result.distribution_id,
            )
        )
