"""L02 messages of the SAS API: in numbers, one by one, and sent again."""

from __future__ import annotations

from starlette.requests import Request

from sandbox.kernel.errors import Issue, RequestError
from sandbox.sas.api.answers import L02Statistics, Message, message, statistics
from sandbox.sas.api.callers import BEARER, BEARER_OR_LOOPBACK, Callers
from sandbox.sas.regulators.accounts import Right
from sandbox.sas.services import Services
from sandbox.web.openapi import Endpoint, Parameter


class MessageApi:
    """The routes are tried in the order of the methods: `l02/{id}/resend` before `l02/{id}`, which takes any path."""

    def __init__(self, callers: Callers, services: Services) -> None:
        self._callers, self._appointments, self._l02 = callers, services.appointments, services.l02

    @Endpoint("GET", "/l02", answer=L02Statistics, failures=(401,), security=BEARER_OR_LOOPBACK)
    async def l02_statistics(self, request: Request) -> L02Statistics:
        """The L02 messages in numbers, and the latest that failed; no token needed on loopback."""
        self._callers.require_regulator_or_loopback(request)
        return statistics(self._l02.statistics(), self._l02.troubles())

    @Endpoint(
        "POST",
        "/l02/{distribution_id:path}/resend",
        answer=Message,
        status=202,
        failures=(401, 403, 404, 409),
        security=BEARER,
    )
    async def resend_l02(self, request: Request) -> Message:
        """Send a refused or expired message again: the new message."""
        self._callers.with_right(request, Right.ADMINISTRATION)
        again = await self._appointments.send_again(request.path_params["distribution_id"])
        return self._message(again)

    @Endpoint(
        "GET",
        "/l02/{distribution_id:path}",
        parameters=[Parameter("distribution_id", "distributionID of the message")],
        answer=Message,
        meaning="The message's state",
        failures=(401, 404),
        security=BEARER_OR_LOOPBACK,
    )
    async def l02(self, request: Request) -> Message:
        """What became of one L02 message; no token needed on loopback."""
        self._callers.require_regulator_or_loopback(request)
        return self._message(request.path_params["distribution_id"])

    def _message(self, distribution_id: str) -> Message:
        state = self._l02.state(distribution_id)
        if state is None:
            raise RequestError(404, Issue("not-found", f"no L02 message '{distribution_id}'", "distributionID"))
        return message(state)
