"""What the SAS API reads and answers about the SAS agenda.

Instants without an offset are local times of the place (of the first place where none is named).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sandbox.fhir.nos import CONSULTATIONS, VISIBILITIES
from sandbox.kernel.clock import parse_datetime
from sandbox.kernel.errors import malformed
from sandbox.kernel.flows import AppointmentStatus
from sandbox.kernel.model import Practitioner
from sandbox.kernel.patients import Patient
from sandbox.population.agendas.agenda import zone_of
from sandbox.sas.agenda.drafts import ClosureDraft, SlotDraft, place_of
from sandbox.sas.api.answers import Count, Instant
from sandbox.sas.orientations.steps import Action

DATE = {"type": "string", "format": "date"}

ClosedDay = Annotated[str, Meta(description="date or dateTime; a date is the whole day")]


class Weekly(msgspec.Struct):
    """Every week at the same local time."""

    until: Annotated[str, Meta(description="last day, two years after the first at most", extra_json_schema=DATE)]


class NewSlot(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A slot as it is typed; with `weekly` a series."""

    start: Instant
    end: Annotated[str, Meta(description="at most 12 hours later", extra_json_schema={"format": "date-time"})]
    place: Annotated[str, Meta(description="id of a place of the practitioner; may be left out when he has one")] = ""
    visibility: Annotated[
        tuple[str, ...], Meta(description="R314 codes", extra_json_schema={"items": {"enum": [*VISIBILITIES]}})
    ] = ("PUBLIC",)
    type: Annotated[str, Meta(description="v3-ActCode code", extra_json_schema={"enum": [*CONSULTATIONS]})] = "AMB"
    reasons: tuple[str, ...] = ()
    max_patients: Annotated[int, Meta(description="how many patients one slot takes")] = 1
    weekly: Weekly | None = None

    def draft(self, person: Practitioner) -> SlotDraft:
        """Raises RequestError 400 and 422."""
        zone = zone_of(place_of(person, self.place).insee)
        return SlotDraft(
            start=instant_of(self.start, "start", zone),
            end=instant_of(self.end, "end", zone),
            place=self.place,
            visibilities=self.visibility,
            type=self.type,
            reasons=self.reasons,
            max_patients=self.max_patients,
            until=day_of(self.weekly.until, "weekly.until") if self.weekly is not None else None,
        )


class Series(msgspec.Struct):
    """The weekly series that a slot is one of. `until`: its last day, null when it has no end."""

    until: Annotated[str | None, Meta(extra_json_schema={"format": "date"})]


class AgendaSlot(msgspec.Struct, kw_only=True):
    """One typed slot; `weekly` is null for a single one."""

    id: str
    start: Instant
    end: Instant
    place: str
    visibility: tuple[str, ...]
    type: str
    reasons: tuple[str, ...]
    max_patients: Annotated[int, Meta(ge=1)]
    taken: Annotated[Count, Meta(description="places that are taken")]
    weekly: Series | None
    closure: Annotated[str | UnsetType, Meta(description="id of the closed period it is in: not offered")] = UNSET


class AgendaSlots(msgspec.Struct):
    """Typed slots by time, those in closed periods too."""

    slots: list[AgendaSlot]


class ChangedSlot(AgendaSlot, kw_only=True):
    """What was typed (its first occurrence), and the ids of the appointments that were cancelled."""

    cancelled: list[str]


class RemovedSlot(msgspec.Struct):
    """The ids of the appointments that were cancelled."""

    cancelled: list[str]


class NewClosure(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A closed period or leave as it is typed. `place`: the only place that is closed; left out: all of them."""

    start: ClosedDay = msgspec.field(name="from")
    end: ClosedDay = msgspec.field(name="to")
    label: str = ""
    place: str = ""

    def draft(self, person: Practitioner) -> ClosureDraft:
        """Raises RequestError 400 and 422."""
        place = place_of(person, self.place) if self.place else person.places[0]
        zone = zone_of(place.insee)
        return ClosureDraft(
            start=instant_of(self.start, "from", zone),
            end=end_of(self.end, "to", zone),
            label=self.label,
            place=self.place,
        )


class ClosedPeriod(msgspec.Struct, kw_only=True):
    """A closed period; its slots are not offered."""

    id: str
    start: Instant = msgspec.field(name="from")
    end: Instant = msgspec.field(name="to")
    label: str
    place: Annotated[str, Meta(description="the only place that is closed; empty: all of them")]


class ClosedPeriods(msgspec.Struct):
    """Closed periods by time."""

    closures: list[ClosedPeriod]


class MadeClosure(ClosedPeriod, kw_only=True):
    """The closed period, and the ids of the appointments that were cancelled."""

    cancelled: list[str]


class Visit(msgspec.Struct, kw_only=True):
    """One appointment of the practitioner. `patient` is null when the regulator gave none."""

    id: Annotated[str, Meta(extra_json_schema={"format": "uuid"})]
    slot: str
    place: str
    start: Instant
    end: Instant
    status: AppointmentStatus
    actions: Annotated[tuple[Action, ...], Meta(description="what `POST agenda/appointments/<id>/…` takes now")]
    patient: Patient | None


class Visits(msgspec.Struct):
    """The appointments of a day by time, cancelled ones too."""

    day: Annotated[str, Meta(extra_json_schema={"format": "date"})]
    appointments: list[Visit]


def instant_of(text: str, where: str, zone: ZoneInfo) -> datetime:
    try:
        return parse_datetime(text, zone).astimezone(UTC)  # so that differences are those of instants
    except ValueError as error:
        raise malformed(str(error), where) from None


def end_of(text: str, where: str, zone: ZoneInfo) -> datetime:
    """The end of a period: that of the day when the text is a date."""
    found = instant_of(text, where, zone)
    if len(text.strip()) > len("2026-01-01"):
        return found
    return datetime.combine(found.astimezone(zone).date() + timedelta(days=1), time(), zone).astimezone(UTC)


def day_of(text: str, where: str) -> date:
    try:
        if len(text) != len("2026-01-01"):
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        raise malformed(f"'{text}' is not a date (expected YYYY-MM-DD)", where) from None
