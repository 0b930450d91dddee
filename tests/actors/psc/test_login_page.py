"""The login page: its words, its refusals, its protection."""

from __future__ import annotations

import dataclasses
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest

from sandbox.psc.provider import Provider

LOGIN = "http://127.0.0.1:8003/psc/login"
ISSUER = "http://127.0.0.1:8003/psc"
AUTHORIZE = f"{ISSUER}/authorize?" + urlencode(
    {
        "response_type": "code",
        "client_id": "agenda-azur",
        "redirect_uri": "http://127.0.0.1:8001/agenda-azur/oidc/callback",
        "scope": "openid",
    }
)


@pytest.mark.requirement("SSO-2")
def test_page_says_who_asks_and_carries_the_expected_words(browser: Any) -> None:
    page = browser.get(AUTHORIZE).text
    assert "Pro Santé Connect" in page
    assert "Ministère de la Santé et de la Prévention" in page
    assert "BAC À SABLE" in page
    assert "Agenda Azur" in page
    assert "3456780581/11242343" in page
    assert 'lang="fr"' in page


def test_practitioners_of_the_sas_agenda_are_listed_apart(browser: Any) -> None:
    page = browser.get(AUTHORIZE).text
    regulators, _, practitioners = page.partition("<h3>Médecins – agenda SAS</h3>")
    assert "<h3>Régulateurs</h3>" in regulators
    assert "Aurore Rouveyran" not in regulators
    assert "Aurore Rouveyran" in practitioners
    assert "agenda-33" in practitioners


def test_every_page_carries_the_security_headers(browser: Any) -> None:
    for path in ("/", "/login", "/authorize", "/authorize?client_id=x", "/nowhere", "/jwks"):
        headers = browser.get(ISSUER + path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"


def test_no_page_needs_inline_code(browser: Any) -> None:
    for url in (AUTHORIZE, LOGIN, f"{ISSUER}/"):
        page = browser.get(url).text
        assert "<style" not in page
        assert " style=" not in page
        assert "<script>" not in page
        assert " onclick" not in page


def test_form_may_be_redirected_to_the_client(browser: Any) -> None:
    policy = browser.get(AUTHORIZE).headers["content-security-policy"]
    assert "form-action 'self' http://127.0.0.1:8000 http://127.0.0.1:8001 " in policy


def test_wrong_password_is_said_on_the_page_that_keeps_the_login(browser: Any) -> None:
    answer = browser.submit(browser.get(AUTHORIZE), login="lea@sas33.invalid", password="wrong")
    assert answer.status_code == 403
    assert "Identifiant ou mot de passe incorrect" in answer.text
    assert 'value="lea@sas33.invalid"' in answer.text
    assert 'value="wrong"' not in answer.text
    good = browser.submit(answer, login="lea@sas33.invalid", password="Lea-2026")
    assert "code=" in good.headers["location"]


def test_unknown_person_gets_the_same_words(browser: Any) -> None:
    answer = browser.submit(browser.get(AUTHORIZE), login="nobody", password="\x00")
    assert answer.status_code == 403
    assert "Identifiant ou mot de passe incorrect" in answer.text


def test_guessing_is_stopped_after_five_failures_even_for_the_right_password(browser: Any) -> None:
    page = browser.get(AUTHORIZE)
    for number in range(5):
        page = browser.submit(page, login="lea@sas33.invalid", password=str(number))
    answer = browser.submit(page, login="lea@sas33.invalid", password="Lea-2026")
    assert answer.status_code == 429
    assert "Trop de tentatives" in answer.text


def test_guesses_count_for_the_person_however_the_name_is_written_and_from_wherever(
    browser: Any, make_browser: Any, provider: Any, runner: Any
) -> None:
    names = ("lea@sas33.invalid", " LEA@SAS33.invalid", "3456780581/11242343")
    names += ("urn:oid:1.2.250.1.71.4.2.1|3456780581/11242343", "LEA@sas33.INVALID")
    for name in names:
        fresh = make_browser(runner, {"http://127.0.0.1:8003": provider.application()})
        assert fresh.submit(fresh.get(LOGIN), login=name, password="guess").status_code == 403
    answer = browser.submit(browser.get(LOGIN), login="lea@sas33.invalid", password="Lea-2026")
    assert answer.status_code == 429
    assert browser.submit(answer, login="ali@sas06.invalid", password="Ali-2026").is_redirect


def test_a_copied_cookie_is_worth_nothing_after_the_logout(browser: Any) -> None:
    browser.submit(browser.get(LOGIN), login="lea@sas33.invalid", password="Lea-2026")
    page = browser.get(f"{ISSUER}/")
    assert "Léa Roy" in page.text
    copied = {"cookie": "; ".join(f"{name}={value}" for name, value in browser.cookies.items())}
    browser.submit(page)
    browser.cookies.clear()
    again = browser.open(f"{ISSUER}/", headers=copied)
    assert "pas connecté" in again.text
    assert "Léa" not in again.text


def test_another_login_ends_the_session_before_it(browser: Any) -> None:
    browser.submit(browser.get(LOGIN), login="lea@sas33.invalid", password="Lea-2026")
    copied = {"cookie": "; ".join(f"{name}={value}" for name, value in browser.cookies.items())}
    browser.submit(browser.get(LOGIN), login="ali@sas06.invalid", password="Ali-2026")
    assert "Ali Ben" in browser.get(f"{ISSUER}/").text
    browser.cookies.clear()
    assert "pas connecté" in browser.open(f"{ISSUER}/", headers=copied).text


def test_passwords_are_not_shown_to_the_network(context: Any, signer: Any, people: Any, runner: Any, make_browser: Any):
    settings = msgspec.structs.replace(context.settings, host="0.0.0.0")
    provider = Provider(dataclasses.replace(context, settings=settings), signer, people)
    browser = make_browser(runner, {"http://127.0.0.1:8003": provider.application()})
    page = browser.get(LOGIN).text
    assert "Lea-2026" not in page
    assert "3456780581/11242343" not in page
    assert "ouvert au réseau" in page


def test_forged_form_is_refused(browser: Any) -> None:
    browser.get(LOGIN)
    form = {"login": "lea@sas33.invalid", "password": "Lea-2026", "csrf": "forged"}
    answer = browser.open(LOGIN, method="POST", data=form)
    assert answer.status_code == 403
    assert "Que faire" in answer.text


def test_login_without_a_client_leads_to_the_home_page(browser: Any) -> None:
    page = browser.follow(browser.submit(browser.get(LOGIN), login="ali@sas06.invalid", password="Ali-2026"))
    assert "Ali Ben" in page.text
    assert "Agenda Azur" in page.text


def test_login_address_with_a_request_starts_at_authorize(browser: Any) -> None:
    assert "Agenda Azur" in browser.get(AUTHORIZE.replace("/authorize", "/login")).text


def test_texts_from_outside_are_escaped(browser: Any) -> None:
    answer = browser.submit(browser.get(LOGIN), login='"><script>alert(1)</script>', password="x")
    assert "<script>alert" not in answer.text


def test_unreadable_query_is_a_page(browser: Any) -> None:
    assert browser.get(f"{ISSUER}/authorize?client_id=%ff").status_code == 400


def test_root_leads_to_the_home_page(browser: Any) -> None:
    assert "pas connecté" in browser.get("http://127.0.0.1:8003/").text
