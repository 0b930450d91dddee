"""Sessions: opened through the SAS, with a password, or refused (SSO-*)."""

from __future__ import annotations

import pytest

from sandbox.editor.appointments.booking import slot_key
from sandbox.fhir.appointment import Conditional
from tests.support.editors.running_editor import (
    NATIONAL,
    PATIENT,
    REGULATOR,
    Browser,
    LocalEditor,
    booking_path,
    slots,
)


@pytest.mark.requirement("SSO-1")
async def test_without_origin_there_is_the_ordinary_login_page(editor: LocalEditor):
    browser = editor.browser()
    answer = await browser.get(f"/rdv?slot={slot_key(slots(editor)[3])}")
    assert answer.headers["location"] == "/agenda-azur/connexion"
    page = await browser.get("/connexion")
    assert "Connexion" in page.text
    assert "Mot de passe" in page.text


@pytest.mark.requirement("SSO-2")
@pytest.mark.parametrize("origin", ["sas", "sas-preprod"])
async def test_with_origin_and_no_session_the_browser_goes_to_pro_sante_connect(editor: LocalEditor, origin: str):
    answer = await editor.browser().get(f"/rdv?slot={slot_key(slots(editor)[3])}&origin={origin}")
    assert answer.headers["location"] == "http://psc.invalid/authorize"


@pytest.mark.requirement("SSO-1")
async def test_an_origin_that_is_not_the_sas_opens_nothing(editor: LocalEditor):
    answer = await editor.browser().get(f"/rdv?slot={slot_key(slots(editor)[3])}&origin=elsewhere")
    assert answer.headers["location"] == "/agenda-azur/connexion"


@pytest.mark.requirement("SSO-3")
async def test_the_regulator_lands_on_the_agenda_at_that_slot(editor: LocalEditor):
    slot = slots(editor)[3]
    page = await editor.browser().enter(booking_path(slot))
    assert page.status_code == 200
    assert f'name="slot" value="{slot_key(slot)}"' in page.text
    assert 'aria-current="true"' in page.text
    assert "BAC À SABLE — données fictives" in page.text
    assert page.headers["content-security-policy"]


@pytest.mark.requirement("SSO-3", "R02-16")
async def test_the_terms_are_asked_once(editor: LocalEditor):
    path = booking_path(slots(editor)[3])
    await editor.browser().enter(path)
    other = editor.browser()
    await other.get(path)
    back = await other.get("/oidc/callback?code=1&state=2")
    assert (await other.client.get(back.headers["location"])).status_code == 200


@pytest.mark.requirement("R02-16")
async def test_terms_that_are_not_ticked_are_not_accepted(editor: LocalEditor):
    browser = editor.browser()
    await browser.get(booking_path(slots(editor)[3]))
    await browser.get("/oidc/callback?code=1&state=2")
    await browser.get("/cgu")
    assert (await browser.post("/cgu", {"suite": "/agenda-azur/"})).status_code == 422
    refused = await browser.post("/rdv", {"slot": slot_key(slots(editor)[3]), **PATIENT})
    assert refused.status_code == 403


@pytest.mark.requirement("SSO-4")
async def test_somebody_without_an_account_is_told_so(editor: LocalEditor):
    editor.psc.person = ("819800000999", "NOBODY", "Nemo", "nemo@nowhere.example")
    page = await editor.browser().enter(booking_path(slots(editor)[3]))
    assert page.status_code == 403
    assert "Aucun compte régulateur" in page.text
    assert "Nemo NOBODY" in page.text


@pytest.mark.requirement("SSO-4")
async def test_an_inactive_account_is_told_so_and_loses_its_session(editor: LocalEditor, browser: Browser):
    inactive = type(REGULATOR)(REGULATOR.identifiers, False, REGULATOR.family, REGULATOR.given, REGULATOR.email)
    await editor.running.accounts.put(Conditional(NATIONAL.system, NATIONAL.value), inactive)
    assert (await browser.get("/rendez-vous")).status_code == 403
    answer = await browser.post("/rdv", {"slot": slot_key(slots(editor)[3]), **PATIENT})
    assert answer.status_code == 403
    page = await editor.browser().enter(booking_path(slots(editor)[3]))
    assert page.status_code == 403
    assert "désactivé" in page.text


@pytest.mark.requirement("SSO-3")
async def test_the_account_is_found_by_email_when_the_national_id_is_unknown(editor: LocalEditor):
    editor.psc.person = ("", "FONTANEL", "Claire", REGULATOR.email)
    assert (await editor.browser().enter(booking_path(slots(editor)[3]))).status_code == 200


@pytest.mark.requirement("SSO-1", "R02-15")
async def test_a_password_session_has_no_right_of_a_regulator(editor: LocalEditor, monkeypatch: pytest.MonkeyPatch):
    record = editor.running.accounts.match(NATIONAL.value, "")
    assert record is not None

    async def right(email: str, password: str) -> object:
        return record if (email, password) == (record.email, "s3cret") else None

    monkeypatch.setattr(editor.running.accounts, "check_password", right)
    browser = editor.browser()
    await browser.get("/connexion")
    wrong = await browser.post("/connexion", {"email": record.email, "password": "guess"})
    assert wrong.status_code == 403
    answer = await browser.post("/connexion", {"email": record.email, "password": "s3cret"})
    page = await browser.get(answer.headers["location"].removeprefix("/agenda-azur"))
    assert "Bienvenue" in page.text
    assert "rendez-vous" not in page.text
    assert (await browser.get("/rendez-vous")).headers["location"] == "/agenda-azur/connexion"
    assert (await browser.post("/rdv", {"slot": slot_key(slots(editor)[3]), **PATIENT})).status_code == 403


async def test_logging_out_ends_the_session(editor: LocalEditor, browser: Browser):
    answer = await browser.post("/deconnexion")
    assert answer.headers["location"].endswith("/agenda-azur/connexion")
    assert (await browser.get("/rendez-vous")).headers["location"] == "/agenda-azur/connexion"
    await browser.get("/connexion")
    assert (
        (await browser.post("/deconnexion", {"psc": "1"})).headers["location"].startswith("http://psc.invalid/logout")
    )


async def test_a_copied_cookie_is_worth_nothing_after_the_logout(editor: LocalEditor, browser: Browser):
    page = await browser.get("/rendez-vous")
    assert page.status_code == 200
    copied = dict(browser.client.cookies)
    await browser.post("/deconnexion")
    browser.client.cookies.clear()
    browser.client.cookies.update(copied)
    assert (await browser.get("/rendez-vous")).headers["location"] == "/agenda-azur/connexion"


async def test_a_form_from_elsewhere_is_refused(editor: LocalEditor, browser: Browser):
    browser.csrf = "0" * 32
    answer = await browser.post("/rdv/confirmer", {"slot": slot_key(slots(editor)[3]), **PATIENT})
    assert answer.status_code == 403
    assert not editor.sas.calls
