"""What editors owe the SAS core by INT_R03, and sending it again."""

from __future__ import annotations

import msgspec
from starlette.requests import Request

from sandbox.control.admin.problems import CHANGES, READS
from sandbox.control.admin.requests import refuse_foreign_page
from sandbox.control.admin.resource import Resource
from sandbox.control.world.outbox import EditorOutbox
from sandbox.web.openapi import Endpoint


class OutboxList(msgspec.Struct):
    """The editors that the sandbox runs itself."""

    editors: list[EditorOutbox]


class OutboxApi(Resource):
    """Endpoints."""

    @Endpoint(
        "GET",
        "/__admin/outbox",
        answer=OutboxList,
        failures=READS,
    )
    async def outboxes(self, request: Request) -> OutboxList:
        """What every editor owes the SAS core by INT_R03."""
        return OutboxList(self._plane.outboxes.all())

    @Endpoint(
        "GET",
        "/__admin/outbox/{slug}",
        answer=EditorOutbox,
        failures=(*READS, 404),
    )
    async def outbox(self, request: Request) -> EditorOutbox:
        """What one editor owes."""
        return self._plane.outboxes.document(self._plane.characters.editor(request.path_params["slug"]))

    @Endpoint(
        "POST",
        "/__admin/outbox/{slug}/resend",
        answer=EditorOutbox,
        status=202,
        meaning="The editor sends again",
        failures=(*CHANGES, 404),
    )
    async def resend(self, request: Request) -> EditorOutbox:
        """Send again what the SAS core refused, and what waits at once."""
        refuse_foreign_page(request)
        editor = self._plane.characters.editor(request.path_params["slug"])
        await self._plane.outboxes.resend(editor)
        return self._plane.outboxes.document(editor)
