"""Page machinery that all consoles share: templates, static files, error pages, the assembled application.

A console makes one `Pages` for its package (templates in `<package>/templates`, own static files, if any, in
`<package>/static`) and hands its routes to `console`. Templates extend `base.html` and may import `macros.html`.
In every template: `app_name`, `banner_text`, `flashes`, `static(name)`, `csrf_field(request)`, `request` and the
filters of `web.filters`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp

from sandbox.kernel.errors import RequestError
from sandbox.web.assets import package_assets, package_folder, theme_assets
from sandbox.web.ended import Ended
from sandbox.web.errors import error_handlers
from sandbox.web.filters import FILTERS
from sandbox.web.gate import Gate
from sandbox.web.headers import content_policy, secure, trusted_hosts
from sandbox.web.session import csrf_field, session_middleware, take_flashes

if TYPE_CHECKING:
    from sandbox.net.context import Context

__all__ = ["Pages", "console", "content_policy", "error_handlers", "redirect", "secure", "trusted_hosts"]

_WEB = "sandbox.web"
_FOR_EVER = "public, max-age=31536000, immutable"


@lru_cache(maxsize=64)
def environment(package: str) -> Environment:
    """The Jinja environment of a package: its templates first, then those of `web`; escaping on."""
    folders = [package_folder(name, "templates") for name in (package, _WEB)]
    made = Environment(
        loader=ChoiceLoader([FileSystemLoader(folder) for folder in folders]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(FILTERS)
    made.globals["csrf_field"] = csrf_field
    return made


def redirect(url: str, status: int = 303) -> RedirectResponse:
    """Send the browser to `url`, as a GET."""
    return RedirectResponse(url, status)


class Pages:
    """Pages of one console (or of one editor: each has its name and colour).

    `banner`: the text of the banner, or a function that gives it at each page (« EXERCICE »); "" for none;
    `colour`: `#rrggbb`; `static_url`: where browsers find the route of `static_route` (`/agenda-azur/static`).
    """

    def __init__(
        self, package: str, *, app_name: str, banner: str | Callable[[], str], colour: str, static_url: str
    ) -> None:
        self.app_name = app_name
        self._banner = banner
        self.static_url = static_url.rstrip("/")
        self._assets = {**package_assets(_WEB), **package_assets(package), **theme_assets(colour)}
        self._environment = environment(package)

    def render(self, request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """The page of a template. `values` may override `app_name` and `banner_text`."""
        banner = self._banner if isinstance(self._banner, str) else self._banner()
        common = {
            "request": request,
            "app_name": self.app_name,
            "banner_text": banner,
            "static": self.static,
            "flashes": take_flashes(request),
        }
        text = self._environment.get_template(template).render({**common, **values})
        return HTMLResponse(text, status)

    def fragment(self, template: str, **values: Any) -> str:
        """The text of a template that is a part of a page, for scripts that put it in its place."""
        return self._environment.get_template(template).render({"static": self.static, **values})

    redirect = staticmethod(redirect)

    def static(self, name: str) -> str:
        """URL of a static file, with the digest of its content. Raises KeyError for a file that is not there."""
        return f"{self.static_url}/{self._assets[name].digest}/{name}"

    def static_route(self, prefix: str = "/static") -> Route:
        """The route that serves the static files, to be mounted so that `static_url` reaches it."""
        return Route(f"{prefix}/{{digest}}/{{name}}", self._serve, methods=["GET"])

    async def _serve(self, request: Request) -> Response:
        asset = self._assets.get(request.path_params["name"])
        if asset is None:
            raise HTTPException(404)
        current = asset.digest == request.path_params["digest"]  # another version's page may ask for an old one
        headers = {"cache-control": _FOR_EVER if current else "no-store"}
        return Response(asset.body, media_type=asset.media_type, headers=headers)


def leading_to(path: str) -> Callable[[Request], Response]:
    def endpoint(request: Request) -> Response:
        return redirect(request.scope.get("root_path", "") + path)

    return endpoint


def console(
    context: Context,
    pages: Pages,
    routes: Sequence[BaseRoute],
    *,
    role: str,
    prefix: str = "",
    beside: Sequence[BaseRoute] = (),
    handlers: Mapping[Any, Any] | None = None,
    ended: Ended | None = None,
    passwords: Collection[str] = (),
    wanted: str = "",
) -> ASGIApp:
    """A console's application: `routes` and its static files, sessions, trusted hosts, error pages, headers.

    `role` names the session cookie; `handlers` are further exception handlers (they win over the error pages).
    All routes lie under `prefix` (then `/` leads there) but those `beside` it, the static files under
    `<prefix>/static`; all relative to where the application is mounted. `ended`: which sessions are over, where people
    log in. `passwords`: one of them must be brought (`gate.py`); `wanted` says to people which; none: everybody may in.
    """
    own: list[BaseRoute] = [pages.static_route(), *routes]
    handling = {**error_handlers(pages), **(handlers or {})}
    gates = (
        [Middleware(Gate, passwords=passwords, free=f"{pages.static_url}/", refuse=handling[RequestError], what=wanted)]
        if passwords
        else []
    )
    app = Starlette(
        routes=[Mount(prefix, routes=own), *beside, Route("/", leading_to(prefix + "/"))] if prefix else own,
        middleware=[trusted_hosts(context), *gates, session_middleware(context, role, ended)],
        exception_handlers=handling,
    )
    return secure(app, context.settings)
