"""Requests to a community: the table of their states, and what INT_R03 then says."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.editor.communities.requests import STEPS, CommunityRequest, State, Step, possible, received, step
from sandbox.faults.communities import Answer, Decision
from sandbox.fhir.appointment import receive_appointment, render_appointment
from sandbox.fhir.service_request import CareRequest
from sandbox.kernel.clock import PARIS
from sandbox.kernel.errors import TransitionError
from sandbox.kernel.flows import AppointmentStatus
from sandbox.kernel.identifiers import SYSTEM_PERSON, Identifier

SYSTEM, MEMBER = "urn:oid:1.2.250.1.999.4", "819800000077"
NOW = datetime(2026, 11, 23, 10, 30, tzinfo=PARIS)
ASKED = CareRequest(
    identifier=Identifier(SYSTEM, "b6e39355-8a61-4556-b340-36f7b95fec6a"),
    need="Fièvre",
    start=NOW,
    end=NOW + timedelta(minutes=30),
    authored=NOW,
    requester=Identifier(SYSTEM_PERSON, "3456780581/11242343", "IDNPS"),
    community="cpts-rive-gauche",
    name="Entraide CPTS Rive Gauche",
    town="33063",
    town_name="Bordeaux",
)
# What the SAS core accepts of one version after the other (INT_R03), a version for each step.
FOLLOWS = {
    AppointmentStatus.PENDING: {AppointmentStatus.BOOKED, AppointmentStatus.CANCELLED},
    AppointmentStatus.BOOKED: {
        AppointmentStatus.FULFILLED,
        AppointmentStatus.NOSHOW,
        AppointmentStatus.CANCELLED,
    },
}


def request(decision: Decision) -> CommunityRequest:
    return received(ASKED, 0, NOW, decision)


def status(state: State) -> AppointmentStatus:
    return replaced(state).appointment(SYSTEM).status


def replaced(state: State) -> CommunityRequest:
    accepted = state in (State.ACCEPTED, State.HONOURED, State.MISSED, State.CANCELLED)
    practitioner = MEMBER if accepted else None
    return msgspec.structs.replace(request(Decision(Answer.BY_HAND, 0)), state=state, practitioner=practitioner)


@given(st.lists(st.sampled_from(Step), max_size=6))
def test_whatever_happens_the_reports_follow_each_other(steps: list[Step]) -> None:
    state = State.PENDING
    for wanted in steps:
        try:
            after = step(state, wanted)
        except TransitionError:
            assert (state, wanted) not in STEPS
            continue
        assert status(after) in FOLLOWS[status(state)]
        state = after


@pytest.mark.parametrize("state", State)
def test_every_report_is_a_valid_appointment_of_the_marketplace(state: State) -> None:
    appointment = replaced(state).appointment(SYSTEM)
    got = receive_appointment(render_appointment(appointment))
    assert got.findings == ()
    assert got.appointment == appointment


def test_every_state_has_a_way_out_or_is_final() -> None:
    assert {state for state, _ in STEPS} == {State.PENDING, State.ACCEPTED}
    assert possible(State.PENDING) == (Step.ACCEPT, Step.REFUSE)
    assert possible(State.ACCEPTED) == (Step.HONOUR, Step.MISS, Step.CANCEL)
    assert [state for state in State if not possible(state)] == [
        *(State.REFUSED, State.UNANSWERED, State.WITHDRAWN),
        *(State.HONOURED, State.MISSED, State.CANCELLED),
    ]


@pytest.mark.parametrize(
    ("decision", "planned"),
    [
        (Decision(Answer.ACCEPT, 10, MEMBER), (10, Step.ACCEPT)),
        (Decision(Answer.REFUSE, 0), (0, Step.REFUSE)),
        (Decision(Answer.ACCEPT, 1800, MEMBER), (1800, Step.LAPSE)),
        (Decision(Answer.NOBODY, 10), (1800, Step.LAPSE)),
        (Decision(Answer.BY_HAND, 10), (1800, Step.LAPSE)),
    ],
)
def test_what_a_community_does_next(decision: Decision, planned: tuple[int, Step]) -> None:
    seconds, wanted = planned
    assert request(decision).next_step == (NOW + timedelta(seconds=seconds), wanted)


@pytest.mark.parametrize("state", [state for state in State if state is not State.PENDING])
def test_nothing_is_left_to_do_by_itself_once_somebody_has_answered(state: State) -> None:
    assert replaced(state).next_step is None


def test_a_request_comes_back_as_it_was_asked() -> None:
    assert request(Decision(Answer.NOBODY, 0)).asked(SYSTEM) == ASKED
    assert replaced(State.WITHDRAWN).asked(SYSTEM).revoked
