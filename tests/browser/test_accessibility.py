"""No page of any console has a barrier that axe-core calls serious or critical, nor scrolls sideways on a telephone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.axe import barriers
from tests.browser.people import CHROMIUM, accept_terms, chromium, log_in, no_sideways_scroll, picture, searched
from tests.support.sandboxes import sandbox_here

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

Look = Callable[[str], Awaitable[None]]


async def test_the_judge_sees_a_barrier() -> None:
    async with chromium() as browser:
        page = await browser.new_page()
        await page.set_content("<html lang=fr><title>x</title><main><h1>x</h1><img src=x><input></main></html>")
        assert {line.split()[1] for line in await barriers(page)} >= {"image-alt", "label"}
        await page.close()


@pytest.mark.timeout(300)  # some forty pages are judged one after the other
@pytest.mark.parametrize("width", [1280, 360])
async def test_no_page_has_a_serious_barrier(tmp_path: Path, width: int) -> None:
    found: list[str] = []
    async with sandbox_here(tmp_path, preset="minimal") as document, chromium() as browser:
        page = await browser.new_page(viewport={"width": width, "height": 900})

        async def look(name: str) -> None:
            await picture(page, f"axe-{name}-{width}")
            found.extend(await barriers(page))
            if not await no_sideways_scroll(page):
                found.append(f"{page.url} scrolls sideways at {width}")

        await through_the_sas_core(page, document, look)
        await through_the_sas_agenda(page, document, look)
        await through_the_other_consoles(page, document, look)
        await page.close()
    assert found == []


async def through_the_sas_core(page: Page, document: dict[str, Any], look: Look) -> None:
    ui = document["sas"]["ui"]
    await page.goto(ui + "/")
    await look("stranger")
    await page.goto(ui + "/connexion")
    await look("psc")
    await log_in(page, document)
    await look("home")
    await page.locator("summary", has_text="Filtres").click()
    await page.locator("#f-place").press_sequentially("bor")
    await expect(page.get_by_role("option").first).to_be_visible()
    await page.locator("#f-place").press("ArrowDown")
    await look("suggestions")
    await page.goto(ui + "/sas/recherche?place=Nulle-Part")
    await look("problem")
    await page.goto(ui + "/sas/recherche?origin=urn:oid:1.2.3&inseecode=33063")
    await look("refused")
    await page.goto(ui + "/sas/orientations")
    await look("no-orientation")
    await page.goto(ui + "/sas/nulle-part")
    await look("404")
    lrm = document["lrms"][0]["origin"]
    await page.goto(f"{ui}/sas/recherche?origin={lrm}&inseecode=33063&streetname=cours+de+l'Exemple&streetnumber=12")
    await searched(page)
    await page.evaluate("document.querySelectorAll('main details').forEach((each) => { each.open = true; })")
    await look("results")
    await through_a_booking(page, look)
    await page.goto(ui + "/sas/orientations")
    await expect(page.locator("[data-l02=acknowledged]").first).to_be_visible()
    await look("orientations")
    async with page.expect_navigation():
        await page.locator("[data-appointment] a").first.click()
    await look("orientation")
    for name, path in (
        ("editors", "/sas/editeurs"),
        ("structures", "/sas/structures?place=Bordeaux"),
        ("structure", "/sas/structures/1339900110"),
        ("accounts", "/administration/regulateurs"),
        ("new-account", "/administration/regulateurs/nouveau"),
        ("messages", "/administration/messages"),
    ):
        await page.goto(ui + path)
        await look(name)
    await page.goto(ui + "/administration/regulateurs")
    async with page.expect_navigation():
        await page.locator("main a[href^='/administration/regulateurs/']:not([href$='/nouveau'])").first.click()
    await look("account")


async def through_the_sas_agenda(page: Page, document: dict[str, Any], look: Look) -> None:
    """A regulator books a slot of a practitioner, then the practitioner looks at every page of his."""
    ui, person = document["sas"]["ui"], document["examples"]["practitioners_sas_agenda"][0]
    await page.goto(f"{ui}/sas/recherche?inseecode={person['insee']}&affichage=complet")
    card = page.locator("[data-card]", has_text=person["name"].split()[-1])
    async with page.expect_navigation():
        await card.locator("a.slot:visible").last.click()
    await page.get_by_role("button", name="Confirmer").click()
    await expect(page.locator("#e-family")).to_be_visible()
    await look("agenda-booking-errors")
    form = page.url
    slot = await page.locator("[data-booking-slot]").get_attribute("data-booking-slot") or ""
    await page.get_by_role("button", name="Inventer un patient").click()
    await expect(page.locator("[name=family]")).not_to_have_value("")
    await page.get_by_role("button", name="Confirmer").click()
    await expect(page.locator("[data-patient]")).to_be_visible()
    await look("agenda-orientation")
    await page.goto(f"{form}?creneau={slot}")
    await look("agenda-booking-taken")

    await page.context.clear_cookies()
    await page.goto(ui + "/connexion")
    await page.fill("[name=login]", person["identifier"])
    await page.fill("[name=password]", person["password"])
    await page.click("form#connexion button")
    await expect(page.locator("[data-practitioner]")).to_be_visible()
    await look("agenda-week")
    for path in ("nouveau", f"creneau/{slot}", "fermetures", "patients"):
        await page.goto(f"{ui}/sas/agenda/{path}")
        await look(f"agenda-{path.partition('/')[0]}")
    day = f"{slot[-8:-4]}-{slot[-4:-2]}-{slot[-2:]}"
    await page.goto(f"{ui}/sas/agenda/patients?jour={day}")
    await look("agenda-patients-of-a-day")
    await page.goto(f"{ui}/sas/agenda/creneau/{slot}")
    await page.get_by_role("button", name="Supprimer").click()
    await expect(page.locator("[data-booked]")).to_be_visible()
    await look("agenda-booked")
    await page.goto(ui + "/sas/orientations")
    await look("agenda-403")
    await page.context.clear_cookies()


async def through_a_booking(page: Page, look: Look) -> None:
    await page.locator("a.slot:visible").first.click()
    await accept_terms(page, lambda: look("terms"))
    await look("agenda")
    values = {"family": "FICTIF", "given": "Camille", "birth_date": "31/01/1980", "phone": "06 00 00 00 00"}
    for name, value in values.items():
        await page.fill(f"[name={name}]", value)
    await page.get_by_role("button", name="Vérifier").click()
    confirm = page.locator("form[action$='/rdv/confirmer'] button")
    await expect(confirm).to_be_visible()
    await look("summary")
    await confirm.click()
    await expect(page.locator("[data-appointment]")).to_be_visible()
    await look("confirmation")


async def through_the_other_consoles(page: Page, document: dict[str, Any], look: Look) -> None:
    await page.goto(document["editors"][0]["ui"].rpartition("/")[0] + "/")
    await look("editors-index")
    for editor in document["editors"]:
        await page.goto(editor["ui"] + "/")
        await look(f"editor-{editor['slug']}")
    communities = next(editor["ui"] for editor in document["editors"] if editor["slug"] == "entraide-commune")
    await page.goto(communities + "/demandes")
    await look("requests")
    await page.goto(document["editors"][0]["ui"] + "/connexion")
    await look("editor-login")
    lrm = next(each for each in document["lrms"] if each["territory"] == "SAS-33")["ui"]
    for path in ("/", "/dossiers", "/avis"):
        await page.goto(lrm + path)
        await look(f"lrm{path.replace('/', '-')}")
    await page.goto(lrm + "/dossiers")
    await page.locator("form[action$='/dossiers'] button").first.click()
    await page.wait_for_url("**/dossiers/*")
    await look("case-file")
    await page.goto(document["control"]["ui"] + "/")
    await look("control")
    for path in ("/communautes", "/communautes/cpts-rive-gauche"):
        await page.goto(document["control"]["ui"] + path)
        await look(path.replace("/", "-"))
    await page.goto(document["psc"]["issuer"].rpartition("/")[0] + "/")
    await look("psc-home")
