"""The hub: its report, and the clients that are added and removed while it runs."""

from __future__ import annotations

import msgspec
from starlette.requests import Request

from sandbox.control.admin.problems import CHANGES, READS, TAKES_BODY
from sandbox.control.admin.requests import body_as, refuse_foreign_page
from sandbox.control.admin.resource import Resource
from sandbox.control.world.hub_clients import ClientRequest, HubClient, RemovedClient
from sandbox.kernel.errors import Issue, RequestError
from sandbox.kernel.hub.queues import client_queues
from sandbox.kernel.hub.report import HubReport
from sandbox.web.openapi import Endpoint


class ClientList(msgspec.Struct):
    """The configured clients, then those that were added."""

    clients: list[HubClient]


class AddedClient(msgspec.Struct):
    """A client that was added, and its queues."""

    id: str
    queues: tuple[str, ...]


class HubApi(Resource):
    """Endpoints of the report."""

    @Endpoint(
        "GET",
        "/__admin/hub",
        answer=HubReport,
        failures=(*READS, 503),
    )
    async def hub_report(self, request: Request) -> HubReport:
        """The hub's report: queues, connections, counts."""
        report = self._plane.hub_report()
        if report is None:
            raise RequestError(503, Issue("transient", "the hub has not told anything yet"))
        return report


class HubClientApi(Resource):
    """Endpoints of the clients."""

    @Endpoint("GET", "/__admin/hub/clients", answer=ClientList, failures=READS)
    async def hub_clients(self, request: Request) -> ClientList:
        """All clients of the hub."""
        return ClientList(self._plane.hub_clients.listed())

    @Endpoint(
        "POST",
        "/__admin/hub/clients",
        body=ClientRequest,
        answer=AddedClient,
        status=201,
        meaning="Its queues are there",
        failures=(*TAKES_BODY, 409),
    )
    async def add_hub_client(self, request: Request) -> AddedClient:
        """Add a client."""
        wanted = await body_as(request, ClientRequest)
        await self._plane.hub_clients.add(wanted)
        return AddedClient(wanted.id, client_queues(wanted.id))

    @Endpoint(
        "DELETE",
        "/__admin/hub/clients/{id}",
        answer=RemovedClient,
        meaning="Its queues are gone",
        failures=(*CHANGES, 404, 409),
    )
    async def remove_hub_client(self, request: Request) -> RemovedClient:
        """Remove a client that was added; tells how many messages its queues still held."""
        refuse_foreign_page(request)
        return await self._plane.hub_clients.remove(request.path_params["id"])
