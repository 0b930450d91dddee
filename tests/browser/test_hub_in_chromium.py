"""The hub's monitor in Chromium: it is updated live, provokes errors, tests an LRM, and is accessible."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from sandbox.cli import main
from tests.browser.axe import barriers
from tests.browser.people import CHROMIUM, chromium, no_sideways_scroll, picture
from tests.support.sandboxes import sandbox_here

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

WIDTHS = (1280, 360)


async def look(page: Page, name: str) -> list[str]:
    """What is wrong with the page at both widths."""
    found: list[str] = []
    for width in WIDTHS:
        await page.set_viewport_size({"width": width, "height": 900})
        await picture(page, f"{name}-{width}")
        found += await barriers(page)
        if not await no_sideways_scroll(page):
            found.append(f"{page.url} scrolls sideways at {width}")
    return found


async def provoke(page: Page, hub: str, code: int) -> None:
    await page.goto(hub)
    await page.locator(f"[data-code='{code}'] button").first.click()
    await expect(page.locator(f"[data-outcome='{code}']")).to_be_visible(timeout=15_000)


async def test_the_monitor_follows_provokes_and_tries(tmp_path: Path) -> None:
    async with sandbox_here(tmp_path, preset="minimal") as document, chromium() as browser:
        hub = document["control"]["ui"] + "/hub"
        page = await browser.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        await page.goto(document["control"]["ui"] + "/")
        await page.get_by_role("navigation").get_by_role("link", name="Hub Santé").click()
        await expect(page.locator("[data-live]")).to_have_attribute("data-live-state", "live")
        found = await look(page, "hub-empty")

        watching = await browser.new_page()
        await watching.goto(hub)
        for code in (300, 500, 704):
            await provoke(page, hub, code)
        found += await look(page, "hub-provoked")
        await expect(watching.locator("[data-live] .badge", has_text="500 DEAD_LETTER_QUEUED")).to_be_visible()
        await expect(watching.locator("rect.rate-refused").first).to_be_attached()

        await page.goto(hub)
        await page.select_option("#f-to", document["lrms"][0]["client_id"])
        await page.select_option("#f-case", "conflict")
        await page.get_by_role("button", name="Envoyer").click()
        await expect(page.locator("[data-outcome='0']")).to_be_visible(timeout=15_000)
        await expect(page.locator("[data-outcome='409']")).to_be_visible()
        await page.locator("dd a").first.click()
        await expect(page.locator("[data-step='hub']").first).to_be_visible()
        await expect(page.get_by_text("Acquittement final distribué").first).to_be_visible()
        found += await look(page, "hub-way")

        await page.goto(hub)
        await page.select_option("#f-panne", "delay")
        await page.get_by_role("button", name="Démarrer la panne").click()
        await expect(page.locator("[data-fault='delay']")).to_be_visible()
        found += await look(page, "hub-full")
        await page.get_by_role("button", name="Arrêter").click()
        await expect(page.locator("[data-fault]")).to_have_count(0)
        assert found == []
        assert complaints == []
        await page.close()
        await watching.close()


async def test_a_client_that_was_added_is_taken_away(tmp_path: Path) -> None:
    client = "fr.health.samu750"
    async with sandbox_here(tmp_path, preset="minimal") as document, chromium() as browser:
        hub = document["control"]["ui"] + "/hub"
        added = await asyncio.to_thread(
            main, ["hub", "add-client", client, "--software", "Régul'Essai", "--data-dir", str(tmp_path)]
        )
        assert added == 0
        page = await browser.new_page()
        await page.goto(hub)
        await page.select_option("#f-to", client)
        await page.get_by_role("button", name="Envoyer").click()  # nobody answers: it waits
        await page.goto(hub)
        await page.locator(f"[data-client='{client}']").scroll_into_view_if_needed()
        found = await look(page, "hub-clients")
        await page.get_by_role("link", name=f"Retirer {client}").click()
        await expect(page.get_by_text("1 en attente")).to_be_visible()
        found += await look(page, "hub-remove")
        await page.get_by_role("button", name="Retirer ce client").click()
        await expect(page.get_by_text(f"1 message perdu de {client}.message")).to_be_visible()
        await expect(page.locator("[data-client]")).to_have_count(0)
        found += await look(page, "hub-removed")
        assert found == []
        await page.close()


async def test_the_monitor_works_without_script(tmp_path: Path) -> None:
    async with sandbox_here(tmp_path, preset="minimal") as document, chromium() as browser:
        context = await browser.new_context(java_script_enabled=False)
        page = await context.new_page()
        hub = document["control"]["ui"] + "/hub"
        await provoke(page, hub, 102)
        await page.goto(hub)
        await expect(page.locator("[data-live] .badge", has_text="102 UNRECOGNIZED")).to_be_visible()
        await context.close()
