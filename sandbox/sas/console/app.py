"""The regulator's console: logging in through Pro Santé Connect, and the pages put together. French pages.

Nothing of a patient is ever here. `search_pages`, `orientation_pages`, `health_page`, `administration` and
`message_pages` are the pages themselves.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.config import SAS_UI
from sandbox.kernel.errors import Issue, PeerError, RequestError
from sandbox.kernel.identifiers import regulator_login
from sandbox.net.context import Context
from sandbox.net.http.client import HttpClient
from sandbox.sas.console.account_pages import Administration
from sandbox.sas.console.editor_health_page import HealthPage
from sandbox.sas.console.frame import Frame
from sandbox.sas.console.message_pages import MessagePages
from sandbox.sas.console.orientation_pages import OrientationPages
from sandbox.sas.console.search_pages import SearchPages, last_search
from sandbox.sas.directory.directory import Directory
from sandbox.sas.orientations.appointments import Appointments
from sandbox.sas.orientations.l02.emitter import L02
from sandbox.sas.regulators.sync_to_editors import AccountSync
from sandbox.sas.search.aggregator import Aggregator
from sandbox.sas.search.editors import EditorSources
from sandbox.web.pages import redirect
from sandbox.web.session import checked_form, local_path, sign_in, sign_out
from sandbox.web.sse import Channel, Streams


class Console:
    """The pages of the SAS core. `changes` is told what was written, by topic."""

    def __init__(
        self,
        context: Context,
        http: HttpClient,
        *,
        directory: Directory,
        aggregator: Aggregator,
        editors: EditorSources,
        accounts: AccountSync,
        appointments: Appointments,
        l02: L02,
        labels: Mapping[str, str],
        changes: Channel,
    ) -> None:
        self._context, self._accounts = context, accounts
        self._streams = Streams()
        self._frame = Frame(context, http, accounts, self._streams, changes)
        self._search = SearchPages(self._frame, directory=directory, aggregator=aggregator, labels=labels)
        self._orientations = OrientationPages(self._frame, directory=directory, appointments=appointments, l02=l02)
        self._health = HealthPage(self._frame, editors=editors, accounts=accounts, appointments=appointments)
        self._administration = Administration(self._frame)
        self._messages = MessagePages(self._frame, appointments=appointments, l02=l02)
        self.pages = self._frame.pages

    def routes(self) -> list[Route]:
        """The pages' routes, without the static files."""
        return [
            Route("/", self.home, methods=["GET"]),
            Route("/connexion", self.login, methods=["GET"]),
            Route("/oidc/callback", self.callback, methods=["GET"]),
            Route("/deconnexion", self.logout, methods=["POST"]),
            *self._search.routes(),
            *self._orientations.routes(),
            *self._health.routes(),
            *self._administration.routes(),
            *self._messages.routes(),
        ]

    def stop(self) -> None:
        """End what is followed live, so that the listeners can drain."""
        self._streams.stop()

    async def home(self, request: Request) -> Response:
        """The search form; for a stranger, what this is and how to log in."""
        regulator = self._frame.regulator(request)
        last = last_search(request) if regulator is not None else None
        return self._frame.page(request, "home.html", regulator, problem=None, last=last, **self._search.form({}))

    async def login(self, request: Request) -> Response:
        """To Pro Santé Connect, and back to `return_to`."""
        return await self._frame.to_psc(request, local_path(request.query_params.get("return_to")))

    async def callback(self, request: Request) -> Response:
        """Back from Pro Santé Connect: whoever has an account is logged in (and the editors are told, INT_R02)."""
        claims = await self._frame.psc.callback(request)
        regulator = self._accounts.regulator(claims.national_id)
        if regulator is None or regulator.identifier.value != regulator_login(claims.national_id):
            detail = f"Aucun compte régulateur pour l'identifiant « {claims.national_id} »."
            raise RequestError(403, Issue("forbidden", detail))
        await sign_in(request, regulator=self._accounts.id_of(regulator))
        await self._accounts.login(regulator)
        return redirect(claims.return_to)

    async def logout(self, request: Request) -> Response:
        """End the session here, whoever has a copy of its cookie, then at Pro Santé Connect."""
        await checked_form(request)
        await sign_out(request)
        try:
            return redirect(await self._frame.psc.logout_url(self._context.settings.http(SAS_UI, "/")))
        except PeerError:
            return redirect("/")  # logged out here at least; the provider cannot be asked
