"""What the behaviours that strike a message mean for it: is it stored, what is answered, when, does the line break.

Pure. Without any behaviour a message is stored and acknowledged at once, with the step INTEGRE.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from sandbox.edxl.codes import HubCode
from sandbox.edxl.message import Message
from sandbox.faults.base import number, text, whole
from sandbox.faults.hub import CODES
from sandbox.faults.lrm import steps_of
from sandbox.kernel.character import LONGEST_MS, Delay
from sandbox.kernel.world import Fault

INTEGRATED, CONSULTED = "INTEGRE", "CONSULTE"


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error instead of the acknowledgement. `acknowledged`: an Ack with refused=true follows it."""

    code: HubCode
    cause: str
    acknowledged: bool = False


@dataclass(frozen=True, slots=True)
class Handling:
    """How one message is dealt with. `steps`: of the acknowledgements, None: one without step; `delay` in seconds;
    `cut`: when the connection breaks (before, during, after storing), empty: it holds; `faults`: ids of what struck.
    """

    stores: bool = True
    refusal: Refusal | None = None
    steps: tuple[str | None, ...] = (INTEGRATED,)
    delay: float = 0.0
    held: bool = False
    right_reference: bool = True
    valid: bool = True
    cut: str = ""
    faults: str = ""


PLAIN = Handling()


def kind_of(message: Message) -> str:
    """`create`, `update` or `cancel`: an update that says that the appointment is cancelled."""
    appointment = message.appointment or {}
    if appointment.get("method") == "CreateAppointment":
        return "create"
    return "cancel" if appointment.get("status") == "cancelled" else "update"


def manner_of(struck: Sequence[Fault], chance: Callable[[], float]) -> Handling:
    """What they do together; of two that contradict each other the later one holds."""
    manner = PLAIN
    for fault in struck:
        manner = _EFFECTS[fault.kind](manner, fault, chance)
    return replace(manner, faults=",".join(fault.id for fault in struck)) if struck else manner


Effect = Callable[[Handling, Fault, Callable[[], float]], Handling]


def _delay(manner: Handling, fault: Fault, chance: Callable[[], float]) -> Handling:
    median = number(fault.params, "median_ms", 1, LONGEST_MS)
    delay = Delay(median, number(fault.params, "p95_ms", median, LONGEST_MS))
    return replace(manner, delay=manner.delay + delay.drawn(chance()))


def _refuse(manner: Handling, fault: Fault, chance: Callable[[], float]) -> Handling:
    code = HubCode(whole(fault.params, "code", CODES[0], CODES[-1]))
    cause = text(fault.params, "cause") if "cause" in fault.params else "refused by the LRM (simulated behaviour)"
    refusal = Refusal(code, cause, acknowledged=fault.params.get("ack") is True)
    return replace(manner, stores=False, refusal=refusal)


def _conflict(manner: Handling, fault: Fault, chance: Callable[[], float]) -> Handling:
    refusal = Refusal(HubCode.CONFLICT, "the appointment already exists (simulated behaviour)")
    return replace(manner, stores=True, refusal=refusal)


def _steps(manner: Handling, fault: Fault, chance: Callable[[], float]) -> Handling:
    steps = steps_of(fault.params)
    at_once = tuple(step for step in steps if step != CONSULTED)
    return replace(manner, steps=at_once if steps else (None,))


_EFFECTS: Mapping[str, Effect] = {
    "ack-delay": _delay,
    "ack-by-hand": lambda manner, fault, chance: replace(manner, held=True),
    "ack-never": lambda manner, fault, chance: replace(manner, steps=()),
    "ack-refused": _refuse,
    "ack-conflict": _conflict,
    "ack-wrong-reference": lambda manner, fault, chance: replace(manner, right_reference=False),
    "ack-twice": lambda manner, fault, chance: replace(manner, steps=manner.steps * 2),
    "ack-invalid": lambda manner, fault, chance: replace(manner, valid=False),
    "ack-steps": _steps,
    "lrm-disconnect": lambda manner, fault, chance: replace(manner, cut=text(fault.params, "when")),
}
