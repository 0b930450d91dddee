"""Sessions on an editor's pages: login through Pro Santé Connect, terms of use, logout (passwords: `passwords`).

With `origin` the session opens through Pro Santé Connect and acts as the account that INT_R02 made; without it there
is the editor's ordinary login, which gives no right of a regulator (guide, « Délégation d'authentification »).
The session keeps the id of the account and how it was opened (`via`: `sas` or `password`). The account itself is read
again at every request, so a withdrawn right ends at once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.config import SAS_UI
from sandbox.editor.accounts.accounts import AccountRecord, Accounts, require_active
from sandbox.editor.appointments.venues import zone_at
from sandbox.kernel.errors import Issue, RequestError
from sandbox.kernel.model import Editor
from sandbox.net.context import Context
from sandbox.web.oidc import RelyingParty
from sandbox.web.pages import Pages, redirect
from sandbox.web.session import checked_form, local_path, sign_in, sign_out

PACKAGE = "sandbox.editor"
BANNER = "BAC À SABLE — données fictives"

_ORIGIN = re.compile(r"sas(?:-[A-Za-z0-9_-]{1,40})?")
_ONLY_SAS = "Cette action demande une session ouverte depuis le SAS."


class Redirected(Exception):
    """Not an error: the browser must visit another page before this one can be shown."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


class SessionPages:
    """The sessions of one editor, and the pages that open and close them. `root`: path of its pages (`/<slug>`).

    The other pages ask it for the regulator of a request, and render with it.
    """

    def __init__(self, context: Context, editor: Editor, accounts: Accounts, psc: RelyingParty) -> None:
        self._accounts, self._psc = accounts, psc
        self._origin = context.settings.sas_origin
        self._zone_at = partial(zone_at, context.population)
        self._base = context.settings.editor_ui(editor)
        self.editor = editor
        self.root = f"/{editor.slug}"
        self.sas = context.settings.http(SAS_UI, "/sas/reprise")  # the regulator's last search at the SAS core
        self.pages = Pages(
            PACKAGE,
            app_name=editor.name,
            banner=BANNER,
            colour=editor.colour,
            static_url=f"{self.root}/static",
        )

    def routes(self) -> list[Route]:
        """The routes, below `root`."""
        return [
            Route("/", self.home),
            Route("/cgu", self.terms),
            Route("/cgu", self.accept_terms, methods=["POST"]),
            Route("/deconnexion", self.logout, methods=["POST"]),
            Route("/oidc/callback", self.callback),
        ]

    def account_of(self, request: Request) -> tuple[AccountRecord | None, bool]:
        """The account of the session, and whether it came through the SAS.

        A session that was opened with a password ends when the password is changed.
        """
        id = request.session.get("account")
        record = self._accounts.get(id) if isinstance(id, str) else None
        through_sas = request.session.get("via") == "sas"
        if record is not None and not through_sas and request.session.get("salt") != record.password[0]:
            return None, False
        return record, through_sas

    async def sign_in_by_password(self, request: Request, record: AccountRecord) -> None:
        """Open an ordinary session, which gives no right of a regulator."""
        await sign_in(request, account=record.id, via="password", salt=record.password[0])

    def origin(self, request: Request) -> str:
        """The value of `origin` with which this session was opened, for links to the agenda."""
        return str(request.session.get("origin") or self._origin)

    async def regulator(self, request: Request) -> AccountRecord:
        """The active account of a session that came through the SAS and has accepted the terms.

        Raises Redirected (Pro Santé Connect, ordinary login, or CGU) and RequestError 403.
        """
        record, through_sas = self.account_of(request)
        if not through_sas:
            if came_from_sas(request):
                url = await self._psc.authorize_url(request, _here(request))
                raise Redirected(redirect(url))
            raise Redirected(redirect(f"{self.root}/connexion"))
        active = require_active(record)
        if active.terms is None:
            query = urlencode({"suite": _here(request)})
            raise Redirected(redirect(f"{self.root}/cgu?{query}"))
        return active

    async def posted_form(self, request: Request) -> tuple[AccountRecord, Mapping[str, Any]]:
        """The regulator and the form that he posted.

        Raises RequestError 403: no session, no active account, terms not accepted, wrong CSRF token.
        """
        record, through_sas = self.account_of(request)
        if not through_sas:
            raise RequestError(403, Issue("forbidden", _ONLY_SAS))
        active = require_active(record)
        form = await checked_form(request)
        if active.terms is None:
            raise RequestError(403, Issue("forbidden", "Acceptez d'abord les conditions générales d'utilisation."))
        return active, form

    def is_open(self, request: Request) -> bool:
        """True while the session was opened through the SAS and its account is active."""
        record, through_sas = self.account_of(request)
        return through_sas and record is not None and record.active

    def render(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        """A page of this editor; `values` are those of its template."""
        common = {
            "root": self.root,
            "sas": self.sas,
            "editor": self.editor,
            "zone_at": self._zone_at,
            "who": self.account_of(request)[0],
            "regulator": self.is_open(request),
        }
        return self.pages.render(request, template, status, **{**common, **values})

    def fragment(self, request: Request, template: str, **values: Any) -> str:
        """The HTML of a part of a page, with which a script replaces that part."""
        return self.pages.fragment(template, request=request, root=self.root, editor=self.editor, **values)

    async def callback(self, request: Request) -> Response:
        """Back from Pro Santé Connect: open a session for the account that INT_R02 made, else answer 403."""
        claims = await self._psc.callback(request)
        record = self._accounts.match(claims.national_id, claims.email)
        try:
            active = require_active(record)
        except RequestError as error:
            await sign_out(request)
            name = f"{claims.given} {claims.family}".strip()
            reason = error.issues[0].detail
            return self.render(request, "refused.html", 403, name=name, reason=reason)
        await sign_in(request, account=active.id, via="sas")
        return redirect(local_path(claims.return_to, f"{self.root}/rendez-vous"))

    async def terms(self, request: Request) -> Response:
        """The editor's terms of use (CGU), shown at the first visit."""
        record, through_sas = self.account_of(request)
        if not through_sas or record is None:
            return redirect(f"{self.root}/connexion")
        suite = local_path(request.query_params.get("suite"), f"{self.root}/rendez-vous")
        return self.render(request, "terms.html", suite=suite, accepted=record.terms)

    async def accept_terms(self, request: Request) -> Response:
        """Store that the terms are accepted, then redirect to the page that was asked for."""
        record, through_sas = self.account_of(request)
        if not through_sas:
            raise RequestError(403, Issue("forbidden", _ONLY_SAS))
        active = require_active(record)
        form = await checked_form(request)
        suite = local_path(str(form.get("suite", "")), f"{self.root}/rendez-vous")
        if form.get("accept") != "1":
            return self.render(request, "terms.html", 422, suite=suite, accepted=None, missing=True)
        await self._accounts.accept_terms(active)
        return redirect(suite)

    async def home(self, request: Request) -> Response:
        """The regulator's appointments, the welcome of an ordinary session, or the login page."""
        record, through_sas = self.account_of(request)
        if record is None:
            return redirect(f"{self.root}/connexion")
        if through_sas:
            return redirect(f"{self.root}/rendez-vous")
        return self.render(request, "welcome.html")

    async def logout(self, request: Request) -> Response:
        """End this session; with `psc=1` that of Pro Santé Connect too, so that somebody else can log in."""
        form = await checked_form(request)
        await sign_out(request)
        home = f"{self._base}/connexion"
        return redirect(await self._psc.logout_url(home) if form.get("psc") == "1" else home)


def came_from_sas(request: Request) -> bool:
    """True when the `origin` of the query is the SAS (`sas`, `sas-preprod`, …)."""
    return _ORIGIN.fullmatch(request.query_params.get("origin", "")) is not None


def _here(request: Request) -> str:
    return f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path
