"""The faults of the World: listed, started, ended."""

from __future__ import annotations

import msgspec
from starlette.requests import Request

from sandbox.control.admin.problems import CHANGES, READS, TAKES_BODY
from sandbox.control.admin.requests import body_as, refuse_foreign_page
from sandbox.control.admin.resource import Resource
from sandbox.control.world.worlds import FaultRequest
from sandbox.faults import KINDS
from sandbox.kernel.world import Fault
from sandbox.web.openapi import Endpoint


class FaultList(msgspec.Struct):
    """`faults`: those that are active; `kinds` and `targets`: what a new one may name."""

    faults: tuple[Fault, ...]
    kinds: list[str]
    targets: list[str]


class FaultApi(Resource):
    """Endpoints."""

    @Endpoint("GET", "/__admin/faults", answer=FaultList, failures=READS)
    async def faults(self, request: Request) -> FaultList:
        """The active faults."""
        return FaultList(self._plane.worlds.world.faults, sorted(KINDS), sorted(self._plane.targets()))

    @Endpoint(
        "POST",
        "/__admin/faults",
        body=FaultRequest,
        answer=Fault,
        status=201,
        meaning="Started",
        failures=TAKES_BODY,
    )
    async def add_fault(self, request: Request) -> Fault:
        """Start a fault."""
        return await self._plane.add_fault(await body_as(request, FaultRequest))

    @Endpoint("DELETE", "/__admin/faults", status=204, meaning="Ended", failures=CHANGES)
    async def remove_faults(self, request: Request) -> None:
        """End all faults."""
        refuse_foreign_page(request)
        await self._plane.worlds.remove_faults()

    @Endpoint(
        "DELETE",
        "/__admin/faults/{id}",
        status=204,
        meaning="Ended",
        failures=(*CHANGES, 404),
    )
    async def remove_fault(self, request: Request) -> None:
        """End one fault."""
        refuse_foreign_page(request)
        await self._plane.worlds.remove_faults(request.path_params["id"])
