"""What the hub's faults do to a message that was about to be routed: what goes out instead, and when.

`faults.hub` has the kinds; `_Message` is what each of them can do to a message.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass
from datetime import datetime

import msgspec
from msgspec.structs import replace

from sandbox.edxl.codes import HubCode
from sandbox.faults.hub import HubFaults, MessageInHub, Route
from sandbox.hub.dispatching.checks import Refusal
from sandbox.hub.dispatching.dispatcher import NOBODY, Arrival, Dispatched, Publication, refuse

_KINDS = {".ack": "ack", ".info": "error"}  # by the suffix of the queue
_UPDATES = (b'"UpdateAppointment"', b">UpdateAppointment<")  # in JSON, in XML


class Decision(msgspec.Struct, frozen=True):
    """What becomes of a message: published after `hold` seconds, or as soon as the next one has overtaken it
    (`swap`), whichever comes first; then the connections of `cut` are cut. `faults`: ids of those that struck; `began`:
    when the message was taken, as `time.perf_counter` tells."""

    result: Dispatched
    hold: float = 0.0
    swap: bool = False
    cut: tuple[str, ...] = ()
    faults: str = ""
    began: float = 0.0


@dataclass(frozen=True, slots=True)
class _Moment:
    arrival: Arrival
    now: datetime
    new_id: Callable[[], str]
    chance: Callable[[], float]
    xml_clients: Container[str]


def disturb(
    arrival: Arrival,
    result: Dispatched,
    faults: HubFaults,
    *,
    now: datetime,
    new_id: Callable[[], str],
    xml_clients: Container[str] = NOBODY,
) -> Decision:
    """Apply the faults; a message that was refused anyway is left alone. `xml_clients`: who is answered in XML."""
    if result.code or not result.publications or not faults:
        return Decision(result)
    applied = faults.apply(_route(arrival, result))
    decision = Decision(result, faults=",".join(each.fault.id for each in applied))
    message = _Message(decision, _Moment(arrival, now, new_id, faults.chance, xml_clients))
    for each in applied:
        each.kind.effect(message)
    return message.decision


def _route(arrival: Arrival, result: Dispatched) -> Route:
    queue = result.publications[0].routing_key
    recipient, dot, suffix = queue.rpartition(".")
    updates = any(word in arrival.body for word in _UPDATES)
    kind = _KINDS.get(dot + suffix) or ("update" if updates else "create")
    return Route(frozenset((result.sender, recipient)), kind)


class _Message(MessageInHub):
    """A message while the faults are applied to it; `decision` is what has become of it so far."""

    def __init__(self, decision: Decision, moment: _Moment) -> None:
        self.decision, self._moment = decision, moment

    def lose(self) -> None:
        self._publish(())

    def copy(self, times: int) -> None:
        self._publish(self.decision.result.publications * times)

    def hold(self, seconds: float) -> None:
        self.decision = replace(self.decision, hold=self.decision.hold + seconds)

    def let_overtake(self, seconds: float) -> None:
        self.decision = replace(self.decision, hold=max(self.decision.hold, seconds), swap=True)

    def corrupt(self) -> None:
        """Each body ends somewhere within: neither JSON nor XML any more."""
        chance = self._moment.chance
        self._publish(
            tuple(
                replace(each, body=each.body[: 1 + int(chance() * (len(each.body) - 1))])
                for each in self.decision.result.publications
            )
        )

    def expire(self) -> None:
        publications = self.decision.result.publications
        queue = publications[0].routing_key if publications else ""
        identifier = self.decision.result.distribution_id
        cause = f"Message {identifier} was dead-lettered from queue '{queue}' (expired, simulated fault)"
        self.refuse(HubCode.DEAD_LETTER_QUEUED, cause)

    def refuse(self, code: int, cause: str) -> None:
        cause = cause or f"Message {self.decision.result.distribution_id} is refused (simulated fault)"
        moment, refusal = self._moment, Refusal(HubCode(code), cause)
        result = refuse(moment.arrival, refusal, now=moment.now, new_id=moment.new_id, xml_clients=moment.xml_clients)
        self.decision = replace(self.decision, result=result)

    def disconnect(self, client: str) -> None:
        self.decision = replace(self.decision, cut=(*self.decision.cut, client))

    def _publish(self, publications: tuple[Publication, ...]) -> None:
        self.decision = replace(self.decision, result=replace(self.decision.result, publications=publications))
