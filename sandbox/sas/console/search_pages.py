"""The search: form with suggestions, results as editors answer, and the contextual call of an LRM (INT_L01).

The results page is a shell that is served at once; a script fills it from a stream of server-sent events, each of
which is the whole part again, in the order in which it will be at the end. Without script the shell sends the browser
on to the same address with `affichage=complet`: the whole page, once everybody has answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.kernel.calls import SIMULATOR, may_call
from sandbox.kernel.errors import RequestError
from sandbox.kernel.model import Regulator
from sandbox.sas.console.frame import AGENDA, Frame
from sandbox.sas.console.results_part import ResultsPart
from sandbox.sas.console.results_view import FILTERS
from sandbox.sas.console.search_reader import Asked, SearchReader, other_places, problem_in_french, search_url
from sandbox.sas.regulators.accounts import Right
from sandbox.sas.search.contextual import form_text, lrm_of, place_of, read_specialty
from sandbox.sas.search.run import Results, flattened, whole
from sandbox.sas.services import Services
from sandbox.web.pages import redirect
from sandbox.web.session import flash

WHOLE = {"affichage": "complet"}
LONGEST_TYPED = 100  # longest text for which suggestions are looked up
AGAIN = "/sas/reprise"
LAST, LONGEST_LAST = "last_search", 1000  # the last search is kept in the session if its address is not longer


class SearchPages:
    """Form, results, suggestions."""

    def __init__(self, frame: Frame, services: Services) -> None:
        self._frame, self._aggregator, self._labels = frame, services.aggregator, services.labels
        self._reader, self._part = SearchReader(services), ResultsPart(frame, services)

    def routes(self) -> list[Route]:
        """The search page checks the login itself, because an LRM that may not call is refused without a login."""
        guarded = self._frame.guarded
        return [
            Route("/", self.home, methods=["GET"]),
            Route("/sas/recherche", self.search, methods=["GET"]),
            Route("/sas/recherche/flux", guarded(self.live), methods=["GET"]),
            Route(AGAIN, guarded(self.again), methods=["GET"]),
            Route("/sas/suggestions", guarded(self.suggestions), methods=["GET"]),
        ]

    async def home(self, request: Request) -> Response:
        """The search form; without a session, a page that explains the service and how to log in. A practitioner who
        is no regulator is sent to his agenda."""
        regulator = self._frame.regulator(request)
        if regulator is None and self._frame.practitioner(request) is not None:
            return redirect(AGENDA)
        last = last_search(request) if regulator is not None else None
        return self._frame.page(request, "home.html", regulator, problem=None, last=last, **self.form({}))

    def form(self, values: Mapping[str, str]) -> dict[str, Any]:
        """The values for the template of the search form."""
        specialty = read_specialty(values.get("specialty", ""))
        return {
            "values": values,
            "place": place_of(values),
            "specialty": self._labels.get(specialty.upper(), specialty),
            "practitioner": values.get("practitioner", ""),
            "filters": FILTERS,
            "filtered": sum(bool(values.get(each.name)) for each in FILTERS),
        }

    async def search(self, request: Request) -> Response:
        """The results page; for an LRM that may not call, a page that says so."""
        values = flattened(request.query_params.multi_items())
        if (refused := self._refused(request, values)) is not None:
            return refused
        return await self._frame.guarded(self._search)(request)

    async def _search(self, request: Request, regulator: Regulator) -> Response:
        self._frame.accounts.require(regulator, Right.ORIENTATION)
        values = flattened(request.query_params.multi_items())
        try:
            asked = await self._reader.read(values)
        except RequestError as error:
            return self._back(request, regulator, values, error)
        self._remember(request, asked)
        results = Results(asked.criteria, asked.criteria.area)
        complete = values.get("affichage") == WHOLE["affichage"]
        if complete:
            results = await whole(asked.criteria, self._aggregator)
        return self._page(request, regulator, asked, results, running=not complete)

    async def again(self, request: Request, regulator: Regulator) -> Response:
        """Redirect to the last search of this session; the editors' pages link to this address."""
        last = last_search(request)
        return redirect(last["path"] if last is not None else "/")

    async def live(self, request: Request, regulator: Regulator) -> Any:
        """The results as they come."""
        self._frame.accounts.require(regulator, Right.ORIENTATION)
        asked = await self._reader.read(flattened(request.query_params.multi_items()))
        return self._frame.streams.answer(self._part.stream(asked))

    async def suggestions(self, request: Request, regulator: Regulator) -> Response:
        """Suggestions for the beginning of a place (`champ=place`), or of a specialty or reason."""
        text = request.query_params.get("q", "").strip()[:LONGEST_TYPED]
        if request.query_params.get("champ") == "place":
            return JSONResponse(self._reader.places(text))
        return JSONResponse(self._reader.suggestions(text))

    def _refused(self, request: Request, values: Mapping[str, str]) -> Response | None:
        """The answer to an LRM that is unknown, or whose calls are disabled."""
        if "origin" not in values:
            return None
        territory = lrm_of(values["origin"], (*self._frame.context.population.territories.values(), SIMULATOR))
        if territory is not None and may_call(territory.samu, self._frame.context.world.world.switches):
            return None
        regulator = self._frame.regulator(request)
        return self._frame.page(request, "call_refused.html", regulator, 403, origin=values["origin"], lrm=territory)

    def _back(self, request: Request, regulator: Regulator, values: Mapping[str, str], error: RequestError) -> Response:
        """Redirect to the home page, which shows the problem and keeps what was typed."""
        problem = problem_in_french(error, values)
        if "origin" in values:
            flash(request, problem, "bad")
            return redirect("/")
        return self._frame.page(
            request,
            "home.html",
            regulator,
            error.status,
            problem=problem,
            last=last_search(request),
            **self.form(values),
        )

    def _remember(self, request: Request, asked: Asked) -> None:
        """Keep the search in the session, to return to it; without `origin`, because returning is not a contextual
        call."""
        values = {name: text for name, text in asked.values.items() if name not in ("origin", *WHOLE)}
        path = search_url(values)
        if len(path) <= LONGEST_LAST:
            label = self._labels.get(asked.criteria.specialty, asked.criteria.specialty)
            request.session[LAST] = {"path": path, "label": f"{label} · {asked.criteria.place.label}"}

    def _page(
        self, request: Request, regulator: Regulator, asked: Asked, results: Results, *, running: bool
    ) -> Response:
        query = urlencode(asked.values)
        complete = urlencode({**asked.values, **WHOLE})
        return self._frame.page(
            request,
            "results.html",
            regulator,
            live=f"/sas/recherche/flux?{query}" if running else None,
            whole=f"/sas/recherche?{complete}",
            notices=asked.notices,
            others=other_places(asked),
            problem=None,
            **self._part.values(asked, results, running=running),
            **self.form({"place": form_text(asked.criteria.place), **asked.values}),
        )


def last_search(request: Request) -> Mapping[str, str] | None:
    """Address (`path`) and `label` of the last search of this session."""
    return request.session.get(LAST)
