"""The first page of one LRM, with the orientations that wait, and the pages of orientations."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.kernel.errors import Issue, RequestError
from sandbox.lrm.console.drawing import draw
from sandbox.lrm.console.frame import (
    MOST_COMPARED,
    MOST_LISTED,
    MOST_OFFERED,
    MOST_WAITING,
    Frame,
    holds,
    words_of,
)
from sandbox.lrm.console.suggestions import Suggestion, suggestions
from sandbox.lrm.ledger.records import Orientation
from sandbox.lrm.messages.handler import MESSAGES
from sandbox.web.session import checked_form, flash


class OrientationPages:
    """Handlers of the first page and of orientations."""

    def __init__(self, frame: Frame) -> None:
        self._frame, self._ledger = frame, frame.ledger

    def routes(self) -> list[Route]:
        """The routes, relative to the LRM's path."""
        return [
            Route("/", self.home),
            Route("/suivi", self.home_live),
            Route("/orientations", self.orientations),
            Route("/orientations/{id:path}/attach", self.attach, methods=["POST"]),
            Route("/orientations/{id:path}", self.orientation),
        ]

    async def home(self, request: Request) -> Response:
        """GET /: the orientations of the day in numbers, those that wait, the newest case files."""
        return self._frame.page(request, "home.html", **self._home())

    async def home_live(self, request: Request) -> Any:
        """GET /suivi: the same part of that page, whenever something changes."""
        return self._frame.follow(MESSAGES, lambda: self._frame.fragment(request, "home_live.html", **self._home()))

    def _home(self) -> dict[str, Any]:
        waiting = self._ledger.orientations.unattached(MOST_WAITING)
        today = self._frame.context.clock.now().astimezone(self._frame.zone).date()
        return {
            "drawing": draw(self._ledger.orientations.of_day(today)),
            "waiting": [(each, likely) for each, likely in zip(waiting, self._likely(waiting), strict=True)],
            "case_files": self._ledger.case_files.newest(MOST_OFFERED),
        }

    def _likely(self, orientations: Iterable[Orientation]) -> list[list[Suggestion]]:
        """For each orientation the case files that it probably belongs to."""
        newest = self._ledger.case_files.newest(MOST_COMPARED)
        return [suggestions(each, newest, self._frame.territory.name) for each in orientations]

    async def orientations(self, request: Request) -> Response:
        """GET /orientations?q=: the orientations that hold all the words."""
        words = words_of(request)
        found = (each for each in self._ledger.orientations.all() if holds(words, _text_of(each)))
        listed = [each for each, _ in zip(found, range(MOST_LISTED), strict=False)]
        query = request.query_params.get("q", "")
        return self._frame.page(request, "orientations.html", listed=listed, query=query)

    async def orientation(self, request: Request) -> Response:
        """GET /orientations/<appointmentId>: everything known of one, and its history."""
        found = self._ledger.orientations.get(request.path_params["id"])
        if found is None:
            raise RequestError(404, Issue("not-found", "Orientation inconnue."))
        await self._frame.consumer.consult(found)
        return self._frame.page(
            request,
            "orientation.html",
            orientation=found,
            likely=self._likely([found])[0],
            case_files=self._ledger.case_files.newest(MOST_OFFERED),
        )

    async def attach(self, request: Request) -> Response:
        """POST /orientations/<appointmentId>/attach {case_file}: attach the orientation; nothing has to be typed
        again."""
        form = await checked_form(request)
        number = str(form.get("case_file", ""))
        now = self._frame.context.clock.now()
        await self._frame.commit(*self._ledger.attach(request.path_params["id"], number, now))
        flash(request, f"Orientation rattachée au dossier {number}.")
        return self._frame.redirect(f"/dossiers/{number}")


def _text_of(orientation: Orientation) -> str:
    """The text that a search looks through."""
    appointment = orientation.appointment
    person, place = appointment.get("practitioner", {}), appointment.get("organization", {})
    regulator = appointment["regulator"]
    parts = (
        *(person.get("lastName", ""), person.get("firstName", ""), place.get("name", "")),
        *(regulator["regulatorName"], regulator["regulatorFirstname"]),
        *(orientation.case_file or "", orientation.appointment_id, appointment["start"]),
    )
    return " ".join(parts).casefold()
