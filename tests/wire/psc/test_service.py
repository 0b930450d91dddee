"""The role on a real socket: it answers, journals, and a real HTTP client redeems a code at it."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import jwt
import pytest
from starlette.requests import Request

from sandbox.config import PSC_UI, SAS_UI, Settings
from sandbox.kernel.clock import Clock
from sandbox.kernel.entropy import seeded
from sandbox.kernel.errors import PeerUnreachable
from sandbox.kernel.identifiers import SYSTEM_PERSON, Identifier
from sandbox.kernel.model import Regulator
from sandbox.kernel.world import ClockSetting
from sandbox.net.context import Context
from sandbox.net.http.client import HttpClient
from sandbox.psc.app import build
from sandbox.web.oidc import RelyingParty, at_psc
from tests.support.contexts import make_context

LEA = Regulator(Identifier(SYSTEM_PERSON, "345/1", "IDNPS"), "Roy", "Léa", "lea@x.invalid", "SAS-33", "pass")


@pytest.fixture
def context(tmp_path: Path) -> Context:
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    base = listening.getsockname()[1] - PSC_UI
    population: Any = SimpleNamespace(
        regulators=(LEA,), editors={}, watch=lambda _: None, practitioner=lambda _: None, handmade=tuple
    )
    return make_context(
        Settings(port_base=base, data_dir=str(tmp_path)),
        clock=Clock(lambda: 1_800_000_000.0),
        entropy=seeded(1),
        population=population,
        sockets={PSC_UI: listening},
    )


@pytest.fixture
async def issuer(context: Context) -> AsyncIterator[str]:
    service = build(context)
    assert service.health() == {"started": False}
    await service.start()
    assert service.health() == {"clients": 1, "accounts": 1, "codes": 0, "disk": "ok"}
    yield context.settings.http(PSC_UI, "/psc")
    await service.stop()


@pytest.fixture
async def http(context: Context) -> AsyncIterator[HttpClient]:
    client = HttpClient(context, "sas", None)
    yield client
    await client.close()


def request_to(url: str, session: dict[str, Any]) -> Request:
    parts = urlsplit(url)
    scope = {
        "type": "http",
        "method": "GET",
        "scheme": "http",
        "path": parts.path,
        "query_string": parts.query.encode(),
        "headers": [(b"host", parts.netloc.encode())],
        "session": session,
    }
    return Request(scope)


async def test_person_logs_in_over_the_wire(context: Context, issuer: str, http: HttpClient) -> None:
    root = context.settings.http(0)
    party = RelyingParty(context, at_psc("sas"), f"{root}/oidc/callback", http)
    session: dict[str, Any] = {}
    url = await party.authorize_url(request_to(f"{root}/x", session), "/x")
    async with httpx.AsyncClient() as browser:
        page = await browser.get(url)
        action, token = re.findall(r'action="([^"]*)"|name="csrf" value="([^"]*)"', page.text)
        form = {"csrf": token[1], "login": "lea@x.invalid", "password": "pass"}
        answer = await browser.post(page.url.join(action[0].replace("&amp;", "&")), data=form)
        claims = await party.callback(request_to(answer.headers["location"], session))
    assert (claims.national_id, claims.family, claims.return_to) == ("345/1", "Roy", "/x")
    exchanges = context.journal.take()
    actions = {(one.actor, one.direction, one.action, one.status) for one in exchanges}
    assert ("psc", "in", "POST /psc/token", 200) in actions
    assert ("sas", "out", "POST /psc/token", 200) in actions
    assert {one.flow for one in exchanges} == {"PSC"}
    assert dict(parse_qsl(urlsplit(answer.headers["location"]).query))["code"] not in str(exchanges)


@pytest.mark.parametrize("setting", [ClockSetting(offset=3e7), ClockSetting(offset=-3e7), ClockSetting(frozen=1e9)])
async def test_a_client_library_takes_the_tokens_whatever_the_clock_of_the_sandbox_shows(
    context: Context, setting: ClockSetting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(context.clock, "_wall", time.time)
    context.clock.setting = setting
    service = build(context)
    await service.start()
    issuer, back = context.settings.http(PSC_UI, "/psc"), context.settings.http(SAS_UI, "/oidc/callback")
    query = {"response_type": "code", "client_id": "sas", "redirect_uri": back, "scope": "openid", "nonce": "n"}
    try:
        async with httpx.AsyncClient() as browser:
            page = await browser.get(f"{issuer}/authorize?{urlencode(query)}")
            url, login = filled_in(page)
            answer = await browser.post(url, data=login)
            code = dict(parse_qsl(urlsplit(answer.headers["location"]).query))["code"]
            form = {"grant_type": "authorization_code", "code": code, "redirect_uri": back}
            secret = context.secret("psc-client:sas")
            token = (await browser.post(f"{issuer}/token", data=form, auth=("sas", secret))).json()["id_token"]
            keys = jwt.PyJWKSet.from_dict((await browser.get(f"{issuer}/jwks")).json())
        key = keys[jwt.get_unverified_header(token)["kid"]]
        claims = jwt.decode(token, key, ["RS256"], audience="sas", issuer=issuer)  # checks iat and exp by itself
        assert abs(claims["iat"] - time.time()) < 60
    finally:
        await service.stop()


def filled_in(page: httpx.Response) -> tuple[str, dict[str, str]]:
    """Where the login form of a page goes, and what it sends."""
    action, token = re.findall(r'action="([^"]*)"|name="csrf" value="([^"]*)"', page.text)
    url = str(page.url.join(action[0].replace("&amp;", "&")))
    return url, {"csrf": token[1], "login": "lea@x.invalid", "password": "pass"}


async def test_stopped_provider_is_unreachable(context: Context, http: HttpClient) -> None:
    service = build(context)
    await service.stop()
    await service.start()
    await service.stop()
    root = context.settings.http(0)
    party = RelyingParty(context, at_psc("sas"), f"{root}/oidc/callback", http)
    with pytest.raises(PeerUnreachable):
        await party.authorize_url(request_to(f"{root}/x", {}), "/x")


async def test_key_survives_a_restart(context: Context, issuer: str) -> None:
    async with httpx.AsyncClient() as browser:
        published = (await browser.get(f"{issuer}/jwks")).json()
    pem = context.store_dir("psc") / "signing-key.pem"
    assert pem.stat().st_mode & 0o777 == 0o600
    assert len(published["keys"]) == 1


async def test_unknown_parameters_get_a_page(issuer: str) -> None:
    async with httpx.AsyncClient() as browser:
        answer = await browser.get(f"{issuer}/authorize?{urlencode({'client_id': 'x'})}")
    assert answer.status_code == 400
    assert "<h1>" in answer.text
