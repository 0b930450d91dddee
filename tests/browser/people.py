"""Steps of all journeys in Chromium: a browser, a login, a booking, a picture of the page."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Error, Page, async_playwright, expect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PICTURES = os.environ.get("SANDBOX_TEST_PICTURES")  # a directory: if set, a picture of every visited page is kept


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A headless Chromium of the machine."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        try:
            yield browser
        finally:
            await browser.close()


async def picture(page: Page, name: str) -> None:
    """Save a picture of the page, if pictures are asked for."""
    if PICTURES:
        await page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)


async def no_sideways_scroll(page: Page) -> bool:
    """True when the page fits the width of the window, once it is loaded: a click may just have asked for it. (Waiting
    for a function is no way: it runs as a script of the page, which the content security policy forbids.)"""
    while True:
        await page.wait_for_load_state()
        try:
            return bool(await page.locator("html").evaluate("(html) => html.scrollWidth <= window.innerWidth"))
        except Error as error:
            if "context was destroyed" not in error.message:
                raise


async def log_in(page: Page, document: dict[str, Any], path: str = "/connexion") -> None:
    """Through Pro Santé Connect as the first demonstration account, on the way to a path of the SAS core."""
    account = document["examples"]["regulators"][0]
    await page.goto(document["sas"]["ui"] + path)
    await expect(page.get_by_text("Ministère de la Santé et de la Prévention").first).to_be_visible()
    await page.fill("[name=login]", account["identifier"])
    await page.fill("[name=password]", account["password"])
    await picture(page, "psc")
    await page.click("form#connexion button")
    await expect(page.locator("[data-regulator]")).to_be_visible()


async def searched(page: Page) -> None:
    """Wait until the results page is complete."""
    await expect(page.locator("#resultats")).to_have_attribute("data-live-state", "done", timeout=25_000)


async def accept_terms(page: Page, look: Callable[[], Awaitable[None]] | None = None) -> None:
    """Wait for the booking form after a click on a slot, past the terms of use when they come first.

    A click does not wait for the page that it asks for, so nothing may be counted before one of the two is there."""
    terms, form = page.locator("[name=accept]"), page.locator("[name=family]")
    await expect(terms.or_(form)).to_be_visible()
    if await terms.count():
        if look:
            await look()
        await terms.check()
        await page.get_by_role("button", name="Accepter").click()
    await expect(form).to_be_visible()


async def book(page: Page, width: str) -> str:
    """From a results page to the confirmation; the appointment's identifier at the editor."""
    await page.locator("a.slot:visible").last.click()
    await accept_terms(page, lambda: picture(page, f"cgu-{width}"))
    await picture(page, f"agenda-{width}")
    await page.fill("[name=family]", "FICTIF")
    await page.fill("[name=given]", "Camille")
    await page.fill("[name=birth_date]", "31/01/1980")
    await page.fill("[name=phone]", "06 00 00 00 00")
    await page.get_by_role("button", name="Vérifier").click()
    confirm = page.locator("form[action$='/rdv/confirmer'] button")
    await expect(confirm).to_be_visible()
    await picture(page, f"resume-{width}")
    await confirm.click()
    made = page.locator("[data-appointment]")
    await expect(made).to_be_visible()
    await picture(page, f"confirmation-{width}")
    identifier = await made.get_attribute("data-appointment")
    assert identifier
    return identifier
