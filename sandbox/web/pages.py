"""The pages of a console: its templates and static files.

A console makes one `Pages` for its package (templates in `<package>/templates`, its own static files, if any, in
`<package>/static`); `console.py` makes the application. Templates extend `base.html` and may import `macros.html`.
In every template: `app_name`, `banner_text`, `flashes`, `static(name)`, `csrf_field(request)`, `request` and the
filters of `web.filters`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from sandbox.web.assets import package_assets, package_folder, theme_assets
from sandbox.web.filters import FILTERS
from sandbox.web.session import csrf_field, take_flashes

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
