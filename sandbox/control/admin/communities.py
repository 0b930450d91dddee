"""The communities that are asked to take patients (marketplace), and how they answer."""

from __future__ import annotations

import asyncio

import msgspec
from starlette.requests import Request

from sandbox.control.admin.problems import CHANGES, READS, TAKES_BODY
from sandbox.control.admin.requests import body_as, refuse_foreign_page
from sandbox.control.admin.resource import Resource
from sandbox.control.world.communities import CommunityBehaviour, CommunityBehaviourRequest, CommunityDocument
from sandbox.kernel.model import Community
from sandbox.web.openapi import Endpoint


class CommunityList(msgspec.Struct):
    """All communities whose editor the sandbox runs itself."""

    communities: list[CommunityDocument]


class CommunityApi(Resource):
    """Endpoints of the behaviours."""

    @Endpoint("GET", "/__admin/communities", answer=CommunityList, failures=READS)
    async def communities(self, request: Request) -> CommunityList:
        """Every community, with its members and how it answers."""
        return CommunityList(await asyncio.to_thread(self._plane.communities.documents))

    @Endpoint("GET", "/__admin/communities/{id}/behaviour", answer=CommunityBehaviour, failures=(*READS, 404))
    async def community_behaviour(self, request: Request) -> CommunityBehaviour:
        """How a community answers a request that comes in now."""
        return self._plane.communities.behaviour(self._named(request))

    @Endpoint(
        "PUT",
        "/__admin/communities/{id}/behaviour",
        body=CommunityBehaviourRequest,
        answer=CommunityBehaviour,
        failures=(*TAKES_BODY, 404),
    )
    async def set_community_behaviour(self, request: Request) -> CommunityBehaviour:
        """Have a community answer otherwise; requests that it has already are answered as they would have been."""
        community = self._named(request)
        await self._plane.communities.put(community, await body_as(request, CommunityBehaviourRequest))
        return self._plane.communities.behaviour(community)

    @Endpoint("DELETE", "/__admin/communities/{id}/behaviour", answer=CommunityBehaviour, failures=(*CHANGES, 404))
    async def reset_community_behaviour(self, request: Request) -> CommunityBehaviour:
        """The first member accepts, after ten seconds."""
        refuse_foreign_page(request)
        community = self._named(request)
        await self._plane.communities.reset(community)
        return self._plane.communities.behaviour(community)

    def _named(self, request: Request) -> Community:
        return self._plane.communities.community(request.path_params["id"])
