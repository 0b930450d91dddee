"""A request to a community of this editor (marketplace): its row, and what can become of it. Pure.

    pending ─┬─ accept ───► accepted ─┬─ honour ───► honoured
             ├─ refuse ───► refused   ├─ miss ─────► missed
             ├─ lapse ────► unanswered├─ cancel ───► cancelled
             └─ withdraw ─► withdrawn └─ withdraw ─► withdrawn

`lapse`: the time to answer is over. Each step is one version of the appointment that the editor reports by INT_R03.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec

from sandbox.faults.communities import Answer, Decision
from sandbox.fhir.service_request import CareRequest
from sandbox.kernel.errors import TransitionError
from sandbox.kernel.flows import AppointmentStatus, OrientationCategory
from sandbox.kernel.identifiers import Identifier
from sandbox.kernel.model import Appointment

TABLE = "requests"


class State(StrEnum):
    """How a request stands."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNANSWERED = "unanswered"
    WITHDRAWN = "withdrawn"
    HONOURED = "honoured"
    MISSED = "missed"
    CANCELLED = "cancelled"


class Step(StrEnum):
    """What happens to a request; the values of those that people choose are the words of their URLs."""

    ACCEPT = "accepter"
    REFUSE = "refuser"
    LAPSE = "lapse"
    WITHDRAW = "withdraw"
    HONOUR = "honorer"
    MISS = "absent"
    CANCEL = "annuler"


STEPS: Mapping[tuple[State, Step], State] = {
    (State.PENDING, Step.ACCEPT): State.ACCEPTED,
    (State.PENDING, Step.REFUSE): State.REFUSED,
    (State.PENDING, Step.LAPSE): State.UNANSWERED,
    (State.PENDING, Step.WITHDRAW): State.WITHDRAWN,
    (State.ACCEPTED, Step.HONOUR): State.HONOURED,
    (State.ACCEPTED, Step.MISS): State.MISSED,
    (State.ACCEPTED, Step.CANCEL): State.CANCELLED,
    (State.ACCEPTED, Step.WITHDRAW): State.WITHDRAWN,
}
BY_HAND = (Step.ACCEPT, Step.REFUSE, Step.HONOUR, Step.MISS, Step.CANCEL)

_STATUSES: Mapping[State, AppointmentStatus] = {
    State.PENDING: AppointmentStatus.PENDING,
    State.ACCEPTED: AppointmentStatus.BOOKED,
    State.HONOURED: AppointmentStatus.FULFILLED,
    State.MISSED: AppointmentStatus.NOSHOW,
}


def step(state: State, wanted: Step) -> State:
    """The state after a step. Raises TransitionError when the table has no such step."""
    try:
        return STEPS[state, wanted]
    except KeyError:
        raise TransitionError(f"a request that is {state} has no step '{wanted}'") from None


def possible(state: State) -> tuple[Step, ...]:
    """What people can do with a request in that state."""
    return tuple(each for each in BY_HAND if (state, each) in STEPS)


class CommunityRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One request: the row of its table. `id`: value of its identifier, here and in INT_R03; `number`: of the
    community's requests, from 0; `operator`: the regulator, as INT_R03 names him; `start`, `end`: the time to answer
    in; `authored`: when he asked; `answer`, `due`: what the community does by itself and when, None when it waits for
    a person or for the end; `member`: who then accepts; `practitioner`: who has accepted (prefixed national ids).
    `due`, `received` and `changed` are sandbox time. Datetimes are aware.
    """

    id: str
    number: int
    community: str
    name: str
    operator: Identifier
    need: str
    town: str
    town_name: str
    start: datetime
    end: datetime
    authored: datetime
    received: datetime
    changed: datetime
    answer: Answer | None = None
    due: datetime | None = None
    member: str | None = None
    practitioner: str | None = None
    state: State = State.PENDING

    @property
    def next_step(self) -> tuple[datetime, Step] | None:
        """What the community does next without a person, and when; None when nothing is left to it."""
        if self.state is not State.PENDING:
            return None
        if self.due is None or self.due >= self.end:
            return self.end, Step.LAPSE
        return self.due, Step.ACCEPT if self.answer is Answer.ACCEPT else Step.REFUSE

    def appointment(self, system: str) -> Appointment:
        """The appointment as INT_R03 carries it; `system` is the editor's."""
        status = _STATUSES.get(self.state, AppointmentStatus.CANCELLED)
        return Appointment(
            identifier=Identifier(system, self.id),
            operator=self.operator,
            status=status,
            start=self.start,
            end=self.end,
            created=self.authored,
            practitioner=self.practitioner,
            category=OrientationCategory.PDM,
            participant_status="needs-action" if status is AppointmentStatus.PENDING else "accepted",
            marketplace=True,
        )

    def asked(self, system: str) -> CareRequest:
        """The request as the SAS core made it; `revoked` when it has withdrawn it."""
        return CareRequest(
            identifier=Identifier(system, self.id),
            revoked=self.state is State.WITHDRAWN,
            requester=self.operator,
            **{name: getattr(self, name) for name in _SAME},
        )


_SAME = ("need", "start", "end", "authored", "community", "name", "town", "town_name")


def received(wanted: CareRequest, number: int, at: datetime, decision: Decision) -> CommunityRequest:
    """The row of a request that came in at that time, and about which the community has decided so."""
    planned: dict[str, Any] = {}
    if decision.answer in (Answer.ACCEPT, Answer.REFUSE):
        due = at + timedelta(seconds=decision.after_s)
        planned = {"answer": decision.answer, "due": due, "member": decision.member}
    return CommunityRequest(
        id=wanted.identifier.value,
        number=number,
        operator=wanted.requester,
        received=at,
        changed=at,
        **planned,
        **{name: getattr(wanted, name) for name in _SAME},
    )
