"""What a practitioner changes in his SAS agenda, with the consequences for those who have appointments there.

An appointment follows its slot as long as there is a slot at the same time and place with a place for it. Otherwise the
change is refused (409), or, when it was asked for with `cancel`, the appointment is cancelled and the LRM told (L02) by
the same commit: a crash leaves both or neither. Read, check and commit are one step without an `await`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from sandbox.kernel.errors import Issue
from sandbox.kernel.model import Practitioner
from sandbox.net.context import Context
from sandbox.sas.agenda.agenda import Agenda, Closure, Scope, unknown_slot
from sandbox.sas.agenda.agendas import Agendas
from sandbox.sas.agenda.drafts import ClosureDraft, SlotDraft
from sandbox.sas.agenda.refusals import Cause, Refusal
from sandbox.sas.agenda.series import Occurrence, Series, split_id
from sandbox.sas.orientations.own import OwnAppointments
from sandbox.sas.orientations.records import AppointmentRecord
from sandbox.sas.orientations.steps import Action
from sandbox.sas.orientations.typed_booking import TypedBooking

_MOST_TOLD = 20  # appointments in the way that are listed


@dataclass(frozen=True, slots=True)
class Changed:
    """`slot`: the first occurrence of what was typed; `cancelled`: the appointments that were cancelled."""

    slot: Occurrence
    cancelled: Sequence[AppointmentRecord] = ()


class InTheWay(Refusal):
    """409: somebody has an appointment there. `appointments`: those that the change would cancel."""

    def __init__(self, appointments: Sequence[AppointmentRecord]) -> None:
        count = len(appointments)
        told = [
            Issue("conflict", f"appointment at {each.start.isoformat(timespec='minutes')}", each.id)
            for each in appointments[:_MOST_TOLD]
        ]
        super().__init__(
            Cause.BOOKED,
            f"{count} appointment{'s' * (count > 1)} in the way: `cancel=true` cancels and tells the LRM",
            f"{count} rendez-vous sont pris sur ces créneaux."
            if count > 1
            else "Un rendez-vous est pris sur ce créneau.",
            "cancel",
            *told,
            status=409,
        )
        self.appointments = appointments


class AgendaChanges:
    """Changes of typed slots and closed periods; each method returns once the change is durable.

    They raise Refusal (404, 409, 422; InTheWay without `cancel`) and StoreError.
    """

    def __init__(self, context: Context, agendas: Agendas, booking: TypedBooking, own: OwnAppointments) -> None:
        self._clock, self._agendas, self._booking, self._own = context.clock, agendas, booking, own

    async def add(self, person: Practitioner, draft: SlotDraft) -> Changed:
        """Type a slot or a weekly series."""
        old = self._agendas.of(person)
        new, made = old.add(draft.series(person, self._clock.now()))
        return Changed(_first(new, made), await self._keep(old, new, cancel=False))

    async def change(
        self, person: Practitioner, id: str, draft: SlotDraft, scope: Scope = Scope.ONE, *, cancel: bool = False
    ) -> Changed:
        """Change a slot; with `scope` others of its series are moved and changed alike."""
        if scope is Scope.ONE and draft.until is not None:
            raise Refusal(
                Cause.SCOPE,
                "`weekly` needs scope following or all: one occurrence is a single slot",
                "Une seule occurrence ne peut pas devenir une série.",
                "weekly",
            )
        old, slot = self._slot(person, id)
        wanted = draft.series(person, self._clock.now())
        new, made = old.change(slot, wanted, scope, self._clock.time())
        return Changed(_first(new, made), await self._keep(old, new, cancel=cancel))

    async def remove(
        self, person: Practitioner, id: str, scope: Scope = Scope.ONE, *, cancel: bool = False
    ) -> Sequence[AppointmentRecord]:
        """Delete a slot, with `scope` others of its series too; returns the appointments that were cancelled."""
        old, slot = self._slot(person, id)
        return await self._keep(old, old.remove(slot, scope, self._clock.time()), cancel=cancel)

    async def close(
        self, person: Practitioner, draft: ClosureDraft, *, cancel: bool = False
    ) -> tuple[Closure, Sequence[AppointmentRecord]]:
        """Close a period: its slots are not offered; returns it and the appointments that were cancelled."""
        old = self._agendas.of(person)
        new, made = old.close(draft.closure(person, self._clock.now()))
        return made, await self._keep(old, new, cancel=cancel)

    async def reopen(self, person: Practitioner, id: str) -> None:
        """Offer the slots of a closed period again."""
        old = self._agendas.of(person)
        await self._keep(old, old.reopen(id), cancel=False)

    def _slot(self, person: Practitioner, id: str) -> tuple[Agenda, Occurrence]:
        agenda, parts = self._agendas.of(person), split_id(id)
        slot = agenda.occurrence(parts.series, parts.day) if parts is not None and parts.owner == person.id else None
        if slot is None:
            raise unknown_slot(id)
        return agenda, slot

    async def _keep(self, old: Agenda, new: Agenda, *, cancel: bool) -> Sequence[AppointmentRecord]:
        """Commit the agenda `new` with what becomes of the appointments; returns those that were cancelled."""
        orphans, moved = self._consequences(old, new)
        if orphans and not cancel:
            raise InTheWay(orphans)
        return await self._own.act_on_all(
            [each.id for each in orphans], Action.CANCEL, [self._agendas.put(new)], moved=moved
        )

    def _consequences(self, old: Agenda, new: Agenda) -> tuple[list[AppointmentRecord], list[AppointmentRecord]]:
        """The booked appointments that lose their slot, and those whose slot has another id now."""
        orphans, moved = [], []
        held: Counter[str] = Counter()
        for record in sorted(self._booking.booked(old.owner), key=lambda each: (each.created, each.id)):
            was = _offered(old, record)
            if was is None or was.start <= self._clock.time():
                continue
            slot = _same(new, was)
            if slot is None or held[slot.id] >= slot.kind.max_patients:
                orphans.append(record)
                continue
            held[slot.id] += 1
            if slot.id != record.details.slot:
                details = msgspec.structs.replace(record.details, slot=slot.id)
                moved.append(msgspec.structs.replace(record, details=details))
        return orphans, moved


def _offered(agenda: Agenda, record: AppointmentRecord) -> Occurrence | None:
    parts = split_id(record.details.slot)
    return agenda.offered(parts) if parts is not None else None


def _same(agenda: Agenda, was: Occurrence) -> Occurrence | None:
    """The slot that is offered at the same time and place."""
    for slot in agenda.occurrences(was.start, was.end):
        if (slot.start, slot.end, slot.kind.place) == (was.start, was.end, was.kind.place):
            return slot
    return None


def _first(agenda: Agenda, series: Series) -> Occurrence:
    """The first occurrence of a series that was just typed."""
    found = (agenda.occurrence(series.id, day) for day in series.days(series.first, series.last))
    return next(slot for slot in found if slot is not None)
