"""The circuit breaker of one editor, as a table of transitions. Pure: the caller gives the time, in seconds.

    closed ──failures in a row──> open ──pause over──> half-open ──answer──> closed
                                    ^                      └──failure──> open

While it is open the editor is not called; half-open, one call at a time goes through, as a probe.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum


class State(StrEnum):
    """The states of a circuit. Closed: calls pass; open: none does; half-open: one call passes, as a probe of the
    editor."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Signal(StrEnum):
    """What changes the state of a circuit."""

    ANSWERED = "answered"
    FAILED = "failed"  # fewer failures in a row than `Policy.failures`
    TOO_MANY = "too-many"  # at least `Policy.failures` failures in a row
    PAUSE_OVER = "pause-over"


TRANSITIONS: Mapping[tuple[State, Signal], State] = {
    (State.CLOSED, Signal.ANSWERED): State.CLOSED,
    (State.CLOSED, Signal.FAILED): State.CLOSED,
    (State.CLOSED, Signal.TOO_MANY): State.OPEN,
    # calls that were running when the circuit opened change nothing
    (State.OPEN, Signal.ANSWERED): State.OPEN,
    (State.OPEN, Signal.FAILED): State.OPEN,
    (State.OPEN, Signal.TOO_MANY): State.OPEN,
    (State.OPEN, Signal.PAUSE_OVER): State.HALF_OPEN,
    (State.HALF_OPEN, Signal.ANSWERED): State.CLOSED,
    (State.HALF_OPEN, Signal.FAILED): State.OPEN,
    (State.HALF_OPEN, Signal.TOO_MANY): State.OPEN,
}


@dataclass(frozen=True, slots=True)
class Policy:
    """`failures` in a row open the circuit, for `pause_s` seconds."""

    failures: int
    pause_s: float


@dataclass(frozen=True, slots=True)
class Circuit:
    """One editor's circuit. `failures` in a row; `since`: when `state` began; `probing`: a probe is running."""

    state: State = State.CLOSED
    failures: int = 0
    since: float = 0.0
    probing: bool = False


HEALTHY = Circuit()


def admitted(circuit: Circuit, now: float, policy: Policy) -> tuple[Circuit, bool]:
    """Whether the editor may be called now, and the resulting circuit. A call that is admitted while the circuit is
    half-open is the probe."""
    if circuit.state is State.OPEN and now - circuit.since >= policy.pause_s:
        circuit = _moved(circuit, Signal.PAUSE_OVER, now)
    if circuit.state is State.CLOSED:
        return circuit, True
    if circuit.state is State.OPEN or circuit.probing:
        return circuit, False
    return replace(circuit, probing=True), True


def after(circuit: Circuit, good: bool, now: float, policy: Policy) -> Circuit:
    """The circuit after a call ended; `good`: the editor answered."""
    if good and circuit == HEALTHY:
        return circuit
    if good:
        return replace(_moved(circuit, Signal.ANSWERED, now), failures=0, probing=False)
    failures = circuit.failures + 1
    signal = Signal.TOO_MANY if failures >= policy.failures else Signal.FAILED
    return replace(_moved(circuit, signal, now), failures=failures, probing=False)


def abandoned(circuit: Circuit) -> Circuit:
    """The circuit after a probe whose end says nothing about the editor."""
    return replace(circuit, probing=False) if circuit.probing else circuit


def _moved(circuit: Circuit, signal: Signal, now: float) -> Circuit:
    state = TRANSITIONS[circuit.state, signal]
    return circuit if state is circuit.state else replace(circuit, state=state, since=now)
