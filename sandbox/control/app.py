"""The role `control`: the control plane on its port, with the API `__admin`, metrics and the pages.

`plane` has the state, `admin` the API (described by `/__admin/openapi.json`), `console` the pages. A change is answered
once all healthy roles have it; after 2 s with 504 and the names of those that do not.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

from starlette.routing import Route
from starlette.types import ASGIApp

from sandbox.config import CONTROL_UI
from sandbox.control.admin.app import admin_routes
from sandbox.control.admin.problems import error_handlers
from sandbox.control.console.behaviour import BehaviourPage
from sandbox.control.console.communities import CommunityPages
from sandbox.control.console.faults import FaultPage
from sandbox.control.console.hub import HubPages
from sandbox.control.console.hub_removal import HubRemovalPage
from sandbox.control.console.overview import Overview
from sandbox.control.observability import endpoints
from sandbox.control.plane import ControlPlane
from sandbox.kernel.world import ClockSetting
from sandbox.net.context import Context
from sandbox.net.http.server import Listener
from sandbox.web.console import Access, console
from sandbox.web.pages import Pages

TOKEN_WANTED = (
    "Le jeton d'administration est demandé (fichier admin-token du répertoire des données) : "
    "« Authorization: Bearer <jeton> », ou dans un navigateur comme mot de passe, avec n'importe quel nom."
)


class Control:
    """The role. `serve_lines`: a bound Unix socket for connections from the roles of other processes, or None."""

    def __init__(
        self,
        context: Context,
        *,
        run_id: str,
        clock: ClockSetting,
        wall: Callable[[], float],
        serve_lines: socket.socket | None = None,
    ) -> None:
        self.context = context
        self.plane = ControlPlane(context, run_id=run_id, clock=clock, wall=wall)
        self.switchboard = self.plane.switchboard
        self._lines = serve_lines
        self._pages = Pages(
            "sandbox.control",
            app_name="Tour de contrôle",
            banner="BAC À SABLE — données fictives",
            colour="#3b4252",
            static_url="/static",
        )
        self._hub_pages = HubPages(self.plane, self._pages)
        self._listener = Listener(self._application(), context.sockets[CONTROL_UI])

    async def open_lines(self) -> None:
        """Accept connections from the roles; called before the roles start, since each waits for its first World."""
        if self._lines is not None:
            await self.switchboard.serve(self._lines)

    async def start(self) -> None:
        """Start to listen on the control port."""
        await self._listener.start()

    async def announce(self) -> None:
        """Wait until every role is ready, then write endpoints.json."""
        await self.switchboard.until(self.plane.all_ready, timeout=60)
        self.plane.write_endpoints()

    async def stop(self) -> None:
        """Remove endpoints.json, stop listening, close the lines and the store."""
        endpoints.remove(self.context.settings.data, self.context.settings.ready_file)
        self._hub_pages.stop()
        await self._listener.stop()
        await self.plane.close()

    def health(self) -> dict[str, object]:
        """The state of the disk, the connections of the roles, and the journal."""
        return self.plane.health()

    def _application(self) -> ASGIApp:
        token = self.context.admin_token
        return console(
            self.context,
            self._pages,
            [*admin_routes(self.plane), *self._page_routes()],
            role="control",
            handlers=error_handlers(self._pages),
            access=Access(passwords=(token,) if token else (), wanted=TOKEN_WANTED),
        )

    def _page_routes(self) -> list[Route]:
        plane, pages = self.plane, self._pages
        return [
            *Overview(plane, pages).routes(),
            *self._hub_pages.routes(),
            *HubRemovalPage(plane, pages).routes(),
            *FaultPage(plane, pages).routes(),
            *BehaviourPage(plane.behaviours, pages).routes(),
            *CommunityPages(plane, pages).routes(),
        ]
