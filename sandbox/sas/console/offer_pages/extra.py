"""The form for a practitioner who has agreed by telephone to take one more patient (« en sus »).

It carries a key: sent twice, it makes one appointment.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.kernel.errors import Issue, RequestError
from sandbox.kernel.model import Practitioner, Regulator
from sandbox.population.agendas.agenda import zone_of
from sandbox.sas.console.frame import Frame
from sandbox.sas.console.offer_pages.made import to_orientation
from sandbox.sas.console.results_view import DAY_WORDS
from sandbox.sas.console.search_pages import AGAIN
from sandbox.sas.desk import Desk
from sandbox.sas.directory.areas import Area
from sandbox.sas.offers.days import MOST_DAYS, TODAY
from sandbox.sas.offers.extra import ExtraOrientation
from sandbox.sas.offers.found import extra_offer
from sandbox.sas.regulators.accounts import Right
from sandbox.sas.services import Services
from sandbox.web.filters import day_date

PATH = "/sas/en-sus"
_NO_CHOICE = "Indiquez quand le patient est attendu."
_UNFIT_HOUR = f"Indiquez une heure à venir, dans les {MOST_DAYS} jours."


class ExtraPages:
    """For those who may orient patients."""

    def __init__(self, frame: Frame, services: Services) -> None:
        self._frame, self._desk = frame, Desk(services)
        self._directory, self._labels, self._extra = services.directory, services.labels, services.extra
        self._clock, self._entropy = services.context.clock, services.context.entropy

    def routes(self) -> list[Route]:
        """The form and what it sends."""
        guarded, posted = self._frame.guarded, self._frame.posted
        return [
            Route(f"{PATH}/{{id}}", guarded(self.form, Right.ORIENTATION), methods=["GET"]),
            Route(f"{PATH}/{{id}}", posted(self.note, Right.ORIENTATION), methods=["POST"]),
        ]

    async def form(self, request: Request, regulator: Regulator) -> Response:
        """The form for what was agreed by telephone."""
        return self._form(request, regulator, {"lieu": request.query_params.get("lieu", "")})

    async def note(self, request: Request, regulator: Regulator, form: FormData) -> Response:
        """Make the appointment; the form again when the hour cannot be agreed on."""
        typed = {name: str(form.get(name, "")) for name in ("lieu", "accord", "jour", "heure", "cle")}
        person = self._willing(request)
        if typed["accord"] not in ("heure", "journee"):
            return self._form(request, regulator, typed, _NO_CHOICE)
        agreed = f"{typed['jour']}T{typed['heure']}" if typed["accord"] == "heure" else TODAY
        if typed["lieu"] not in {place.id for place in person.places}:
            raise RequestError(422, Issue("value", "Ce lieu n'est pas l'un de ceux du médecin.", "lieu"))
        asked = ExtraOrientation(practitioner=person.id, agreed=agreed, place=typed["lieu"])
        try:
            record = await self._desk.make(regulator, asked, typed["cle"])
        except RequestError as error:
            if error.issues[0].expression != "agreed":
                raise
            return self._form(request, regulator, typed, _UNFIT_HOUR)
        return to_orientation(request, record)

    def _form(self, request: Request, regulator: Regulator, typed: Mapping[str, str], problem: str = "") -> Response:
        person = self._willing(request)
        known = {place.id: place for place in person.places}
        place = known.get(typed.get("lieu", ""), person.places[0])
        zone = zone_of(place.insee)
        offer = extra_offer(person, Area(place.lat, place.lon, 0.0, 0.0), self._directory, self._labels)
        return self._frame.page(
            request,
            "extra.html",
            regulator,
            422 if problem else 200,
            offer=offer,
            places=person.places,
            zone=zone,
            days=_days(self._clock.now().astimezone(zone)),
            typed={"accord": "", "jour": "", "heure": "", **typed, "lieu": place.id},
            problem=problem,
            key=typed.get("cle") or self._entropy.uuid(),
            again=AGAIN,
        )

    def _willing(self, request: Request) -> Practitioner:
        person = self._extra.offering(request.path_params["id"])
        if person is None:
            raise RequestError(404, Issue("not-found", "Ce médecin n'accepte pas de patient en sus de son agenda."))
        return person


def _days(now: datetime) -> list[tuple[str, str]]:
    """The days on which an hour can be agreed, by date, as people call them."""
    days = [now.date() + timedelta(days=away) for away in range(MOST_DAYS + 1)]
    named = [*DAY_WORDS, *[""] * len(days)][: len(days)]
    return [(day.isoformat(), f"{word} {day_date(day)}".strip()) for day, word in zip(days, named, strict=True)]
