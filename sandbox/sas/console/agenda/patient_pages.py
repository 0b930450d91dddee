"""« Mes patients »: the practitioner's appointments of a day, marked as honoured or not, or cancelled.

GET  /sas/agenda/patients[?jour=YYYY-MM-DD]            the day; /flux: the same, live
POST /sas/agenda/patients/<id>/honore|absent|annuler   a step of the appointment
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.kernel.errors import Issue, RequestError
from sandbox.kernel.model import Practitioner
from sandbox.kernel.patients import Patient
from sandbox.sas.console.agenda.week_view import day_asked, home_zone, place_name, place_of, place_zone
from sandbox.sas.console.changes import agenda_topic
from sandbox.sas.console.frame import AGENDA, Frame
from sandbox.sas.orientations.records import AppointmentRecord
from sandbox.sas.orientations.steps import Action, possible
from sandbox.sas.orientations.typed_booking import Booked
from sandbox.sas.services import Services
from sandbox.web.pages import redirect
from sandbox.web.session import flash

PATH = f"{AGENDA}/patients"


@dataclass(frozen=True, slots=True)
class Step:
    """A button: the last part of its address, its words, its class; and what is said afterwards."""

    path: str
    label: str
    style: str
    done: str


STEPS: Mapping[Action, Step] = {
    Action.FULFIL: Step("honore", "Honoré", "button button-small", "Rendez-vous honoré"),
    Action.NOSHOW: Step("absent", "Absent", "button button-small button-quiet", "Patient absent"),
    Action.CANCEL: Step("annuler", "Annuler", "button button-small button-danger", "Rendez-vous annulé"),
}
_ACTIONS = {step.path: action for action, step in STEPS.items()}


@dataclass(frozen=True, slots=True)
class Line:
    """An appointment of the list. `zone`, `place`: of the place of consultation."""

    record: AppointmentRecord
    patient: Patient | None
    zone: ZoneInfo
    place: str
    actions: Sequence[Step]


class PatientPages:
    """The appointments of a day."""

    def __init__(self, frame: Frame, services: Services) -> None:
        self._frame, self._booking, self._clock = frame, services.booking, services.context.clock

    def routes(self) -> list[Route]:
        """For practitioners of the SAS agenda."""
        guarded, posted = self._frame.guarded_practitioner, self._frame.posted_practitioner
        return [
            Route(PATH, guarded(self.day), methods=["GET"]),
            Route(f"{PATH}/flux", guarded(self.day_live), methods=["GET"]),
            Route(f"{PATH}/{{id}}/{{step}}", posted(self.act), methods=["POST"]),
        ]

    async def day(self, request: Request, person: Practitioner) -> Response:
        """The day that `jour` names, else today."""
        day = self._day(request, person)
        around = {"earlier": day - timedelta(days=1), "later": day + timedelta(days=1)}
        values = {**self._list(request, person), **around}
        return self._frame.page(request, "agenda_patients.html", self._frame.regulator(request), **values)

    async def day_live(self, request: Request, person: Practitioner) -> Any:
        """The same list, sent again at each change."""

        def html() -> str:
            return self._frame.pages.fragment(
                "agenda_patients_list.html", request=request, **self._list(request, person)
            )

        return self._frame.live(agenda_topic(person.id), html)

    async def act(self, request: Request, person: Practitioner, form: FormData) -> Response:
        """Take a step with one of his appointments. Raises RequestError 404."""
        action = _ACTIONS.get(request.path_params["step"])
        if action is None:
            raise RequestError(404, Issue("not-found", "Cette action n'existe pas."))
        try:
            await self._booking.act(person, request.path_params["id"], action)
        except RequestError as error:
            if error.status == 404:
                raise RequestError(
                    404, Issue("not-found", "Ce rendez-vous n'existe pas, ou n'est pas le vôtre.")
                ) from None
            flash(request, "Ce rendez-vous a changé entre-temps : rien n'a été fait.", "bad")
        else:
            flash(request, f"{STEPS[action].done} : la régulation est prévenue.")
        day = day_asked(str(form.get("jour", "")), self._today(person))
        return redirect(f"{PATH}?jour={day}")

    def _list(self, request: Request, person: Practitioner) -> dict[str, Any]:
        day = self._day(request, person)
        return {"day": day, "appointments": [_line(each, person) for each in self._booking.day(person, day)]}

    def _day(self, request: Request, person: Practitioner) -> date:
        return day_asked(request.query_params.get("jour"), self._today(person))

    def _today(self, person: Practitioner) -> date:
        return self._clock.now().astimezone(home_zone(person)).date()


def _line(booked: Booked, person: Practitioner) -> Line:
    record = booked.record
    place = record.details.place
    actions = [step for action, step in STEPS.items() if action in possible(record.origin, record.status)]
    return Line(record, booked.patient, place_zone(person, place), place_name(place_of(person, place)), actions)
