"""Orientations without an editor, of the SAS API: made and changed in the name of the caller."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from sandbox.net.http.body import read_json_body
from sandbox.sas.api.answers import MadeOrientation, made_orientation
from sandbox.sas.api.callers import BEARER, Callers
from sandbox.sas.desk import Desk, Orientation
from sandbox.sas.orientations.steps import Action
from sandbox.sas.regulators.accounts import Right
from sandbox.sas.services import Services
from sandbox.web.openapi import Endpoint, Parameter, json_answer

_KEY = Parameter(
    "Idempotency-Key", "Any text, at most 200 characters: the same again gives the first answer", place="header"
)
_ID = Parameter("id", "UUID given by the SAS core")


def _step(action: Action) -> Endpoint:
    return Endpoint(
        "POST",
        f"/orientations/{{id}}/{action}",
        parameters=[_ID],
        answer=MadeOrientation,
        failures=(401, 403, 404, 409),
        security=BEARER,
    )


class OrientationApi:
    """What `GET appointments/<id>` lists as `actions` can be done now; anything else is a conflict."""

    def __init__(self, callers: Callers, services: Services) -> None:
        self._callers, self._desk = callers, Desk(services)

    @Endpoint(
        "POST",
        "/orientations",
        parameters=[_KEY],
        body=Orientation,
        answer=MadeOrientation,
        status=201,
        meaning="Made; `Location` is the appointment",
        failures=(400, 401, 403, 409, 413, 415, 422),
        security=BEARER,
    )
    async def create_orientation(self, request: Request) -> Response:
        """Orient a patient without an editor; `kind` says how."""
        regulator = self._callers.with_right(request, Right.ORIENTATION)
        asked: Any = await read_json_body(request, Orientation)
        record = await self._desk.make(regulator, asked, request.headers.get("idempotency-key", ""))
        answer = json_answer(made_orientation(record), 201)
        answer.headers["Location"] = f"/api/appointments/{record.id}"
        return answer

    @_step(Action.CANCEL)
    async def cancel_orientation(self, request: Request) -> MadeOrientation:
        """Cancel an appointment that was made here."""
        return await self._act(request, Action.CANCEL)

    @_step(Action.FULFIL)
    async def fulfil_orientation(self, request: Request) -> MadeOrientation:
        """The patient came."""
        return await self._act(request, Action.FULFIL)

    @_step(Action.NOSHOW)
    async def noshow_orientation(self, request: Request) -> MadeOrientation:
        """The patient did not come."""
        return await self._act(request, Action.NOSHOW)

    @_step(Action.WITHDRAW)
    async def withdraw_orientation(self, request: Request) -> MadeOrientation:
        """Withdraw a request to a community."""
        return await self._act(request, Action.WITHDRAW)

    async def _act(self, request: Request, action: Action) -> MadeOrientation:
        regulator = self._callers.with_right(request, Right.ORIENTATION)
        return made_orientation(await self._desk.act(regulator, request.path_params["id"], action))
