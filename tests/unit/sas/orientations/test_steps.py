"""What can be done with appointments that were made in the SAS platform itself."""

from __future__ import annotations

import pytest

from sandbox.kernel.errors import RequestError
from sandbox.kernel.flows import AppointmentStatus
from sandbox.sas.directory.origins import Origin
from sandbox.sas.orientations.lifecycle import TRANSITIONS
from sandbox.sas.orientations.steps import STEPS, Action, possible, step

PENDING, BOOKED, FULFILLED, NOSHOW, CANCELLED = AppointmentStatus
OWN = (Origin.SAS_AGENDA, Origin.EXTRA, Origin.STRUCTURE)


@pytest.mark.parametrize("origin", OWN)
def test_a_booked_appointment_is_cancelled_honoured_or_missed(origin: Origin) -> None:
    assert step(origin, BOOKED, Action.CANCEL) is CANCELLED
    assert step(origin, BOOKED, Action.FULFIL) is FULFILLED
    assert step(origin, BOOKED, Action.NOSHOW) is NOSHOW
    assert possible(origin, BOOKED) == (Action.CANCEL, Action.FULFIL, Action.NOSHOW)


def test_a_request_is_withdrawn_or_expires() -> None:
    assert step(Origin.MARKETPLACE, PENDING, Action.WITHDRAW) is CANCELLED
    assert step(Origin.MARKETPLACE, BOOKED, Action.WITHDRAW) is CANCELLED
    assert step(Origin.MARKETPLACE, PENDING, Action.EXPIRE) is CANCELLED
    assert possible(Origin.MARKETPLACE, PENDING) == (Action.WITHDRAW,)


@pytest.mark.parametrize("origin", list(Origin))
@pytest.mark.parametrize("status", list(AppointmentStatus))
def test_every_other_step_is_refused(origin: Origin, status: AppointmentStatus) -> None:
    for action in Action:
        if (status, action) in STEPS[origin]:
            assert not TRANSITIONS[status, step(origin, status, action)], "no step is a correction"
            continue
        with pytest.raises(RequestError, match="no step") as refusal:
            step(origin, status, action)
        assert refusal.value.status == 409


def test_final_statuses_have_no_step() -> None:
    for origin in Origin:
        assert not any(possible(origin, status) for status in (FULFILLED, NOSHOW, CANCELLED))
