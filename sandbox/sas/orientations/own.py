"""Appointments that are made in the SAS platform itself: on a slot of the SAS agenda, outside the agenda of a
practitioner (« extra »), by a request to a community (marketplace), or at a structure.

They are rows of the same table as those that editors send, and each version makes the same L02 message. A decision
(read, check, commit) is taken without an `await`, so two requests for one appointment are serialised.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from sandbox.kernel.errors import Issue, RequestError
from sandbox.kernel.flows import AppointmentStatus, OrientationCategory
from sandbox.kernel.identifiers import SYSTEM_ORIENTATIONS, Identifier
from sandbox.kernel.model import Regulator
from sandbox.net.context import Context
from sandbox.sas.directory.origins import Origin
from sandbox.sas.orientations.appointments import Appointments
from sandbox.sas.orientations.lifecycle import appointment_id
from sandbox.sas.orientations.records import NO_DETAILS, AppointmentRecord, Details, Ending
from sandbox.sas.orientations.steps import Action, step
from sandbox.sas.regulators.accounts import RegulatorAccounts, Right
from sandbox.store.protocol import Delete, Put

_REPEATED = uuid.UUID("0c8bd0a5-4f63-4f56-9d3a-9f4f0a1b7c52")
_ENDINGS = {Action.WITHDRAW: Ending.WITHDRAWN, Action.EXPIRE: Ending.UNANSWERED}


@dataclass(frozen=True, slots=True)
class Offer:
    """What a regulator has chosen: the content of a new appointment. `start`, `end` aware; `practitioner`,
    `organization` prefixed ids; `editor`: the editor of the community that is asked, whose identifier `system` the
    appointment then has."""

    origin: Origin
    category: OrientationCategory
    start: datetime
    end: datetime
    practitioner: str | None = None
    organization: str | None = None
    details: Details = NO_DETAILS
    editor: str = ""
    system: str = SYSTEM_ORIENTATIONS

    @property
    def status(self) -> AppointmentStatus:
        """The first status: a request to a community waits for its answer."""
        return AppointmentStatus.PENDING if self.origin is Origin.MARKETPLACE else AppointmentStatus.BOOKED


class OwnAppointments:
    """Makes and changes such appointments."""

    def __init__(self, context: Context, appointments: Appointments, regulators: RegulatorAccounts) -> None:
        self._clock, self._entropy = context.clock, context.entropy
        self._appointments, self._regulators = appointments, regulators

    def new_identifier(self, regulator: Regulator, key: str, system: str = SYSTEM_ORIENTATIONS) -> Identifier:
        """The identifier of a new appointment. With a `key` (that of a form) it is always the same for the same
        regulator and key, so that a repeated request is recognised."""
        repeated = f"{regulator.identifier.key}|{key}"
        return Identifier(system, str(uuid.uuid5(_REPEATED, repeated)) if key else self._entropy.uuid())

    def id_of(self, identifier: Identifier) -> str:
        """The id of the appointment with that identifier."""
        return appointment_id(identifier)

    def made_before(self, identifier: Identifier) -> AppointmentRecord | None:
        """The appointment with that identifier, when the request was repeated."""
        return self._appointments.sent_as(identifier)

    async def repeated(self, identifier: Identifier) -> AppointmentRecord | None:
        """The appointment with that identifier, once it is durable, when the request was repeated; else nothing is
        awaited. Raises StoreError."""
        made = self.made_before(identifier)
        if made is not None:
            await self._appointments.durable()
        return made

    async def make(
        self, regulator: Regulator, identifier: Identifier, offer: Offer, also: Sequence[Put | Delete] = ()
    ) -> AppointmentRecord:
        """Make an appointment, together with the writes `also`; returns once all of it and the L02 message are durable.

        Nothing is awaited before the commit. Raises RequestError 403 (the account may not orient patients) and 422 (no
        territory), StoreError.
        """
        account = self._regulators.named(regulator.identifier)
        if account is None or not account.orients:
            raise RequestError(403, Issue("forbidden", f"the account needs the right '{Right.ORIENTATION}'"))
        now = self._clock.now()
        record = AppointmentRecord(
            id=appointment_id(identifier),
            version=1,
            editor=offer.editor,
            sender=identifier,
            regulator=regulator.identifier,
            status=offer.status,
            start=offer.start,
            end=offer.end,
            created=now,
            category=offer.category,
            received=now,
            practitioner=offer.practitioner,
            organization=offer.organization,
            participant_status="needs-action" if offer.status is AppointmentStatus.PENDING else "accepted",
            account=account.id,
            territory=account.territory,
            marketplace=offer.origin is Origin.MARKETPLACE,
            origin=offer.origin,
            details=offer.details,
        )
        await self._appointments.keep(record, *also)
        return record

    async def act(self, id: str, action: Action, also: Sequence[Put | Delete] = ()) -> AppointmentRecord:
        """Take a step of `steps`, together with the writes `also`; returns once all of it and the L02 message are
        durable.

        Nothing is awaited before the commit. Raises RequestError 404 and 409, StoreError. Who may do so is decided by
        the caller.
        """
        changed = self._next(id, action)
        await self._appointments.keep(changed, *also)
        return changed

    async def act_on_all(
        self,
        ids: Sequence[str],
        action: Action,
        also: Sequence[Put | Delete] = (),
        moved: Sequence[AppointmentRecord] = (),
    ) -> Sequence[AppointmentRecord]:
        """Take the same step with several appointments like `act`, all by one commit. `moved`: records that only have
        another id of the slot."""
        changed = [self._next(id, action) for id in ids]
        await self._appointments.keep_all(changed, also, moved)
        return changed

    def _next(self, id: str, action: Action) -> AppointmentRecord:
        """The version after a step. Raises RequestError 404 and 409."""
        record = self._appointments.read(id)
        if record is None:
            raise RequestError(404, Issue("not-found", f"no appointment '{id}'", "id"))
        ending = _ENDINGS.get(action)
        return msgspec.structs.replace(
            record,
            version=record.version + 1,
            status=step(record.origin, record.status, action),
            received=self._clock.now(),
            details=msgspec.structs.replace(record.details, ending=ending) if ending else record.details,
        )
