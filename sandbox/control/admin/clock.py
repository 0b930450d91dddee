"""Sandbox time: read, shifted, stopped, released."""

from __future__ import annotations

import msgspec
from starlette.requests import Request

from sandbox.control.admin.problems import READS, TAKES_BODY
from sandbox.control.admin.requests import body_as
from sandbox.control.admin.resource import Resource
from sandbox.control.world.worlds import ClockRequest
from sandbox.web.openapi import Endpoint


class ClockState(msgspec.Struct):
    """`now`: sandbox time, Europe/Paris; `offset`: seconds between it and the time of the machine."""

    now: str
    offset: float
    frozen: bool


class ClockApi(Resource):
    """Endpoints."""

    @Endpoint("GET", "/__admin/clock", answer=ClockState, failures=READS)
    async def clock(self, request: Request) -> ClockState:
        """Sandbox time."""
        setting = self._plane.worlds.world.clock
        now = self._plane.context.clock.now().isoformat(timespec="milliseconds")
        return ClockState(now, setting.offset, setting.frozen is not None)

    @Endpoint(
        "PUT",
        "/__admin/clock",
        body=ClockRequest,
        answer=ClockState,
        failures=TAKES_BODY,
    )
    async def set_clock(self, request: Request) -> ClockState:
        """Shift, stop or release sandbox time."""
        await self._plane.worlds.set_clock(await body_as(request, ClockRequest))
        return await self.clock(request)
