"""What can be done with an appointment that was made in the SAS platform itself. Pure.

    SAS agenda, extra, structure:            booked ─┬─ fulfil ──► fulfilled
                                                     ├─ noshow ──► noshow
                                                     └─ cancel ──► cancelled

    marketplace:  pending ── INT_R03 ──► booked ──── INT_R03 ────► fulfilled, noshow, cancelled
                     ├─ withdraw ────────► ├─ withdraw ──────────► cancelled
                     ├─ expire, reject ──────────────────────────► cancelled
                     └─ INT_R03 (refused) ───────────────────────► cancelled

Changes by a community arrive through INT_R03, by the table of `lifecycle`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from sandbox.kernel.errors import Issue, RequestError
from sandbox.kernel.flows import AppointmentStatus
from sandbox.sas.directory.origins import Origin


class Action(StrEnum):
    """What people do with such an appointment. The platform itself does `EXPIRE` when nobody answered in time, and
    `REJECT` when the community's editor did not take the request."""

    CANCEL = "cancel"
    FULFIL = "fulfil"
    NOSHOW = "noshow"
    WITHDRAW = "withdraw"
    EXPIRE = "expire"
    REJECT = "reject"


_BY_PLATFORM = frozenset({Action.EXPIRE, Action.REJECT})


_OF_APPOINTMENTS: Mapping[tuple[AppointmentStatus, Action], AppointmentStatus] = {
    (AppointmentStatus.BOOKED, Action.CANCEL): AppointmentStatus.CANCELLED,
    (AppointmentStatus.BOOKED, Action.FULFIL): AppointmentStatus.FULFILLED,
    (AppointmentStatus.BOOKED, Action.NOSHOW): AppointmentStatus.NOSHOW,
}
_OF_REQUESTS: Mapping[tuple[AppointmentStatus, Action], AppointmentStatus] = {
    (AppointmentStatus.PENDING, Action.WITHDRAW): AppointmentStatus.CANCELLED,
    (AppointmentStatus.BOOKED, Action.WITHDRAW): AppointmentStatus.CANCELLED,
    (AppointmentStatus.PENDING, Action.EXPIRE): AppointmentStatus.CANCELLED,
    (AppointmentStatus.PENDING, Action.REJECT): AppointmentStatus.CANCELLED,
}
STEPS: Mapping[Origin, Mapping[tuple[AppointmentStatus, Action], AppointmentStatus]] = {
    Origin.EDITOR: {},  # changed on the editor's pages, which send INT_R03
    Origin.SAS_AGENDA: _OF_APPOINTMENTS,
    Origin.EXTRA: _OF_APPOINTMENTS,
    Origin.STRUCTURE: _OF_APPOINTMENTS,
    Origin.MARKETPLACE: _OF_REQUESTS,
}


def possible(origin: Origin, status: AppointmentStatus) -> tuple[Action, ...]:
    """What people can do with an appointment of that origin and status."""
    return tuple(action for held, action in STEPS[origin] if held is status and action not in _BY_PLATFORM)


def step(origin: Origin, status: AppointmentStatus, action: Action) -> AppointmentStatus:
    """The status after `action`. Raises RequestError 409 when the tables above have no such step."""
    try:
        return STEPS[origin][status, action]
    except KeyError:
        detail = f"an appointment of origin {origin} that is {status} has no step '{action}'"
        raise RequestError(409, Issue("conflict", detail, "status")) from None
