"""The API `__admin`: all its endpoints, the list of its paths (`/__admin`) and its OpenAPI document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.config import CONTROL_UI
from sandbox.control.admin import openapi
from sandbox.control.admin.clock import ClockApi
from sandbox.control.admin.communities import CommunityApi
from sandbox.control.admin.editors import EditorApi, InterfaceApi
from sandbox.control.admin.exchanges import ExchangeApi
from sandbox.control.admin.faults import FaultApi
from sandbox.control.admin.health import HealthApi
from sandbox.control.admin.hub import HubApi, HubClientApi
from sandbox.control.admin.lrms import BehaviourApi, LrmApi
from sandbox.control.admin.outbox import OutboxApi
from sandbox.control.admin.personas import PersonaApi
from sandbox.control.admin.problems import READS
from sandbox.control.admin.resource import Resource
from sandbox.control.plane import ControlPlane
from sandbox.web.openapi import Endpoint, json_answer, routes

APIS: tuple[type[Resource], ...] = (
    HealthApi,
    ClockApi,
    FaultApi,
    EditorApi,
    HubClientApi,
    OutboxApi,
    PersonaApi,
    BehaviourApi,
    CommunityApi,
    HubApi,
    LrmApi,
    InterfaceApi,
    ExchangeApi,
)


class PathList(msgspec.Struct):
    """The methods of each path."""

    paths: dict[str, list[str]]


class IndexApi:
    """Endpoints about the API itself. `served`: the routes of all others."""

    def __init__(self, plane: ControlPlane, served: Sequence[Route]) -> None:
        self._server = plane.context.settings.http(CONTROL_UI)
        self._served = served

    @Endpoint("GET", "/__admin/openapi.json", answer=dict[str, Any], failures=READS)
    async def openapi(self, request: Request) -> Response:
        """This document."""
        return json_answer(document(self._server))

    @Endpoint("GET", "/__admin", answer=PathList, failures=READS)
    async def paths(self, request: Request) -> PathList:
        """The paths and their methods."""
        paths: dict[str, set[str]] = {}
        for route in (*self._served, *routes(self)):
            if route.path.startswith("/__admin/"):
                paths.setdefault(route.path, set()).update(route.methods or ())
        return PathList({path: sorted(methods - {"HEAD"}) for path, methods in paths.items()})


def document(server: str) -> dict[str, Any]:
    """The OpenAPI document; `server`: the URL of the control port."""
    return openapi.document((*APIS, IndexApi), server)


def admin_routes(plane: ControlPlane) -> list[Route]:
    """The routes of the API."""
    served = [route for api in APIS for route in routes(api(plane))]
    return [*served, *routes(IndexApi(plane, served))]
