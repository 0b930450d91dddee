"""The search of MSP and CDS, and the form that sends a patient to one of them.

The form carries a key: sent twice, it makes one appointment.
"""

from __future__ import annotations

from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.kernel.errors import Issue, RequestError
from sandbox.kernel.model import Regulator, Structure
from sandbox.population.agendas.agenda import zone_of
from sandbox.sas.console import words
from sandbox.sas.console.frame import Frame
from sandbox.sas.console.offer_pages.made import to_orientation
from sandbox.sas.console.search_pages import AGAIN
from sandbox.sas.console.search_reader import problem_in_french
from sandbox.sas.desk import Desk
from sandbox.sas.directory.areas import Area
from sandbox.sas.offers.found import structure_offer, structures_of
from sandbox.sas.offers.structures import StructureOrientation
from sandbox.sas.regulators.accounts import Right
from sandbox.sas.search.run import read_criteria
from sandbox.sas.services import Services

PATH = "/sas/structures"
_KINDS = ("", "msp", "cds")


class StructurePages:
    """For those who may orient patients."""

    def __init__(self, frame: Frame, services: Services) -> None:
        self._frame, self._desk = frame, Desk(services)
        self._directory, self._labels = services.directory, services.labels
        self._clock, self._entropy = services.context.clock, services.context.entropy

    def routes(self) -> list[Route]:
        """The search, a structure, and what its form sends."""
        guarded, posted = self._frame.guarded, self._frame.posted
        return [
            Route(PATH, guarded(self.structures, Right.ORIENTATION), methods=["GET"]),
            Route(f"{PATH}/{{id}}", guarded(self.structure, Right.ORIENTATION), methods=["GET"]),
            Route(f"{PATH}/{{id}}", posted(self.orient, Right.ORIENTATION), methods=["POST"]),
        ]

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

    async def orient(self, request: Request, regulator: Regulator, form: FormData) -> Response:
        """Make the appointment."""
        asked = StructureOrientation(structure=self._structure(request).finess)
        record = await self._desk.make(regulator, asked, str(form.get("cle", "")))
        return to_orientation(request, record)

    def _structure(self, request: Request) -> Structure:
        known = self._directory.population.structure(request.path_params["id"])
        if known is None:
            raise RequestError(404, Issue("not-found", "Cette structure n'est pas dans l'annuaire."))
        return known
