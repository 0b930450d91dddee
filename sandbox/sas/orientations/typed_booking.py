"""Appointments on typed slots of the SAS agenda: booking with the capacity of the slot, and what the practitioner does
with them.

The check of the capacity and the commit are one step without an `await`: of two regulators who want the last place one
gets it, the other is told (409) with the nearest free slots. The patient's data are a row of their own, in the same
commit; they go nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Annotated

import msgspec
from msgspec import Meta

from sandbox.kernel.errors import Issue, RequestError
from sandbox.kernel.flows import AppointmentStatus, OrientationCategory
from sandbox.kernel.model import Place, Practitioner, Regulator
from sandbox.kernel.patients import SEXES, Patient, check_patient, typed
from sandbox.net.context import Context
from sandbox.sas.agenda.agenda import Agenda, unknown_slot
from sandbox.sas.agenda.agendas import Agendas, Occupancy
from sandbox.sas.agenda.refusals import Cause, Refusal
from sandbox.sas.agenda.series import Occurrence, SlotId, split_id
from sandbox.sas.directory.origins import Origin
from sandbox.sas.orientations import appointments as appointment_table
from sandbox.sas.orientations.appointments import Appointments
from sandbox.sas.orientations.lifecycle import organization_of
from sandbox.sas.orientations.own import Offer, OwnAppointments
from sandbox.sas.orientations.records import AppointmentRecord, Details, decode
from sandbox.sas.orientations.steps import Action
from sandbox.store.protocol import Put, Store

PATIENTS = "patients"  # table: the patient of an appointment by its id
MOST_OFFERED = 5  # nearest free slots
_AHEAD = timedelta(days=31)  # in which they are looked for
_MARK = b'"' + Origin.SAS_AGENDA.encode() + b'"'

_encoder = msgspec.json.Encoder()
read_patient = msgspec.json.Decoder(Patient).decode


class PatientFields(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The (fictitious) patient. What is sent stays with the appointment: only its practitioner is shown it again."""

    family: str
    given: str
    birth_date: Annotated[str, Meta(extra_json_schema={"format": "date"})]
    phone: str
    reason: str = ""
    sex: Annotated[str, Meta(extra_json_schema={"enum": [*SEXES]})] = ""

    def patient(self, today: date) -> Patient:
        """The patient. Raises RequestError 422 with the place of each error, none of which repeats what was sent."""
        found, errors = check_patient(typed(msgspec.to_builtins(self)), today)
        if found is None:
            raise RequestError(422, *(Issue("value", text, f"patient.{name}") for name, text in errors.items()))
        return found


class TypedOrientation(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="sas-agenda"):
    """A place in a slot of the SAS agenda."""

    slot: Annotated[str, Meta(max_length=100, description="id of the slot, as a search shows it")]
    patient: PatientFields | None = None


@dataclass(frozen=True, slots=True)
class SlotRequest:
    """What a regulator asks for. `slot`: its id; `key`: the same for a repeated request (of one form), "" for a single
    one."""

    slot: str
    patient: Patient | None = None
    key: str = ""


class SlotGone(Refusal):
    """409: the slot is not free any more. `nearest`: free slots of the same practitioner, the nearest in time first."""

    def __init__(self, slot: str, nearest: list[Occurrence]) -> None:
        told = [Issue("informational", f"free: {_told(each)}", each.id) for each in nearest]
        more = "the nearest that are free follow" if nearest else "the practitioner has no other free slot"
        super().__init__(
            Cause.GONE,
            f"the slot '{slot}' is not free any more: {more}",
            "Ce créneau n'est plus libre.",
            "slot",
            *told,
            status=409,
        )
        self.nearest = nearest


@dataclass(frozen=True, slots=True)
class Booked:
    """An appointment of a practitioner. `patient` is None when the regulator gave none."""

    record: AppointmentRecord
    patient: Patient | None


class TypedBooking:
    """Books typed slots. `occupancy` is filled here and follows the appointments."""

    def __init__(
        self,
        context: Context,
        store: Store,
        agendas: Agendas,
        occupancy: Occupancy,
        appointments: Appointments,
        own: OwnAppointments,
    ) -> None:
        self._population, self._clock, self._store = context.population, context.clock, store
        self._agendas, self._occupancy, self._appointments, self._own = agendas, occupancy, appointments, own
        for _, row in store.items(appointment_table.TABLE):
            if _MARK in row:
                self._note(decode(row))
        appointments.watch(self._note)

    def _note(self, record: AppointmentRecord) -> None:
        if record.origin is Origin.SAS_AGENDA and record.practitioner is not None:
            holds = record.status is not AppointmentStatus.CANCELLED
            self._occupancy.note(record.practitioner, record.id, record.details.slot, holds=holds)

    # What is free

    def slot(self, id: str) -> tuple[Practitioner, Occurrence]:
        """The practitioner and the slot with that id, free or not. Raises Refusal 404."""
        person, parts = self._owner(id)
        slot = self._agendas.of(person).occurrence(parts.series, parts.day)
        if slot is None:
            raise unknown_slot(id)
        return person, slot

    def taken(self, slot: Occurrence) -> int:
        """How many places of a slot are taken."""
        return self._occupancy.taken(slot.id)

    def left(self, slot: Occurrence) -> int:
        """How many places of a slot are free."""
        return max(0, slot.kind.max_patients - self.taken(slot))

    def free(self, person: Practitioner, most: int = MOST_OFFERED, near: float = 0.0) -> list[Occurrence]:
        """Free slots of the next 31 days that have not begun: those whose start is nearest to `near` (epoch seconds;
        0: to now)."""
        return self._free(self._agendas.of(person), most, near)

    def _free(self, agenda: Agenda, most: int, near: float) -> list[Occurrence]:
        now = self._clock.time()
        found = agenda.occurrences(now, now + _AHEAD.total_seconds())
        free = (slot for slot in found if slot.start > now and self.left(slot))
        return sorted(free, key=lambda slot: (abs(slot.start - (near or now)), slot.start))[:most]

    def _owner(self, id: str) -> tuple[Practitioner, SlotId]:
        parts = split_id(id)
        person = self._population.practitioner(parts.owner) if parts is not None else None
        if parts is None or person is None or person.id != parts.owner:
            raise unknown_slot(id)
        return person, parts

    # The regulator

    async def make(self, regulator: Regulator, asked: TypedOrientation, key: str) -> AppointmentRecord:
        """See `book`. Also raises RequestError 422 for a patient who is not acceptable."""
        patient = asked.patient.patient(self._clock.now().date()) if asked.patient is not None else None
        return await self.book(regulator, SlotRequest(asked.slot, patient, key))

    async def book(self, regulator: Regulator, wanted: SlotRequest) -> AppointmentRecord:
        """Book a slot; returns once the appointment, its patient and its L02 message are durable.

        The same request again (`key`) gives the appointment that it made. Raises Refusal 404 (no such practitioner),
        SlotGone (full, deleted, closed or begun), RequestError 403 and 422 as `OwnAppointments.make`, StoreError.
        """
        identifier = self._own.new_identifier(regulator, wanted.key)
        made = await self._own.repeated(identifier)
        if made is not None:
            return made
        person, slot = self._bookable(wanted.slot)
        offer = _offer(person, slot)
        patient = wanted.patient
        row = (Put(PATIENTS, self._own.id_of(identifier), _encoder.encode(patient)),) if patient is not None else ()
        return await self._own.make(regulator, identifier, offer, row)

    def _bookable(self, id: str) -> tuple[Practitioner, Occurrence]:
        """The practitioner and the free slot with that id. Raises Refusal 404, SlotGone."""
        person, parts = self._owner(id)
        agenda = self._agendas.of(person)
        slot = agenda.offered(parts)
        if slot is None or slot.start <= self._clock.time() or not self.left(slot):
            at = slot.start if slot is not None else 86400.0 * (parts.day - date(1970, 1, 1).toordinal())
            raise SlotGone(id, self._free(agenda, MOST_OFFERED, max(at, self._clock.time())))
        return person, slot

    # The practitioner

    def patient(self, appointment: str) -> Patient | None:
        """The patient of an appointment (id). Only for the practitioner and for the regulator who made it."""
        row = self._store.get(PATIENTS, appointment)
        return read_patient(row) if row is not None else None

    def day(self, person: Practitioner, day: date) -> list[Booked]:
        """The practitioner's appointments on SAS-agenda slots of a local day, by time, cancelled ones too."""
        stamp = f".{day:%Y%m%d}"
        ids = [id for id, slot in self._occupancy.all(person.id).items() if slot.endswith(stamp)]
        found = [Booked(record, self.patient(id)) for id in ids if (record := self._appointments.read(id)) is not None]
        return sorted(found, key=lambda each: (each.record.start, each.record.created, each.record.id))

    def of(self, person: Practitioner, appointment: str) -> Booked:
        """One of the practitioner's appointments. Raises RequestError 404, also for those of others."""
        record = self._appointments.read(appointment)
        mine = record is not None and record.origin is Origin.SAS_AGENDA and record.practitioner == person.id
        if record is None or not mine:
            raise RequestError(404, Issue("not-found", f"no appointment '{appointment}' of yours", "id"))
        return Booked(record, self.patient(appointment))

    async def act(self, person: Practitioner, appointment: str, action: Action) -> AppointmentRecord:
        """The practitioner marks one of his appointments as honoured or not, or cancels it; returns once that is
        durable. Raises RequestError 404, and 409 for a step that it does not have, StoreError."""
        self.of(person, appointment)
        return await self._own.act(appointment, action)

    def booked(self, practitioner: str) -> Iterator[AppointmentRecord]:
        """The appointments of a practitioner (id) that hold a place and are still to come or to be marked."""
        for id in self._occupancy.holding(practitioner):
            record = self._appointments.read(id)
            if record is not None and record.status is AppointmentStatus.BOOKED:
                yield record


def category_of_slot(slot: Occurrence, place: Place) -> OrientationCategory:
    """CPTS for a slot that only CPTS see; else by the place: MSP, CDS, or PS."""
    if slot.kind.visibilities == ("CPTS",):
        return OrientationCategory.CPTS
    return OrientationCategory(place.group.kind) if place.group is not None else OrientationCategory.PS


def _offer(person: Practitioner, slot: Occurrence) -> Offer:
    place = next(each for each in person.places if each.id == slot.kind.place)
    category = category_of_slot(slot, place)
    return Offer(
        origin=Origin.SAS_AGENDA,
        category=category,
        start=slot.begins,
        end=slot.ends,
        practitioner=person.id,
        organization=organization_of(category, replace(person, places=(place,))),
        details=Details(slot=slot.id, place=place.id),
    )


def _told(slot: Occurrence) -> str:
    return f"{slot.begins.isoformat(timespec='minutes')} to {slot.ends.isoformat(timespec='minutes')}"
