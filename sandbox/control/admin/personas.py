"""The persona files, read again while the sandbox runs."""

from __future__ import annotations

from starlette.requests import Request

from sandbox.control.admin.problems import CHANGES
from sandbox.control.admin.requests import refuse_foreign_page
from sandbox.control.admin.resource import Resource
from sandbox.control.world.reload import Reloaded
from sandbox.web.openapi import Endpoint


class PersonaApi(Resource):
    """Endpoints."""

    @Endpoint(
        "POST",
        "/__admin/reload",
        answer=Reloaded,
        failures=(*CHANGES, 409, 422),
    )
    async def reload(self, request: Request) -> Reloaded:
        """Read the persona files again; 422: one is invalid, 409: it needs a restart."""
        refuse_foreign_page(request)
        return await self._plane.reload()
