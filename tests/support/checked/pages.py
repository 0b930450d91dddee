"""A vendor's pages and an identity provider, each on a port of its own, with switchable defects, for the checker.

Both are written with aiohttp alone. `VendorPages.wire()` gives the vendor's FHIR side: one slot, and INT_R02.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Mapping
from urllib.parse import urlencode

from aiohttp import web

from sandbox.check.evidence import Exchange

# Each defect with the requirement that must find it.
DEFECTS: Mapping[str, str] = {
    "without origin the browser goes to the provider": "SSO-1",
    "without origin the agenda is open": "SSO-1",
    "without origin there is an error": "SSO-1",
    "without origin there is an empty page": "SSO-1",
    "no forgotten password": "R02-14",
    "with origin there is the ordinary login": "SSO-2",
    "with origin there is an error": "SSO-2",
    "the provider does not know the client": "SSO-2",
    "another login is asked for": "SSO-3",
    "the agenda answers 500": "SSO-3",
    "the agenda asks for a password": "SSO-3",
    "unknown people enter": "SSO-4",
    "inactive people enter": "SSO-4",
    "open sessions stay open": "SSO-4",
    "strangers are answered 404": "SSO-4",
    "no terms": "R02-16",
    "terms each time": "R02-16",
    "who was there once enters without origin": "R02-15",
}
TOLERATED = {"strangers are answered 404"}
LOGIN, PASSWORD, EMAIL = "6f1c0c5e-3c54-4a55-9d0b-7f6c2f3b8a35", "regulation-35", "martin@samu35.example"
_LOGIN_PAGE = """<h1>Connexion</h1><form method="post" action="/connexion"><input name="email" type="email">
<input name="password" type="password"><button>Se connecter</button></form>"""
_SHELL = '<div id="app"></div><script src="/app.js"></script>'


class VendorPages:
    """`accounts`: whether the account of LOGIN is active, by identifier; `scripted`: scripts build every page."""

    def __init__(self, *defects: str, scripted: bool = False) -> None:
        assert set(defects) <= set(DEFECTS)
        self.defects, self.scripted = defects, scripted
        self.accounts: dict[str, bool] = {}
        self.sessions: dict[str, bool] = {}  # by cookie: terms are accepted
        self.accepted, self.been = False, False
        self.at_provider: set[str] = set()
        self.seen: list[str] = []
        self.vendor = self.provider = ""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[VendorPages]:
        """Serve both until the end."""
        vendor, provider = web.Application(), web.Application()
        vendor.router.add_route("*", "/{path:.*}", self._vendor)
        provider.router.add_route("*", "/{path:.*}", self._provider)
        async with contextlib.AsyncExitStack() as stack:
            bases = [await stack.enter_async_context(_served(each)) for each in (vendor, provider)]
            self.vendor, self.provider = bases[0], f"{bases[1]}/psc"
            yield self

    # ---- FHIR

    async def get(self, path: str) -> Exchange:
        self.seen.append(path)
        slot = {"resourceType": "Slot", "comment": f"{self.vendor}/rdv?creneau=1"}
        walkin = {"resourceType": "Slot", "comment": f"{self.vendor}/sans-rdv"}
        walkin["appointmentType"] = {"coding": [{"code": "WALKIN"}]}  # type: ignore[assignment]
        entries = [{"resource": each} for each in (walkin, {"resourceType": "Schedule"}, slot)]
        body = json.dumps({"resourceType": "Bundle", "entry": entries}).encode()
        return Exchange("GET", path, "sas", status=200, body=body)

    async def call(self, method: str, path: str, *, headers: Mapping[str, str], body: bytes) -> Exchange:
        person = json.loads(body)
        identifier = person["identifier"][0]["value"]
        status = 200 if identifier in self.accounts else 201
        self.accounts[identifier] = person["active"]
        return Exchange(method, path, "sas", status=status, headers={"Location": "Practitioner/1"})

    # ---- pages

    async def _vendor(self, request: web.Request) -> web.StreamResponse:
        defects, cookie = self.defects, request.cookies.get("agenda", "")
        if request.path == "/retour":
            return self._back(request)
        if self.scripted:
            return _html(_SHELL)
        if cookie in self.sessions and (self.accounts.get(LOGIN) or "open sessions stay open" in defects):
            return await self._inside(request, cookie)
        if cookie in self.sessions and "inactive people enter" not in defects:
            return self._turned_away()
        if request.query.get("origin") != "sas":
            return self._without_origin(request)
        if "with origin there is the ordinary login" in defects:
            return _html(_LOGIN_PAGE)
        if "with origin there is an error" in defects:
            return _html("<p>Erreur</p>", 500)
        return self._to_provider()

    def _to_provider(self) -> web.StreamResponse:
        asked = {"client_id": "agenda", "redirect_uri": f"{self.vendor}/retour", "state": "s"}
        if "another login is asked for" in self.defects:
            asked["prompt"] = "login"
        if "the provider does not know the client" in self.defects:
            asked["client_id"] = "unknown"
        return _redirect(f"{self.provider}/auth?{urlencode(asked)}")

    def _without_origin(self, request: web.Request) -> web.StreamResponse:
        defects = self.defects
        if "without origin the browser goes to the provider" in defects:
            return self._to_provider()
        if "without origin the agenda is open" in defects:
            return _html("<h1>Agenda du docteur</h1>")
        if "without origin there is an error" in defects:
            return _html("<p>Connexion impossible</p>", 500)
        if "without origin there is an empty page" in defects:
            return _html("<p>Bonjour</p>")
        if "who was there once enters without origin" in defects and self.been:
            return _html("<h1>Agenda du docteur</h1>")
        forgotten = "" if "no forgotten password" in defects else '<a href="/oubli">Mot de passe oublié ?</a>'
        return _html(_LOGIN_PAGE + forgotten)

    def _back(self, request: web.Request) -> web.StreamResponse:
        known = self.accounts.get(LOGIN)
        enters = known or (known is None and "unknown people enter" in self.defects)
        if not enters and not (known is False and "inactive people enter" in self.defects):
            return self._turned_away()
        key = secrets.token_hex(8)
        self.sessions[key], self.been = self.accepted, True
        answer = _redirect("/rdv?creneau=1&origin=sas") if enters else _html("<h1>Agenda du docteur</h1>")
        if not known and enters:
            answer = _html("<h1>Agenda du docteur</h1>")
        answer.set_cookie("agenda", key)
        return answer

    def _turned_away(self) -> web.StreamResponse:
        return _html("<p>Pas de compte actif</p>", 404 if "strangers are answered 404" in self.defects else 403)

    async def _inside(self, request: web.Request, cookie: str) -> web.StreamResponse:
        defects = self.defects
        if request.path == "/cgu":
            form = await request.post()
            if form.get("lu") != "oui":
                return _html("<p>Cochez la case</p>", 422)
            self.sessions[cookie], self.accepted = True, "terms each time" not in defects
            return _redirect("/rdv?creneau=1&origin=sas")
        if not self.sessions[cookie] and "no terms" not in defects:
            return _html(
                """<h1>Conditions générales d'utilisation</h1><form method="post" action="/cgu">
                <input type="checkbox" name="lu" value="oui"> J'accepte <button>Continuer</button></form>"""
            )
        if "the agenda answers 500" in defects:
            return _html("<p>Erreur</p>", 500)
        if "the agenda asks for a password" in defects:
            return _html(_LOGIN_PAGE)
        return _html('<h1>Agenda du docteur</h1><form method="post"><input name="nom"><button>Réserver</button></form>')

    # ---- the provider

    async def _provider(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("client_id") != "agenda":
            return _html("<p>Client inconnu</p>", 400)
        cookie = request.cookies.get("psc", "")
        if request.method == "POST":
            form = await request.post()
            if (form.get("login"), form.get("password")) != (LOGIN, PASSWORD):
                return _html("<p>Mot de passe incorrect</p>", 403)
            cookie = secrets.token_hex(8)
            self.at_provider.add(cookie)
        elif cookie not in self.at_provider or request.query.get("prompt") == "login":
            return _html(
                """<form method="post"><input type="hidden" name="csrf" value="x"><input name="login">
                <input type="password" name="password"><button>Se connecter</button></form>"""
            )
        answer = _redirect(f"{request.query['redirect_uri']}?code=very-secret&state=s")
        answer.set_cookie("psc", cookie)
        return answer


@contextlib.asynccontextmanager
async def _served(application: web.Application) -> AsyncIterator[str]:
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def _html(content: str, status: int = 200) -> web.Response:
    return web.Response(text=f"<!doctype html><title>x</title>{content}", status=status, content_type="text/html")


def _redirect(target: str) -> web.Response:
    return web.Response(status=303, headers={"Location": target})
