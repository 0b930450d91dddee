"""A client that the configuration declares logs a person in like our own do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from sandbox.config import load_settings
from sandbox.net.context import Context
from sandbox.psc.people import People
from sandbox.psc.provider import Provider
from sandbox.psc.tokens import Signer
from sandbox.web.oidc import basic_authorization, challenge

PSC = "http://127.0.0.1:8003"
BACK = "https://127.0.0.1:9443/psc/retour"
ROW = {"id": "mon-agenda", "name": "Mon Agenda", "redirect_uris": [BACK], "secret": "secret-de-test"}
REQUEST = {
    "response_type": "code",
    "client_id": "mon-agenda",
    "redirect_uri": BACK,
    "scope": "openid scope_all",
    "state": "S",
    "nonce": "N",
    "code_challenge": challenge("v" * 43),
    "code_challenge_method": "S256",
}


def test_declared_client_takes_a_person_from_its_own_address_to_a_token(
    context: Context, signer: Signer, people: People, runner: Any, make_browser: Any
) -> None:
    context = replace(context, settings=load_settings({"oidc_clients": [ROW]}, {}))
    browser = make_browser(runner, {PSC: Provider(context, signer, people).application()})
    page = browser.get(f"{PSC}/psc/authorize?{urlencode(REQUEST)}")
    assert "https://127.0.0.1:9443" in page.headers["content-security-policy"]
    answer = browser.submit(page, login="lea@sas33.invalid", password="Lea-2026")
    assert answer.headers["location"].startswith(BACK + "?")
    code = dict(parse_qsl(urlsplit(answer.headers["location"]).query))["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, "code_verifier": "v" * 43}
    headers = {"authorization": basic_authorization("mon-agenda", "secret-de-test")}
    tokens = browser.open(f"{PSC}/psc/token", method="POST", data=form, headers=headers)
    assert tokens.status_code == 200
    assert tokens.json()["token_type"] == "Bearer"
