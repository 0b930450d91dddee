"""The hub's clients for programs and people.

GET    /__admin/hub/clients         POST {"id", "software", "files"}
DELETE /__admin/hub/clients/{id}    takes away one that was added: how many messages its queues still held
GET    /hub/clients/{id}/retirer    what would go with it, and the button; POST does it
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.config import EMBEDDED
from sandbox.control.requests import body_as, refuse_foreign_page
from sandbox.control.world.hub_clients import ClientRequest
from sandbox.kernel.errors import Issue, RequestError
from sandbox.kernel.hub.queues import client_queues
from sandbox.web.pages import Pages, redirect
from sandbox.web.session import checked_form, flash

if TYPE_CHECKING:
    from sandbox.control.app import Control


class HubClientHandlers:
    """The handlers."""

    def __init__(self, control: Control, pages: Pages) -> None:
        self._control, self._pages = control, pages

    def routes(self) -> list[Route]:
        """To be joined to those of the control plane."""
        return [
            Route("/__admin/hub/clients", self.listed, methods=["GET"]),
            Route("/__admin/hub/clients", self.add, methods=["POST"]),
            Route("/__admin/hub/clients/{id}", self.remove, methods=["DELETE"]),
            Route("/hub/clients/{id}/retirer", self.ask, methods=["GET"]),
            Route("/hub/clients/{id}/retirer", self.remove_from_page, methods=["POST"]),
        ]

    async def listed(self, request: Request) -> Response:
        return JSONResponse({"clients": self._control.hub_clients.listed()})

    async def add(self, request: Request) -> Response:
        wanted = await body_as(request, ClientRequest)
        await self._control.hub_clients.add(wanted)
        return JSONResponse({"id": wanted.id, "queues": client_queues(wanted.id)}, status_code=201)

    async def remove(self, request: Request) -> Response:
        refuse_foreign_page(request)
        return JSONResponse(await self._control.hub_clients.remove(request.path_params["id"]))

    async def ask(self, request: Request) -> Response:
        client = self._added(request)
        report = self._control.hub_report()
        waiting = [queue for queue in report.queues if queue.name in client_queues(client["id"])] if report else []
        here = [each for each in report.connections or () if each.client == client["id"]] if report else []
        return self._pages.render(
            request,
            "hub_remove.html",
            client=client,
            waiting=[queue for queue in waiting if queue.ready or queue.unacked],
            connections=here,
            embedded=self._control.context.settings.hub_broker == EMBEDDED,
            mtls=self._control.context.pki is not None,
        )

    async def remove_from_page(self, request: Request) -> Response:
        await checked_form(request)
        client = self._added(request)
        removed = await self._control.hub_clients.remove(client["id"])
        flash(request, f"{client['id']} n'est plus client du hub : {' ; '.join(removed['told'])}.")
        return redirect("/hub#clients")

    def _added(self, request: Request) -> dict[str, Any]:
        """The client that the path names. Raises RequestError 404, 409, for people."""
        wanted = request.path_params["id"]
        client = next((each for each in self._control.hub_clients.listed() if each["id"] == wanted), None)
        if client is None:
            raise RequestError(404, Issue("not-found", f"« {wanted} » n'est pas un client du hub."))
        if not client["added"]:
            detail = f"« {wanted} » vient de la configuration : seul un client ajouté en cours de route se retire."
            raise RequestError(409, Issue("conflict", detail))
        return client
