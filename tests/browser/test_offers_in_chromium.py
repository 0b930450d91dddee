"""The offers beside free slots in a real Chromium, wide and narrow: by keyboard, without script, and followed live."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.people import CHROMIUM, no_sideways_scroll, picture, searched
from tests.browser.regulator import look, regulator

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
    pytest.mark.parametrize("width", [1280, 360]),
]


async def follow(page: Page, selector: str) -> None:
    """Follow a link, or send a form, with the keyboard."""
    node = page.locator(selector).first
    await node.focus()
    async with page.expect_navigation():
        await node.press("Enter")


async def fits(page: Page, name: str, width: int) -> None:
    """As `look`, without axe-core, which needs scripts."""
    await picture(page, f"{name}-{width}")
    assert await no_sideways_scroll(page), name


async def taken(page: Page, step: str) -> None:
    """Take a step with the orientation, through its question."""
    await follow(page, f"[data-step={step}]")
    await expect(page.locator("#confirmer")).to_be_visible()
    await follow(page, "#confirmer")


async def test_an_agreement_is_noted_and_followed_to_its_end(tmp_path: Path, width: int) -> None:
    async with regulator(tmp_path, width) as (page, document):
        await page.goto(document["sas"]["ui"] + "/sas/recherche?place=Lyon")
        await searched(page)
        await expect(page.locator("#voir-offre")).to_be_visible()
        await follow(page, "#voir-offre")
        await searched(page)
        await expect(page.locator("[data-extra-offer] a[href^='tel:']").first).to_be_visible()
        await expect(page.locator("[data-structure] a[href^='tel:']").first).to_be_visible()
        await look(page, "offre", width)
        await follow(page, "[data-extra-offer] a[href^='/sas/en-sus/']")
        await expect(page.get_by_label("aujourd'hui, dans la journée")).to_be_checked()
        await look(page, "en-sus", width)
        await page.get_by_label("à une heure convenue").check()
        await follow(page, "#noter")
        await expect(page.get_by_role("alert")).to_contain_text("Indiquez une heure à venir")
        await look(page, "en-sus-refuse", width)
        await page.get_by_label("Jour", exact=True).select_option(index=1)
        await page.get_by_label("Heure", exact=True).fill("08:20")
        await follow(page, "#noter")
        await expect(page.get_by_text("Orientation enregistrée.")).to_be_visible()
        await expect(page.locator("[data-l02=acknowledged]")).to_be_visible()
        await look(page, "en-sus-oriente", width)
        await follow(page, "[data-step=honore]")
        await look(page, "etape", width)
        await follow(page, "#confirmer")
        await expect(page.locator("[data-status=fulfilled][data-l02=acknowledged]")).to_be_visible()
        await expect(page.locator("[data-step]")).to_have_count(0)


async def test_a_patient_is_sent_to_a_structure_without_script(tmp_path: Path, width: int) -> None:
    async with regulator(tmp_path, width, script=False) as (page, document):
        await page.goto(document["sas"]["ui"] + "/sas/structures")
        await page.fill("#f-place", "Mérignac")
        await page.select_option("#f-kind", "cds")
        await follow(page, "main button[type=submit]")
        await expect(page.locator("[data-structure]").first).to_be_visible()
        await expect(page.locator("[data-structure] .badge", has_text="MSP")).to_have_count(0)
        await fits(page, "structures", width)
        await follow(page, "[data-structure='1339900110'] a[href^='/sas/structures/']")
        await fits(page, "structure", width)
        await follow(page, "#orienter")
        await expect(page.get_by_text("Centre de santé du Bac à Sable").first).to_be_visible()
        await fits(page, "structure-orientee", width)
        await taken(page, "annulation")
        await expect(page.locator("[data-status=cancelled]")).to_be_visible()


async def test_the_offer_of_a_search_opens_without_script(tmp_path: Path, width: int) -> None:
    async with regulator(tmp_path, width, script=False) as (page, document):
        await page.goto(document["sas"]["ui"] + "/sas/recherche?place=Bordeaux&affichage=complet")
        await follow(page, "#voir-offre")
        await expect(page.locator("[data-community]").first).to_be_visible()
        await expect(page.locator("[data-structure]").first).to_be_visible()
        await fits(page, "offre-sans-script", width)
        await follow(page, "#masquer-offre")
        await expect(page.locator("#voir-offre")).to_be_visible()
