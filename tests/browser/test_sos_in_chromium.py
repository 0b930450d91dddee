"""SOS Médecins in a real Chromium, from the booking to the case file; the doctor is named by hand or by himself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from sandbox.runner.stage import Stage
from tests.browser.people import CHROMIUM, book, no_sideways_scroll, picture, searched
from tests.browser.regulator import look, regulator

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

WIDE, NARROW = 1280, 360
FROZEN = {"as_of": "2026-11-23T10:00:00+01:00", "freeze": True}


async def seen(page: Page, name: str, *, careful: bool = False) -> None:
    """Narrow and wide; `careful`: for barriers too."""
    await page.set_viewport_size({"width": NARROW, "height": 900})
    await picture(page, f"{name}-{NARROW}")
    assert await no_sideways_scroll(page), name
    await page.set_viewport_size({"width": WIDE, "height": 900})
    if careful:
        await look(page, name, WIDE)
    else:
        await picture(page, f"{name}-{WIDE}")
        assert await no_sideways_scroll(page), name


async def to_sos(page: Page, document: dict[str, Any]) -> None:
    """A search that shows SOS Médecins only."""
    await page.goto(f"{document['sas']['ui']}/sas/recherche?inseecode=33063&kind=sos")
    await searched(page)


async def at(document: dict[str, Any], instant: str) -> None:
    """Sandbox time stands still there."""
    async with Stage(document) as stage:
        await stage.call("PUT", f"{document['control']['api']}/clock", json={**FROZEN, "as_of": instant})


async def test_a_doctor_is_named_and_every_page_follows(tmp_path: Path) -> None:
    async with regulator(tmp_path, WIDE, mtls=False, **FROZEN) as (page, document):
        garde = next(editor["ui"] for editor in document["editors"] if editor["slug"] == "garde-plus")
        await to_sos(page, document)
        identifier = await book(page, "sos")
        article = page.locator("article[data-appointment]")
        await expect(article).to_have_attribute("data-status", "pending")
        await expect(article.get_by_text("Médecin de garde : Dr")).to_be_visible()
        await expect(article.get_by_text("transmis au SAS")).to_be_visible()
        await seen(page, "sos-en-attente", careful=True)

        lrm = await page.context.new_page()
        ui = next(one["ui"] for one in document["lrms"] if one["territory"] == "SAS-33")
        await lrm.goto(ui + "/")
        await lrm.get_by_role("button", name="Nouvel appel").click()
        await lrm.wait_for_url("**/dossiers/*")
        await lrm.locator("section[data-key=waiting] form button").first.click()
        attached = lrm.locator("[data-attached]")
        await expect(attached).to_be_visible()

        await at(document, "2026-11-23T10:00:20+01:00")
        await expect(article).to_have_attribute("data-status", "booked", timeout=15_000)  # nobody reloads
        assert await page.get_by_text("désign").count() == 0  # the page says nothing any more of what was to come
        doctor = (await article.locator("dd", has_text="Dr ").inner_text()).removeprefix("Dr ")
        await seen(page, "sos-reserve")
        await expect(attached.get_by_text("réservé")).to_be_visible()
        await expect(attached.get_by_text(doctor)).to_be_visible()
        await expect(attached.get_by_text("SOS Médecins Bordeaux")).to_be_visible()
        await seen(lrm, "sos-dossier", careful=True)
        await page.goto(f"{document['sas']['ui']}/sas/orientations")
        row = page.locator(f"[data-identifier='{identifier}']")
        await expect(row.get_by_text(doctor)).to_be_visible()
        await seen(page, "sos-orientations")

        await to_sos(page, document)
        other = await book(page, "sos-2")
        await page.get_by_role("button", name="Prendre en charge").click()
        await expect(page.get_by_text("pris en charge par le médecin de garde")).to_be_visible()
        await seen(page, "sos-mes-rendez-vous")
        await expect(page.locator(f"tr[data-appointment='{other}']")).to_have_attribute("data-status", "booked")
        assert page.url == f"{garde}/rendez-vous"
