"""Orientations to practitioners who take a patient outside their agenda (« en sus »), as agreed by telephone."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from sandbox.kernel.errors import refused
from sandbox.kernel.model import Place, Practitioner, Regulator
from sandbox.net.context import Context
from sandbox.population.agendas.agenda import zone_of
from sandbox.sas.directory.directory import Directory
from sandbox.sas.directory.origins import Origin
from sandbox.sas.offers.days import TODAY, agreed_times
from sandbox.sas.offers.found import offers_extra
from sandbox.sas.orientations.lifecycle import category_by_participation, organization_of
from sandbox.sas.orientations.own import Offer, OwnAppointments
from sandbox.sas.orientations.records import AppointmentRecord, Details


class ExtraOrientation(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="extra"):
    """A practitioner has agreed by telephone to see the patient outside the agenda."""

    practitioner: Annotated[str, Meta(max_length=100, description="national id, with or without its prefix")]
    agreed: Annotated[
        str, Meta(max_length=40, description="dateTime within three days, or `today`: in the course of the day")
    ]
    place: Annotated[str, Meta(max_length=100, description="id of the place; default the practitioner's first")] = ""


class ExtraOrientations:
    """Makes them."""

    def __init__(self, context: Context, directory: Directory, own: OwnAppointments) -> None:
        self._clock, self._directory, self._own = context.clock, directory, own

    async def make(self, regulator: Regulator, asked: ExtraOrientation, key: str) -> AppointmentRecord:
        """The appointment, once it is durable; with a `key` that was used before, that of the first time.

        Raises RequestError 422 (nobody with that id accepts one more patient, no place of his, no hour that can be
        agreed on), 403 and StoreError as `OwnAppointments.make`.
        """
        identifier = self._own.new_identifier(regulator, key)
        if (made := await self._own.repeated(identifier)) is not None:
            return made
        return await self._own.make(regulator, identifier, self._offer(asked))

    def offering(self, national_id: str) -> Practitioner | None:
        """The practitioner with that national id, if he accepts one more patient and can be called."""
        person = self._directory.practitioner(national_id)
        return person if person is not None and offers_extra(person, self._directory) else None

    def _offer(self, asked: ExtraOrientation) -> Offer:
        person = self.offering(asked.practitioner)
        if person is None:
            detail = f"'{asked.practitioner}' is no practitioner who accepts patients outside the agenda"
            raise refused(detail, "practitioner", code="not-found")
        place = _place(person, asked.place)
        start, end = agreed_times(asked.agreed, self._clock.now(), zone_of(place.insee))
        category = category_by_participation(person)
        return Offer(
            origin=Origin.EXTRA,
            category=category,
            start=start,
            end=end,
            practitioner=person.id,
            organization=organization_of(category, person),
            details=Details(place=place.id, all_day=asked.agreed == TODAY),
        )


def _place(person: Practitioner, id: str) -> Place:
    for place in person.places:
        if not id or place.id == id:
            return place
    raise refused(f"practitioner {person.id} has no place '{id}'", "place", code="not-found")
