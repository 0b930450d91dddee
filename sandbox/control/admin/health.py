"""How the sandbox is, and where its parts are: health, endpoints.json, metrics."""

from __future__ import annotations

import orjson
from starlette.requests import Request
from starlette.responses import Response

from sandbox.control.admin.problems import READS
from sandbox.control.admin.resource import Resource
from sandbox.control.observability.endpoints import Endpoints
from sandbox.control.plane import Health
from sandbox.web.openapi import Endpoint, json_answer


class HealthApi(Resource):
    """Endpoints."""

    @Endpoint(
        "GET",
        "/__admin/health",
        answer=Health,
        meaning="Everything is ready",
        failures=READS,
    )
    async def health(self, request: Request) -> Response:
        """Every role: ready, revision, its own figures; 503 while one is missing or not ready."""
        status = self._plane.status()
        return json_answer(status, 200 if status.ready else 503)

    @Endpoint(
        "GET",
        "/__admin/endpoints",
        answer=Endpoints,
        failures=READS,
    )
    async def endpoints(self, request: Request) -> Response:
        """endpoints.json, with absolute paths of the certificates."""
        return Response(orjson.dumps(self._plane.endpoints()), media_type="application/json")

    @Endpoint("GET", "/metrics", also={"text/plain": str}, failures=READS)
    async def metrics(self, request: Request) -> Response:
        """Metrics in Prometheus' text format."""
        return Response(self._plane.metrics.text(), media_type="text/plain; version=0.0.4")
