"""The pages of case files of one LRM: a call, the search in the SAS platform, the orientations attached."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.config import SAS_UI
from sandbox.kernel.errors import Issue, RequestError
from sandbox.kernel.model import Practitioner, Town
from sandbox.lrm.console.calls import SPECIALTIES, synthetic_call
from sandbox.lrm.console.contextual import search_link
from sandbox.lrm.console.frame import MOST_LISTED, MOST_WAITING, Frame, holds, words_of
from sandbox.lrm.console.suggestions import suggestions
from sandbox.lrm.ledger.records import Call, CaseFile
from sandbox.lrm.messages.handler import MESSAGES
from sandbox.web.session import checked_form, flash

_MOST_SEARCHED = 2000  # case files that a search covers: the newest


class CaseFilePages:
    """Handlers of the case files."""

    def __init__(self, frame: Frame) -> None:
        self._frame, self._ledger, self._clock = frame, frame.ledger, frame.context.clock

    def routes(self) -> list[Route]:
        """The routes, relative to the LRM's path."""
        return [
            Route("/dossiers", self.case_files),
            Route("/dossiers", self.open_case, methods=["POST"]),
            Route("/dossiers/{number}", self.case_file),
            Route("/dossiers/{number}/suivi", self.case_file_live),
            Route("/dossiers/{number}/rechercher", self.search, methods=["POST"]),
            Route("/dossiers/{number}/besoin", self.change_need, methods=["POST"]),
            Route("/dossiers/{number}/detacher", self.detach, methods=["POST"]),
        ]

    async def case_files(self, request: Request) -> Response:
        """GET /dossiers?q=: the case files that hold all the words."""
        words = words_of(request)
        found = [each for each in self._ledger.case_files.newest(_MOST_SEARCHED) if holds(words, _text_of(each))]
        query = request.query_params.get("q", "")
        return self._frame.page(request, "case_files.html", case_files=found[:MOST_LISTED], query=query)

    async def case_file(self, request: Request) -> Response:
        """GET /dossiers/<number>: one case file, its orientations, and those that could be attached."""
        number = request.path_params["number"]
        return self._frame.page(request, "case_file.html", **self._values(number))

    async def case_file_live(self, request: Request) -> Any:
        """GET /dossiers/<number>/suivi: the same, whenever something changes."""
        number = request.path_params["number"]
        self._values(number)  # answer 404 here, not within the stream
        return self._frame.follow(
            MESSAGES, lambda: self._frame.fragment(request, "case_file_live.html", **self._values(number))
        )

    def _values(self, number: str) -> dict[str, Any]:
        found = self._ledger.case_files.known(number)
        attached = [self._ledger.orientations.get(key) for key in found.orientations]
        waiting = self._ledger.orientations.unattached(MOST_WAITING)
        reasons = [suggestions(each, [found], self._frame.territory.name) for each in waiting]
        ranked = sorted(zip(waiting, reasons, strict=True), key=lambda pair: -sum(each.weight for each in pair[1]))
        return {
            "case_file": found,
            "attached": [orientation for orientation in attached if orientation is not None],
            "waiting": ranked,
            "link": self._search_link(found),
        }

    def _search_link(self, case_file: CaseFile) -> str:
        page = self._frame.context.settings.http(SAS_UI, "/sas/recherche")
        return search_link(page, self._frame.territory.origin, case_file.call)

    async def open_case(self, request: Request) -> Response:
        """POST /dossiers {operator}: a (synthetic) call comes in, a case file is opened for it."""
        form = await checked_form(request)
        email = str(form.get("operator", ""))
        operator = next((each for each in self._frame.operators() if each.email == email), None)
        if operator is not None:
            request.session["operator"] = operator.email
        number = self._ledger.case_files.next_number()
        opened, write = self._ledger.case_files.open(number, self._call(number), self._clock.now(), operator)
        await self._frame.commit(write)
        return self._frame.redirect(f"/dossiers/{opened.number}")

    def _call(self, number: int) -> Call:
        seed, samu = self._frame.context.settings.seed, self._frame.territory.samu
        return synthetic_call(seed, samu, number, self._towns(), self._doctors())

    async def search(self, request: Request) -> Response:
        """POST /dossiers/<number>/rechercher: to the SAS platform, with the contextual call of this case file."""
        await checked_form(request)
        number = request.path_params["number"]
        await self._frame.commit(self._ledger.case_files.searched(number, self._clock.now()))
        return self._frame.pages.redirect(self._search_link(self._ledger.case_files.known(number)))

    async def change_need(self, request: Request) -> Response:
        """POST /dossiers/<number>/besoin {specialty, doctor}: what the search is to be for."""
        form = await checked_form(request)
        number, specialty = request.path_params["number"], str(form.get("specialty", ""))
        if specialty not in SPECIALTIES:
            raise RequestError(422, Issue("value", "Cette spécialité n'est pas proposée.", "specialty"))
        doctor = " ".join(str(form.get("doctor", "")).split())[:100]
        await self._frame.commit(self._ledger.case_files.change_need(number, specialty, doctor, self._clock.now()))
        return self._frame.redirect(f"/dossiers/{number}")

    async def detach(self, request: Request) -> Response:
        """POST /dossiers/<number>/detacher {orientation}: take an orientation out of the wrong case file."""
        form = await checked_form(request)
        number = request.path_params["number"]
        key = str(form.get("orientation", ""))
        await self._frame.commit(*self._ledger.detach(key, number, self._clock.now()))
        flash(request, "Orientation détachée : elle attend de nouveau d'être rattachée.")
        return self._frame.redirect(f"/dossiers/{number}")

    def _towns(self) -> list[Town]:
        """The towns of the territory's callers: those of its département, else any of the dataset."""
        towns = self._frame.context.population.towns.values()
        department = self._frame.territory.department
        return [town for town in towns if town.department == department] or list(towns)

    def _doctors(self) -> list[Practitioner]:
        """Hand-made practitioners of the territory whose agenda an editor holds, which callers may name as their
        regular doctor."""
        population, department = self._frame.context.population, self._frame.territory.department
        insee = {town.insee for town in population.towns.values() if town.department == department}
        people = [each for each in population.handmade() if each.editor and each.id.startswith("8")]
        return [each for each in people if any(place.insee in insee for place in each.places)]


def _text_of(case_file: CaseFile) -> str:
    """The text that a search looks through."""
    call = case_file.call
    parts = (case_file.number, call.family, call.given, call.city, call.postal_code, call.reason, call.line)
    return " ".join(parts).casefold()
