"""The regulator's day in a real Chromium: login, search, booking on the editor's site, follow-up, attachment."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.people import CHROMIUM, book, chromium, log_in, no_sideways_scroll, picture, searched
from tests.support.sandboxes import sandbox_here

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


@pytest.mark.parametrize("width", [1280, 360])
async def test_a_regulator_searches_books_follows_and_attaches(tmp_path: Path, width: int) -> None:
    complaints: list[str] = []
    async with sandbox_here(tmp_path, preset="minimal") as document, chromium() as browser:
        page = await browser.new_page(viewport={"width": width, "height": 900})
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await log_in(page, document)
        await picture(page, f"accueil-{width}")
        await search_by_suggestion(page)
        await picture(page, f"recherche-{width}")
        assert await no_sideways_scroll(page)
        identifier = await book(page, str(width))
        assert await no_sideways_scroll(page)

        await page.goto(document["sas"]["ui"] + "/sas/orientations")
        row = page.locator(f"[data-identifier='{identifier}']")
        await expect(row).to_have_attribute("data-l02", "acknowledged", timeout=10_000)
        await picture(page, f"orientations-{width}")
        assert await no_sideways_scroll(page)

        await attach(page, document, width)
        await page.goto(document["control"]["ui"] + "/")
        await expect(page.get_by_text("tous les rôles répondent")).to_be_visible()
        await picture(page, f"controle-{width}")
        assert await no_sideways_scroll(page)
        await page.close()
    assert complaints == []


async def search_by_suggestion(page: Page) -> None:
    """With the keyboard alone: type, choose what is suggested, search."""
    place = page.get_by_role("combobox", name="Lieu")
    await place.press_sequentially("Bord")
    await expect(page.get_by_role("option", name="Bordeaux")).to_be_visible()
    await place.press("ArrowDown")
    await expect(place).to_have_attribute("aria-activedescendant", re.compile("."))
    await place.press("Enter")
    await expect(place).to_have_value("Bordeaux")
    await place.press("Enter")
    await searched(page)
    await expect(page.locator("[data-card]").first).to_be_visible()


async def attach(page: Page, document: dict[str, Any], width: int) -> None:
    """In the LRM: open a case file, attach the orientation that waits."""
    lrm = next(
        lrm for lrm in document["lrms"] if lrm["territory"] == document["examples"]["regulators"][0]["territory"]
    )
    await page.goto(lrm["ui"] + "/")
    await expect(page.get_by_text("EXERCICE").first).to_be_visible()
    await page.goto(lrm["ui"] + "/dossiers")
    await page.locator("form[action$='/dossiers'] button").first.click()
    await page.wait_for_url(re.compile(r"/dossiers/\w"))
    number = page.url.rpartition("/")[2]
    await page.goto(lrm["ui"] + "/")
    await picture(page, f"lrm-{width}")
    form = page.locator("form[action$='/attach']").first
    await form.locator("[name=case_file]").select_option(number)
    await form.locator("button").click()
    await page.wait_for_url(re.compile(rf"/dossiers/{number}"))
    await picture(page, f"dossier-{width}")
    assert await no_sideways_scroll(page)


@pytest.mark.requirement("SSO-1")
async def test_without_origin_the_editor_asks_for_its_own_password(tmp_path: Path) -> None:
    async with sandbox_here(tmp_path, preset="minimal") as document, chromium() as browser:
        page = await browser.new_page()
        await page.goto(document["editors"][0]["ui"] + "/connexion")
        await expect(page.get_by_label("Mot de passe")).to_be_visible()
        assert document["psc"]["issuer"] not in page.url
        await page.close()
