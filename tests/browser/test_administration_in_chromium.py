"""An administrator makes an account, its owner logs in, the right is withdrawn: in a real Chromium, wide and narrow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.people import CHROMIUM, chromium, log_in, no_sideways_scroll, picture
from tests.support.sandboxes import sandbox_here

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


async def look(page: Page, name: str) -> None:
    await picture(page, name)
    assert await no_sideways_scroll(page), name


async def create(page: Page, width: int) -> None:
    async with page.expect_navigation():
        await page.get_by_role("link", name="Comptes").click()
    await look(page, f"comptes-{width}")
    await page.get_by_role("link", name="Créer un compte").click()
    await page.get_by_label("Prénom").fill("Ana")
    await page.get_by_label("Nom (obligatoire)", exact=True).fill("ESSAI")
    await page.get_by_label("Adresse électronique").fill("claire.fontanel@samu33.example")
    await page.get_by_label("Type d'identifiant").select_option("INTRN")
    await page.get_by_label("Mot de passe").fill("essai-33")
    await page.get_by_role("button", name="Créer le compte").click()
    await expect(page.get_by_text("Un autre compte actif a déjà cette adresse.")).to_be_visible()
    await look(page, f"compte-refuse-{width}")
    await page.get_by_label("Adresse électronique").fill("ana.essai@samu33.example")
    await page.get_by_label("Mot de passe").fill("essai-33")
    await page.get_by_role("button", name="Créer le compte").click()
    await expect(page.get_by_text("Compte créé.")).to_be_visible()
    await look(page, f"compte-{width}")


@pytest.mark.parametrize("width", [1280, 360])
async def test_an_account_is_made_used_withdrawn_and_deleted(tmp_path: Path, width: int) -> None:
    complaints: list[str] = []
    async with sandbox_here(tmp_path, preset="minimal") as document, chromium() as browser:
        page = await browser.new_page(viewport={"width": width, "height": 900})
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        await log_in(page, document)
        await create(page, width)
        account = page.url
        owner = await (await browser.new_context()).new_page()
        await as_owner(owner, document)
        await expect(page.locator("[data-editor][data-state=known]")).to_have_count(4)  # told live
        assert page.url == account
        await page.get_by_role("button", name="Retirer le droit").click()
        await expect(page.get_by_text("les éditeurs en sont avertis sans attendre").first).to_be_visible()
        await expect(page.locator("[data-editor][data-state=withdrawn]")).to_have_count(4)
        await look(page, f"compte-retire-{width}")
        await owner.goto(document["sas"]["ui"] + "/")
        await expect(owner.locator("#connexion")).to_be_visible()
        async with page.expect_navigation():
            await page.get_by_role("link", name="Messages").click()
        await look(page, f"messages-{width}")
        await page.goto(document["sas"]["ui"] + "/administration/regulateurs")
        await look(page, f"comptes-retire-{width}")
        await page.goto(account)
        await page.get_by_text("Supprimer le compte…").click()
        await look(page, f"compte-suppression-{width}")
        await page.get_by_role("button", name="Supprimer définitivement").click()
        await expect(page.get_by_text("Compte de Ana ESSAI supprimé.")).to_be_visible()
        await page.close()
    assert [text for text in complaints if "422" not in text] == []


async def as_owner(page: Page, document: dict[str, Any]) -> None:
    await page.goto(document["sas"]["ui"] + "/")
    await page.click("#connexion")
    await page.fill("[name=login]", "ana.essai@samu33.example")
    await page.fill("[name=password]", "essai-33")
    await page.click("form#connexion button")
    await expect(page.locator("[data-regulator]")).to_contain_text("Ana ESSAI")
