"""The form by which a regulator asks a community to take a patient (marketplace).

    GET  /sas/communaute/<id>[?insee=]    the form, for a patient in that town
    POST /sas/communaute/<id>             asks, then leads to the orientation, which is followed live

The form carries a key: sent twice, it makes one request.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.fhir.service_request import LONGEST_NEED
from sandbox.kernel.errors import Issue, RequestError
from sandbox.kernel.model import Community, Regulator
from sandbox.kernel.text.numbers import whole_number
from sandbox.sas.console import words
from sandbox.sas.console.frame import Frame
from sandbox.sas.console.orientation_pages import PATH as ORIENTATIONS
from sandbox.sas.console.search_pages import AGAIN
from sandbox.sas.desk import Desk
from sandbox.sas.orientations.marketplace import (
    LONGEST_MINUTES,
    SHORTEST_MINUTES,
    SHORTEST_NEED,
    MarketplaceOrientation,
)
from sandbox.sas.regulators.accounts import Right
from sandbox.sas.services import Services
from sandbox.web.pages import redirect
from sandbox.web.session import flash

PATH = "/sas/communaute"
USUAL_MINUTES = 30

_PROBLEMS = {
    "need": f"Décrivez le besoin en {SHORTEST_NEED} à {LONGEST_NEED} caractères.",
    "within_minutes": f"Indiquez un délai de {SHORTEST_MINUTES} à {LONGEST_MINUTES} minutes.",
    "town": "Choisissez une commune où cette communauté intervient.",
    "community": "L'éditeur de cette communauté n'est pas sollicité en ce moment.",
}


class CommunityForm:
    """For those who may orient patients."""

    def __init__(self, frame: Frame, services: Services) -> None:
        self._frame, self._desk = frame, Desk(services)
        self._marketplace, self._entropy = services.marketplace, services.context.entropy

    def routes(self) -> list[Route]:
        """Everything needs the right to orient."""
        path = f"{PATH}/{{id}}"
        return [
            Route(path, self._frame.guarded(self.form, Right.ORIENTATION), methods=["GET"]),
            Route(path, self._frame.posted(self.ask, Right.ORIENTATION), methods=["POST"]),
        ]

    async def form(self, request: Request, regulator: Regulator) -> Response:
        """The form, for the town of the address."""
        typed = {"besoin": "", "insee": request.query_params.get("insee", ""), "delai": str(USUAL_MINUTES)}
        return self._form(request, regulator, typed, {})

    async def ask(self, request: Request, regulator: Regulator, form: FormData) -> Response:
        """Ask the community; the form again with all that is wrong."""
        typed = {name: str(form.get(name, "")) for name in ("besoin", "insee", "delai", "cle")}
        minutes = whole_number(typed["delai"].strip(), 6)
        asked = MarketplaceOrientation(
            community=self._community(request).id,
            need=typed["besoin"],
            within_minutes=minutes if minutes is not None else -1,
            town=typed["insee"],
        )
        try:
            record = await self._desk.make(regulator, asked, typed["cle"])
        except RequestError as error:
            problems = {str(issue.expression): _PROBLEMS.get(str(issue.expression), "") for issue in error.issues}
            if not all(problems.values()):
                raise
            return self._form(request, regulator, typed, problems, error.status)
        flash(request, "Demande envoyée à la communauté.")
        return redirect(f"{ORIENTATIONS}/{record.id}")

    def _form(
        self,
        request: Request,
        regulator: Regulator,
        typed: Mapping[str, str],
        problems: Mapping[str, str],
        status: int = 200,
    ) -> Response:
        community = self._community(request)
        return self._frame.page(
            request,
            "community.html",
            regulator,
            status,
            community=community,
            kind=words.COMMUNITIES[community.kind],
            asked=self._marketplace.is_asked(community),
            closed=_PROBLEMS["community"],
            towns=self._marketplace.towns(community),
            typed=typed,
            problems=problems,
            limits=(SHORTEST_NEED, LONGEST_NEED, SHORTEST_MINUTES, LONGEST_MINUTES),
            key=typed.get("cle") or self._entropy.uuid(),
            again=AGAIN,
        )

    def _community(self, request: Request) -> Community:
        found = self._marketplace.community(request.path_params["id"])
        if found is None:
            raise RequestError(404, Issue("not-found", "Cette communauté n'existe pas."))
        return found
