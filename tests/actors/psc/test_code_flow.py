"""The authorization code flow over HTTP, as a client library and a browser see it."""

from __future__ import annotations

import asyncio
import html
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import httpx
import jwt
import pytest

from sandbox.kernel.world import World
from sandbox.net.context import Context
from sandbox.population.people import persona_key
from sandbox.psc.provider import Provider
from sandbox.psc.tokens import PERSON
from sandbox.web.oidc import basic_authorization, challenge

ISSUER = "http://127.0.0.1:8003/psc"
CALLBACK = "http://127.0.0.1:8000/oidc/callback"
EDITOR_CALLBACK = "http://127.0.0.1:8001/agenda-azur/oidc/callback"
VERIFIER = "v" * 43
REQUEST = {
    "response_type": "code",
    "client_id": "sas",
    "redirect_uri": CALLBACK,
    "scope": "openid scope_all",
    "state": "S1",
    "nonce": "N1",
    "code_challenge": challenge(VERIFIER),
    "code_challenge_method": "S256",
}


def authorize(**changes: str | None) -> str:
    values = {name: value for name, value in {**REQUEST, **changes}.items() if value is not None}
    return f"{ISSUER}/authorize?{urlencode(values)}"


def log_in(browser: Any, url: str | None = None, login: str = "lea@sas33.invalid", password: str = "Lea-2026") -> Any:
    return browser.submit(browser.get(url or authorize()), login=login, password=password)


def query(answer: httpx.Response) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query))


def redeem(browser: Any, context: Context, code: str, client: str = "sas", **changes: str) -> httpx.Response:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
        **changes,
    }
    authorization = basic_authorization(client, context.secret(f"psc-client:{client}"))
    return browser.open(f"{ISSUER}/token", method="POST", data=form, headers={"authorization": authorization})


@pytest.mark.requirement("SSO-2")
def test_login_leads_to_a_code_that_becomes_tokens_and_userinfo(browser: Any, context: Context) -> None:
    back = log_in(browser)
    assert back.headers["location"].startswith(CALLBACK + "?")
    assert query(back)["state"] == "S1"
    assert query(back)["iss"] == ISSUER
    answer = redeem(browser, context, query(back)["code"])
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    tokens = answer.json()
    assert tokens["token_type"] == "Bearer"
    keys = jwt.PyJWKSet.from_dict(browser.get(f"{ISSUER}/jwks").json())
    kid = jwt.get_unverified_header(tokens["id_token"])["kid"]
    claims = jwt.decode(
        tokens["id_token"],
        keys[kid],
        algorithms=["RS256"],
        audience="sas",
        issuer=ISSUER,
        options={"verify_exp": False, "verify_iat": False},
    )
    now = context.clock.real()  # independent of the sandbox clock
    assert claims["nonce"] == "N1"
    assert claims["iat"] == claims["auth_time"] == int(now)
    assert now < claims["exp"] <= now + 300
    assert claims["SubjectNameID"] == claims["preferred_username"] == "3456780581/11242343"
    bearer = {"authorization": f"Bearer {tokens['access_token']}"}
    person = browser.open(f"{ISSUER}/userinfo", headers=bearer).json()
    assert (person["family_name"], person["given_name"], person["email"]) == ("Roy", "Léa", "lea@sas33.invalid")
    assert person["sub"] == claims["sub"]


def test_practitioner_of_the_sas_agenda_logs_in_by_rpps_without_an_e_mail(browser: Any, context: Context) -> None:
    back = log_in(browser, login="819800000127", password="agenda-33")
    token = redeem(browser, context, query(back)["code"]).json()["id_token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["SubjectNameID"] == "819800000127"
    assert (claims["given_name"], claims["family_name"]) == ("Aurore", "Rouveyran")
    assert "email" not in claims


def test_discovery_names_endpoints_that_answer(browser: Any) -> None:
    document = browser.get(f"{ISSUER}/.well-known/openid-configuration").json()
    assert document["issuer"] == ISSUER
    for name in ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "end_session_endpoint", "jwks_uri"):
        assert browser.open(document[name]).status_code != 404


@pytest.mark.requirement("SSO-3")
def test_second_client_gets_a_code_without_a_second_login(browser: Any) -> None:
    log_in(browser)
    answer = browser.open(authorize(client_id="agenda-azur", redirect_uri=EDITOR_CALLBACK, prompt="none"))
    assert answer.headers["location"].startswith(EDITOR_CALLBACK)
    assert "code" in query(answer)


@pytest.mark.parametrize(
    "login", ["3456780581/11242343", " LEA@sas33.invalid ", "urn:oid:1.2.250.1.71.4.2.1|3456780581/11242343"]
)
def test_people_log_in_by_identifier_or_email(browser: Any, login: str) -> None:
    assert "code" in query(log_in(browser, login=login))


def test_login_works_when_the_request_is_posted(browser: Any) -> None:
    page = browser.open(f"{ISSUER}/authorize", method="POST", data=REQUEST)
    assert "code" in query(browser.submit(page, login="lea@sas33.invalid", password="Lea-2026"))


def test_prompt_none_without_a_session_is_refused_by_redirect(browser: Any) -> None:
    answer = browser.open(authorize(prompt="none"))
    assert query(answer)["error"] == "login_required"
    assert query(answer)["state"] == "S1"


def test_prompt_login_asks_again_and_then_goes_on(browser: Any) -> None:
    log_in(browser)
    page = browser.get(authorize(prompt="login"))
    assert "Mot de passe" in page.text
    assert "code" in query(browser.submit(page, login="ali@sas06.invalid", password="Ali-2026"))


def test_max_age_asks_again_once_the_login_is_too_old(browser: Any, context: Context, wall: list[float]) -> None:
    log_in(browser)
    context.clock.setting = type(context.clock.setting)(offset=10_000_000)  # its value does not matter
    assert browser.open(authorize(max_age="60")).is_redirect
    wall[0] += 61
    assert browser.open(authorize(max_age="60")).status_code == 200


def test_code_is_good_once_and_its_replay_withdraws_the_token(browser: Any, context: Context) -> None:
    code = query(log_in(browser))["code"]
    token = redeem(browser, context, code).json()["access_token"]
    replay = redeem(browser, context, code)
    assert (replay.status_code, replay.json()["error"]) == (400, "invalid_grant")
    answer = browser.open(f"{ISSUER}/userinfo", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_wrong_verifier_is_refused(browser: Any, context: Context) -> None:
    answer = redeem(browser, context, query(log_in(browser))["code"], code_verifier="w" * 43)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_another_redirect_address_at_the_token_endpoint_is_refused(browser: Any, context: Context) -> None:
    answer = redeem(browser, context, query(log_in(browser))["code"], redirect_uri=EDITOR_CALLBACK)
    assert answer.json()["error"] == "invalid_grant"


def test_code_of_another_client_is_refused(browser: Any, context: Context) -> None:
    answer = redeem(browser, context, query(log_in(browser))["code"], client="agenda-azur")
    assert answer.json()["error"] == "invalid_grant"


def test_wrong_client_secret_is_refused(browser: Any) -> None:
    form = {"grant_type": "authorization_code", "client_id": "sas", "client_secret": "wrong", "code": "x"}
    answer = browser.open(f"{ISSUER}/token", method="POST", data=form)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert "www-authenticate" in answer.headers


def test_client_secret_may_be_posted(browser: Any, context: Context) -> None:
    code = query(log_in(browser))["code"]
    form = {
        "grant_type": "authorization_code",
        "client_id": "sas",
        "client_secret": context.secret("psc-client:sas"),
        "code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
    }
    assert browser.open(f"{ISSUER}/token", method="POST", data=form).status_code == 200


@pytest.mark.parametrize(
    ("body", "content_type", "error"),
    [
        ("{}", "application/json", "invalid_request"),
        ("code=%ff", "application/x-www-form-urlencoded", "invalid_request"),
        ("code=1&code=2", "application/x-www-form-urlencoded", "invalid_request"),
        ("x=" + "y" * 70_000, "application/x-www-form-urlencoded", "invalid_request"),
        ("", "application/x-www-form-urlencoded", "invalid_client"),
    ],
)
def test_bad_token_requests_get_an_oauth_error(browser: Any, body: str, content_type: str, error: str) -> None:
    answer = browser.open(f"{ISSUER}/token", method="POST", content=body, headers={"content-type": content_type})
    assert answer.json()["error"] == error


def test_other_grant_types_are_refused(browser: Any, context: Context) -> None:
    answer = redeem(browser, context, "x", grant_type="password")
    assert answer.json()["error"] == "unsupported_grant_type"


def test_userinfo_without_a_token_is_refused(browser: Any) -> None:
    assert browser.open(f"{ISSUER}/userinfo").status_code == 401


def test_unregistered_redirect_address_is_a_page_and_no_redirect(browser: Any) -> None:
    for changes in ({"redirect_uri": CALLBACK + "/"}, {"redirect_uri": None}, {"client_id": "nobody"}):
        answer = browser.open(authorize(**changes))
        assert answer.status_code == 400
        assert "enregistré" in answer.text
        assert answer.headers["content-type"].startswith("text/html")


def test_page_says_how_a_service_and_its_addresses_are_registered(browser: Any) -> None:
    unknown = html.unescape(browser.open(authorize(client_id="<mon-agenda>")).text)
    assert "Le service « <mon-agenda> » n'est pas enregistré" in unknown
    assert "sous oidc_clients (id, name, redirect_uris), puis redémarrez" in unknown
    assert "Services enregistrés : sas, agenda-azur." in unknown
    elsewhere = html.unescape(browser.open(authorize(redirect_uri=CALLBACK + "/")).text)
    assert f"L'adresse de retour « {CALLBACK}/ » n'est pas enregistrée" in elsewhere
    assert f"redirect_uris sous oidc_clients : {CALLBACK}." in elsewhere
    left = html.unescape(browser.open(f"{ISSUER}/logout?post_logout_redirect_uri=http://x.invalid/").text)
    assert "logout_uris" in left


def test_discovery_lists_every_claim_that_there_is(browser: Any, context: Context) -> None:
    document = browser.get(f"{ISSUER}/.well-known/openid-configuration").json()
    answer = redeem(browser, context, query(log_in(browser))["code"]).json()
    claims = jwt.decode(answer["id_token"], options={"verify_signature": False})
    assert sorted(document["claims_supported"]) == sorted(claims)
    headers = {"authorization": f"Bearer {answer['access_token']}"}
    person = browser.open(f"{ISSUER}/userinfo", headers=headers).json()
    assert set(person) == set(PERSON) <= set(claims)


def test_other_faults_are_told_to_the_client_by_redirect(browser: Any) -> None:
    answer = browser.open(authorize(scope="profile"))
    assert answer.headers["location"].startswith(CALLBACK)
    assert query(answer)["error"] == "invalid_scope"


def test_reset_forgets_codes(browser: Any, context: Context) -> None:
    code = query(log_in(browser))["code"]
    context.world.apply(World(revision=1, epoch=1))
    assert redeem(browser, context, code).json()["error"] == "invalid_grant"


@pytest.mark.requirement("SSO-2")
def test_logout_ends_the_session_for_all_clients(browser: Any) -> None:
    log_in(browser)
    target = urlencode({"client_id": "sas", "post_logout_redirect_uri": "http://127.0.0.1:8000/", "state": "bye"})
    answer = browser.open(f"{ISSUER}/logout?{target}")
    assert answer.headers["location"] == "http://127.0.0.1:8000/?state=bye"
    assert query(browser.open(authorize(prompt="none")))["error"] == "login_required"


def test_logout_by_id_token_hint_shows_a_page(browser: Any, context: Context) -> None:
    hint = redeem(browser, context, query(log_in(browser))["code"]).json()["id_token"]
    assert "pas connecté" in browser.get(f"{ISSUER}/logout?{urlencode({'id_token_hint': hint})}").text


def test_logout_goes_to_registered_addresses_only(browser: Any) -> None:
    log_in(browser)
    target = urlencode({"client_id": "sas", "post_logout_redirect_uri": "http://evil.invalid/"})
    assert browser.open(f"{ISSUER}/logout?{target}").status_code == 400
    assert "code" in query(browser.open(authorize(prompt="none")))


def test_logout_without_a_client_needs_our_own_button(browser: Any) -> None:
    log_in(browser)
    home = browser.get(f"{ISSUER}/logout?id_token_hint=rubbish")
    assert "Vous êtes connecté" in home.text
    assert browser.open(f"{ISSUER}/logout", method="POST", data={"csrf": "forged"}).status_code == 403
    assert "pas connecté" in browser.submit(home).text


def test_state_survives_unusual_characters(browser: Any) -> None:
    back = log_in(browser, authorize(state='a&b=c é"<>'))
    assert parse_qs(urlsplit(back.headers["location"]).query)["state"] == ['a&b=c é"<>']


def test_removed_person_gets_no_token(
    browser: Any, context: Context, provider: Provider, runner: asyncio.Runner
) -> None:
    code = query(log_in(browser))["code"]
    gone = persona_key(context.population.regulators[0])
    runner.run(provider.people.remove(gone))
    assert redeem(browser, context, code).json()["error"] == "invalid_grant"
