"""The search: form with suggestions, results as editors answer, and the contextual call of an LRM (INT_L01).

The results page is a shell that is served at once; a script fills it from a stream of server-sent events, each of
which is the whole part again, in the order in which it will be at the end. Without script the shell sends the browser
on to the same address with `affichage=complet`: the whole page, once everybody has answered.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.kernel.calls import SIMULATOR, may_call
from sandbox.kernel.errors import RequestError
from sandbox.kernel.model import Regulator
from sandbox.kernel.text.words import folded
from sandbox.sas.console.frame import Frame
from sandbox.sas.console.results_view import FILTERS, ResultsView
from sandbox.sas.directory.directory import Directory
from sandbox.sas.directory.place_names import Contradiction
from sandbox.sas.directory.places import ADDRESS
from sandbox.sas.directory.specialties import profession
from sandbox.sas.regulators.accounts import Right
from sandbox.sas.search.aggregator import Aggregator
from sandbox.sas.search.cards import booking_url
from sandbox.sas.search.contextual import (
    NOT_ASKED,
    NOT_FOUND,
    PreferredDoctor,
    form_text,
    is_named,
    lrm_of,
    place_of,
    read_practitioner,
    read_specialty,
)
from sandbox.sas.search.run import Criteria, Results, flattened, read_criteria, run, whole
from sandbox.web.pages import redirect
from sandbox.web.session import flash
from sandbox.web.sse import Event

WHOLE = {"affichage": "complet"}
MOST_SUGGESTED = 8
LONGEST_TYPED = 100  # characters that suggestions are looked up for
CALM_S = 0.04  # between two states of one page: several answers at once are shown at once
AGAIN = "/sas/reprise"
LAST, LONGEST_LAST = "last_search", 1000  # in the session: the last search, when its address has no more characters
LOOK_UP = 200  # practitioners whose names are compared between two turns of the event loop


@dataclass(frozen=True, slots=True)
class Asked:
    """A search that can be made, and what has to be said beside it. `values`: the parameters of the address."""

    criteria: Criteria
    values: Mapping[str, str]
    notices: tuple[tuple[str, str], ...] = ()  # (code, sentence)


class SearchPages:
    """Form, results, suggestions. `labels`: name of each R38 code."""

    def __init__(
        self, frame: Frame, *, directory: Directory, aggregator: Aggregator, labels: Mapping[str, str]
    ) -> None:
        self._frame, self._directory, self._aggregator, self._labels = frame, directory, aggregator, labels

    def routes(self) -> list[Route]:
        """Their routes. The search asks for a login by itself: a disabled call needs none to be told so."""
        guarded = self._frame.guarded
        return [
            Route("/sas/recherche", self.search, methods=["GET"]),
            Route("/sas/recherche/flux", guarded(self.live), methods=["GET"]),
            Route(AGAIN, guarded(self.again), methods=["GET"]),
            Route("/sas/suggestions", guarded(self.suggestions), methods=["GET"]),
        ]

    def form(self, values: Mapping[str, str]) -> dict[str, Any]:
        """What the template of the search form needs."""
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
            asked = await self._asked(values)
        except RequestError as error:
            return self._back(request, regulator, values, error)
        self._remember(request, asked)
        results = Results(asked.criteria, asked.criteria.area)
        complete = values.get("affichage") == WHOLE["affichage"]
        if complete:
            results = await whole(asked.criteria, self._aggregator)
        return self._page(request, regulator, asked, results, running=not complete)

    async def again(self, request: Request, regulator: Regulator) -> Response:
        """To the last search of this session: where editors' pages lead back to."""
        last = last_search(request)
        return redirect(last["path"] if last is not None else "/")

    async def live(self, request: Request, regulator: Regulator) -> Any:
        """The results as they come."""
        self._frame.accounts.require(regulator, Right.ORIENTATION)
        asked = await self._asked(flattened(request.query_params.multi_items()))
        return self._frame.streams.answer(self._events(asked))

    async def suggestions(self, request: Request, regulator: Regulator) -> Response:
        """What may be meant by the beginning of a place (`champ=place`) or of a specialty or reason."""
        text = request.query_params.get("q", "").strip()[:LONGEST_TYPED]
        if request.query_params.get("champ") == "place":
            return JSONResponse(self._directory.places.towns.beginning(text, MOST_SUGGESTED))
        return JSONResponse(self._motives(text))

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
        """To the home page, with what is wrong; what was typed stays there."""
        problem = french(error, values)
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

    async def _asked(self, values: Mapping[str, str]) -> Asked:
        """Criteria and notices. Raises RequestError 400 for a place, a page or a filter that cannot be used."""
        specialty = read_specialty(values.get("specialty", ""))
        known = self._motive(specialty)
        plain = {**values, "specialty": "", **known, "preferred": ""}
        criteria = read_criteria(plain, self._directory, self._labels, self._frame.context.clock.now())
        notices = []
        if specialty and not known:
            what = profession(values["specialty"])
            unknown = f"désigne une profession ({what})" if what else "n'est ni une spécialité ni un motif connus"
            notices.append(("specialty", f"« {specialty} » {unknown} : consultation de médecine générale."))
        wish = read_practitioner(values.get("practitioner", ""))
        preferred, error = await self._preferred(wish, criteria)
        if error and (error == NOT_FOUND or "origin" in values):
            notices.append((error, _WISHES[error]))
        return Asked(replace(criteria, preferred=preferred), values, tuple(notices))

    def _remember(self, request: Request, asked: Asked) -> None:
        """Keep the search, so that one comes back to it; no contextual call is made a second time."""
        values = {name: text for name, text in asked.values.items() if name not in ("origin", *WHOLE)}
        path = search_url(values)
        if len(path) <= LONGEST_LAST:
            label = self._labels.get(asked.criteria.specialty, asked.criteria.specialty)
            request.session[LAST] = {"path": path, "label": f"{label} · {asked.criteria.place.label}"}

    def _motive(self, text: str) -> dict[str, str]:
        """What a specialty or a reason means as parameters of a search; nothing when it is neither."""
        words = folded(text)
        if text.upper() in self._labels:
            return {"specialty": text.upper()}
        for code, label in self._labels.items():
            if words == folded(label):
                return {"specialty": code}
        if (uncoded := self._directory.specialty_text(text)) is not None:
            return {"specialty": uncoded}
        reasons = self._reasons()
        return {"reason": reasons[words]} if words in reasons else {}

    def _reasons(self) -> dict[str, str]:
        """The reasons that the agendas of the persona files know; asked anew, since these files may be read again."""
        people = self._frame.context.population.handmade()
        reasons = {reason for person in people for place in person.places for reason in place.agenda.reasons}
        return {folded(reason): reason for reason in sorted(reasons)}

    def _motives(self, text: str) -> list[str]:
        """Specialties, then reasons, of which a word begins so."""
        words = folded(text)
        known = [*self._labels.values(), *self._reasons().values()]
        return [each for each in known if words and f" {words}" in f" {folded(each)}"][:MOST_SUGGESTED]

    async def _preferred(self, wish: PreferredDoctor, criteria: Criteria) -> tuple[str | None, str]:
        """Prefixed id of the preferred doctor, or the code of why there is none."""
        if wish.error:
            return None, wish.error
        if wish.id:
            person = self._directory.practitioner(wish.id)
            return (person.id, "") if person is not None else (None, NOT_FOUND)
        found = []
        candidates = self._aggregator.candidates("SM54", criteria.area)
        for number, candidate in enumerate(candidates):
            if number % LOOK_UP == LOOK_UP - 1:
                await asyncio.sleep(0)  # others have their turn: a large city has thousands
            if is_named(candidate.practitioner, wish.name):
                found.append(candidate.id)
        return (found[0], "") if len(found) == 1 else (None, NOT_FOUND)

    async def _events(self, asked: Asked) -> AsyncGenerator[Event, None]:
        """The page's part after each answer, those of one moment together; then that it is over."""
        results, changed = Results(asked.criteria, asked.criteria.area), asyncio.Event()
        gathering = asyncio.create_task(self._gather(results, changed))
        try:
            while not gathering.done():
                await changed.wait()
                changed.clear()
                if not gathering.done():
                    yield Event(self._part(asked, results, running=True), "contenu")
                    await asyncio.wait({gathering}, timeout=CALM_S)
            yield Event(self._outcome(gathering, asked, results), "contenu")
            yield Event("", "fin")
        finally:
            gathering.cancel()
            await asyncio.gather(gathering, return_exceptions=True)

    def _outcome(self, gathering: asyncio.Task[None], asked: Asked, results: Results) -> str:
        """The part as it stays; why there is none, when too many searches run already."""
        try:
            gathering.result()
        except RequestError:
            return self._frame.pages.fragment("results_refused.html")
        return self._part(asked, results, running=False)

    async def _gather(self, results: Results, changed: asyncio.Event) -> None:
        try:
            async with contextlib.aclosing(run(results.criteria, self._aggregator)) as events:
                async for event in events:
                    results.take(event)
                    changed.set()
        finally:
            changed.set()

    def _part(self, asked: Asked, results: Results, *, running: bool) -> str:
        return self._frame.pages.fragment("results_part.html", **self._view(asked, results, running=running))

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
            others=_others(asked),
            problem=None,
            **self._view(asked, results, running=running),
            **self.form({"place": form_text(asked.criteria.place), **asked.values}),
        )

    def _view(self, asked: Asked, results: Results, *, running: bool) -> dict[str, Any]:
        context, page = self._frame.context, asked.criteria.page
        return {
            "view": ResultsView.of(results, context.population, running=running),
            "criteria": asked.criteria,
            "label": self._labels.get(asked.criteria.specialty, asked.criteria.specialty),
            "link": lambda url: booking_url(url, context.settings.sas_origin),
            "next_url": self._further(asked, page + 1) if results.next else None,
            "external": self._external(),
            "previous_url": self._further(asked, page - 1) if page > 1 else None,
        }

    def _external(self) -> dict[str, dict[str, str]]:
        """Of each external editor that has an address: its name, and a search there (`url`)."""
        editors = self._frame.context.population.editors
        found = {slug: self._directory.search_at(slug) for slug, editor in editors.items() if editor.external}
        return {slug: {"name": editors[slug].name, "url": search_url(at)} for slug, at in found.items() if at}

    def _further(self, asked: Asked, page: int) -> str:
        """Another page of the same search, in the same order; it is no contextual call any more."""
        values = {**asked.values, "shuffle": asked.criteria.shuffle, "page": str(page)}
        return "/sas/recherche?" + urlencode({name: text for name, text in values.items() if name != "origin"})


def search_url(values: Mapping[str, str]) -> str:
    """The results page of a search with these parameters."""
    return f"/sas/recherche?{urlencode(values)}"


def _others(asked: Asked) -> list[tuple[str, str]]:
    """What else the place may mean, with the address of the same search there."""
    spot = asked.criteria.place
    line = spot.label.removesuffix(spot.town.name) if spot.kind == ADDRESS else ""
    kept = {name: text for name, text in asked.values.items() if name not in _PLACE}
    return [(text, "/sas/recherche?" + urlencode({**kept, "place": line + text})) for text in spot.others]


def last_search(request: Request) -> Mapping[str, str] | None:
    """Address (`path`) and `label` of the last search of this session."""
    return request.session.get(LAST)


_PLACE = frozenset(
    {
        *("place", "insee", "town", "inseecode", "city", "streetname", "streetnumber", "lat", "lon"),
        *("origin", "page", "shuffle"),
    }
)
_WISHES = {
    NOT_FOUND: "Le médecin traitant demandé n'a pas été trouvé : la recherche continue sans lui.",
    NOT_ASKED: "Aucun médecin traitant n'a été transmis.",
}


def french(error: RequestError, values: Mapping[str, str]) -> str:
    """What is wrong with a search, for the person who asked for it."""
    place = place_of(values)
    if isinstance(error, Contradiction):
        return error.french
    match (error.issues[0].expression or "").removeprefix("http."):
        case "place" | "town" | "insee":
            return (
                f"Le lieu « {place} » n'est pas connu."
                if place
                else "Indiquez un lieu : adresse, commune ou code postal."
            )
        case "streetnumber":
            return "Le lieu est incomplet : un numéro est donné sans la rue."
        case "from" | "to":
            return "La période demandée n'est pas utilisable : la fin doit suivre le début, 31 jours au plus."
    return "La recherche n'est pas utilisable : vérifiez les champs."
