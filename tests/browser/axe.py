"""Accessibility of a page in Chromium: the serious and critical findings of axe-core."""

from __future__ import annotations

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

GRAVE = ("serious", "critical")
_axe = Axe()


async def barriers(page: Page) -> list[str]:
    """The serious and critical findings, one line each: rule, what it asks for, where. The pages' content security
    policy would forbid axe-core as a script of the page, so the browser's debugger runs it."""
    found = await _axe.run(page)
    return [
        f"{page.url} {each['id']} ({each['impact']}): {each['help']} at {node['target']}: {node['html'][:160]}"
        for each in found.response["violations"]
        if each["impact"] in GRAVE
        for node in each["nodes"]
    ]
