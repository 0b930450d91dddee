"""What `__admin` and `/metrics` answer when something is wrong: problems (RFC 9457); the other paths answer pages."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from sandbox.kernel.errors import DISK_FAULTS, Issue, RequestError, StoreError
from sandbox.net.http.problems import AdminProblem, problem
from sandbox.web.errors import error_handlers as page_handlers
from sandbox.web.pages import Pages

TOKEN_NEEDED = (
    "the admin token is needed: Authorization: Bearer <token>, or Basic with the token as password "
    "(file admin-token of the data directory, control.token of endpoints.json)"
)

# Statuses of problems by what an operation does, for the OpenAPI document.
READS = (401,)
CHANGES = (401, 403, 503, 504)
TAKES_BODY = (400, 401, 403, 413, 415, 422, 503, 504)

MEANINGS: Mapping[int, str] = {
    400: "The request cannot be read, or lacks something",
    401: "The admin token is needed",
    403: "A page of another site sent it",
    404: "There is no such thing",
    409: "It contradicts the present state",
    413: "The body is too long",
    415: "The body is no application/json",
    422: "A rule refuses it",
    503: "Nothing can be stored now, or the hub is away",
    504: "It is stored, but these roles have not taken it within 2 s",
}

_log = logging.getLogger(__name__)


def error_handlers(pages: Pages) -> dict[Any, Any]:
    """The exception handlers for all paths of the control port."""
    on_page = page_handlers(pages)

    def either(kind: Any, problem: Callable[[Request, Any], Response]) -> Callable[[Request, Any], Response]:
        def answer(request: Request, error: Any) -> Response:
            return problem(request, error) if _is_admin(request) else on_page[kind](request, error)

        return answer

    return {kind: either(kind, problem) for kind, problem in _PROBLEMS.items()}


def _is_admin(request: Request) -> bool:
    return request.url.path.startswith(("/__admin", "/metrics"))


def _refused(_: Request, error: RequestError) -> Response:
    if error.status == 401:
        return problem(AdminProblem, 401, (Issue("login", TOKEN_NEEDED, "Authorization"),))
    return problem(AdminProblem, error.status, error.issues)


def _not_here(request: Request, error: HTTPException) -> Response:
    issue = Issue("not-found", f"{error.detail}: {request.method} {request.url.path}")
    return problem(AdminProblem, error.status_code, (issue,), headers=error.headers)


def _not_stored(_: Request, error: StoreError) -> Response:
    issue = Issue("transient", f"nothing can be stored now: {error.reason}")
    return problem(AdminProblem, 503, (issue,), headers={"Retry-After": "5"})


def _system_refuses(request: Request, error: OSError) -> Response:
    if error.errno not in DISK_FAULTS:
        raise error  # a defect like any other
    return _not_stored(request, StoreError(f"{error.filename or 'disk'}: {error.strerror}"))


def _defect(request: Request, error: Exception) -> Response:
    _log.error("%s %s failed: %s", request.method, request.url.path, type(error).__name__)
    return problem(AdminProblem, 500, (Issue("exception", "internal error"),))


_PROBLEMS: Mapping[Any, Callable[[Request, Any], Response]] = {
    RequestError: _refused,
    HTTPException: _not_here,
    StoreError: _not_stored,
    OSError: _system_refuses,
    Exception: _defect,
}
