"""What the behaviours that apply to a message mean for it: whether it is stored, what is answered and when, and whether
the connection breaks.

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
    """How one message is handled. `steps`: of the acknowledgements, None: one without step; `delay`: of the answer, in
    seconds; `held`: the answer waits for a person; `cut`: when the connection breaks (before, during, after storing),
    empty: it does not; `faults`: ids of the behaviours that apply.
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


def handling_of(applied: Sequence[Fault], chance: Callable[[], float]) -> Handling:
    """The handling that all behaviours together ask for; of two that contradict each other the later one holds."""
    handling = PLAIN
    for fault in applied:
        handling = _EFFECTS[fault.kind](handling, fault, chance)
    return replace(handling, faults=",".join(fault.id for fault in applied)) if applied else handling


Effect = Callable[[Handling, Fault, Callable[[], float]], Handling]


def _delay(handling: Handling, fault: Fault, chance: Callable[[], float]) -> Handling:
    median = number(fault.params, "median_ms", 1, LONGEST_MS)
    delay = Delay(median, number(fault.params, "p95_ms", median, LONGEST_MS))
    return replace(handling, delay=handling.delay + delay.drawn(chance()))


def _refuse(handling: Handling, fault: Fault, chance: Callable[[], float]) -> Handling:
    code = HubCode(whole(fault.params, "code", CODES[0], CODES[-1]))
    cause = text(fault.params, "cause") if "cause" in fault.params else "refused by the LRM (simulated behaviour)"
    refusal = Refusal(code, cause, acknowledged=fault.params.get("ack") is True)
    return replace(handling, stores=False, refusal=refusal)


def _conflict(handling: Handling, fault: Fault, chance: Callable[[], float]) -> Handling:
    refusal = Refusal(HubCode.CONFLICT, "the appointment already exists (simulated behaviour)")
    return replace(handling, stores=True, refusal=refusal)


def _steps(handling: Handling, fault: Fault, chance: Callable[[], float]) -> Handling:
    steps = steps_of(fault.params)
    at_once = tuple(step for step in steps if step != CONSULTED)
    return replace(handling, steps=at_once if steps else (None,))


_EFFECTS: Mapping[str, Effect] = {
    "ack-delay": _delay,
    "ack-by-hand": lambda handling, fault, chance: replace(handling, held=True),
    "ack-never": lambda handling, fault, chance: replace(handling, steps=()),
    "ack-refused": _refuse,
    "ack-conflict": _conflict,
    "ack-wrong-reference": lambda handling, fault, chance: replace(handling, right_reference=False),
    "ack-twice": lambda handling, fault, chance: replace(handling, steps=handling.steps * 2),
    "ack-invalid": lambda handling, fault, chance: replace(handling, valid=False),
    "ack-steps": _steps,
    "lrm-disconnect": lambda handling, fault, chance: replace(handling, cut=text(fault.params, "when")),
}
