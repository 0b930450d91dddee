"""« Mes orientations » and « Messages » in a real Chromium, wide and narrow: pages are updated without a reload."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.people import CHROMIUM, book, log_in, picture, searched
from tests.browser.regulator import look, opened, regulator

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
    pytest.mark.parametrize("width", [1280, 360]),
]
SAMU = "fr.health.samu330"


async def behave(page: Page, document: dict[str, Any], *rules: dict[str, Any]) -> None:
    """Have the LRM answer so."""
    answer = await page.request.put(f"{document['control']['api']}/lrms/{SAMU}/behaviour", data={"rules": [*rules]})
    assert answer.ok, await answer.text()


async def booked(page: Page, document: dict[str, Any], width: int) -> str:
    await page.goto(document["sas"]["ui"] + "/sas/recherche?place=Bordeaux&kind=cds")
    await searched(page)
    return await book(page, f"suivi-{width}")


async def beside(page: Page, document: dict[str, Any], width: int, path: str) -> Page:
    """A second window of the same regulator, which nobody touches."""
    browser = page.context.browser
    assert browser is not None
    second = await opened(browser, width, script=True)
    await log_in(second, document, path)
    await expect(second.locator("[data-live]").first).to_have_attribute("data-live-state", "live")
    return second


async def test_an_orientation_is_followed_live_to_the_lrms_acknowledgement(tmp_path: Path, width: int) -> None:
    async with regulator(tmp_path, width) as (page, document):
        await behave(page, document, {"kind": "ack-by-hand"})
        watching = await beside(page, document, width, "/sas/orientations")
        await expect(watching.get_by_text("Aucune orientation pour l'instant")).to_be_visible()
        identifier = await booked(page, document, width)
        row = watching.locator(f"[data-identifier='{identifier}']")
        await expect(row).to_have_attribute("data-l02", "published")
        await expect(row).to_contain_text("émise")
        await look(watching, "orientation-emise", width)
        await acknowledge_by_hand(page, document)
        await expect(row).to_have_attribute("data-l02", "acknowledged")
        await expect(row).to_contain_text("acquittée")
        await look(watching, "orientation-acquittee", width)
        await behave(page, document)
        await page.goto(await its_page_at_the_editor(document) + "/rendez-vous")
        await page.locator("form[action$='/annuler'] button").first.click()
        await expect(row).to_have_attribute("data-status", "cancelled")
        await expect(row).to_contain_text("version 2")
        await expect(row).to_have_attribute("data-l02", "acknowledged")
        await watching.close()


async def its_page_at_the_editor(document: dict[str, Any]) -> str:
    return str(next(each["ui"] for each in document["editors"] if each["slug"] == "agenda-azur"))


async def acknowledge_by_hand(page: Page, document: dict[str, Any]) -> None:
    lrm = next(each["ui"] for each in document["lrms"] if each["client_id"] == SAMU)
    await page.goto(lrm + "/messages")
    await page.locator("form[action*='/messages/retenus/'] button").first.click()
    await expect(page.get_by_text("Acquittement envoyé.")).to_be_visible()


async def test_from_a_slot_to_the_editors_page_and_back_to_the_same_results(tmp_path: Path, width: int) -> None:
    async with regulator(tmp_path, width) as (page, document):
        await booked(page, document, width)
        await look(page, "chez-l-editeur", width)
        await page.get_by_role("link", name="Revenir au SAS").click()
        await searched(page)
        assert page.url == document["sas"]["ui"] + "/sas/recherche?place=Bordeaux&kind=cds"
        await page.locator("a.slot:visible").first.click()
        await expect(page.get_by_role("heading", name="Prendre rendez-vous")).to_be_visible()
        await page.go_back()
        await searched(page)
        assert page.url == document["sas"]["ui"] + "/sas/recherche?place=Bordeaux&kind=cds"
        await page.goto(document["sas"]["ui"] + "/")
        await look(page, "accueil-reprise", width)
        await page.get_by_role("link", name="Reprendre la dernière recherche").click()
        await searched(page)


async def test_a_refused_message_is_explained_and_sent_again_from_the_orientation(tmp_path: Path, width: int) -> None:
    async with regulator(tmp_path, width) as (page, document):
        await behave(page, document, {"kind": "ack-refused", "count": 1, "params": {"code": 703, "cause": "inconnu"}})
        numbers = await beside(page, document, width, "/administration/messages")
        await expect(numbers.locator("[data-count=refused]")).to_have_text("0")
        identifier = await booked(page, document, width)
        await page.goto(document["sas"]["ui"] + "/sas/orientations")
        row = page.locator(f"[data-identifier='{identifier}']")
        await expect(row).to_contain_text("703 : inconnu")
        await look(page, "orientation-refusee", width)
        await expect(numbers.locator(".tile", has=numbers.locator("[data-count=refused]"))).to_contain_text("1 refusé")
        await expect(numbers.locator("tr[data-message]")).to_contain_text("code 703")
        await look(numbers, "messages-refuse", width)
        await row.get_by_role("link").click()
        await expect(page.get_by_text("Erreur 703 : inconnu")).to_be_visible()
        orientation = page.url
        await page.get_by_role("button", name="Renvoyer au LRM").click()
        await expect(page.get_by_text("Message renvoyé au LRM.")).to_be_visible()
        assert page.url == orientation
        await expect(page.locator("[data-appointment]")).to_have_attribute("data-l02", "acknowledged")
        await expect(page.get_by_text("Message précédent")).to_be_visible()
        await look(page, "orientation-renvoyee", width)
        await expect(numbers.locator("[data-count=acknowledged]")).to_have_text("1")
        await expect(numbers.locator("tr[data-message]")).to_contain_text("remplacé")
        await picture(numbers, f"messages-renvoye-{width}")
        await numbers.close()


async def test_an_administrator_sends_a_message_again_without_leaving_the_page(tmp_path: Path, width: int) -> None:
    async with regulator(tmp_path, width) as (page, document):
        await behave(page, document, {"kind": "ack-refused", "count": 1, "params": {"code": 703, "cause": "inconnu"}})
        await booked(page, document, width)
        await page.goto(document["sas"]["ui"] + "/administration/messages")
        await page.get_by_role("button", name="Renvoyer").click()
        await expect(page.get_by_text("Message renvoyé au LRM.")).to_be_visible()
        assert page.url.endswith("/administration/messages")
        await expect(page.locator("[data-count=acknowledged]")).to_have_text("1")


async def test_the_editors_health_follows_failures_as_they_happen(tmp_path: Path, width: int) -> None:
    async with regulator(tmp_path, width, breaker_failures=2) as (page, document):
        watching = await beside(page, document, width, "/sas/editeurs")
        line = watching.locator("tr[data-editor=garde-plus]")
        await expect(line).to_contain_text("jamais appelé")
        fault = {"kind": "status", "target": "editor:garde-plus", "flow": "SOS", "params": {"code": 503}}
        answer = await page.request.post(document["control"]["api"] + "/faults", data=fault)
        assert answer.status == 201, await answer.text()
        for count in (1, 2):
            await page.goto(document["sas"]["ui"] + "/sas/recherche?place=Bordeaux")
            await searched(page)
            await expect(line).to_contain_text(f"erreur HTTP × {count}")
        await expect(line).to_have_attribute("data-circuit", "open")
        await expect(line).to_contain_text("écarté")
        await expect(watching.locator("tr[data-editor=agenda-azur]")).to_have_attribute("data-circuit", "closed")
        await look(watching, "editeurs", width)
        await watching.close()
