"""The regulator's day in a real Chromium: login, search, booking on the editor's site, follow-up, attachment."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.sandboxes import sandbox_here

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

PICTURES = os.environ.get("SANDBOX_TEST_PICTURES")  # a directory: keep a picture of every page that is passed


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield browser
        await browser.close()


async def picture(page: Page, name: str) -> None:
    if PICTURES:
        await page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)


async def log_in(page: Page, document: dict[str, Any]) -> None:
    account = document["examples"]["regulators"][0]
    await page.goto(document["sas"]["ui"] + "/")
    await page.click("#connexion")
    await expect(page.get_by_text("Ministère de la Santé et de la Prévention").first).to_be_visible()
    await page.fill("[name=login]", account["identifier"])
    await page.fill("[name=password]", account["password"])
    await picture(page, "psc")
    await page.click("form#connexion button")
    await expect(page.locator("[data-regulator]")).to_be_visible()


async def book(page: Page, width: str) -> str:
    """From a results page to the confirmation; the appointment's identifier at the editor."""
    await page.locator("a[data-slot]").last.click()
    if await page.locator("[name=accept]").count():
        await picture(page, f"cgu-{width}")
        await page.check("[name=accept]")
        await page.get_by_role("button", name="Accepter").click()
    await picture(page, f"agenda-{width}")
    await page.fill("[name=family]", "FICTIF")
    await page.fill("[name=given]", "Camille")
    await page.fill("[name=birth_date]", "31/01/1980")
    await page.fill("[name=phone]", "06 00 00 00 00")
    await page.get_by_role("button", name="Vérifier").click()
    await picture(page, f"resume-{width}")
    await page.locator("form[action$='/rdv/confirmer'] button").click()
    made = page.locator("[data-appointment]")
    await expect(made).to_be_visible()
    await picture(page, f"confirmation-{width}")
    identifier = await made.get_attribute("data-appointment")
    assert identifier
    return identifier


@pytest.mark.parametrize("width", [1280, 360])
async def test_a_regulator_searches_books_follows_and_attaches(chromium: Browser, tmp_path: Path, width: int) -> None:
    complaints: list[str] = []
    async with sandbox_here(tmp_path, preset="minimal") as document:
        page = await chromium.new_page(viewport={"width": width, "height": 900})
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await log_in(page, document)
        await picture(page, f"accueil-{width}")
        await page.fill("[name=city]", "Bordeaux")
        await page.get_by_role("button", name="Rechercher").click()
        await expect(page.locator("[data-card]").first).to_be_visible()
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


async def no_sideways_scroll(page: Page) -> bool:
    return bool(await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


@pytest.mark.requirement("SSO-1")
async def test_without_origin_the_editor_asks_for_its_own_password(chromium: Browser, tmp_path: Path) -> None:
    async with sandbox_here(tmp_path, preset="minimal") as document:
        page = await chromium.new_page()
        await page.goto(document["editors"][0]["ui"] + "/connexion")
        await expect(page.get_by_label("Mot de passe")).to_be_visible()
        assert document["psc"]["issuer"] not in page.url
        await page.close()
