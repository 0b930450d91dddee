"""The forms by which a regulator orients without a slot: the agreement of a practitioner who takes one more patient, a
MSP or a CDS; and the search of structures.

Each form carries a key: sent twice, it makes one appointment.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.kernel.errors import Issue, RequestError
from sandbox.kernel.model import Practitioner, Regulator, Structure
from sandbox.population.agendas.agenda import zone_of
from sandbox.sas.console import words
from sandbox.sas.console.frame import Frame
from sandbox.sas.console.orientation_pages import PATH as ORIENTATIONS
from sandbox.sas.console.results_view import DAY_WORDS
from sandbox.sas.console.search_pages import AGAIN
from sandbox.sas.console.search_reader import problem_in_french
from sandbox.sas.desk import Desk
from sandbox.sas.directory.areas import Area
from sandbox.sas.offers.days import MOST_DAYS, TODAY
from sandbox.sas.offers.extra import ExtraOrientation
from sandbox.sas.offers.found import extra_offer, structure_offer, structures_of
from sandbox.sas.offers.structures import StructureOrientation
from sandbox.sas.regulators.accounts import Right
from sandbox.sas.search.run import read_criteria
from sandbox.sas.services import Services
from sandbox.web.filters import day_date
from sandbox.web.pages import redirect
from sandbox.web.session import flash

EXTRA, STRUCTURES = "/sas/en-sus", "/sas/structures"
_KINDS = ("", "msp", "cds")
_UNFIT_HOUR = f"Indiquez une heure à venir, dans les {MOST_DAYS} jours."


class OfferPages:
    """For those who may orient patients."""

    def __init__(self, frame: Frame, services: Services) -> None:
        self._frame, self._desk = frame, Desk(services)
        self._directory, self._labels, self._extra = services.directory, services.labels, services.extra
        self._clock, self._entropy = services.context.clock, services.context.entropy

    def routes(self) -> list[Route]:
        """Everything needs the right to orient."""
        guarded, posted = self._frame.guarded, self._frame.posted
        return [
            Route(f"{EXTRA}/{{id}}", guarded(self.extra, Right.ORIENTATION), methods=["GET"]),
            Route(f"{EXTRA}/{{id}}", posted(self.note_extra, Right.ORIENTATION), methods=["POST"]),
            Route(STRUCTURES, guarded(self.structures, Right.ORIENTATION), methods=["GET"]),
            Route(f"{STRUCTURES}/{{id}}", guarded(self.structure, Right.ORIENTATION), methods=["GET"]),
            Route(f"{STRUCTURES}/{{id}}", posted(self.orient_to_structure, Right.ORIENTATION), methods=["POST"]),
        ]

    # A practitioner who takes one more patient

    async def extra(self, request: Request, regulator: Regulator) -> Response:
        """The form for what was agreed by telephone."""
        return self._extra_form(request, regulator, {"lieu": request.query_params.get("lieu", "")})

    async def note_extra(self, request: Request, regulator: Regulator, form: FormData) -> Response:
        """Make the appointment; the form again when the hour cannot be agreed on."""
        typed = {name: str(form.get(name, "")) for name in ("lieu", "accord", "jour", "heure", "cle")}
        agreed = f"{typed['jour']}T{typed['heure']}" if typed["accord"] == "heure" else TODAY
        person = self._willing(request)
        if typed["lieu"] not in {place.id for place in person.places}:
            raise RequestError(422, Issue("value", "Ce lieu n'est pas l'un de ceux du médecin.", "lieu"))
        asked = ExtraOrientation(practitioner=person.id, agreed=agreed, place=typed["lieu"])
        try:
            record = await self._desk.make(regulator, asked, typed["cle"])
        except RequestError as error:
            if error.issues[0].expression != "agreed":
                raise
            return self._extra_form(request, regulator, typed, _UNFIT_HOUR)
        return self._made(request, record.id)

    def _extra_form(
        self, request: Request, regulator: Regulator, typed: Mapping[str, str], problem: str = ""
    ) -> Response:
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

    # Structures

    async def structures(self, request: Request, regulator: Regulator) -> Response:
        """MSP and CDS around a place; without one, the form only."""
        place, kind = (request.query_params.get(name, "").strip() for name in ("place", "kind"))
        values: dict[str, Any] = {"place": place, "kind": kind, "problem": "", "structures": None, "where": ""}
        if place:
            values |= self._structures_at(place, kind)
        return self._frame.page(request, "structures.html", regulator, 400 if values["problem"] else 200, **values)

    def _structures_at(self, place: str, kind: str) -> dict[str, Any]:
        if kind not in _KINDS:
            return {"problem": "Ce type de structure n'existe pas.", "kind": ""}
        asked = {"place": place, "kind": kind}
        try:
            criteria = read_criteria(asked, self._directory, self._labels, self._clock.now())
        except RequestError as error:
            return {"problem": problem_in_french(error, asked)}
        return {"structures": structures_of(criteria, self._directory), "where": criteria.place.label}

    async def structure(self, request: Request, regulator: Regulator) -> Response:
        """A structure, and the button that sends the patient there."""
        known = self._structure(request)
        return self._frame.page(
            request,
            "structure.html",
            regulator,
            structure=structure_offer(known, Area(known.lat, known.lon, 0.0, 0.0)),
            kind=words.CATEGORIES[known.kind],
            zone=zone_of(known.insee),
            key=self._entropy.uuid(),
            again=AGAIN,
        )

    async def orient_to_structure(self, request: Request, regulator: Regulator, form: FormData) -> Response:
        """Make the appointment."""
        asked = StructureOrientation(structure=self._structure(request).finess)
        record = await self._desk.make(regulator, asked, str(form.get("cle", "")))
        return self._made(request, record.id)

    def _structure(self, request: Request) -> Structure:
        known = self._directory.population.structure(request.path_params["id"])
        if known is None:
            raise RequestError(404, Issue("not-found", "Cette structure n'est pas dans l'annuaire."))
        return known

    def _made(self, request: Request, id: str) -> Response:
        flash(request, "Orientation enregistrée.")
        return redirect(f"{ORIENTATIONS}/{id}")


def _days(now: datetime) -> list[tuple[str, str]]:
    """The days on which an hour can be agreed, by date, as people call them."""
    days = [now.date() + timedelta(days=away) for away in range(MOST_DAYS + 1)]
    named = [*DAY_WORDS, *[""] * len(days)][: len(days)]
    return [(day.isoformat(), f"{word} {day_date(day)}".strip()) for day, word in zip(days, named, strict=True)]
