"""The pages of one LRM and its small JSON interface, under `/<slug>/`. No login: a training console on loopback.

JSON (for tests and the scenario; read only):
- `GET api/orientations?attached=true|false&limit=n` -> {"orientations": […], "count", "unattached"}, newest first
- `GET api/orientations/<appointmentId>` -> {appointmentId, appointment, sender, history, caseFile, distributionIDs}
- `GET api/case-files` -> {"caseFiles": […]}, newest first (synthetic people)
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from sandbox.kernel.errors import Issue, RequestError
from sandbox.kernel.model import Territory, Town
from sandbox.lrm.calls import synthetic_call
from sandbox.lrm.consumer import Consumer
from sandbox.lrm.ledger import Ledger
from sandbox.lrm.records import Orientation
from sandbox.net.context import Context
from sandbox.store.protocol import Store
from sandbox.web.pages import Pages, console
from sandbox.web.session import checked_form, flash

COLOUR = "#7a2e5d"
BANNER = "EXERCICE – logiciel de régulation du bac à sable : appelants et patients sont fictifs"
MOST_LISTED = 100  # rows of one list of a page
MOST_OFFERED = 20  # case files that a list offers to attach to: the newest; any other has its own page
MOST_JSON = 2000

CATEGORIES = {
    "PS": "Professionnel de santé",
    "CPTS": "CPTS",
    "SOS": "SOS Médecins",
    "PDM": "Place de marché",
    "CDS": "Centre de santé",
    "MSP": "Maison de santé",
}


class Console:
    """Routes of one LRM."""

    def __init__(
        self, context: Context, territory: Territory, store: Store, ledger: Ledger, consumer: Consumer
    ) -> None:
        self._context, self._territory = context, territory
        self._store, self._ledger, self._consumer = store, ledger, consumer
        self._base = f"/{territory.lrm_slug}"
        self._pages = Pages(
            "sandbox.lrm",
            app_name=f"LRM {territory.name}",
            banner=BANNER,
            colour=COLOUR,
            static_url=f"{self._base}/static",
        )

    def application(self) -> ASGIApp:
        """The ASGI application, to be mounted under `/<slug>`."""
        routes = [
            Route("/", self.home),
            Route("/dossiers", self.case_files),
            Route("/dossiers", self.open_case, methods=["POST"]),
            Route("/dossiers/{number}", self.case_file),
            Route("/orientations/{id:path}/attach", self.attach, methods=["POST"]),
            Route("/orientations/{id:path}", self.orientation),
            Route("/messages", self.notices),
            Route("/api/orientations", self.api_orientations),
            Route("/api/orientations/{id:path}", self.api_orientation),
            Route("/api/case-files", self.api_case_files),
        ]
        role = f"lrm-{self._territory.samu}"
        return console(self._context, self._pages, routes, role=role)

    # ---- pages

    async def home(self, request: Request) -> Response:
        """GET /: the orientations that wait for a case file."""
        return self._render(
            request,
            "orientations.html",
            waiting=self._ledger.unattached(MOST_LISTED),
            case_files=self._ledger.case_files(MOST_OFFERED),
        )

    async def orientation(self, request: Request) -> Response:
        """GET /orientations/<appointmentId>: everything known of one, and its history."""
        found = self._ledger.orientation(request.path_params["id"])
        if found is None:
            raise RequestError(404, Issue("not-found", "Orientation inconnue."))
        return self._render(
            request, "orientation.html", orientation=found, case_files=self._ledger.case_files(MOST_OFFERED)
        )

    async def case_files(self, request: Request) -> Response:
        """GET /dossiers: the case files."""
        return self._render(request, "case_files.html", case_files=self._ledger.case_files(MOST_LISTED))

    async def case_file(self, request: Request) -> Response:
        """GET /dossiers/<number>: one case file, its orientations, and those that could be attached."""
        found = self._ledger.case_file(request.path_params["number"])
        if found is None:
            raise RequestError(404, Issue("not-found", "Dossier inconnu."))
        attached = [self._ledger.orientation(key) for key in found.orientations]
        return self._render(
            request,
            "case_file.html",
            case_file=found,
            attached=[orientation for orientation in attached if orientation is not None],
            waiting=self._ledger.unattached(MOST_LISTED),
        )

    async def open_case(self, request: Request) -> Response:
        """POST /dossiers: a call comes in (synthetic), a case file is opened."""
        await checked_form(request)
        number = self._ledger.next_number()
        towns = _towns_of(self._territory, self._context)
        call = synthetic_call(self._context.settings.seed, self._territory.samu, number, towns)
        opened, writes = self._ledger.open_case(number, call, self._context.clock.now())
        await self._store.commit(*writes)
        return self._pages.redirect(f"{self._base}/dossiers/{opened.number}")

    async def attach(self, request: Request) -> Response:
        """POST /orientations/<appointmentId>/attach {case_file}: nothing is typed again."""
        form = await checked_form(request)
        number = str(form.get("case_file", ""))
        writes = self._ledger.attach(request.path_params["id"], number, self._context.clock.now())
        await self._store.commit(*writes)
        flash(request, f"Orientation rattachée au dossier {number}.")
        return self._pages.redirect(f"{self._base}/dossiers/{number}")

    async def notices(self, request: Request) -> Response:
        """GET /messages: what came to the LRM's own `.ack` and `.info` queues, and what it refused."""
        return self._render(request, "notices.html", notices=self._ledger.notices())

    # ---- JSON

    async def api_orientations(self, request: Request) -> Response:
        """GET /api/orientations."""
        limit = _limit(request.query_params.get("limit"))
        attached = request.query_params.get("attached")
        if attached == "false":
            found: Iterable[Orientation] = self._ledger.unattached(limit)
        else:
            found = self._ledger.orientations()
            if attached == "true":
                found = (one for one in found if one.case_file is not None)
        counts = self._ledger.counts()
        rows = [_document(one) for one in itertools.islice(found, limit)]
        return _json({"orientations": rows, "count": counts["orientations"], "unattached": counts["unattached"]})

    async def api_orientation(self, request: Request) -> Response:
        """GET /api/orientations/<appointmentId>."""
        found = self._ledger.orientation(request.path_params["id"])
        if found is None:
            return _json({"error": "unknown appointmentId"}, 404)
        return _json(_document(found))

    async def api_case_files(self, request: Request) -> Response:
        """GET /api/case-files."""
        files = self._ledger.case_files(_limit(request.query_params.get("limit")))
        return _json({"caseFiles": [msgspec.to_builtins(file) for file in files]})

    # ---- inside

    def _render(self, request: Request, template: str, **values: Any) -> Response:
        return self._pages.render(
            request,
            template,
            base=self._base,
            territory=self._territory,
            counts=self._ledger.counts(),
            connected=self._consumer.connected,
            categories=CATEGORIES,
            **values,
        )


def _towns_of(territory: Territory, context: Context) -> list[Town]:
    """Towns where the territory's callers are: those of its département, else any of the dataset."""
    towns = context.population.towns.values()
    return [town for town in towns if town.department == territory.department] or list(towns)


def _limit(text: str | None) -> int:
    if text is None or not text.isascii() or not text.isdigit():
        return MOST_LISTED
    return max(1, min(int(text[:9]), MOST_JSON))


def _document(orientation: Orientation) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.to_builtins(orientation)
    ids = [change.distribution_id for change in orientation.history]
    return {**document, "distributionIDs": ids}


def _json(document: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(document), status, media_type="application/json")
