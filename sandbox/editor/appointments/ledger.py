"""The appointments of one editor: their life cycle, their durable home, and the slots that they take.

An appointment and what INT_R03 owes for it are one commit. The taken slots are an overlay of the agenda; it is
built again from here at each start.

    practitioner, CPTS, MSP, CDS:            booked ─┬─► fulfilled
    SOS Médecins:  pending ─ prendre-en-charge ─►    ├─► noshow
                      └───────── annuler ────────►   └─► cancelled

An appointment at SOS Médecins is pending until the association has named the doctor (guide, « INT_R03 »): somebody
takes it over on its page, or the association does so by itself at `due` (`takeover`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from sandbox.editor.accounts.accounts import AccountRecord
from sandbox.editor.appointments.patients import Patient
from sandbox.editor.appointments.venues import kindred
from sandbox.kernel.clock import Clock
from sandbox.kernel.entropy import Entropy
from sandbox.kernel.errors import Issue, RequestError, StoreError, TransitionError
from sandbox.kernel.flows import AppointmentStatus, OrientationCategory
from sandbox.kernel.identifiers import Identifier
from sandbox.kernel.model import Appointment, Editor, Place, Practitioner, Slot
from sandbox.population.agendas.agenda import slot_id
from sandbox.population.duty import on_duty
from sandbox.population.people import Population
from sandbox.store.protocol import Put, Store

TABLE = "appointments"


class Action(StrEnum):
    """What the editor's page offers for an appointment (the words of its URLs)."""

    CANCEL = "annuler"
    HONOUR = "honorer"
    MISS = "absent"
    MOVE = "deplacer"
    TAKE = "prendre-en-charge"


# The editor's part of the appointment automaton of INT_R03: a terminal status has no step.
STEPS: Mapping[tuple[AppointmentStatus, Action], AppointmentStatus] = {
    (AppointmentStatus.BOOKED, Action.CANCEL): AppointmentStatus.CANCELLED,
    (AppointmentStatus.BOOKED, Action.HONOUR): AppointmentStatus.FULFILLED,
    (AppointmentStatus.BOOKED, Action.MISS): AppointmentStatus.NOSHOW,
    (AppointmentStatus.BOOKED, Action.MOVE): AppointmentStatus.BOOKED,
    (AppointmentStatus.PENDING, Action.TAKE): AppointmentStatus.BOOKED,
    (AppointmentStatus.PENDING, Action.CANCEL): AppointmentStatus.CANCELLED,
    (AppointmentStatus.PENDING, Action.MOVE): AppointmentStatus.PENDING,
}
_DOCTORLESS = frozenset({AppointmentStatus.PENDING, AppointmentStatus.CANCELLED})  # these may be without a doctor


def step(status: AppointmentStatus, action: Action) -> AppointmentStatus:
    """The status after `action`. Raises TransitionError when the table has no such step."""
    try:
        return STEPS[status, action]
    except KeyError:
        raise TransitionError(f"an appointment that is {status} has no step '{action}'") from None


def _step(booking: Booking, action: Action) -> AppointmentStatus:
    """The same for a page. Raises RequestError 409."""
    try:
        return step(booking.status, action)
    except TransitionError:
        detail = "Cette action n'est plus possible pour ce rendez-vous."
        raise RequestError(409, Issue("conflict", detail)) from None


class Booking(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One appointment: the row of its table. `id`: UUID, the identifier's value in INT_R03; `account`: of the
    regulator; `operator`: his identifier in INT_R03; `practitioner`: prefixed national id, None while an SOS
    association has not named the doctor; `due`: when it does so by itself, sandbox time. Datetimes are aware.
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
        """What INT_R03 says of it; `system` is the editor's. The patient stays here."""
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


class Overlay(Protocol):
    """The part of the agenda that the ledger moves (`editor.agenda.Agenda`)."""

    def is_free(self, slot_id: str, now: datetime) -> bool: ...
    def take(self, slot_id: str) -> None: ...
    def release(self, slot_id: str) -> None: ...


class Sender(Protocol):
    """The part of the INT_R03 emitter that the ledger uses (`editor.r03.Emitter`)."""

    def due(self, appointment: Appointment, *, first: bool) -> tuple[Put, ...]: ...
    def wake(self) -> None: ...


class SlotTaken(RequestError):
    """Somebody else was faster, or the slot has begun (409)."""

    def __init__(self) -> None:
        super().__init__(409, Issue("conflict", "Ce créneau vient d'être pris ou n'est plus disponible."))


def slot_key(slot: Slot) -> str:
    """The id of a slot: `<schedule id>.<start in UTC>`."""
    return slot_id(slot.schedule, int(slot.start.timestamp()))


class Ledger:
    """All appointments of one editor. `take_over`: how long an SOS association takes to name the doctor; 0: no time."""

    def __init__(
        self,
        editor: Editor,
        population: Population,
        *,
        store: Store,
        agenda: Overlay,
        sender: Sender,
        clock: Clock,
        entropy: Entropy,
        take_over: timedelta = timedelta(),
    ) -> None:
        self._editor, self._population, self._store = editor, population, store
        self._agenda, self._sender, self._clock, self._entropy = agenda, sender, clock, entropy
        self._take_over = take_over
        self._of_account: dict[str, list[str]] = {}  # oldest first
        self._awaited: dict[str, datetime] = {}  # appointment -> when its doctor is named
        self.on_awaited: Callable[[], None] | None = None  # called when the first one waits for its doctor
        for _, row in store.items(TABLE):
            booking = _decoder.decode(row)
            self._await(booking)
            self._of_account.setdefault(booking.account, []).append(booking.id)
            if booking.status is not AppointmentStatus.CANCELLED:
                agenda.take(booking.slot)

    def __len__(self) -> int:
        return self._store.count(TABLE)

    def get(self, id: str) -> Booking | None:
        """The appointment with that identifier value."""
        row = self._store.get(TABLE, id)
        return None if row is None else self._named(_decoder.decode(row))

    @property
    def awaited(self) -> int:
        """How many appointments wait for their doctor."""
        return len(self._awaited)

    @property
    def next_due(self) -> datetime | None:
        """When the next of them gets one."""
        return min(self._awaited.values(), default=None)

    def due(self, now: datetime) -> list[str]:
        """The appointments whose doctor is to be named by `now`, those that wait longest first."""
        found = [(due, id) for id, due in self._awaited.items() if due <= now]
        return [id for _, id in sorted(found)]

    def give_up(self, id: str) -> None:
        """Nobody can be named by himself: the appointment stays pending until somebody takes it over or cancels it."""
        self._awaited.pop(id, None)

    def on_duty(self, booking: Booking) -> Practitioner | None:
        """The doctor of the SOS association on duty at that time; None where the site does not exist any more."""
        held = self._population.site(booking.schedule)
        return on_duty(held[0], booking.schedule, booking.start) if held is not None else None

    def _named(self, booking: Booking) -> Booking:
        """With the doctor on duty, where the association must have named one."""
        if booking.practitioner is not None or booking.status in _DOCTORLESS:
            return booking
        doctor = self.on_duty(booking)
        return msgspec.structs.replace(booking, practitioner=doctor.id) if doctor is not None else booking

    def _await(self, booking: Booking) -> None:
        """Remember who waits for a doctor, and until when."""
        if booking.status is not AppointmentStatus.PENDING or booking.due is None:
            self._awaited.pop(booking.id, None)
            return
        first = not self._awaited
        self._awaited[booking.id] = booking.due
        if first and self.on_awaited is not None:
            self.on_awaited()

    def count_of(self, account: str) -> int:
        """How many appointments a regulator made here."""
        return len(self._of_account.get(account, ()))

    def of_account(self, account: str, most: int = 50, skip: int = 0) -> list[Booking]:
        """A regulator's appointments, the latest first: at most `most` after the first `skip`."""
        ids = self._of_account.get(account, [])
        last = max(len(ids) - skip, 0)
        return self._known(reversed(ids[max(last - most, 0) : last]))

    def _known(self, ids: Iterable[str]) -> list[Booking]:
        return [booking for id in ids if (booking := self.get(id)) is not None]

    async def book(self, account: AccountRecord, slot: Slot, patient: Patient) -> Booking:
        """Take the slot and make the appointment; returns when both are durable and INT_R03 is due.

        Raises SlotTaken, StoreError. The same person confirming the same patient twice gets the same appointment.
        """
        id, now = slot_key(slot), self._clock.now()
        if not self._agenda.is_free(id, now):
            again = self._repeated(account, id, patient)
            if again is None:
                raise SlotTaken
            await self._store.barrier()
            return again
        booking = self._new(account, slot, patient, now)
        await self._taking(id, booking, first=True)
        return booking

    async def move(self, booking: Booking, slot: Slot, operator: Identifier) -> Booking:
        """Another slot of the same practitioner or association; returns once that is durable.

        One commit holds the new time and its INT_R03. Raises SlotTaken, RequestError 409 when the present status
        cannot be moved, 422 when the slot is somebody else's, StoreError. Moving to where it is changes nothing.
        """
        current = self.get(booking.id) or booking
        _step(current, Action.MOVE)
        if slot.schedule not in kindred(self._population, self._editor, current.schedule):
            detail = "Ce créneau est celui d'un autre praticien : annulez le rendez-vous, puis prenez-en un autre."
            raise RequestError(422, Issue("business-rule", detail))
        id, now = slot_key(slot), self._clock.now()
        if id == current.slot:
            await self._store.barrier()
            return current
        if not self._agenda.is_free(id, now):
            raise SlotTaken
        moved = self._named(msgspec.structs.replace(current, **self._where(slot), operator=operator, changed=now))
        await self._taking(id, moved, first=False, released=current.slot)
        return moved

    async def _taking(self, slot: str, booking: Booking, *, first: bool, released: str = "") -> None:
        """Save with the slot taken in the same step of the loop; nothing is taken when nothing could be written."""
        self._agenda.take(slot)
        try:
            written = self._written(booking, first=first, released=released)
        except StoreError:
            self._agenda.release(slot)
            raise
        await written

    async def act(self, booking: Booking, action: Action, operator: Identifier) -> Booking:
        """One step of the life cycle by a regulator; returns when it is durable and INT_R03 is due.

        Raises RequestError 409 when the present status has no such step, or nobody is there to take it; StoreError.
        """
        current = self.get(booking.id) or booking
        status, now = _step(current, action), self._clock.now()
        changed = self._named(msgspec.structs.replace(current, status=status, operator=operator, changed=now))
        if action is Action.TAKE and changed.practitioner is None:
            raise RequestError(409, Issue("conflict", "Ce site n'existe plus : aucun médecin n'y est de garde."))
        cancelled = status is AppointmentStatus.CANCELLED
        await self._written(changed, first=False, released=current.slot if cancelled else "")
        return changed

    async def resend(self, booking: Booking, operator: Identifier) -> Booking:
        """What the SAS core refused goes again, as the appointment is now and in the name of `operator`.

        Raises StoreError.
        """
        changed = msgspec.structs.replace(self.get(booking.id) or booking, operator=operator)
        await self._written(changed, first=False)
        return changed

    def appointment(self, id: str) -> Appointment | None:
        """What INT_R03 says now of the appointment with that identifier value."""
        booking = self.get(id)
        return None if booking is None else booking.appointment(self._editor.system)

    def _repeated(self, account: AccountRecord, slot: str, patient: Patient) -> Booking | None:
        for booking in self.of_account(account.id):
            same = booking.slot == slot and booking.patient == patient
            if same and booking.status is not AppointmentStatus.CANCELLED:
                return booking
        return None

    def _new(self, account: AccountRecord, slot: Slot, patient: Patient, now: datetime) -> Booking:
        booking = Booking(
            id=self._entropy.uuid(),
            account=account.id,
            operator=account.regulator().operator,
            created=now,
            changed=now,
            patient=patient,
            **self._where(slot),
        )
        if booking.practitioner is not None or not self._take_over:
            return self._named(booking)
        return msgspec.structs.replace(booking, status=AppointmentStatus.PENDING, due=now + self._take_over)

    def _where(self, slot: Slot) -> dict[str, Any]:
        """The fields of an appointment that follow from its slot."""
        place = self._population.place(slot.schedule)
        return {
            "slot": slot_key(slot),
            "schedule": slot.schedule,
            "start": slot.start,
            "end": slot.end,
            "category": category_of(slot, place[1] if place else None),
            "practitioner": place[0].id if place else None,
            "walkin": slot.walkin,
        }

    def _written(self, booking: Booking, *, first: bool, released: str = "") -> Awaitable[None]:
        """One commit: the appointment and its INT_R03. Memory follows in the same step of the loop, the slot that is
        released too. To be awaited: it is on disk then.

        Raises StoreError when nothing could be changed; from the awaitable when it is durable only once the disk has
        room again.
        """
        owed = self._sender.due(booking.appointment(self._editor.system), first=first)
        written = self._store.commit(Put(TABLE, booking.id, _encoder.encode(booking)), *owed)
        if first:
            self._of_account.setdefault(booking.account, []).append(booking.id)
        self._await(booking)
        if released:
            self._agenda.release(released)
        self._sender.wake()
        return written


def category_of(slot: Slot, place: Place | None) -> OrientationCategory:
    """What kind of offer the slot is: a site of SOS Médecins (`place` is None); open to a CPTS only; in a MSP or CDS;
    else a practitioner (guide 1.2.0, « sas-categorie-orientation »)."""
    if place is None:
        return OrientationCategory.SOS
    if set(slot.visibilities) == {"CPTS"}:
        return OrientationCategory.CPTS
    return OrientationCategory(place.group.kind) if place.group is not None else OrientationCategory.PS


_decoder = msgspec.json.Decoder(Booking)
_encoder = msgspec.json.Encoder()
