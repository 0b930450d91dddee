"""The relying party of the consoles against the provider: single sign-on between two sites, and bad answers."""

from __future__ import annotations

import asyncio
import html
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from sandbox.net.context import Context
from sandbox.psc.provider import Provider
from sandbox.web.console import application
from sandbox.web.oidc import AT_PLATFORM, Client, RelyingParty, at_psc
from sandbox.web.pages import Pages, redirect
from sandbox.web.session import sign_in, sign_out

PSC = "http://127.0.0.1:8003"
SAS = "http://127.0.0.1:8000"
EDITOR = "http://127.0.0.1:8001"
ISSUER = f"{PSC}/psc"
ISS = urlencode({"iss": ISSUER})


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Wire:
    """A stand-in for the HTTP client: passes calls to the provider's application; `spoil` changes the answers."""

    app: ASGIApp
    calls: list[str] = field(default_factory=list)
    spoil: Callable[[str, bytes], bytes] = lambda url, body: body
    status: int | None = None

    async def request(self, method: str, url: str, *, headers: Any, body: bytes | None, **_: Any) -> Reply:
        self.calls.append(urlsplit(url).path)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app)) as client:
            answer = await client.request(method, url, headers=headers, content=body)
        return Reply(self.status or answer.status_code, {}, self.spoil(url, answer.content))


def site(
    context: Context, wire: Wire, client_id: str, origin: str, prefix: str, client: Client | None = None
) -> ASGIApp:
    """A console whose page `/private` needs a login, with the same code as the SAS core and the editors."""
    http: Any = wire
    party = RelyingParty(context, client or at_psc(client_id), f"{origin}{prefix}/oidc/callback", http)

    async def private(request: Request) -> Response:
        if "name" in request.session:
            return PlainTextResponse(f"bonjour {request.session['name']} ({request.url.query})")
        return redirect(await party.authorize_url(request, f"{request.url.path}?{request.url.query}"))

    async def callback(request: Request) -> Response:
        claims = await party.callback(request)
        await sign_in(request, name=f"{claims.given} {claims.family} {claims.national_id} {claims.email}")
        return redirect(claims.return_to)

    async def logout(request: Request) -> Response:
        await sign_out(request)
        return redirect(await party.logout_url(f"{origin}{prefix}/"))

    pages = Pages("sandbox.web", app_name=client_id, banner="", colour="#335577", static_url=f"{prefix}/static")
    routes = [Route("/private", private), Route("/oidc/callback", callback), Route("/logout", logout)]
    return application(context, pages, [Mount(prefix, routes=routes)], role=client_id)


@pytest.fixture
def wire(provider: Provider) -> Wire:
    return Wire(provider.application())


@pytest.fixture
def browser(context: Context, wire: Wire, runner: asyncio.Runner, make_browser: Any) -> Any:
    sites = {
        PSC: wire.app,
        SAS: site(context, wire, "sas", SAS, ""),
        EDITOR: site(context, wire, "agenda-azur", EDITOR, "/agenda-azur"),
    }
    return make_browser(runner, sites)


def log_in(browser: Any, url: str = f"{SAS}/private?a=1") -> httpx.Response:
    answer = browser.submit(browser.get(url), login="lea@sas33.invalid", password="Lea-2026")
    page: httpx.Response = browser.follow(answer)
    return page


@pytest.mark.requirement("SSO-2")
def test_person_lands_on_the_page_first_asked_for(browser: Any) -> None:
    assert log_in(browser).text == "bonjour Léa Roy 3456780581/11242343 lea@sas33.invalid (a=1)"


@pytest.mark.requirement("SSO-3")
def test_second_site_needs_no_second_login(browser: Any) -> None:
    log_in(browser)
    page = browser.get(f"{EDITOR}/agenda-azur/private?slot=x&origin=sas")
    assert page.text.startswith("bonjour Léa Roy")
    assert page.text.endswith("(slot=x&origin=sas)")


@pytest.mark.requirement("SSO-2", "SSO-3")
def test_an_editor_logs_people_in_through_the_realm_of_the_platform(
    context: Context, wire: Wire, runner: asyncio.Runner, make_browser: Any
) -> None:
    sites = {
        PSC: wire.app,
        SAS: site(context, wire, "sas", SAS, ""),
        EDITOR: site(context, wire, "agenda-azur", EDITOR, "/agenda-azur", AT_PLATFORM),
    }
    browser = make_browser(runner, sites)
    page = browser.get(f"{EDITOR}/agenda-azur/private?origin=sas")
    assert urlsplit(str(page.url)).path == "/realms/sas/protocol/openid-connect/auth"
    assert "Ministère de la Santé et de la Prévention" in page.text
    asked = parse_qs(urlsplit(str(page.url)).query)
    assert (asked["client_id"], asked["scope"]) == (["sas"], ["openid email profile pro_sante_connect"])
    answer = browser.follow(browser.submit(page, login="lea@sas33.invalid", password="Lea-2026"))
    assert answer.text.startswith("bonjour Léa Roy")
    assert browser.get(f"{SAS}/private").text.startswith("bonjour Léa Roy")  # one login for both
    assert "/realms/sas/protocol/openid-connect/token" in wire.calls


@pytest.mark.requirement("SSO-2")
def test_after_logout_the_login_page_is_back(browser: Any) -> None:
    log_in(browser)
    browser.get(f"{SAS}/logout")
    assert "Mot de passe" in browser.get(f"{EDITOR}/agenda-azur/private").text


def test_discovery_and_keys_are_fetched_once(browser: Any, wire: Wire) -> None:
    log_in(browser)
    browser.get(f"{SAS}/logout")
    log_in(browser)
    assert wire.calls.count("/psc/.well-known/openid-configuration") == 1
    assert wire.calls.count("/psc/jwks") == 1


def test_state_from_nowhere_is_refused(browser: Any) -> None:
    answer = browser.get(f"{SAS}/oidc/callback?code=x&state=y&{ISS}")
    assert answer.status_code == 400
    assert "pas été commencée" in answer.text


def test_state_is_good_once(browser: Any) -> None:
    log_in(browser)
    callback = next(url for url in browser.visited if "/oidc/callback" in url)
    assert browser.get(callback).status_code == 400


def test_refusal_of_the_provider_is_a_page(browser: Any) -> None:
    asked = browser.open(f"{SAS}/private").headers["location"]
    state = parse_qs(urlsplit(asked).query)["state"][0]
    answer = browser.get(f"{SAS}/oidc/callback?" + urlencode({"state": state, "error": "access_denied", "iss": ISSUER}))
    assert answer.status_code == 403
    assert "access_denied" in answer.text


def test_callback_without_a_code_is_a_page(browser: Any) -> None:
    asked = browser.open(f"{SAS}/private").headers["location"]
    state = parse_qs(urlsplit(asked).query)["state"][0]
    assert browser.get(f"{SAS}/oidc/callback?state={state}&{ISS}").status_code == 400


def test_session_keeps_a_bounded_number_of_attempts(browser: Any) -> None:
    states = []
    for _ in range(5):
        asked = browser.open(f"{SAS}/private").headers["location"]
        states.append(parse_qs(urlsplit(asked).query)["state"][0])
    assert "pas été commencée" in browser.get(f"{SAS}/oidc/callback?state={states[1]}&{ISS}").text
    assert "pas transmis de code" in browser.get(f"{SAS}/oidc/callback?state={states[2]}&{ISS}").text


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"iss": "http://127.0.0.1:8003/realms/sas"}, "fournisseur d'identité attendu"),
        ({"iss": ""}, "fournisseur d'identité attendu"),
        ({"error": ["access_denied", "server_error"]}, "répète un paramètre"),
    ],
)
def test_an_answer_of_another_provider_or_with_a_parameter_twice_is_refused(
    browser: Any, changed: dict[str, Any], words: str
) -> None:
    asked = browser.open(f"{SAS}/private").headers["location"]
    state = parse_qs(urlsplit(asked).query)["state"][0]
    answer = {"state": state, "error": "access_denied", "iss": ISSUER, **changed}
    page = browser.get(f"{SAS}/oidc/callback?" + urlencode(answer, doseq=True))
    assert page.status_code == 400
    assert words in html.unescape(page.text)


def test_verifier_and_nonce_never_reach_the_cookie(browser: Any) -> None:
    asked = browser.open(f"{SAS}/private").headers["location"]
    nonce = parse_qs(urlsplit(asked).query)["nonce"][0]
    assert nonce not in str(browser.cookies)


def test_too_long_a_path_is_refused(browser: Any) -> None:
    assert browser.get(f"{SAS}/private?{'x' * 800}").status_code == 400


def test_browser_under_another_name_of_ours_is_sent_to_the_public_one(
    context: Context, wire: Wire, runner: asyncio.Runner, make_browser: Any
) -> None:
    app = site(context, wire, "sas", SAS, "")
    browser = make_browser(runner, {"http://localhost:8000": app, SAS: app, PSC: wire.app})
    assert browser.open("http://localhost:8000/private?a=1").headers["location"] == f"{SAS}/private?a=1"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/psc/.well-known/openid-configuration", b"<html>"),
        ("/psc/.well-known/openid-configuration", b"{}"),
        ("/psc/token", b'{"id_token": 1}'),
        ("/psc/token", b'{"id_token": "x.y.z"}'),
        ("/psc/jwks", b'{"keys": []}'),
        ("/psc/jwks", b'{"keys": [{"kty": "oct", "k": "AA", "kid": "other"}]}'),
        ("/psc/jwks", b"[]"),
    ],
)
def test_unusable_answers_are_a_bad_gateway_page(browser: Any, wire: Wire, path: str, body: bytes) -> None:
    wire.spoil = lambda url, good: body if url.endswith(path) else good
    page = browser.get(f"{SAS}/private")
    if page.status_code == 200:
        page = browser.follow(browser.submit(page, login="lea@sas33.invalid", password="Lea-2026"))
    assert page.status_code == 502
    assert "« psc »" in page.text


def test_identity_without_a_national_id_is_refused(browser: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    nameless = {"sub": "x", "family_name": "Roy", "given_name": "Léa"}
    monkeypatch.setattr("sandbox.psc.tokens.person_claims", lambda person: nameless)
    assert log_in(browser).status_code == 502


def test_issuer_that_is_not_ours_is_refused(browser: Any, wire: Wire) -> None:
    wire.spoil = lambda url, good: good.replace(b'"issuer":"http://127', b'"issuer":"http://128')
    assert browser.get(f"{SAS}/private").status_code == 502


def test_refused_call_is_a_bad_gateway_page(browser: Any, wire: Wire) -> None:
    wire.status = 500
    page = browser.get(f"{SAS}/private")
    assert page.status_code == 502
    assert "a répondu 500" in page.text
