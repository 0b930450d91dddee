"""The administrator's pages and API: regulators' accounts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sandbox.kernel.flows import Flow
from sandbox.net.http.client import Reply
from sandbox.sas.console.account_pages import ROOT
from sandbox.sas.console.message_pages import PATH as MESSAGES
from sandbox.sas.regulators.accounts import Account
from tests.actors.sas.browsing import at_psc, following, logged_in, submit
from tests.actors.sas.sas_core import Core, Gate, reply

FORM = {
    "type": "INTRN",
    "value": "",
    "given": "Ana",
    "family": "Essai",
    "email": "ana.essai@samu33.example",
    "territory": "SAS-33",
    "rights": "orientation",
    "password": "",
}
DRAFT = {**FORM, "rights": ["orientation"]}


async def created(core: Core, **fields: Any) -> Account:
    async with logged_in(core) as browser:
        page = await browser.get(f"{ROOT}/nouveau")
        answer = await submit(browser, page, f"{ROOT}/nouveau", **{**FORM, **fields})
    assert answer.status_code == 303
    account = core.sas.regulators.get(answer.headers["location"].rpartition("/")[2])
    assert account is not None
    return account


async def test_accounts_are_listed_with_what_the_editors_know(core: Core) -> None:
    await core.token()
    async with logged_in(core) as browser:
        page = await browser.get(ROOT)
    assert page.status_code == 200
    assert page.text.count("data-regulator-account=") == len(core.population.regulators)
    assert "à jour × 4" in page.text
    assert "à transmettre × 4" in page.text


@pytest.mark.parametrize(
    "path", [ROOT, f"{ROOT}/flux", f"{ROOT}/nouveau", f"{ROOT}/x", f"{ROOT}/x/flux", MESSAGES, f"{MESSAGES}/flux"]
)
async def test_the_pages_need_a_login_and_the_right_to_administer(core: Core, path: str) -> None:
    at_psc(core)
    plain = await created(core)
    async with core.browser() as stranger:
        answer = await stranger.get(path)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("http://127.0.0.1:8003/psc/auth?")
    async with logged_in(core, plain.id) as browser:
        assert (await browser.get(path)).status_code == 403
        assert 'href="/administration/regulateurs"' not in (await browser.get("/")).text


async def test_an_account_is_made_and_its_owner_logs_in(core: Core) -> None:
    account = await created(core, password="essai-33")
    headers = await core.token(account.regulator)
    async with core.browser() as browser:
        answer = await browser.get("/api/regulator-accounts", headers=headers)
    assert {line["state"] for line in answer.json()["accounts"]} == {"known"}
    assert len(core.editors.flows(Flow.INT_R02)) == 4


async def test_new_and_deleted_accounts_are_sent_to_pro_sante_connect(core: Core) -> None:
    async def taken(*_: object) -> Reply:
        return reply({}, 204)

    core.editors.answers["psc"] = taken
    await core.sas.start()
    account = await created(core)
    await core.calls(Flow.PSC, 1)
    await core.sas.regulators.delete(account.id, "test")
    calls = await core.calls(Flow.PSC, 2)
    assert [(peer, method) for peer, method, _ in calls] == [("psc", "PUT"), ("psc", "DELETE")]
    bodies = [body for peer, _, _, _, body in core.editors.calls if peer == "psc"]
    assert account.identifier.value.encode() in (bodies[0] or b"")


async def test_what_is_wrong_is_shown_at_its_field(core: Core) -> None:
    async with logged_in(core) as browser:
        page = await browser.get(f"{ROOT}/nouveau")
        answer = await submit(browser, page, f"{ROOT}/nouveau", **{**FORM, "email": core.regulator.email, "family": ""})
    assert answer.status_code == 422
    assert "Le nom est attendu." in answer.text
    assert "Un autre compte actif a déjà cette adresse." in answer.text
    assert 'value="Ana"' in answer.text


async def test_technical_becomes_national_on_the_page(core: Core) -> None:
    account = await created(core)
    async with logged_in(core) as browser:
        page = await browser.get(f"{ROOT}/{account.id}")
        assert account.password not in page.text
        fields = {**FORM, "type": "IDNPS", "value": "3456780581/77"}
        assert (await submit(browser, page, f"{ROOT}/{account.id}", **fields)).status_code == 303
        page = await browser.get(f"{ROOT}/{account.id}")
    assert "3456780581/77" in page.text
    assert 'data-change="change"' in page.text
    assert core.sas.regulators.named(account.identifier) == core.sas.regulators.get(account.id)


async def test_withdrawn_restored_and_deleted_on_the_page(core: Core) -> None:
    account = await created(core, password="essai-33")
    await core.token(account.regulator)
    core.editors.calls.clear()
    async with logged_in(core) as browser:
        page = await browser.get(f"{ROOT}/{account.id}")
        assert (await submit(browser, page, f"{ROOT}/{account.id}/retrait")).status_code == 303
        assert {method for _, method, _ in await core.calls(Flow.INT_R02, 4)} == {"PUT"}
        page = await browser.get(f"{ROOT}/{account.id}")
        assert "Rétablir le droit" in page.text
        assert (await submit(browser, page, f"{ROOT}/{account.id}/retablissement")).status_code == 303
        page = await browser.get(f"{ROOT}/{account.id}")
        assert (await submit(browser, page, f"{ROOT}/{account.id}/suppression")).status_code == 303
        assert (await browser.get(f"{ROOT}/{account.id}")).status_code == 404


async def test_an_account_whose_identifier_was_given_away_cannot_be_restored(core: Core) -> None:
    first = await created(core, value="T1")
    await core.sas.regulators.set_active(first.id, False, "test")
    await created(core, value="T1", email="other@samu33.example")
    async with logged_in(core) as browser:
        page = await browser.get(f"{ROOT}/{first.id}")
        answer = await submit(browser, page, f"{ROOT}/{first.id}/retablissement")
        cookie = answer.headers["set-cookie"].partition(";")[0]
        page = await browser.get(f"{ROOT}/{first.id}", headers={"Cookie": cookie})
    assert "Un autre compte actif a déjà cet identifiant." in page.text


@pytest.mark.parametrize("path", ["nouveau", "x/retrait", "x/suppression"])
async def test_forms_of_other_sites_and_without_a_session_change_nothing(core: Core, path: str) -> None:
    async with logged_in(core) as browser, core.browser() as stranger:
        for client in (browser, stranger):
            assert (await client.post(f"{ROOT}/{path}", data={**FORM, "csrf": "forged"})).status_code == 403
    assert len(core.sas.regulators.listed()) == len(core.population.regulators)


async def test_a_session_ends_with_the_right(core: Core) -> None:
    at_psc(core)
    account = await created(core, rights=["orientation", "administration"])
    async with logged_in(core, account.id) as browser:
        assert (await browser.get(ROOT)).status_code == 200
        await core.sas.regulators.set_active(account.id, False, "test")
        assert (await browser.get(ROOT)).status_code == 303


async def test_who_may_only_administer_does_not_search(core: Core) -> None:
    account = await created(core, rights="administration", password="essai-33")
    async with logged_in(core, account.id) as browser:
        assert (await browser.get("/sas/recherche?city=Bordeaux&specialty=SM54")).status_code == 403
        assert (await browser.get("/api/search", headers=await core.token(account.regulator))).status_code == 403
    assert core.editors.flows(Flow.INT_R02) == []


async def test_the_history_is_in_french_with_names(core: Core) -> None:
    account = await created(core, value="T1")
    async with logged_in(core) as browser:
        page = await browser.get(f"{ROOT}/{account.id}")
        fields = {**FORM, "type": "IDNPS", "value": "3456780581/77", "rights": ["orientation", "administration"]}
        await submit(browser, page, f"{ROOT}/{account.id}", **fields)
        text = (await browser.get(f"{ROOT}/{account.id}")).text
        everybody = (await browser.get(ROOT)).text
    assert "technique T1 → <strong>national 3456780581/77</strong>" in text
    assert "<strong>chercher des créneaux et orienter, gérer les comptes et les messages</strong>" in text
    assert f"par {core.regulator.given} {core.regulator.family}" in text
    assert "Modification</strong> de Ana Essai" in everybody


async def test_the_page_of_an_account_is_updated_when_the_editors_are_called(core: Core) -> None:
    account = await created(core, password="essai-33")
    gate = core.editors.answers["rdv-commune"] = Gate(reply({}, 201))
    async with following(core, f"{ROOT}/{account.id}/flux") as stream, following(core, f"{ROOT}/flux") as everybody:
        assert (await stream.next())[1].count('data-state="due"') == 4
        assert f'data-key="{account.id}"' in (await everybody.next())[1]
        login = asyncio.create_task(core.token(account.regulator))
        await gate.reached.wait()
        while 'data-editor="rdv-commune" data-state="due"' not in (told := (await stream.next())[1]):
            assert "known" not in told
        gate.opened.set()
        while told.count('data-state="known"') != 4:
            told = (await stream.next())[1]
        await login
        while "à jour × 4" not in (await everybody.next())[1]:
            continue
        await core.sas.regulators.set_active(account.id, False, "test")
        while told.count('data-state="withdrawn"') != 4:
            told = (await stream.next())[1]


# ---- API


async def test_the_api_makes_changes_and_deletes_accounts(core: Core) -> None:
    headers = await core.token()
    async with core.browser() as browser:
        made = await browser.post("/api/regulators", json=DRAFT, headers=headers)
        assert made.status_code == 201
        account = made.json()
        assert account["password"]
        url = f"/api/regulators/{account['id']}"
        changed = await browser.put(url, json={**DRAFT, "value": "T9", "active": False}, headers=headers)
        assert (changed.json()["value"], changed.json()["active"]) == ("T9", False)
        read = (await browser.get(url, headers=headers)).json()
        assert [change["action"] for change in read["history"]] == ["withdraw", "create"]
        assert "password" not in read
        listed = (await browser.get("/api/regulators", headers=headers)).json()["regulators"]
        assert account["id"] in [one["id"] for one in listed]
        assert (await browser.delete(url, headers=headers)).status_code == 204
        assert (await browser.get(url, headers=headers)).status_code == 404


async def test_the_api_wants_an_administrator_and_a_body_of_json(core: Core) -> None:
    plain = await created(core, password="essai-33")
    theirs, ours = await core.token(plain.regulator), await core.token()
    async with core.browser() as browser:
        assert (await browser.get("/api/regulators")).status_code == 401
        assert (await browser.get("/api/regulators", headers=theirs)).status_code == 403
        assert (await browser.post("/api/regulators", headers=ours, content=b"{}")).status_code == 415
        assert (await browser.post("/api/regulators", headers=ours, json={"type": "INTRN"})).status_code == 400
        answer = await browser.post("/api/regulators", headers=ours, json={**DRAFT, "family": ""})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "family"
