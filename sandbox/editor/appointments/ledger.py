"""The appointments of one editor: booking, moving and changing them, durably, together with the slots that they take.

An appointment and its INT_R03 are one commit. Which slots are taken is kept in the agenda's memory, and filled from
here at each start. The life cycle is in `booking`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec

from sandbox.editor.accounts.accounts import AccountRecord
from sandbox.editor.appointments.awaited import AwaitedDoctors
from sandbox.editor.appointments.booking import TABLE, Action, Booking, SlotTaken, category_of, slot_key, step
from sandbox.editor.appointments.venues import schedules_of_holder
from sandbox.kernel.errors import Issue, RequestError, StoreError, TransitionError
from sandbox.kernel.flows import AppointmentStatus
from sandbox.kernel.identifiers import Identifier
from sandbox.kernel.model import Appointment, Editor, Practitioner, Slot
from sandbox.kernel.patients import Patient
from sandbox.net.context import Context
from sandbox.population.duty import on_duty
from sandbox.store.protocol import Put, Store

_WITHOUT_DOCTOR = frozenset({AppointmentStatus.PENDING, AppointmentStatus.CANCELLED})  # the doctor need not be named


class TakenSlots(Protocol):
    """The part of the agenda that the ledger changes (`editor.agenda.Agenda`)."""

    def is_free(self, slot_id: str, now: datetime) -> bool: ...
    def take(self, slot_id: str) -> None: ...
    def release(self, slot_id: str) -> None: ...


class Sender(Protocol):
    """The part of the INT_R03 emitter that the ledger uses (`editor.appointments.r03.Emitter`)."""

    def due(self, appointment: Appointment, *, first: bool) -> tuple[Put, ...]: ...
    def wake(self) -> None: ...


def _step(booking: Booking, action: Action) -> AppointmentStatus:
    """The status after `action`, for a page. Raises RequestError 409."""
    try:
        return step(booking.status, action)
    except TransitionError:
        detail = "Cette action n'est plus possible pour ce rendez-vous."
        raise RequestError(409, Issue("conflict", detail)) from None


class Ledger:
    """All appointments of one editor. `awaited`: those that wait for their doctor.

    An SOS association names the doctor after `settings.sos_take_over_s`; 0: at once.
    """

    def __init__(self, context: Context, editor: Editor, *, store: Store, agenda: TakenSlots, sender: Sender) -> None:
        self._editor, self._population, self._store = editor, context.population, store
        self._agenda, self._sender, self._clock, self._entropy = agenda, sender, context.clock, context.entropy
        self._take_over = timedelta(seconds=context.settings.sos_take_over_s)
        self.awaited = AwaitedDoctors()
        self._of_account: dict[str, list[str]] = {}  # oldest first
        for _, row in store.items(TABLE):
            booking = _decoder.decode(row)
            self.awaited.update(booking)
            self._of_account.setdefault(booking.account, []).append(booking.id)
            if booking.status is not AppointmentStatus.CANCELLED:
                agenda.take(booking.slot)

    def __len__(self) -> int:
        return self._store.count(TABLE)

    def get(self, id: str) -> Booking | None:
        """The appointment with that identifier value."""
        row = self._store.get(TABLE, id)
        return None if row is None else self._with_doctor(_decoder.decode(row))

    def on_duty(self, booking: Booking) -> Practitioner | None:
        """The doctor of the SOS association on duty at that time; None where the site does not exist any more."""
        held = self._population.site(booking.schedule)
        return on_duty(held[0], booking.schedule, booking.start) if held is not None else None

    def _with_doctor(self, booking: Booking) -> Booking:
        """The booking with the doctor on duty, where the association must have named one by now."""
        if booking.practitioner is not None or booking.status in _WITHOUT_DOCTOR:
            return booking
        doctor = self.on_duty(booking)
        return msgspec.structs.replace(booking, practitioner=doctor.id) if doctor is not None else booking

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
        await self._save_taking(id, booking, first=True)
        return booking

    async def move(self, booking: Booking, slot: Slot, operator: Identifier) -> Booking:
        """Another slot of the same practitioner or association; returns once that is durable.

        One commit holds the new time and its INT_R03. Raises SlotTaken, RequestError 409 when the present status
        cannot be moved, 422 when the slot belongs to another holder, StoreError. Moving to where it is changes nothing.
        """
        current = self.get(booking.id) or booking
        _step(current, Action.MOVE)
        if slot.schedule not in schedules_of_holder(self._population, self._editor, current.schedule):
            detail = "Ce créneau est celui d'un autre praticien : annulez le rendez-vous, puis prenez-en un autre."
            raise RequestError(422, Issue("business-rule", detail))
        id, now = slot_key(slot), self._clock.now()
        if id == current.slot:
            await self._store.barrier()
            return current
        if not self._agenda.is_free(id, now):
            raise SlotTaken
        moved = self._with_doctor(
            msgspec.structs.replace(current, **self._slot_fields(slot), operator=operator, changed=now)
        )
        await self._save_taking(id, moved, first=False, released=current.slot)
        return moved

    async def _save_taking(self, slot: str, booking: Booking, *, first: bool, released: str = "") -> None:
        """Save, and take the slot in the same step of the event loop; it stays free when nothing could be written."""
        self._agenda.take(slot)
        try:
            written = self._save(booking, first=first, released=released)
        except StoreError:
            self._agenda.release(slot)
            raise
        await written

    async def act(self, booking: Booking, action: Action, operator: Identifier) -> Booking:
        """One step of the life cycle by a regulator; returns when it is durable and INT_R03 is due.

        Raises RequestError 409 when the present status has no such step, or there is no doctor to take it; StoreError.
        """
        current = self.get(booking.id) or booking
        status, now = _step(current, action), self._clock.now()
        changed = self._with_doctor(msgspec.structs.replace(current, status=status, operator=operator, changed=now))
        if action is Action.TAKE and changed.practitioner is None:
            raise RequestError(409, Issue("conflict", "Ce site n'existe plus : aucun médecin n'y est de garde."))
        cancelled = status is AppointmentStatus.CANCELLED
        await self._save(changed, first=False, released=current.slot if cancelled else "")
        return changed

    async def resend(self, booking: Booking, operator: Identifier) -> Booking:
        """Send again what the SAS core refused, as the appointment is now and in the name of `operator`.

        Raises StoreError.
        """
        changed = msgspec.structs.replace(self.get(booking.id) or booking, operator=operator)
        await self._save(changed, first=False)
        return changed

    def appointment(self, id: str) -> Appointment | None:
        """The appointment with that identifier value as INT_R03 carries it now."""
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
            **self._slot_fields(slot),
        )
        if booking.practitioner is not None or not self._take_over:
            return self._with_doctor(booking)
        return msgspec.structs.replace(booking, status=AppointmentStatus.PENDING, due=now + self._take_over)

    def _slot_fields(self, slot: Slot) -> dict[str, Any]:
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

    def _save(self, booking: Booking, *, first: bool, released: str = "") -> Awaitable[None]:
        """Commit the appointment and its INT_R03; memory changes in the same step of the event loop, and so does the
        slot that is released. Await the result until both are on disk.

        Raises StoreError when nothing could be changed. The awaitable raises StoreError when the change was made but
        becomes durable only once the disk has room again.
        """
        owed = self._sender.due(booking.appointment(self._editor.system), first=first)
        written = self._store.commit(Put(TABLE, booking.id, _encoder.encode(booking)), *owed)
        if first:
            self._of_account.setdefault(booking.account, []).append(booking.id)
        self.awaited.update(booking)
        if released:
            self._agenda.release(released)
        self._sender.wake()
        return written


_decoder = msgspec.json.Decoder(Booking)
_encoder = msgspec.json.Encoder()
