"""The regulator's day at the LRM in a real Chromium: call, contextual call, search, booking, attachment, no-show."""

from __future__ import annotations

import ssl
import uuid
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from playwright.async_api import Page, expect

from sandbox.edxl.trials import Correspondents, trial
from sandbox.kernel.clock import parse_datetime
from sandbox.net.amqp.one_shot_client import access, one_shot_client
from tests.browser.axe import barriers
from tests.browser.people import CHROMIUM, accept_terms, chromium, no_sideways_scroll, picture, searched
from tests.support.sandboxes import sandbox_here

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
    pytest.mark.timeout(150),
]

SAMU, SPARE = "fr.health.samu330", "fr.health.samu999"


def lrm_of(document: dict[str, Any]) -> str:
    return str(next(lrm["ui"] for lrm in document["lrms"] if lrm["client_id"] == SAMU))


async def send(document: dict[str, Any], *cases: str) -> None:
    """Trial messages, each acknowledged before the next one."""
    now = parse_datetime(document["now"])
    between = Correspondents(SPARE, SAMU, now, lambda: str(uuid.uuid4()))
    async with one_shot_client(access(document, SPARE)) as client:
        for case in cases:
            for message in trial(case, between):
                await client.publish(message.body, message.distribution_id)
                await client.answers(1, 10)


async def open_case(page: Page, ui: str) -> str:
    await page.goto(ui + "/")
    await page.get_by_role("button", name="Nouvel appel").click()
    await page.wait_for_url("**/dossiers/*")
    return page.url.rpartition("/")[2]


async def log_in_when_asked(page: Page, document: dict[str, Any], account: dict[str, str]) -> None:
    await expect(page.get_by_text("Ministère de la Santé et de la Prévention").first).to_be_visible()
    await page.fill("[name=login]", account["identifier"])
    await page.fill("[name=password]", account["password"])
    await page.click("form#connexion button")


async def book(page: Page) -> str:
    """From the results of a search to the confirmation; the appointment's identifier at the editor."""
    await searched(page)
    await page.locator("a.slot:visible").first.click()
    await accept_terms(page)
    values = {"family": "FICTIF", "given": "Camille", "birth_date": "31/01/1980", "phone": "06 00 00 00 00"}
    for name, value in values.items():
        await page.fill(f"[name={name}]", value)
    await page.get_by_role("button", name="Vérifier").click()
    await page.locator("form[action$='/rdv/confirmer'] button").click()
    made = page.locator("[data-appointment]")
    await expect(made).to_be_visible()
    identifier = await made.get_attribute("data-appointment")
    assert identifier
    return identifier


async def not_honoured(document: dict[str, Any], lrm: str, editor: str) -> None:
    """The editor says by INT_R03 that the patient did not come."""
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{lrm}/api/orientations") as answer:
            (orientation,) = (await answer.json())["orientations"]
        url = f"{document['sas']['fhir']}/Appointment/{orientation['appointmentId']}"
        files = document["tls"]["clients"][editor]
        tls = ssl.create_default_context(cafile=document["tls"]["ca"])
        tls.load_cert_chain(files["cert"], files["key"])
        async with session.get(url, ssl=tls) as answer:
            assert answer.status == 200, await answer.text()
            body = await answer.json(content_type=None)
        own = body["identifier"][0]
        conditional = {"identifier": f"{own['system']}|{own['value']}"}
        base = url.rpartition("/")[0]
        async with session.put(base, params=conditional, json={**body, "status": "noshow"}, ssl=tls) as answer:
            assert answer.status == 200, await answer.text()


async def test_the_regulators_day(tmp_path: Path) -> None:
    complaints: list[str] = []
    async with sandbox_here(tmp_path, preset="minimal", sos_take_over_s=0) as document, chromium() as browser:
        lrm = lrm_of(document)
        account = next(each for each in document["examples"]["regulators"] if each["territory"] == "SAS-33")
        context = await browser.new_context(viewport={"width": 1280, "height": 900})
        page = await context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.goto(lrm + "/")
        await expect(page.get_by_text("EXERCICE").first).to_be_visible()
        await page.select_option("#f-operator", account["email"])
        await page.get_by_role("button", name="Nouvel appel").click()
        await page.wait_for_url("**/dossiers/*")
        number = page.url.rpartition("/")[2]
        await picture(page, "lrm-appel")

        async with context.expect_page() as opened:
            await page.get_by_role("button", name="Rechercher une offre de soins").click()
        sas = await opened.value
        await log_in_when_asked(sas, document, account)
        await sas.wait_for_url("**/sas/recherche?*")
        await book(sas)
        editor = next(each["slug"] for each in document["editors"] if each["ui"] in sas.url)

        waiting = page.locator("[data-orientation]")
        await expect(waiting).to_have_count(1, timeout=15_000)  # by itself: the page is live
        await expect(waiting).to_contain_text("Probablement ce dossier : même régulateur")
        await picture(page, "lrm-orientation-arrivee")
        await page.get_by_role("button", name="Rattacher à ce dossier").click()
        await expect(page.locator("[data-attached]")).to_have_count(1)
        await expect(page.get_by_text(f"Orientation rattachée au dossier {number}.")).to_be_visible()
        await picture(page, "lrm-rattachee")

        await not_honoured(document, lrm, editor)
        await expect(page.locator("[data-attached] .badge")).to_have_text("non honoré", timeout=15_000)
        await expect(page.locator(".history li").first).to_contain_text("mis à jour par la plateforme : non honoré")
        await picture(page, "lrm-non-honore")
        await page.goto(lrm + "/")
        await expect(page.locator("svg.day")).to_be_visible()
        await picture(page, "lrm-poste")
        await context.close()
    assert complaints == []


async def test_an_orientation_is_dragged_to_a_case_file_and_detached_again(tmp_path: Path) -> None:
    async with sandbox_here(tmp_path, preset="minimal") as document, chromium() as browser:
        lrm, page = lrm_of(document), await browser.new_page(viewport={"width": 1280, "height": 900})
        first, second = await open_case(page, lrm), await open_case(page, lrm)
        await page.goto(lrm + "/")
        await send(document, "create", "create")
        await expect(page.locator("[data-orientation]")).to_have_count(2, timeout=15_000)
        await page.locator("[data-orientation]").first.drag_to(page.locator(f"[data-drop='{first}']"))
        await page.wait_for_url(f"**/dossiers/{first}")
        await expect(page.locator("[data-attached]")).to_have_count(1)
        await page.get_by_role("button", name="Détacher").click()
        await expect(page.locator("[data-attached]")).to_have_count(0)
        await page.goto(f"{lrm}/dossiers/{second}")
        await page.locator("[data-orientation]").first.drag_to(page.locator("section[data-drop]"))
        await expect(page.locator("[data-attached]")).to_have_count(1)
        await page.close()


async def test_everything_is_done_by_keyboard_and_without_script(tmp_path: Path) -> None:
    async with sandbox_here(tmp_path, preset="minimal") as document, chromium() as browser:
        await send(document, "create")
        lrm = lrm_of(document)
        context = await browser.new_context(java_script_enabled=False)
        page = await context.new_page()
        number = await open_case(page, lrm)
        await page.goto(lrm + "/")
        await page.locator("[data-orientation] select").focus()
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"**/dossiers/{number}")
        assert await page.locator("[data-attached]").count() == 1
        await page.get_by_role("button", name="Détacher").focus()
        await page.keyboard.press("Enter")
        await expect(page.locator("[data-attached]")).to_have_count(0)
        await context.close()


async def test_no_page_has_a_serious_barrier_or_scrolls_sideways(tmp_path: Path) -> None:
    found: list[str] = []
    async with sandbox_here(tmp_path, preset="minimal") as document, chromium() as browser:
        lrm, page = lrm_of(document), await browser.new_page()
        await send(document, "update", "cancel", "create", "conflict")
        number = await open_case(page, lrm)
        await page.get_by_role("button", name="Rattacher à ce dossier").first.click()
        async with aiohttp.ClientSession() as session:
            rule = {"kind": "ack-by-hand", "probability": 0.5, "count": 3}
            url = f"{document['control']['api']}/lrms/{SAMU}/behaviour"
            async with session.put(url, json={"rules": [rule]}) as answer:
                assert answer.status == 200
            async with session.get(f"{lrm}/api/orientations") as answer:
                key = (await answer.json())["orientations"][0]["appointmentId"]
        paths = ("/", "/dossiers", f"/dossiers/{number}", "/orientations", f"/orientations/{key}", "/messages")
        pages = [lrm.rpartition("/")[0] + "/", *(lrm + path for path in paths)]
        pages.append(f"{document['control']['ui']}/lrms/{SAMU}")
        for width in (360, 1280, 1920):
            await page.set_viewport_size({"width": width, "height": 900})
            for index, url in enumerate(pages):
                await page.goto(url)
                await picture(page, f"lrm-page-{index}-{width}")
                found += await barriers(page) if width < 1920 else []
                if not await no_sideways_scroll(page):
                    found.append(f"{url} scrolls sideways at {width}")
        await page.close()
    assert found == []
