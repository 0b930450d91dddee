"""An appointment of an editor: its row, its life cycle, and what kind of offer its slot is. Pure.

    practitioner, CPTS, MSP, CDS:            booked ─┬─► fulfilled
    SOS Médecins:  pending ─ prendre-en-charge ─►    ├─► noshow
                      └───────── annuler ────────►   └─► cancelled

An appointment at SOS Médecins is pending until the association has named the doctor (guide, « INT_R03 »): a regulator
takes it over on its page, or the association names the doctor by itself at `due` (`takeover`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import msgspec

from sandbox.kernel.errors import Issue, RequestError, TransitionError
from sandbox.kernel.flows import AppointmentStatus, OrientationCategory
from sandbox.kernel.identifiers import Identifier
from sandbox.kernel.model import Appointment, Place, Slot
from sandbox.kernel.patients import Patient
from sandbox.population.agendas.agenda import slot_id

TABLE = "appointments"


class Action(StrEnum):
    """What the editor's pages offer for an appointment; the values are the words of their URLs."""

    CANCEL = "annuler"
    HONOUR = "honorer"
    MISS = "absent"
    MOVE = "deplacer"
    TAKE = "prendre-en-charge"


# The editor's part of INT_R03's state machine of appointments: a final status has no step.
STEPS: Mapping[tuple[AppointmentStatus, Action], AppointmentStatus] = {
    (AppointmentStatus.BOOKED, Action.CANCEL): AppointmentStatus.CANCELLED,
    (AppointmentStatus.BOOKED, Action.HONOUR): AppointmentStatus.FULFILLED,
    (AppointmentStatus.BOOKED, Action.MISS): AppointmentStatus.NOSHOW,
    (AppointmentStatus.BOOKED, Action.MOVE): AppointmentStatus.BOOKED,
    (AppointmentStatus.PENDING, Action.TAKE): AppointmentStatus.BOOKED,
    (AppointmentStatus.PENDING, Action.CANCEL): AppointmentStatus.CANCELLED,
    (AppointmentStatus.PENDING, Action.MOVE): AppointmentStatus.PENDING,
}


def step(status: AppointmentStatus, action: Action) -> AppointmentStatus:
    """The status after `action`. Raises TransitionError when the table has no such step."""
    try:
        return STEPS[status, action]
    except KeyError:
        raise TransitionError(f"an appointment that is {status} has no step '{action}'") from None


class Booking(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One appointment: the row of its table. `id`: UUID, the identifier's value in INT_R03; `account`: of the
    regulator; `operator`: his identifier in INT_R03; `practitioner`: prefixed national id, None while an SOS
    association has not named the doctor; `due`: when it names him by itself, sandbox time. Datetimes are aware.
    """

    id: str
    account: str
    operator: Identifier
    slot: str
    schedule: str
    start: datetime
    end: datetime
    created: datetime
    changed: datetime
    category: OrientationCategory
    patient: Patient
    practitioner: str | None = None
    status: AppointmentStatus = AppointmentStatus.BOOKED
    walkin: bool = False  # the patient comes without a fixed time
    due: datetime | None = None

    def appointment(self, system: str) -> Appointment:
        """The appointment as INT_R03 carries it, without the patient; `system` is the editor's."""
        sought = self.status is AppointmentStatus.PENDING and self.practitioner is None
        return Appointment(
            identifier=Identifier(system, self.id),
            operator=self.operator,
            status=self.status,
            start=self.start,
            end=self.end,
            created=self.created,
            practitioner=self.practitioner,
            category=self.category,
            sos=self.category is OrientationCategory.SOS,
            participant_status="needs-action" if sought else "accepted",
        )


class SlotTaken(RequestError):
    """Somebody else has taken the slot, or it has begun (409)."""

    def __init__(self) -> None:
        super().__init__(409, Issue("conflict", "Ce créneau vient d'être pris ou n'est plus disponible."))


def slot_key(slot: Slot) -> str:
    """The id of a slot: `<schedule id>.<start in UTC>`."""
    return slot_id(slot.schedule, int(slot.start.timestamp()))


def category_of(slot: Slot, place: Place | None) -> OrientationCategory:
    """What kind of offer the slot is: a site of SOS Médecins (`place` is None); open to a CPTS only; in a MSP or CDS;
    else a practitioner (guide 1.2.0, « sas-categorie-orientation »)."""
    if place is None:
        return OrientationCategory.SOS
    if set(slot.visibilities) == {"CPTS"}:
        return OrientationCategory.CPTS
    return OrientationCategory(place.group.kind) if place.group is not None else OrientationCategory.PS
