"""The platform's own realm: the same people and session under other addresses, with an issuer of its own."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import jwt
import pytest

from sandbox.net.context import Context
from sandbox.web.oidc import basic_authorization, challenge

ORIGIN = "http://127.0.0.1:8003"
ISSUER = f"{ORIGIN}/realms/sas"
KEYCLOAK = f"{ISSUER}/protocol/openid-connect"
SAS_BACK = "http://127.0.0.1:8000/oidc/callback"
EDITOR_BACK = "http://127.0.0.1:8001/agenda-azur/oidc/callback"
VERIFIER = "v" * 43
REQUEST = {
    "response_type": "code",
    "client_id": "sas",
    "redirect_uri": EDITOR_BACK,
    "scope": "openid email profile pro_sante_connect",
    "state": "S1",
    "nonce": "N1",
    "code_challenge": challenge(VERIFIER),
    "code_challenge_method": "S256",
}
MINISTRY = "Ministère de la Santé et de la Prévention"


def authorize(base: str = f"{KEYCLOAK}/auth", **changes: str) -> str:
    return f"{base}?{urlencode({**REQUEST, **changes})}"


def log_in(browser: Any, url: str = "") -> httpx.Response:
    answer: httpx.Response = browser.submit(
        browser.get(url or authorize()), login="lea@sas33.invalid", password="Lea-2026"
    )
    return answer


def query(answer: httpx.Response) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query))


def redeem(browser: Any, context: Context, code: str, base: str = f"{KEYCLOAK}/token") -> httpx.Response:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": EDITOR_BACK, "code_verifier": VERIFIER}
    authorization = basic_authorization("sas", context.secret("psc-realm-client:sas"))
    answer: httpx.Response = browser.open(base, method="POST", data=form, headers={"authorization": authorization})
    return answer


def test_its_discovery_document_names_its_own_issuer_and_addresses(browser: Any) -> None:
    document = browser.get(f"{ISSUER}/.well-known/openid-configuration").json()
    assert document["issuer"] == ISSUER
    paths = {"authorization": "auth", "token": "token", "userinfo": "userinfo", "end_session": "logout"}
    for name, path in paths.items():
        assert document[f"{name}_endpoint"] == f"{KEYCLOAK}/{path}"
        assert browser.open(document[f"{name}_endpoint"]).status_code != 404
    assert document["jwks_uri"] == f"{KEYCLOAK}/certs"
    assert browser.get(document["jwks_uri"]).json() == browser.get(f"{ORIGIN}/psc/jwks").json()
    assert document["scopes_supported"] == REQUEST["scope"].split()
    assert document["authorization_response_iss_parameter_supported"] is True


@pytest.mark.requirement("SSO-2")
def test_the_login_page_is_at_the_address_itself_and_carries_the_words_of_the_ministry(browser: Any) -> None:
    page = browser.open(authorize())
    assert page.status_code == 200
    assert MINISTRY in page.text
    assert "pour continuer vers <strong>Agenda Azur</strong>" in page.text


def test_a_login_leads_to_tokens_of_that_issuer(browser: Any, context: Context) -> None:
    back = log_in(browser)
    assert back.headers["location"].startswith(EDITOR_BACK + "?")
    assert (query(back)["iss"], query(back)["state"]) == (ISSUER, "S1")
    answer = redeem(browser, context, query(back)["code"])
    assert answer.status_code == 200, answer.text
    tokens = answer.json()
    assert tokens["scope"] == REQUEST["scope"]
    key = jwt.PyJWKSet.from_dict(browser.get(f"{KEYCLOAK}/certs").json())
    options: Any = {"verify_exp": False, "verify_iat": False}
    kid = jwt.get_unverified_header(tokens["id_token"])["kid"]
    claims = jwt.decode(tokens["id_token"], key[kid], ["RS256"], options, audience="sas", issuer=ISSUER)
    assert claims["email"] == "lea@sas33.invalid"
    bearer = {"authorization": f"Bearer {tokens['access_token']}"}
    assert browser.open(f"{KEYCLOAK}/userinfo", headers=bearer).json()["family_name"] == "Roy"
    assert browser.open(f"{ORIGIN}/psc/userinfo", headers=bearer).status_code == 401


@pytest.mark.requirement("SSO-3")
def test_one_login_serves_both(browser: Any) -> None:
    log_in(browser, authorize(f"{ORIGIN}/psc/authorize", redirect_uri=SAS_BACK, scope="openid scope_all"))
    answer = browser.open(authorize(prompt="none"))
    assert "code" in query(answer)


def test_a_code_is_good_only_where_it_was_given(browser: Any, context: Context) -> None:
    code = query(log_in(browser))["code"]
    assert redeem(browser, context, code, f"{ORIGIN}/psc/token").json()["error"] == "invalid_client"
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": EDITOR_BACK, "code_verifier": VERIFIER}
    own = basic_authorization("sas", context.secret("psc-client:sas"))
    there = browser.open(f"{ORIGIN}/psc/token", method="POST", data=form, headers={"authorization": own})
    assert there.json()["error"] == "invalid_grant"
    assert redeem(browser, context, code).status_code == 200


def test_errors_are_told_with_the_issuer(browser: Any) -> None:
    answer = browser.open(authorize(prompt="none"))
    assert (query(answer)["error"], query(answer)["iss"]) == ("login_required", ISSUER)


def test_the_clients_of_pro_sante_connect_are_known_there_under_their_own_names_too(browser: Any) -> None:
    assert browser.open(authorize(client_id="agenda-azur")).status_code == 200
    assert browser.open(authorize(client_id="agenda-azur", redirect_uri=SAS_BACK)).status_code == 400
    assert browser.open(authorize(f"{ORIGIN}/psc/authorize")).status_code == 400  # there `sas` is the SAS core alone


def test_logout_there_ends_the_session_and_leads_back_to_the_editor(browser: Any) -> None:
    log_in(browser)
    target = "http://127.0.0.1:8001/agenda-azur/connexion"
    values = urlencode({"client_id": "sas", "post_logout_redirect_uri": target})
    assert browser.open(f"{KEYCLOAK}/logout?{values}").headers["location"] == target
    assert query(browser.open(authorize(prompt="none")))["error"] == "login_required"
