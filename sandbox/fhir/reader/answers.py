"""The values that are read from an editor's answer to a slot search. Pure."""

from __future__ import annotations

from datetime import datetime

import msgspec

from sandbox.fhir.rules import Finding


class SlotPlace(msgspec.Struct, frozen=True, gc=False):
    """The place of a slot according to the editor's answer; "" for what is missing. `id`: the editor's own id of the
    place."""

    line: str = ""
    postal_code: str = ""
    city: str = ""
    id: str = ""


class FreeSlot(msgspec.Struct, frozen=True, gc=False):
    """One free slot with everything that belongs to it.

    `practitioner`: prefixed national id, None for SOS and when the answer does not say; `schedule`: id without type;
    `specialties`: codes, or texts where there is no code; `cpts`: (FINESS, name) of each CPTS; `sos`: (SIRET, name)
    of the association, `site` the name of its consultation site.
    """

    schedule: str
    slot_id: str
    start: datetime
    end: datetime
    practitioner: str | None = None
    family: str = ""
    given: str = ""
    visibilities: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    specialties: tuple[str, ...] = ()
    walkin: bool = False
    comment: str | None = None
    phone: str | None = None
    place: SlotPlace | None = None
    structure: str | None = None
    cpts: tuple[tuple[str, str], ...] = ()
    sos: tuple[str, str] | None = None
    site: str | None = None


class Reading(msgspec.Struct, frozen=True):
    """The content of one answer. `total`: that of the Bundle, None if it has none; `following`: its `next` link;
    `matches`: how many Slots are in it, unusable ones too; `schedules`: how many Schedules."""

    slots: list[FreeSlot]
    findings: list[Finding]
    total: int | None = None
    following: str | None = None
    matches: int = 0
    schedules: int = 0

    @property
    def totals(self) -> tuple[int, int]:
        """The values that `total` may have. ⚠ For SOS it may count the Schedules instead of the Slots: both are
        correct."""
        return self.matches, self.schedules


class Terms(msgspec.Struct, frozen=True, gc=False):
    """What the slots of one kind have in common; fields as in FreeSlot."""

    visibilities: tuple[str, ...]
    types: tuple[str, ...]
    reasons: tuple[str, ...]
    specialties: tuple[str, ...]
    walkin: bool
    cpts: tuple[tuple[str, str], ...]


class Agenda(msgspec.Struct, frozen=True, gc=False):
    """What all slots of a Schedule have in common; fields as in FreeSlot."""

    practitioner: str | None = None
    family: str = ""
    given: str = ""
    phone: str | None = None
    place: SlotPlace | None = None
    structure: str | None = None
    sos: tuple[str, str] | None = None
    site: str | None = None
