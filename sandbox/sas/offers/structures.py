"""Orientations to a MSP or a CDS without a named practitioner."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from sandbox.kernel.errors import refused
from sandbox.kernel.flows import OrientationCategory
from sandbox.kernel.model import Regulator, Structure
from sandbox.net.context import Context
from sandbox.population.agendas.agenda import zone_of
from sandbox.sas.directory.directory import Directory
from sandbox.sas.directory.origins import Origin
from sandbox.sas.offers.days import rest_of_day
from sandbox.sas.orientations.own import Offer, OwnAppointments
from sandbox.sas.orientations.records import AppointmentRecord, Details


class StructureOrientation(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="structure"):
    """The patient is sent to a structure in the course of the day; who sees him is decided there."""

    structure: Annotated[str, Meta(max_length=100, description="FINESS, with or without its prefix")]


class StructureOrientations:
    """Makes them."""

    def __init__(self, context: Context, directory: Directory, own: OwnAppointments) -> None:
        self._clock, self._directory, self._own = context.clock, directory, own

    async def make(self, regulator: Regulator, asked: StructureOrientation, key: str) -> AppointmentRecord:
        """The appointment, once it is durable; with a `key` that was used before, that of the first time.

        Raises RequestError 422 (no such structure), 403 and StoreError as `OwnAppointments.make`.
        """
        identifier = self._own.new_identifier(regulator, key)
        if (made := await self._own.repeated(identifier)) is not None:
            return made
        structure = self._directory.population.structure(asked.structure)
        if structure is None:
            raise refused(f"'{asked.structure}' is no MSP or CDS", "structure", code="not-found")
        return await self._own.make(regulator, identifier, self._offer(structure))

    def _offer(self, structure: Structure) -> Offer:
        start, end = rest_of_day(self._clock.now(), zone_of(structure.insee))
        return Offer(
            origin=Origin.STRUCTURE,
            category=OrientationCategory(structure.kind),
            start=start,
            end=end,
            organization=structure.finess,
            details=Details(all_day=True),
        )
