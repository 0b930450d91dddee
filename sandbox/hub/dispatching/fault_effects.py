"""What the hub's faults do to a message that was about to be routed: what is published instead, and when.

`drop` loses the message, `corrupt` cuts it short, `duplicate` delivers it more than once, `delay` and `reorder` hold it
back, `expire` and `refuse` answer its sender, `disconnect` cuts a client's connections after it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from sandbox.edxl.codes import HubCode
from sandbox.faults.base import number, text, whole
from sandbox.faults.hub import LONGEST, MOST_COPIES, SWAP_MS, HubFaults, Passing
from sandbox.hub.dispatching.checks import Refusal
from sandbox.hub.dispatching.dispatcher import Arrival, DispatchContext, Dispatched, refuse
from sandbox.kernel.world import Fault

_KINDS = {".ack": "ack", ".info": "error"}  # by the suffix of the queue
_UPDATES = (b'"UpdateAppointment"', b">UpdateAppointment<")  # in JSON, in XML


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


@dataclass(frozen=True, slots=True)
class _Message:
    """The message to which a fault is applied. `chance()`: a number in [0, 1)."""

    arrival: Arrival
    context: DispatchContext
    chance: Callable[[], float]


def apply_faults(arrival: Arrival, result: Dispatched, faults: HubFaults, context: DispatchContext) -> Decision:
    """Apply the faults to a message that was decided; one that was refused anyway is left alone."""
    if result.code or not result.publications or not faults:
        return Decision(result)
    applied = faults.strike(_passing(arrival, result))
    decision = Decision(result, faults=",".join(fault.id for fault in applied))
    message = _Message(arrival, context, faults.chance)
    for fault in applied:
        decision = _EFFECTS[fault.kind](decision, fault, message)
    return decision


def _passing(arrival: Arrival, result: Dispatched) -> Passing:
    queue = result.publications[0].routing_key
    recipient, dot, suffix = queue.rpartition(".")
    updates = any(word in arrival.body for word in _UPDATES)
    kind = _KINDS.get(dot + suffix) or ("update" if updates else "create")
    return Passing(frozenset((result.sender, recipient)), kind)


def _drop(decision: Decision, fault: Fault, message: _Message) -> Decision:
    return replace(decision, result=replace(decision.result, publications=()))


def _duplicate(decision: Decision, fault: Fault, message: _Message) -> Decision:
    copies = decision.result.publications * whole(fault.params, "times", 2, MOST_COPIES, 2)
    return replace(decision, result=replace(decision.result, publications=copies))


def _corrupt(decision: Decision, fault: Fault, message: _Message) -> Decision:
    """Cut each body at a random place, so that it is neither JSON nor XML any more."""
    broken = tuple(
        replace(each, body=each.body[: 1 + int(message.chance() * (len(each.body) - 1))])
        for each in decision.result.publications
    )
    return replace(decision, result=replace(decision.result, publications=broken))


def _delay(decision: Decision, fault: Fault, message: _Message) -> Decision:
    return replace(decision, hold=decision.hold + number(fault.params, "ms", 0, LONGEST) / 1000)


def _reorder(decision: Decision, fault: Fault, message: _Message) -> Decision:
    most = number(fault.params, "ms", 0, LONGEST, SWAP_MS) / 1000
    return replace(decision, hold=max(decision.hold, most), swap=True)


def _expire(decision: Decision, fault: Fault, message: _Message) -> Decision:
    """As if the message had waited unread in the recipient's queue until it expired."""
    queue = _queue(decision)
    cause = (
        f"Message {decision.result.distribution_id} was dead-lettered from queue '{queue}' (expired, simulated fault)"
    )
    return _refused(decision, HubCode.DEAD_LETTER_QUEUED, cause, message)


def _refuse(decision: Decision, fault: Fault, message: _Message) -> Decision:
    code = HubCode(whole(fault.params, "code", 100, 704))
    given = "cause" in fault.params
    cause = (
        text(fault.params, "cause")
        if given
        else f"Message {decision.result.distribution_id} is refused (simulated fault)"
    )
    return _refused(decision, code, cause, message)


def _refused(decision: Decision, code: HubCode, cause: str, message: _Message) -> Decision:
    refusal = Refusal(code, cause)
    return replace(decision, result=refuse(message.arrival, refusal, message.context))


def _disconnect(decision: Decision, fault: Fault, message: _Message) -> Decision:
    return replace(decision, cut=(*decision.cut, text(fault.params, "who")))


def _queue(decision: Decision) -> str:
    publications = decision.result.publications
    return publications[0].routing_key if publications else ""


_EFFECTS: Mapping[str, Callable[[Decision, Fault, _Message], Decision]] = {
    "drop": _drop,
    "delay": _delay,
    "duplicate": _duplicate,
    "reorder": _reorder,
    "corrupt": _corrupt,
    "expire": _expire,
    "refuse": _refuse,
    "disconnect": _disconnect,
}
