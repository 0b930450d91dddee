"""The marketplace in a real Chromium, over mTLS: a regulator asks, a trainer answers, each page follows live."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.people import CHROMIUM, no_sideways_scroll, picture, searched
from tests.browser.regulator import look, regulator

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

COMMUNITY, NAME = "cpts-rive-gauche", "Entraide CPTS Rive Gauche"
WIDE, NARROW = 1280, 360
NEED = "Fièvre depuis trois jours, adulte"


async def seen(page: Page, name: str, width: int) -> None:
    """A picture, no barrier and no sideways scroll."""
    await look(page, name, width)
    await picture(page, f"{name}-{width}")
    assert await no_sideways_scroll(page), name


async def by_hand(page: Page, document: dict[str, Any], width: int) -> None:
    """The trainer will answer for the community."""
    await page.goto(document["control"]["ui"] + "/communautes")
    await seen(page, "communautes", width)
    await page.get_by_role("link", name=NAME, exact=True).click()
    await page.get_by_label("Réponse", exact=True).select_option("by-hand")
    await seen(page, "communaute-reponse", width)
    await page.get_by_role("button", name="Appliquer").click()
    await expect(page.locator("[data-behaviour]")).to_have_text("le formateur répond à la main")


async def ask(page: Page, document: dict[str, Any], width: int, name: str = "") -> None:
    """From the results of a search to the request that waits."""
    await page.goto(f"{document['sas']['ui']}/sas/recherche?insee=33063&offres=1")
    await searched(page)
    await page.get_by_role("link", name=f"Solliciter {NAME}").click()
    await page.get_by_label("Besoin de soins").fill(NEED)
    await page.get_by_label("Délai de réponse").fill("45")
    if name:
        await seen(page, f"{name}-formulaire", width)
    await page.get_by_role("button", name="Envoyer la demande").click()
    await expect(page.locator("[data-waiting]")).to_be_visible()


@pytest.mark.timeout(240)
@pytest.mark.parametrize("width", [WIDE, NARROW])
async def test_a_request_is_accepted_refused_and_withdrawn(tmp_path: Path, width: int) -> None:
    async with regulator(tmp_path, width) as (page, document):
        trainer = await page.context.new_page()
        await trainer.set_viewport_size({"width": width, "height": 900})
        await by_hand(trainer, document, width)
        ui = next(editor["ui"] for editor in document["editors"] if editor["slug"] == "entraide-commune")
        await trainer.goto(ui + "/demandes")
        await seen(trainer, "demandes-vides", width)

        await ask(page, document, width, "demande")
        await expect(page.locator("[data-waiting]")).to_contain_text("encore 45 min")
        await seen(page, "demande-en-attente", width)
        waiting = trainer.locator("[data-request][data-state=pending]")
        await expect(waiting).to_be_visible()  # nobody reloads
        await expect(waiting.get_by_text("transmis au SAS")).to_be_visible()
        await seen(trainer, "demandes-en-attente", width)
        await waiting.get_by_label("Membre qui prend le patient en charge").select_option(index=1)
        doctor = await waiting.locator("option").nth(1).inner_text()
        await waiting.get_by_role("button", name="Accepter").press("Enter")  # by keyboard
        await expect(trainer.locator("[data-request][data-state=accepted]")).to_be_visible()
        await seen(trainer, "demandes-acceptee", width)
        accepted = page.locator("[data-request]")
        await expect(accepted).to_contain_text(f"Acceptée par {doctor.removeprefix('Dr ')}")  # nobody reloads
        await expect(page.locator("[data-l02=acknowledged]")).to_be_visible(timeout=15_000)
        await seen(page, "demande-acceptee", width)

        await ask(page, document, width)
        await expect(waiting).to_be_visible()
        await waiting.get_by_role("button", name="Refuser").click()
        await expect(page.locator("[data-request]")).to_contain_text("Refusée")
        await seen(page, "demande-refusee", width)
        await page.locator("[data-instead]").click()
        await searched(page)
        await expect(page.get_by_role("heading", name="Communautés")).to_be_visible()

        await ask(page, document, width)
        await expect(waiting).to_be_visible()
        await page.get_by_role("link", name="Retirer la demande").click()
        await page.get_by_role("button", name="Retirer la demande").click()
        await expect(page.locator("[data-ending=withdrawn]")).to_contain_text("Retirée")
        await expect(trainer.locator("[data-request][data-state=withdrawn]")).to_be_visible()
        await seen(page, "demande-retiree", width)
        await trainer.close()
