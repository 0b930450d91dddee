"""The page that removes an added client of the hub: what is lost by the removal, and the button that starts it.

GET and POST /hub/clients/{id}/retirer
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.control.plane import ControlPlane
from sandbox.control.world.hub_clients import HubClient
from sandbox.kernel.errors import Issue, RequestError
from sandbox.kernel.hub.queues import client_queues
from sandbox.web.pages import Pages, redirect
from sandbox.web.session import checked_form, flash


class HubRemovalPage:
    """The handlers."""

    def __init__(self, plane: ControlPlane, pages: Pages) -> None:
        self._plane, self._pages = plane, pages

    def routes(self) -> list[Route]:
        """The routes of the page."""
        path = "/hub/clients/{id}/retirer"
        return [Route(path, self.page, methods=["GET"]), Route(path, self.remove, methods=["POST"])]

    async def page(self, request: Request) -> Response:
        """The page with the consequences of the removal."""
        client = self._added(request)
        report = self._plane.hub_report()
        waiting = [queue for queue in report.queues if queue.name in client_queues(client.id)] if report else []
        here = [each for each in report.connections or () if each.client == client.id] if report else []
        return self._pages.render(
            request,
            "hub_remove.html",
            client=client,
            waiting=[queue for queue in waiting if queue.ready or queue.unacked],
            connections=here,
            embedded=self._plane.embedded,
            mtls=self._plane.context.pki is not None,
        )

    async def remove(self, request: Request) -> Response:
        """Remove the client."""
        await checked_form(request)
        client = self._added(request)
        removed = await self._plane.hub_clients.remove(client.id)
        flash(request, f"{client.id} n'est plus client du hub : {' ; '.join(removed.told)}.")
        return redirect("/hub#clients")

    def _added(self, request: Request) -> HubClient:
        """The client that the path names. Raises RequestError 404, 409, in French."""
        wanted = request.path_params["id"]
        client = next((each for each in self._plane.hub_clients.listed() if each.id == wanted), None)
        if client is None:
            raise RequestError(404, Issue("not-found", f"« {wanted} » n'est pas un client du hub."))
        if not client.added:
            detail = f"« {wanted} » vient de la configuration : seul un client ajouté en cours de route se retire."
            raise RequestError(409, Issue("conflict", detail))
        return client
