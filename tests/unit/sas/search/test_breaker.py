from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.sas.search.breaker import HEALTHY, TRANSITIONS, Circuit, Policy, Signal, State, abandoned, admitted, after

POLICY = Policy(failures=3, pause_s=10.0)


def failed(times: int, now: float = 0.0) -> Circuit:
    circuit = HEALTHY
    for _ in range(times):
        circuit = after(circuit, False, now, POLICY)
    return circuit


def test_so_many_failures_in_a_row_open_it() -> None:
    assert [failed(times).state for times in (0, 2, 3, 4)] == [State.CLOSED, State.CLOSED, State.OPEN, State.OPEN]


def test_an_answer_between_starts_the_count_again() -> None:
    circuit = after(failed(2), True, 0.0, POLICY)
    assert circuit == HEALTHY
    assert after(circuit, False, 0.0, POLICY).state is State.CLOSED


def test_open_it_lets_nobody_through_until_the_pause_is_over() -> None:
    circuit, through = admitted(failed(3, now=5.0), 14.9, POLICY)
    assert (circuit.state, through) == (State.OPEN, False)
    circuit, through = admitted(circuit, 15.0, POLICY)
    assert (circuit.state, through) == (State.HALF_OPEN, True)


def test_half_open_one_probe_at_a_time_goes_through() -> None:
    probing, _ = admitted(failed(3), 10.0, POLICY)
    assert admitted(probing, 10.1, POLICY) == (probing, False)
    assert admitted(abandoned(probing), 10.2, POLICY)[1]
    assert after(probing, True, 11.0, POLICY).state is State.CLOSED
    again = after(probing, False, 11.0, POLICY)
    assert (again.state, again.since) == (State.OPEN, 11.0)


def test_calls_under_way_when_it_opened_change_nothing() -> None:
    opened = failed(3, now=5.0)
    for good in (True, False):
        late = after(opened, good, 9.0, POLICY)
        assert (late.state, late.since) == (State.OPEN, 5.0)
    assert abandoned(opened) == opened


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("signal", [Signal.ANSWERED, Signal.FAILED, Signal.TOO_MANY])
def test_whatever_ends_in_whatever_state_has_its_line(state: State, signal: Signal) -> None:
    assert (state, signal) in TRANSITIONS


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 30))))
def test_never_more_than_one_probe_and_never_a_call_while_open(steps: list[tuple[bool, float]]) -> None:
    circuit, now, probes = HEALTHY, 0.0, 0
    for good, pause in steps:
        now += pause
        before = circuit
        circuit, through = admitted(circuit, now, POLICY)
        if through and circuit.state is State.HALF_OPEN:
            probes += 1
            assert admitted(circuit, now, POLICY)[1] is False
        if before.state is State.OPEN and now - before.since < POLICY.pause_s:
            assert not through
        if through:
            circuit = after(circuit, good, now, POLICY)
        assert circuit.state is not State.CLOSED or circuit.failures < POLICY.failures
