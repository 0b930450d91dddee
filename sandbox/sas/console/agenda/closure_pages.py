"""« Fermetures et congés »: the periods in which a practitioner's slots are not offered.

GET  /sas/agenda/fermetures                  the coming ones, and the form of a new one; POST: add it
POST /sas/agenda/fermetures/<id>/supprimer   offer its slots again
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.kernel.model import Practitioner
from sandbox.sas.agenda.agenda import Closure
from sandbox.sas.agenda.refusals import Refusal
from sandbox.sas.console.agenda.slot_form import (
    Errors,
    blank_closure,
    place_choices,
    problems,
    read_closure,
    typed_closure,
)
from sandbox.sas.console.agenda.warnings import Warnings, done
from sandbox.sas.console.agenda.week_view import home_zone, place_name, place_of, place_zone
from sandbox.sas.console.frame import AGENDA, Frame
from sandbox.sas.orientations.typed_changes import InTheWay
from sandbox.sas.services import Services
from sandbox.web.filters import french_date, french_datetime
from sandbox.web.pages import redirect
from sandbox.web.session import flash

PATH = f"{AGENDA}/fermetures"
EVERYWHERE = "Tous les lieux"


@dataclass(frozen=True, slots=True)
class ShownClosure:
    """A closed period of the list; `when`, `place` in words."""

    id: str
    label: str
    when: str
    place: str


class ClosurePages:
    """The list, and the form of a new period."""

    def __init__(self, frame: Frame, services: Services) -> None:
        self._frame, self._clock = frame, services.context.clock
        self._agendas, self._changes = services.agendas, services.agenda_changes
        self._warnings = Warnings(frame, services)

    def routes(self) -> list[Route]:
        """For practitioners of the SAS agenda."""
        guarded, posted = self._frame.guarded_practitioner, self._frame.posted_practitioner
        return [
            Route(PATH, guarded(self.listed), methods=["GET"]),
            Route(PATH, posted(self.close), methods=["POST"]),
            Route(f"{PATH}/{{id}}/supprimer", posted(self.reopen), methods=["POST"]),
        ]

    async def listed(self, request: Request, person: Practitioner) -> Response:
        """The coming closed periods."""
        today = self._clock.now().astimezone(home_zone(person)).date()
        return self._page(request, person, blank_closure(today), {})

    async def close(self, request: Request, person: Practitioner, form: FormData) -> Response:
        """Close a period; the form again when it is refused."""
        values = typed_closure(form)
        draft, errors = read_closure(values, person)
        if draft is None:
            return self._page(request, person, values, errors, 422)
        try:
            _, cancelled = await self._changes.close(person, draft, cancel=form.get("annuler") == "1")
        except InTheWay as refusal:
            return self._warnings.page(request, person, refusal, form)
        except Refusal as refusal:
            return self._page(request, person, values, problems(refusal, closure=True), refusal.status)
        flash(request, done("Fermeture enregistrée : ses créneaux ne sont plus proposés.", cancelled))
        return redirect(PATH)

    async def reopen(self, request: Request, person: Practitioner, form: FormData) -> Response:
        """Delete a closed period."""
        try:
            await self._changes.reopen(person, request.path_params["id"])
        except Refusal as refusal:
            flash(request, refusal.french, "bad")
        else:
            flash(request, "Période rouverte : ses créneaux sont proposés à nouveau.")
        return redirect(PATH)

    def _page(
        self,
        request: Request,
        person: Practitioner,
        values: Mapping[str, str],
        errors: Errors,
        status: int = 200,
    ) -> Response:
        now = self._clock.time()
        closures = [each for each in self._agendas.of(person).closures if each.end > now]
        return self._frame.page(
            request,
            "agenda_closures.html",
            self._frame.regulator(request),
            status,
            values=values,
            errors=errors,
            places=place_choices(person.places, EVERYWHERE),
            closures=[_shown(each, person) for each in closures],
        )


def _shown(closure: Closure, person: Practitioner) -> ShownClosure:
    where = place_name(place_of(person, closure.place)) if closure.place else EVERYWHERE
    when = _when(closure, place_zone(person, closure.place))
    return ShownClosure(closure.id, closure.label or "Fermeture", when, where)


def _when(closure: Closure, zone: ZoneInfo) -> str:
    """The days of a period of whole days, else its instants."""
    start, end = (datetime.fromtimestamp(each, zone) for each in (closure.start, closure.end))
    if (start.time(), end.time()) != (time(), time()):
        return f"du {french_datetime(start, zone)} au {french_datetime(end, zone)}"
    first, last = start.date(), end.date() - timedelta(days=1)
    return french_date(first) if first == last else f"du {french_date(first)} au {french_date(last)} inclus"
