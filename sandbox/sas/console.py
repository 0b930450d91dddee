"""The regulator's console: log in through Pro Santé Connect, search, follow one's orientations. French pages.

Nothing of a patient is ever here. Parameters of the search page carry the names of the contextual call (INT_L01):
`specialty`, `inseecode`, `city`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sandbox.config import SAS_UI
from sandbox.kernel.errors import Issue, PeerError, RequestError
from sandbox.kernel.model import Practitioner, Regulator
from sandbox.net.context import Context
from sandbox.net.http_client import HttpClient
from sandbox.sas.accounts import Accounts
from sandbox.sas.aggregator import Aggregator
from sandbox.sas.appointments import Appointments
from sandbox.sas.cards import booking_url
from sandbox.sas.directory import Directory
from sandbox.sas.l02 import L02
from sandbox.sas.records import AppointmentRecord
from sandbox.sas.search import DEFAULT_SPECIALTY, flattened, read_criteria, whole
from sandbox.web.oidc import RelyingParty
from sandbox.web.pages import Pages, redirect
from sandbox.web.session import checked_form, local_path, sign_in

BANNER = "BAC À SABLE — données fictives"
COLOUR = "#1d4f91"
MOST_SUGGESTED = 500  # towns that the search form offers; any other can be typed
MOST_SHOWN = 50  # orientations on the page

# State of an L02 message as people read it, and the tone of its badge.
L02_WORDS: Mapping[str, tuple[str, str]] = {
    "due": ("à transmettre", "wait"),
    "published": ("transmise au hub", "info"),
    "acknowledged": ("acquittée par le LRM", "good"),
    "refused": ("refusée", "bad"),
    "expired": ("expirée", "bad"),
}
ACCOUNT_WORDS: Mapping[str, tuple[str, str]] = {
    "known": ("à jour", "good"),
    "due": ("à transmettre", "wait"),
    "failed": ("en échec, sera repris à la prochaine connexion", "bad"),
}


class Console:
    """The pages of the SAS core."""

    def __init__(
        self,
        context: Context,
        http: HttpClient,
        *,
        directory: Directory,
        aggregator: Aggregator,
        accounts: Accounts,
        appointments: Appointments,
        l02: L02,
        labels: Mapping[str, str],
    ) -> None:
        self._context, self._directory, self._aggregator = context, directory, aggregator
        self._accounts, self._appointments, self._l02 = accounts, appointments, l02
        self._labels = labels
        self._home = context.settings.http(SAS_UI, "/")
        redirect_uri = context.settings.http(SAS_UI, "/oidc/callback")
        self._psc = RelyingParty(context, "sas", redirect_uri, http)
        self.pages = Pages("sandbox.sas", app_name="Plateforme SAS", banner=BANNER, colour=COLOUR, static_url="/static")
        self._towns = directory.places.suggestions(MOST_SUGGESTED)

    def routes(self) -> list[Route]:
        """The pages' routes, without the static files."""
        return [
            Route("/", self.home, methods=["GET"]),
            Route("/connexion", self.login, methods=["GET"]),
            Route("/oidc/callback", self.callback, methods=["GET"]),
            Route("/deconnexion", self.logout, methods=["POST"]),
            Route("/sas/recherche", self.search, methods=["GET"]),
            Route("/sas/orientations", self.orientations, methods=["GET"]),
        ]

    async def home(self, request: Request) -> Response:
        """The search form; for a stranger, what this is and how to log in."""
        regulator = self._regulator(request)
        accounts = list(self._accounts.states(regulator)) if regulator is not None else []
        return self._page(request, "home.html", regulator, accounts=accounts, words=ACCOUNT_WORDS, **self._form({}))

    async def login(self, request: Request) -> Response:
        """To Pro Santé Connect, and back to `return_to`."""
        return await self._to_psc(request, local_path(request.query_params.get("return_to")))

    async def callback(self, request: Request) -> Response:
        """Back from Pro Santé Connect: whoever has an account is logged in (and the editors are told, INT_R02)."""
        claims = await self._psc.callback(request)
        regulator = self._context.population.regulator(claims.national_id)
        if regulator is None or regulator.identifier.value != claims.national_id:
            detail = f"Aucun compte régulateur pour l'identifiant « {claims.national_id} »."
            raise RequestError(403, Issue("forbidden", detail))
        sign_in(request, regulator=regulator.identifier.key)
        await self._accounts.login(regulator)
        return redirect(claims.return_to)

    async def logout(self, request: Request) -> Response:
        """End the session here, then at Pro Santé Connect."""
        await checked_form(request)
        request.session.clear()
        try:
            return redirect(await self._psc.logout_url(self._home))
        except PeerError:
            return redirect("/")  # logged out here at least; the provider cannot be asked

    async def search(self, request: Request) -> Response:
        """One page of cards."""
        regulator = self._regulator(request)
        if regulator is None:
            return await self._to_psc(request, _here(request))
        values = flattened(request.query_params.multi_items())
        try:
            criteria = read_criteria(values, self._directory, self._labels, self._context.clock.now())
        except RequestError as error:
            return self._page(
                request,
                "home.html",
                regulator,
                status=error.status,
                problem=_french(error, values),
                accounts=[],
                words=ACCOUNT_WORDS,
                **self._form(values),
            )
        found = await whole(criteria, self._aggregator)
        following = {**values, "shuffle": criteria.shuffle, "page": str(found.next)}
        previous = {**values, "shuffle": criteria.shuffle, "page": str(criteria.page - 1)}
        return self._page(
            request,
            "results.html",
            regulator,
            found=found,
            label=self._labels.get(criteria.specialty, criteria.specialty),
            link=lambda url: booking_url(url, self._context.settings.sas_origin),
            next_url=f"/sas/recherche?{urlencode(following)}" if found.next else None,
            previous_url=f"/sas/recherche?{urlencode(previous)}" if criteria.page > 1 else None,
            **self._form({**values, "city": criteria.town.name, "specialty": criteria.specialty}),
        )

    async def orientations(self, request: Request) -> Response:
        """« Mes orientations »; with `fragment` only the list, for the script that keeps it up to date."""
        regulator = self._regulator(request)
        if regulator is None:
            return await self._to_psc(request, _here(request))
        records = self._appointments.of_regulator(regulator.identifier)
        lines = [self._line(record) for record, _ in zip(records, range(MOST_SHOWN), strict=False)]
        template = "orientations_list.html" if "fragment" in request.query_params else "orientations.html"
        return self._page(request, template, regulator, lines=lines, words=L02_WORDS)

    def _line(self, record: AppointmentRecord) -> dict[str, Any]:
        messages = self._l02.of_appointment(record.id)
        practitioner = self._directory.practitioner(record.practitioner) if record.practitioner else None
        editor = self._context.population.editors.get(record.editor)
        return {
            "record": record,
            "who": _name(practitioner, record),
            "editor": editor.name if editor is not None else record.sender.system,
            "message": messages[-1] if messages else None,
        }

    def _regulator(self, request: Request) -> Regulator | None:
        key = request.session.get("regulator")
        return self._context.population.regulator(key) if key else None

    async def _to_psc(self, request: Request, return_to: str) -> RedirectResponse:
        return redirect(await self._psc.authorize_url(request, return_to))

    def _form(self, values: Mapping[str, str]) -> dict[str, Any]:
        return {
            "specialties": sorted(self._labels.items(), key=lambda item: item[1]),
            "towns": self._towns,
            "specialty": values.get("specialty") or DEFAULT_SPECIALTY,
            "city": values.get("city") or values.get("town", ""),
        }

    def _page(
        self, request: Request, template: str, regulator: Regulator | None, status: int = 200, **values: Any
    ) -> Response:
        common: dict[str, Any] = {"regulator": regulator, "problem": None}
        return self.pages.render(request, template, status, **{**common, **values})


def _name(practitioner: Practitioner | None, record: AppointmentRecord) -> str:
    if practitioner is not None:
        return f"{practitioner.given} {practitioner.family}"
    return record.practitioner or "Médecin non connu (SOS Médecins)"


def _here(request: Request) -> str:
    query = request.url.query
    return request.url.path + (f"?{query}" if query else "")


def _french(error: RequestError, values: Mapping[str, str]) -> str:
    """What is wrong with a search, for the person who typed it."""
    where = error.issues[0].expression or ""
    town = values.get("inseecode") or values.get("city") or values.get("insee") or values.get("town")
    match where.removeprefix("http."):
        case "town" | "insee":
            return f"La commune « {town} » n'est pas connue." if town else "Indiquez une commune."
        case "specialty":
            return f"La spécialité « {values.get('specialty', '')} » n'est pas connue."
        case "from" | "to":
            return "La période demandée n'est pas utilisable : la fin doit suivre le début, 31 jours au plus."
    return "La recherche n'est pas utilisable : vérifiez les champs."
