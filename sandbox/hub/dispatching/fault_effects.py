"""What the hub's faults do to a message that was about to be routed: what is published instead, and when.

`faults.hub` has the kinds; the methods of `_Message` are what a kind can do to a message.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from sandbox.edxl.codes import HubCode
from sandbox.faults.hub import HubFaults, MessageInHub, Route
from sandbox.hub.dispatching.checks import Refusal
from sandbox.hub.dispatching.dispatcher import Arrival, DispatchContext, Dispatched, Publication, refuse

_KINDS = {".ack": "ack", ".info": "error"}  # suffix of the recipient's queue -> kind of message
_UPDATES = (b'"UpdateAppointment"', b">UpdateAppointment<")  # as it is written in JSON and in XML


class Decision(msgspec.Struct, frozen=True):
    """What is done with a message: it is published after `hold` seconds, or as soon as the next one has overtaken it
    (`swap`), whichever comes first; then the connections of the clients `cut` are cut. `faults`: ids of the faults that
    were applied; `began`: when the message was taken, by `time.perf_counter`."""

    result: Dispatched
    hold: float = 0.0
    swap: bool = False
    cut: tuple[str, ...] = ()
    faults: str = ""
    began: float = 0.0


def apply_faults(arrival: Arrival, result: Dispatched, faults: HubFaults, context: DispatchContext) -> Decision:
    """Apply the faults to a message that was decided; one that was refused anyway is left alone."""
    if result.code or not result.publications or not faults:
        return Decision(result)
    applied = faults.apply(_route(arrival, result))
    decision = Decision(result, faults=",".join(each.fault.id for each in applied))
    message = _Message(arrival, context, faults.chance, decision)
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
    """A message while faults are applied to it. `chance()` returns a number in [0, 1); `decision`: the present decision
    about it."""

    def __init__(
        self, arrival: Arrival, context: DispatchContext, chance: Callable[[], float], decision: Decision
    ) -> None:
        self._arrival, self._context, self._chance = arrival, context, chance
        self.decision = decision

    def lose(self) -> None:
        self._publish(())

    def copy(self, times: int) -> None:
        self._publish(self.decision.result.publications * times)

    def hold(self, seconds: float) -> None:
        self.decision = replace(self.decision, hold=self.decision.hold + seconds)

    def let_overtake(self, seconds: float) -> None:
        self.decision = replace(self.decision, hold=max(self.decision.hold, seconds), swap=True)

    def corrupt(self) -> None:
        """Truncate each body at a random place, so that it is neither JSON nor XML any more."""
        self._publish(
            tuple(
                replace(each, body=each.body[: 1 + int(self._chance() * (len(each.body) - 1))])
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
        refusal = Refusal(HubCode(code), cause)
        self.decision = replace(self.decision, result=refuse(self._arrival, refusal, self._context))

    def disconnect(self, client: str) -> None:
        self.decision = replace(self.decision, cut=(*self.decision.cut, client))

    def _publish(self, publications: tuple[Publication, ...]) -> None:
        self.decision = replace(self.decision, result=replace(self.decision.result, publications=publications))
