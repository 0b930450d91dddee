"""A regulator with a browser on a sandbox of his own, and checks of the page that he sees."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page

from tests.browser.axe import barriers
from tests.browser.people import chromium, log_in, no_sideways_scroll, picture
from tests.support.sandboxes import sandbox_here


@contextlib.asynccontextmanager
async def regulator(
    tmp_path: Path, width: int, *, script: bool = True, **flags: Any
) -> AsyncIterator[tuple[Page, dict[str, Any]]]:
    """A logged-in regulator, and the sandbox that the regulator uses; the test fails if the browser reports errors."""
    complaints: list[str] = []
    async with sandbox_here(tmp_path, **{"preset": "minimal", **flags}) as document, chromium() as browser:
        page = await opened(browser, width, script)
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await log_in(page, document)
        yield page, document
        await page.close()
    assert [text for text in complaints if "status of 4" not in text] == []


async def opened(browser: Browser, width: int, script: bool) -> Page:
    """A window of another browser session."""
    context = await browser.new_context(viewport={"width": width, "height": 900}, java_script_enabled=script)
    return await context.new_page()


async def look(page: Page, name: str, width: int) -> None:
    """Save a picture if asked for; check that the page fits its window and has no serious barrier."""
    await picture(page, f"{name}-{width}")
    assert await no_sideways_scroll(page), name
    assert await barriers(page) == []
