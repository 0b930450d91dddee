"""The application of a console: its routes and static files, sessions, trusted host names, error pages, headers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from sandbox.kernel.errors import RequestError
from sandbox.net.context import Context
from sandbox.web.ended_sessions import EndedSessions
from sandbox.web.errors import error_handlers
from sandbox.web.gate import Gate
from sandbox.web.headers import secure, trusted_hosts
from sandbox.web.pages import Pages, redirect
from sandbox.web.session import session_middleware


@dataclass(frozen=True)
class Access:
    """Who may use a console.

    `ended`: which sessions are over, where people log in. `passwords`: one of them must be sent with each request
    (`gate.py`), and `wanted` tells people which; when there are none, everybody may use it.
    """

    ended: EndedSessions | None = None
    passwords: Collection[str] = ()
    wanted: str = ""


EVERYBODY = Access()


def console(
    context: Context,
    pages: Pages,
    routes: Sequence[BaseRoute],
    *,
    role: str,
    handlers: Mapping[Any, Any] | None = None,
    access: Access = EVERYBODY,
) -> ASGIApp:
    """`application` with the static files of `pages` under `/static`."""
    return application(context, pages, [pages.static_route(), *routes], role=role, handlers=handlers, access=access)


def application(
    context: Context,
    pages: Pages,
    routes: Sequence[BaseRoute],
    *,
    role: str,
    handlers: Mapping[Any, Any] | None = None,
    access: Access = EVERYBODY,
) -> ASGIApp:
    """A console's application; its paths are relative to where it is mounted.

    `role` names the session cookie; `handlers` are further exception handlers, which win over the error pages.
    """
    handling = {**error_handlers(pages), **(handlers or {})}
    gate = Middleware(
        Gate,
        passwords=access.passwords,
        free=f"{pages.static_url}/",
        refuse=handling[RequestError],
        what=access.wanted,
    )
    app = Starlette(
        routes=routes,
        middleware=[
            trusted_hosts(context),
            *([gate] if access.passwords else []),
            session_middleware(context, role, access.ended),
        ],
        exception_handlers=handling,
    )
    return secure(app, context.settings)


def leading_to(path: str) -> Callable[[Request], Response]:
    """An endpoint that sends browsers to `path` of the same application."""

    def endpoint(request: Request) -> Response:
        return redirect(request.scope.get("root_path", "") + path)

    return endpoint
