"""« Messages »: the L02 messages in numbers, those that did not get through, and the button that sends one again.

The page is for administrators and is updated by server-sent events. The regulator whom a message concerns has the same
button on the page of the orientation.
"""

from __future__ import annotations

from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.kernel.errors import RequestError
from sandbox.kernel.model import Regulator
from sandbox.sas.console import words
from sandbox.sas.console.changes import MESSAGES
from sandbox.sas.console.frame import Frame
from sandbox.sas.regulators.accounts import Right
from sandbox.sas.services import Services
from sandbox.web.pages import redirect
from sandbox.web.session import flash, local_path

PATH = "/administration/messages"
RESEND = "/sas/orientations/renvoi"
PAUSE_S = 0.5
AGAIN_S = 2.0  # ages and the hub's connection change without a message being written


class MessagePages:
    """The page, and sending again."""

    def __init__(self, frame: Frame, services: Services) -> None:
        self._frame, self._appointments, self._l02 = frame, services.appointments, services.l02

    def routes(self) -> list[Route]:
        """The page is for administrators; sending again is for everyone who is logged in."""
        guarded, posted = self._frame.guarded, self._frame.posted
        return [
            Route(PATH, guarded(self.messages, Right.ADMINISTRATION), methods=["GET"]),
            Route(f"{PATH}/flux", guarded(self.messages_live, Right.ADMINISTRATION), methods=["GET"]),
            Route(RESEND, posted(self.resend), methods=["POST"]),
        ]

    async def messages(self, request: Request, regulator: Regulator) -> Response:
        """The messages in numbers, and those that did not get through."""
        return self._frame.page(request, "messages.html", regulator, **self._values())

    async def messages_live(self, request: Request, regulator: Regulator) -> Any:
        """The same, sent again when something has changed."""

        def html() -> str:
            return self._frame.pages.fragment("messages_part.html", request=request, **self._values())

        return self._frame.live(MESSAGES, html, PAUSE_S, AGAIN_S)

    async def resend(self, request: Request, regulator: Regulator, form: FormData) -> Response:
        """Send a refused or expired message again: one's own, or any as administrator; then back to its page."""
        distribution_id = str(form.get("message", ""))
        record = self._appointments.read(str((self._l02.state(distribution_id) or {}).get("appointmentId")))
        own = record is not None and self._appointments.is_of(record, regulator.identifier)
        if not own:
            self._frame.accounts.require(regulator, Right.ADMINISTRATION)
        try:
            await self._appointments.send_again(distribution_id)
        except RequestError as error:
            if error.status != 409:
                raise
            flash(request, "Ce message ne peut pas être renvoyé : il a abouti, ou un autre l'a remplacé.", "bad")
        else:
            flash(request, "Message renvoyé au LRM.")
        return redirect(local_path(str(form.get("retour", "")), "/sas/orientations" if own else PATH))

    def _values(self) -> dict[str, Any]:
        return {
            "numbers": self._l02.statistics(),
            "troubles": self._l02.troubles(),
            "words": words,
            "resend": RESEND,
            "back": PATH,
        }
