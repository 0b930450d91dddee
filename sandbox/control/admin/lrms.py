"""The LRMs: whether they may open a search (INT_L01), and how they behave towards the messages they are sent."""

from __future__ import annotations

import msgspec
from starlette.requests import Request

from sandbox.control.admin.problems import CHANGES, READS, TAKES_BODY
from sandbox.control.admin.requests import body_as, refuse_foreign_page
from sandbox.control.admin.resource import Resource
from sandbox.control.world import contextual_calls
from sandbox.control.world.behaviours import Behaviour, BehaviourRequest
from sandbox.control.world.contextual_calls import Lrm, LrmRequest
from sandbox.web.openapi import Endpoint


class LrmList(msgspec.Struct):
    """All LRMs, and ANS's simulator."""

    lrms: list[Lrm]


class LrmApi(Resource):
    """Endpoints of the contextual call."""

    @Endpoint(
        "GET",
        "/__admin/lrms",
        answer=LrmList,
        failures=READS,
    )
    async def lrms(self, request: Request) -> LrmList:
        """Every LRM: may it open a search by a contextual call (INT_L01)."""
        return LrmList([*contextual_calls.documents(self._plane.context.population, self._plane.worlds)])

    @Endpoint(
        "PUT",
        "/__admin/lrms/{client_id}",
        body=LrmRequest,
        answer=Lrm,
        failures=(*TAKES_BODY, 404),
    )
    async def set_lrm(self, request: Request) -> Lrm:
        """Let an LRM open searches, or not."""
        territory = contextual_calls.lrm(self._plane.context.population, request.path_params["client_id"])
        await contextual_calls.put(self._plane.worlds, territory, await body_as(request, LrmRequest))
        return contextual_calls.document(territory, self._plane.worlds)


class BehaviourApi(Resource):
    """Endpoints of the behaviour."""

    @Endpoint(
        "GET",
        "/__admin/lrms/{client_id}/behaviour",
        answer=Behaviour,
        failures=(*READS, 404),
    )
    async def behaviour(self, request: Request) -> Behaviour:
        """The rules of an LRM, and the kinds that there are."""
        return self._plane.behaviours.document(self._id(request))

    @Endpoint(
        "PUT",
        "/__admin/lrms/{client_id}/behaviour",
        body=BehaviourRequest,
        answer=Behaviour,
        failures=(*TAKES_BODY, 404),
    )
    async def set_behaviour(self, request: Request) -> Behaviour:
        """Replace the rules of an LRM."""
        client_id = self._id(request)
        await self._plane.behaviours.put(client_id, (await body_as(request, BehaviourRequest)).rules)
        return self._plane.behaviours.document(client_id)

    @Endpoint(
        "DELETE",
        "/__admin/lrms/{client_id}/behaviour",
        answer=Behaviour,
        failures=(*CHANGES, 404),
    )
    async def reset_behaviour(self, request: Request) -> Behaviour:
        """Take all rules away: the LRM does everything right."""
        refuse_foreign_page(request)
        client_id = self._id(request)
        await self._plane.behaviours.put(client_id, ())
        return self._plane.behaviours.document(client_id)

    def _id(self, request: Request) -> str:
        return self._plane.behaviours.lrm(request.path_params["client_id"]).samu
