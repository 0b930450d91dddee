"""The SAS agenda in the SAS API: what a practitioner without an interfaced editor types, and who comes.

Every call needs the token of a practitioner and is about his own agenda only.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import UNSET
from starlette.requests import Request

from sandbox.kernel.errors import malformed
from sandbox.kernel.model import Practitioner
from sandbox.net.http.body import read_json_body
from sandbox.population.agendas.agenda import zone_of
from sandbox.sas.agenda.agenda import Agenda, Closure, Scope
from sandbox.sas.agenda.series import FOREVER, Occurrence
from sandbox.sas.api.agenda_answers import (
    DATE,
    AgendaSlot,
    AgendaSlots,
    ChangedSlot,
    ClosedPeriod,
    ClosedPeriods,
    MadeClosure,
    NewClosure,
    NewSlot,
    RemovedSlot,
    Series,
    Visit,
    Visits,
    day_of,
    end_of,
    instant_of,
)
from sandbox.sas.api.answers import MadeOrientation, made_orientation
from sandbox.sas.api.callers import BEARER, Callers
from sandbox.sas.orientations.records import AppointmentRecord
from sandbox.sas.orientations.steps import Action, possible
from sandbox.sas.orientations.typed_booking import Booked
from sandbox.sas.services import Services
from sandbox.web.openapi import Endpoint, Parameter

DAYS, MOST_DAYS = 7, 62  # of a list of slots
_BOOLEAN = {"type": "boolean", "default": False}
_FROM = Parameter("from", "Date or dateTime, default today")
_TO = Parameter("to", f"Date (included) or dateTime (excluded), default {DAYS} days later, at most {MOST_DAYS}")
_SCOPE = Parameter(
    "scope",
    "This occurrence, this and the following ones, or all that have not begun",
    {"type": "string", "enum": [*Scope], "default": Scope.ONE},
)
_CANCEL = Parameter("cancel", "Cancel the appointments that are in the way, and tell the LRM", _BOOLEAN)


class AgendaApi:
    """What a practitioner does with his agenda."""

    def __init__(self, callers: Callers, services: Services) -> None:
        self._callers, self._clock = callers, services.context.clock
        self._agendas, self._booking, self._changes = services.agendas, services.booking, services.agenda_changes

    @Endpoint(
        "GET", "/agenda/slots", parameters=[_FROM, _TO], answer=AgendaSlots, failures=(400, 401, 403), security=BEARER
    )
    async def agenda_slots(self, request: Request) -> AgendaSlots:
        """The typed slots of a period, with the places that are taken."""
        person = self._callers.practitioner(request)
        start, end = self._period(request, person)
        agenda = self._agendas.of(person)
        typed = agenda.typed(start.timestamp(), end.timestamp())
        return AgendaSlots([AgendaSlot(**self._shown(agenda, slot)) for slot in typed])

    @Endpoint(
        "POST",
        "/agenda/slots",
        body=NewSlot,
        answer=ChangedSlot,
        status=201,
        meaning="Typed",
        failures=(400, 401, 403, 409, 413, 415, 422),
        security=BEARER,
    )
    async def type_agenda_slot(self, request: Request) -> ChangedSlot:
        """Type a slot, or a weekly series."""
        person = self._callers.practitioner(request)
        typed = await read_json_body(request, NewSlot)
        changed = await self._changes.add(person, typed.draft(person))
        return self._changed(person, changed.slot, changed.cancelled)

    @Endpoint(
        "PUT",
        "/agenda/slots/{id}",
        parameters=[_SCOPE, _CANCEL],
        body=NewSlot,
        answer=ChangedSlot,
        failures=(400, 401, 403, 404, 409, 413, 415, 422),
        security=BEARER,
    )
    async def change_agenda_slot(self, request: Request) -> ChangedSlot:
        """Change a slot, with `scope` others of its series too; they are moved alike."""
        person = self._callers.practitioner(request)
        scope, cancel = _scope(request), _cancel(request)
        typed = await read_json_body(request, NewSlot)
        id = request.path_params["id"]
        changed = await self._changes.change(person, id, typed.draft(person), scope, cancel=cancel)
        return self._changed(person, changed.slot, changed.cancelled)

    @Endpoint(
        "DELETE",
        "/agenda/slots/{id}",
        parameters=[_SCOPE, _CANCEL],
        answer=RemovedSlot,
        meaning="Deleted",
        failures=(400, 401, 403, 404, 409, 422),
        security=BEARER,
    )
    async def remove_agenda_slot(self, request: Request) -> RemovedSlot:
        """Delete a slot, with `scope` others of its series too."""
        person = self._callers.practitioner(request)
        id = request.path_params["id"]
        cancelled = await self._changes.remove(person, id, _scope(request), cancel=_cancel(request))
        return RemovedSlot([each.id for each in cancelled])

    @Endpoint("GET", "/agenda/closures", answer=ClosedPeriods, failures=(401, 403), security=BEARER)
    async def agenda_closures(self, request: Request) -> ClosedPeriods:
        """The closed periods and leave that are not over."""
        person = self._callers.practitioner(request)
        zone, now = zone_of(person.places[0].insee), self._clock.time()
        closures = self._agendas.of(person).closures
        return ClosedPeriods([ClosedPeriod(**_closed(each, zone)) for each in closures if each.end > now])

    @Endpoint(
        "POST",
        "/agenda/closures",
        parameters=[_CANCEL],
        body=NewClosure,
        answer=MadeClosure,
        status=201,
        meaning="Closed",
        failures=(400, 401, 403, 409, 413, 415, 422),
        security=BEARER,
    )
    async def close_agenda(self, request: Request) -> MadeClosure:
        """Close a period: its slots are not offered."""
        person, cancel = self._callers.practitioner(request), _cancel(request)
        typed = await read_json_body(request, NewClosure)
        made, cancelled = await self._changes.close(person, typed.draft(person), cancel=cancel)
        zone = zone_of(person.places[0].insee)
        return MadeClosure(**_closed(made, zone), cancelled=[each.id for each in cancelled])

    @Endpoint("DELETE", "/agenda/closures/{id}", status=204, failures=(401, 403, 404), security=BEARER)
    async def reopen_agenda(self, request: Request) -> None:
        """Offer the slots of a closed period again."""
        await self._changes.reopen(self._callers.practitioner(request), request.path_params["id"])

    @Endpoint(
        "GET",
        "/agenda/appointments",
        parameters=[Parameter("day", "Local day, default today", DATE)],
        answer=Visits,
        failures=(400, 401, 403),
        security=BEARER,
    )
    async def agenda_appointments(self, request: Request) -> Visits:
        """The practitioner's appointments of a day, with their (fictitious) patients."""
        person = self._callers.practitioner(request)
        text = request.query_params.get("day", "")
        today = self._clock.now().astimezone(zone_of(person.places[0].insee)).date()
        day = day_of(text, "http.day") if text else today
        return Visits(day.isoformat(), [_visit(each) for each in self._booking.day(person, day)])

    @Endpoint(
        "POST",
        "/agenda/appointments/{id}/{action}",
        parameters=[
            Parameter("id", "UUID given by the SAS core"),
            Parameter("action", "", {"type": "string", "enum": [Action.FULFIL, Action.NOSHOW, Action.CANCEL]}),
        ],
        answer=MadeOrientation,
        failures=(400, 401, 403, 404, 409),
        security=BEARER,
    )
    async def act_on_agenda_appointment(self, request: Request) -> MadeOrientation:
        """Say that the patient came (fulfil) or did not (noshow), or cancel; the LRM is told."""
        person = self._callers.practitioner(request)
        action = _action(request.path_params["action"])
        return made_orientation(await self._booking.act(person, request.path_params["id"], action))

    def _period(self, request: Request, person: Practitioner) -> tuple[datetime, datetime]:
        """The period of a list. Raises RequestError 400."""
        zone, values = zone_of(person.places[0].insee), request.query_params
        today = datetime.combine(self._clock.now().astimezone(zone).date(), time(), zone)
        start = instant_of(values["from"], "http.from", zone) if values.get("from") else today
        end = end_of(values["to"], "http.to", zone) if values.get("to") else start + timedelta(days=DAYS)
        if not start < end <= start + timedelta(days=MOST_DAYS):
            raise malformed(f"`to` is after `from`, at most {MOST_DAYS} days", "http.to")
        return start, end

    def _shown(self, agenda: Agenda, slot: Occurrence) -> dict[str, Any]:
        closure = agenda.closed(slot)
        until = date.fromordinal(slot.last).isoformat() if 0 < slot.last < FOREVER else None
        return {
            "id": slot.id,
            "start": slot.begins.isoformat(),
            "end": slot.ends.isoformat(),
            "place": slot.kind.place,
            "visibility": slot.kind.visibilities,
            "type": slot.kind.type,
            "reasons": slot.kind.reasons,
            "max_patients": slot.kind.max_patients,
            "taken": self._booking.taken(slot),
            "weekly": Series(until) if slot.last else None,
            "closure": closure.id if closure is not None else UNSET,
        }

    def _changed(self, person: Practitioner, slot: Occurrence, cancelled: Sequence[AppointmentRecord]) -> ChangedSlot:
        shown = self._shown(self._agendas.of(person), slot)
        return ChangedSlot(**shown, cancelled=[each.id for each in cancelled])


def _closed(closure: Closure, zone: ZoneInfo) -> dict[str, str]:
    start, end = (datetime.fromtimestamp(at, zone).isoformat() for at in (closure.start, closure.end))
    return {"id": closure.id, "start": start, "end": end, "label": closure.label, "place": closure.place}


def _visit(booked: Booked) -> Visit:
    record = booked.record
    return Visit(
        id=record.id,
        slot=record.details.slot,
        place=record.details.place,
        start=record.start.isoformat(),
        end=record.end.isoformat(),
        status=record.status,
        actions=possible(record.origin, record.status),
        patient=booked.patient,
    )


def _scope(request: Request) -> Scope:
    text = request.query_params.get("scope", Scope.ONE)
    try:
        return Scope(text)
    except ValueError:
        raise malformed(f"scope '{text}' is unknown: expected {', '.join(Scope)}", "http.scope") from None


def _cancel(request: Request) -> bool:
    text = request.query_params.get("cancel", "false")
    if text not in ("true", "false"):
        raise malformed(f"`cancel` is true or false, not '{text}'", "http.cancel")
    return text == "true"


def _action(text: str) -> Action:
    known = (Action.FULFIL, Action.NOSHOW, Action.CANCEL)
    if text not in known:
        raise malformed(f"action '{text}' is unknown: expected {', '.join(known)}", "http.action")
    return Action(text)
