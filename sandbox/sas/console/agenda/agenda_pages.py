"""« Mon agenda SAS »: a practitioner types, changes and deletes his slots, and sees who has taken them.

    GET  /sas/agenda[?semaine=YYYY-MM-DD]       the week; /flux: the same, live
    GET  /sas/agenda/nouveau[?jour=]            the form of a new slot or series; POST: add it
    GET  /sas/agenda/creneau/<id>               one slot, its form and its patients; POST: change it
    POST /sas/agenda/creneau/<id>/supprimer     delete it

A change that would take the slot of patients away (409) is shown with their appointments, and done when it is posted
again with `annuler=1`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.fhir.nos import CONSULTATIONS
from sandbox.kernel.errors import Issue, RequestError
from sandbox.kernel.model import Practitioner
from sandbox.sas.agenda.agenda import Scope
from sandbox.sas.agenda.refusals import Refusal
from sandbox.sas.agenda.series import Occurrence, split_id
from sandbox.sas.console import words
from sandbox.sas.console.agenda.slot_form import (
    Chosen,
    Errors,
    blank,
    place_choices,
    problems,
    read_scope,
    read_slot,
    typed,
    values_of,
)
from sandbox.sas.console.agenda.warnings import Warnings, done
from sandbox.sas.console.agenda.week_view import (
    AgendaWeek,
    agenda_week,
    day_asked,
    home_zone,
    is_weekly,
    kind_words,
    place_name,
    place_of,
    state_of,
)
from sandbox.sas.console.changes import agenda_topic
from sandbox.sas.console.frame import AGENDA, Frame
from sandbox.sas.console.results_view import VISIBILITIES
from sandbox.sas.orientations.typed_booking import Booked
from sandbox.sas.orientations.typed_changes import InTheWay
from sandbox.sas.services import Services
from sandbox.web.pages import redirect
from sandbox.web.session import flash

AGAIN_S = 60.0  # slots become past without an announcement


class AgendaPages:
    """The week, and the forms of its slots."""

    def __init__(self, frame: Frame, services: Services) -> None:
        self._frame, self._clock = frame, services.context.clock
        self._agendas, self._booking, self._changes = services.agendas, services.booking, services.agenda_changes
        self._warnings = Warnings(frame, services)

    def routes(self) -> list[Route]:
        """For practitioners of the SAS agenda."""
        guarded, posted = self._frame.guarded_practitioner, self._frame.posted_practitioner
        slot = AGENDA + "/creneau/{id}"
        return [
            Route(AGENDA, guarded(self.week), methods=["GET"]),
            Route(AGENDA + "/flux", guarded(self.week_live), methods=["GET"]),
            Route(AGENDA + "/nouveau", guarded(self.blank), methods=["GET"]),
            Route(AGENDA + "/nouveau", posted(self.add), methods=["POST"]),
            Route(slot, guarded(self.slot), methods=["GET"]),
            Route(slot, posted(self.change), methods=["POST"]),
            Route(slot + "/supprimer", posted(self.remove), methods=["POST"]),
        ]

    # The week

    async def week(self, request: Request, person: Practitioner) -> Response:
        """The week that `semaine` names, else the present one."""
        week = self._week(request, person)
        return self._page(request, "agenda_week.html", week=week, new_day=max(week.monday, week.today), **_STATES)

    async def week_live(self, request: Request, person: Practitioner) -> Any:
        """The same week, sent again at each change."""

        def html() -> str:
            return self._frame.pages.fragment("agenda_week_part.html", week=self._week(request, person), **_STATES)

        html()  # raises for an invalid day, before the stream begins
        return self._frame.live(agenda_topic(person.id), html, again_s=AGAIN_S)

    def _week(self, request: Request, person: Practitioner) -> AgendaWeek:
        day = day_asked(request.query_params.get("semaine"), self._today(person))
        return agenda_week(person, self._agendas.of(person), self._taken, day, self._clock.now())

    # A new slot

    async def blank(self, request: Request, person: Practitioner) -> Response:
        """The form of a new slot."""
        day = day_asked(request.query_params.get("jour"), self._today(person))
        return self._new(request, person, blank(person, day), {})

    async def add(self, request: Request, person: Practitioner, form: FormData) -> Response:
        """Add a slot or a weekly series; the form again when it is refused."""
        values = typed(form)
        draft, errors = read_slot(values, person)
        if draft is None:
            return self._new(request, person, values, errors, 422)
        try:
            changed = await self._changes.add(person, draft)
        except Refusal as refusal:
            return self._new(request, person, values, problems(refusal), refusal.status)
        flash(request, done("Série ajoutée." if draft.until else "Créneau ajouté.", changed.cancelled))
        return redirect(_week_of(changed.slot))

    def _new(
        self, request: Request, person: Practitioner, values: dict[str, Any], errors: Errors, status: int = 200
    ) -> Response:
        choices, week = self._choices(person), values["jour"]
        return self._page(request, "agenda_new.html", status, values=values, errors=errors, choices=choices, week=week)

    # One slot

    async def slot(self, request: Request, person: Practitioner) -> Response:
        """A slot, its form and its patients."""
        chosen = self._chosen(request, person)
        return self._one(request, person, chosen, values_of(chosen), {})

    async def change(self, request: Request, person: Practitioner, form: FormData) -> Response:
        """Change a slot, and others of its series as `portee` says; the form again when it is refused."""
        chosen, values = self._chosen(request, person), typed(form)
        draft, errors = read_slot(values, person, chosen)
        if draft is None:
            return self._one(request, person, chosen, values, errors, 422)
        scope = read_scope(values["portee"]) if chosen.weekly else Scope.ALL  # a single slot may become a series
        cancel = form.get("annuler") == "1"
        try:
            changed = await self._changes.change(person, chosen.slot.id, draft, scope, cancel=cancel)
        except InTheWay as refusal:
            return self._warnings.page(request, person, refusal, form)
        except Refusal as refusal:
            return self._one(request, person, chosen, values, problems(refusal), refusal.status)
        flash(request, done("Modification enregistrée.", changed.cancelled))
        return redirect(_week_of(changed.slot))

    async def remove(self, request: Request, person: Practitioner, form: FormData) -> Response:
        """Delete a slot, and others of its series as `portee-suppression` says."""
        chosen = self._chosen(request, person)
        scope, cancel = read_scope(str(form.get("portee-suppression", ""))), form.get("annuler") == "1"
        try:
            cancelled = await self._changes.remove(person, chosen.slot.id, scope, cancel=cancel)
        except InTheWay as refusal:
            return self._warnings.page(request, person, refusal, form)
        except Refusal as refusal:
            return self._one(request, person, chosen, values_of(chosen), problems(refusal), refusal.status)
        flash(request, done(_DELETED[scope], cancelled))
        return redirect(_week_of(chosen.slot))

    def _one(
        self,
        request: Request,
        person: Practitioner,
        chosen: Chosen,
        values: dict[str, Any],
        errors: Errors,
        status: int = 200,
    ) -> Response:
        slot, taken = chosen.slot, self._taken(chosen.slot)
        return self._page(
            request,
            "agenda_slot.html",
            status,
            slot=slot,
            weekly=chosen.weekly,
            until=chosen.until,
            state=state_of(slot, self._agendas.of(person), taken, self._clock.now()),
            taken=taken,
            place=place_name(place_of(person, slot.kind.place)),
            words=kind_words(slot),
            appointments=self._appointments(person, slot),
            values=values,
            errors=errors,
            choices=self._choices(person),
            day=slot.begins.date(),
            **_STATES,
        )

    def _chosen(self, request: Request, person: Practitioner) -> Chosen:
        """The practitioner's own slot. Raises RequestError 404."""
        parts, agenda = split_id(request.path_params["id"]), self._agendas.of(person)
        slot = agenda.occurrence(parts.series, parts.day) if parts is not None and parts.owner == person.id else None
        if slot is None:
            raise RequestError(404, Issue("not-found", "Ce créneau n'existe pas, ou plus."))
        return Chosen(slot, is_weekly(agenda, slot))

    def _appointments(self, person: Practitioner, slot: Occurrence) -> Sequence[Booked]:
        day = self._booking.day(person, date.fromordinal(slot.day))
        return [each for each in day if each.record.details.slot == slot.id]

    # What the pages share

    def _taken(self, slot: Occurrence) -> int:
        return slot.kind.max_patients - self._booking.left(slot)

    def _today(self, person: Practitioner) -> date:
        now: datetime = self._clock.now()
        return now.astimezone(home_zone(person)).date()

    def _choices(self, person: Practitioner) -> dict[str, Any]:
        """The choices of the form's lists."""
        seen = [each for each in VISIBILITIES.items() if each[0] != "CPTS" or person.cpts]
        return {
            "places": place_choices(person.places),
            "visibilities": seen,
            "types": list(CONSULTATIONS.items()),
            "scopes": words.SCOPES,
        }

    def _page(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        return self._frame.page(request, template, self._frame.regulator(request), status, **values)


_DELETED = {
    Scope.ONE: "Créneau supprimé.",
    Scope.FOLLOWING: "Créneaux supprimés.",
    Scope.ALL: "Série supprimée.",
}
_STATES: dict[str, Any] = {
    "states": {state: word for state, (word, _) in words.SLOTS.items()},
    "tones": {state: tone for state, (_, tone) in words.SLOTS.items()},
}


def _week_of(slot: Occurrence) -> str:
    return f"{AGENDA}?semaine={slot.begins.date()}"
