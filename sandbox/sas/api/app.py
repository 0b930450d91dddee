"""The SAS API: what the console shows, as JSON, for load tests and integrators (`openapi.json` describes it).

`search`, `appointments` (one's own) and `regulator-accounts` need the Bearer token that `login` gives and `logout`
ends, `agenda` that of a practitioner; `l02/<distributionID>` and `appointments/<id>` need none on loopback. Failures
are `application/problem+json` (RFC 9457): what is wrong (`detail`), where (`pointer`), what was expected.
"""

from __future__ import annotations

import logging
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from sandbox.kernel.errors import RequestError, StoreError
from sandbox.kernel.seldom import Seldom
from sandbox.net.http.problems import ApiProblem, problem
from sandbox.sas.api.agenda import AgendaApi
from sandbox.sas.api.appointments import AppointmentApi
from sandbox.sas.api.callers import Callers
from sandbox.sas.api.login import LoginApi, TooManyAttempts
from sandbox.sas.api.messages import MessageApi
from sandbox.sas.api.openapi import DescriptionApi
from sandbox.sas.api.orientations import OrientationApi
from sandbox.sas.api.regulators import RegulatorApi
from sandbox.sas.api.search import SearchApi
from sandbox.sas.api.tokens import Tokens
from sandbox.sas.services import Services
from sandbox.web.openapi import routes

log = logging.getLogger(__name__)
_store_failures = Seldom(log)

_BEARER = {"WWW-Authenticate": 'Bearer realm="sas-sandbox"'}


def build_api(services: Services) -> Starlette:
    """The application, to be mounted at `/api`."""
    tokens = Tokens(services.context, services.store)
    callers = Callers(tokens, services.accounts, services.agendas)
    parts = (
        LoginApi(callers, tokens, services),
        SearchApi(callers, services),
        AppointmentApi(callers, services),
        OrientationApi(callers, services),
        AgendaApi(callers, services),
        RegulatorApi(callers, services),
        MessageApi(callers, services),
        DescriptionApi(services.context),
    )
    handlers: dict[Any, Any] = {
        RequestError: _request_error,
        HTTPException: _http_error,
        StoreError: _store_error,
        Exception: _unexpected,
    }
    return Starlette(routes=[route for part in parts for route in routes(part)], exception_handlers=handlers)


def _request_error(_: Request, error: RequestError) -> Response:
    headers = _BEARER if error.status == 401 else {"Retry-After": "1"} if error.status == 503 else None
    if isinstance(error, TooManyAttempts):
        headers = {"Retry-After": str(error.wait)}
    return problem(ApiProblem, error.status, error.issues, headers=headers)


def _http_error(request: Request, error: HTTPException) -> Response:
    detail = f"{request.method} {request.url.path}: {error.detail}; see GET openapi.json"
    return problem(ApiProblem, error.status_code, detail=detail, headers=error.headers)


def _store_error(_: Request, error: StoreError) -> Response:
    _store_failures.error("the store failed under the SAS API: %s", error)
    detail = f"nothing can be stored now: {error.reason}"
    return problem(ApiProblem, 503, detail=detail, headers={"Retry-After": "5"})


def _unexpected(request: Request, error: Exception) -> Response:
    log.error("%s %s failed: %s", request.method, request.url.path, type(error).__name__)
    return problem(ApiProblem, 500, detail="internal error")
