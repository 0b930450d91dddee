"""The page of the hub's messages of one LRM: what was received and answered, and what is held back."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.config import CONTROL_UI
from sandbox.faults.kinds import kinds_at
from sandbox.lrm.console.frame import MOST_LISTED, Frame
from sandbox.lrm.messages.handler import NOTICES
from sandbox.web.session import checked_form, flash

KINDS = {name: kind.sentence for name, kind in kinds_at("lrm").items()}


class MessagePages:
    """Handlers of the page of messages."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    def routes(self) -> list[Route]:
        """The routes, relative to the LRM's path."""
        return [
            Route("/messages", self.messages),
            Route("/messages/suivi", self.messages_live),
            Route("/messages/retenus/{id}", self.release, methods=["POST"]),
        ]

    async def messages(self, request: Request) -> Response:
        """GET /messages: what was received, `.ack` and `.info`, what is held back, how the LRM behaves."""
        return self._frame.page(request, "messages.html", **self._values())

    async def messages_live(self, request: Request) -> Any:
        """GET /messages/suivi: the same, whenever something changes."""
        return self._frame.follow(
            NOTICES, lambda: self._frame.fragment(request, "messages_live.html", **self._values())
        )

    def _values(self) -> dict[str, Any]:
        context, samu = self._frame.context, self._frame.territory.samu
        history, consumer = self._frame.ledger.history, self._frame.consumer
        faults = context.world.world.faults
        return {
            "received": history.received(MOST_LISTED),
            "most_listed": MOST_LISTED,
            "notices": history.notices(),
            "held": consumer.answers.held()[:MOST_LISTED],
            "rules": [fault for fault in faults if fault.target == f"lrm:{samu}" and fault.kind in KINDS],
            "kinds": KINDS,
            "hits": consumer.faults.hits(),
            "control": context.settings.http(CONTROL_UI, f"/lrms/{samu}"),
        }

    async def release(self, request: Request) -> Response:
        """POST /messages/retenus/<id>: a person sends an acknowledgement that was held back."""
        await checked_form(request)
        sent = await self._frame.consumer.answers.release(request.path_params["id"])
        flash(request, "Acquittement envoyé." if sent else "Cet acquittement était déjà parti.")
        return self._frame.redirect("/messages")
