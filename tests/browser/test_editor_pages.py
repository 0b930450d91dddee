"""An editor's pages in a real Chromium: every journey of a regulator there, wide and narrow, by mouse or keyboard."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.browser.people import accept_terms, no_sideways_scroll
from tests.support.sandboxes import eventually, sandbox_here

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

PICTURES = os.environ.get("SANDBOX_TEST_PICTURES")  # a directory: keep a picture of every page that is passed
WIDTHS = pytest.mark.parametrize("width", [1280, 360])


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield browser
        await browser.close()


class Visit:
    """A page, its width, and what the browser complained about."""

    def __init__(self, page: Page, document: dict[str, Any], width: int, slug: str = "agenda-azur") -> None:
        self.page, self.document, self.width = page, document, width
        self.root = next(editor["ui"] for editor in document["editors"] if editor["slug"] == slug)
        self.complaints: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    async def seen(self, name: str) -> None:
        """Nothing to scroll sideways; a picture is kept."""
        assert await no_sideways_scroll(self.page), name
        if PICTURES:
            await self.page.screenshot(path=Path(PICTURES) / f"{name}-{self.width}.png", full_page=True)

    async def enter(self, number: int = 0) -> None:
        """Log in at the SAS core, which makes the accounts, and leave its search open."""
        account = self.document["examples"]["regulators"][number]
        await self.page.goto(self.document["sas"]["ui"] + "/")
        await self.page.click("#connexion")
        await self.page.fill("[name=login]", account["identifier"])
        await self.page.fill("[name=password]", account["password"])
        await self.page.click("form#connexion button")
        await expect(self.page.locator("[data-regulator]")).to_be_visible()

    async def slot_url(self, position: int) -> str:
        """The booking URL of a slot of this editor, as the SAS core links it."""
        await self.page.goto(self.document["sas"]["ui"] + "/")
        await self.page.fill("[name=place]", "Bordeaux")
        await self.page.get_by_role("button", name="Rechercher").click()
        links = self.page.locator(f"a[data-slot][href^='{self.root}/']")
        await expect(links.first).to_be_visible()
        url = await links.nth(position).get_attribute("href")
        assert url
        return url

    async def open(self, url: str) -> None:
        """The agenda at a slot, past the terms of use."""
        await self.page.goto(url)
        await accept_terms(self.page, lambda: self.seen("cgu"))

    async def book(self) -> str:
        """An invented patient into the open form, to the confirmation; the appointment's identifier."""
        await self.page.get_by_role("button", name="Remplir avec un patient fictif").click()
        await expect(self.page.locator("[name=family]")).not_to_have_value("")
        await self.seen("patient-fictif")
        await self.page.get_by_role("button", name="Vérifier").click()
        await expect(self.page.get_by_role("button", name="Confirmer")).to_be_visible()
        await self.seen("resume")
        await self.page.get_by_role("button", name="Confirmer").click()
        made = self.page.locator("article[data-appointment]")
        await expect(made).to_be_visible()
        identifier = await made.get_attribute("data-appointment")
        assert identifier
        return identifier

    async def reload_until(self, selector: str) -> None:
        """Look again until it is there: what is sent after an answer takes a moment."""

        async def there() -> bool:
            await self.page.reload()
            return bool(await self.page.locator(selector).count())

        await eventually(there, what=selector)

    async def statuses(self, *expected: str) -> None:
        """The only complaints are of pages that answered with these statuses on purpose."""
        assert len(self.complaints) == len(expected), self.complaints
        for complaint, status in zip(self.complaints, expected, strict=True):
            assert f"status of {status}" in complaint


@WIDTHS
async def test_an_appointment_is_booked_moved_and_closed(chromium: Browser, tmp_path: Path, width: int) -> None:
    async with sandbox_here(tmp_path, preset="minimal") as document:
        visit = Visit(await chromium.new_page(viewport={"width": width, "height": 900}), document, width)
        page = visit.page
        await visit.enter()
        await visit.open(await visit.slot_url(-1))
        await visit.seen("agenda")
        await page.get_by_role("button", name="Vérifier").click()
        await expect(page.locator(".field-error").first).to_be_visible()
        await visit.seen("agenda-erreurs")
        identifier = await visit.book()
        await visit.seen("confirmation")
        row = page.locator(f"[data-identifier='{identifier}']")
        before = await page.locator("p.lead strong").inner_text()

        await page.get_by_role("link", name="Déplacer").click()
        await expect(page.locator("a.slot:not([aria-current]):visible").first).to_be_visible()
        await visit.seen("deplacer")
        await page.locator("a.slot:not([aria-current]):visible").first.click()
        await expect(page.get_by_role("button", name="Déplacer à ce créneau")).to_be_visible()
        await visit.seen("deplacer-choix")
        await page.get_by_role("button", name="Déplacer à ce créneau").click()
        await expect(page.get_by_text("Le rendez-vous est déplacé.")).to_be_visible()
        assert await page.locator("p.lead strong").inner_text() != before
        assert page.url.endswith(identifier)
        await visit.seen("deplace")

        await page.get_by_role("link", name="Mes rendez-vous").first.click()
        await page.get_by_role("button", name="Honoré", exact=True).click()
        await expect(page.locator(f"tr[data-appointment='{identifier}'][data-status=fulfilled]")).to_be_visible()
        await visit.seen("mes-rendez-vous")
        await page.goto(document["sas"]["ui"] + "/sas/orientations")
        await expect(row).to_have_attribute("data-l02", "acknowledged", timeout=10_000)
        await page.close()
        await visit.statuses("422")


@WIDTHS
async def test_who_comes_too_late_is_offered_other_slots(chromium: Browser, tmp_path: Path, width: int) -> None:
    async with sandbox_here(tmp_path, preset="minimal") as document:
        contexts = [await chromium.new_context(viewport={"width": width, "height": 900}) for _ in range(2)]
        first, second = [Visit(await each.new_page(), document, width) for each in contexts]
        await first.enter(0)
        await second.enter(1)
        url = await first.slot_url(-1)
        await first.open(url)
        await second.open(url)
        await second.page.get_by_role("button", name="Remplir avec un patient fictif").click()
        name = await second.page.locator("[name=family]").input_value()
        await second.page.get_by_role("button", name="Vérifier").click()
        await first.book()
        await second.page.get_by_role("button", name="Confirmer").click()
        await expect(second.page.locator("[data-unavailable]")).to_be_visible()
        await second.seen("creneau-pris")
        await second.page.locator("[data-place=ici] a").first.click()
        assert "origin=sas" in second.page.url
        await expect(second.page.locator("[name=family]")).to_have_value(name)
        await second.page.get_by_role("button", name="Vérifier").click()
        await second.page.get_by_role("button", name="Confirmer").click()
        await expect(second.page.locator("article[data-appointment]")).to_be_visible()
        for each in contexts:
            await each.close()
        await first.statuses()
        await second.statuses("409")


@WIDTHS
async def test_what_the_sas_does_not_take_shows_and_goes_later(chromium: Browser, tmp_path: Path, width: int) -> None:
    async with sandbox_here(tmp_path, preset="minimal") as document:
        visit = Visit(await chromium.new_page(viewport={"width": width, "height": 900}), document, width)
        page, faults = visit.page, f"{document['control']['api']}/faults"
        await visit.enter()
        refusing = {"kind": "status", "target": "sas", "flow": "INT_R03", "params": {"code": 422}}
        answer = await page.request.post(faults, data=refusing)
        assert answer.ok
        await visit.open(await visit.slot_url(-1))
        await visit.book()
        await visit.reload_until("dd:has-text('refusé par le SAS')")
        await page.request.delete(faults)
        hanging = {"kind": "status", "target": "sas", "flow": "INT_R03", "params": {"code": 503}}
        await page.request.post(faults, data=hanging)
        await visit.open(await visit.slot_url(-3))
        await visit.book()
        await page.get_by_role("link", name="Envois au SAS").click()
        await visit.reload_until("tr[data-sending=waiting]:has-text('a répondu 503')")
        await expect(page.locator("tr[data-sending=failed]")).to_be_visible()
        await visit.seen("envois")
        await page.goto(document["control"]["ui"] + "/")
        await visit.reload_until("table[data-outbox=agenda-azur] .badge-bad")
        await visit.seen("controle-envois")
        await page.request.delete(faults)
        await page.goto(f"{visit.root}/envois")
        await page.get_by_role("button", name="Renvoyer").click()
        await expect(page.get_by_text("Le rendez-vous est renvoyé au SAS.")).to_be_visible()
        await visit.reload_until("p:has-text('Tout est transmis.')")
        await page.close()
        await visit.statuses()


@WIDTHS
@pytest.mark.requirement("R02-14", "R02-15")
async def test_a_forgotten_password_by_keyboard_alone(chromium: Browser, tmp_path: Path, width: int) -> None:
    async with sandbox_here(tmp_path, preset="minimal") as document:
        visit = Visit(await chromium.new_page(viewport={"width": width, "height": 900}), document, width)
        page, account = visit.page, document["examples"]["regulators"][0]
        await visit.enter()
        await page.context.clear_cookies()
        await page.goto(f"{visit.root}/connexion")
        await visit.seen("connexion")
        await press_until(page, "Mot de passe oublié ?")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/mot-de-passe-oublie")
        await page.get_by_label("Adresse électronique").focus()
        await page.keyboard.type(account["email"])
        await visit.seen("oublie")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("status")).to_contain_text("Si un compte actif existe")
        await visit.seen("oublie-demande")
        await press_until(page, "boîte d'envoi")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/boite-envoi")
        await visit.seen("boite-envoi")
        await press_until(page, "Choisir un nouveau mot de passe")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/mot-de-passe?jeton=*")
        await page.get_by_label("Nouveau mot de passe").focus()
        await page.keyboard.type("un mot de passe assez long")
        await page.keyboard.press("Tab")
        await page.keyboard.type("un mot de passe assez long")
        await visit.seen("nouveau-mot-de-passe")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/connexion")
        await page.get_by_label("Adresse électronique").focus()
        await page.keyboard.type(account["email"])
        await page.keyboard.press("Tab")
        await page.keyboard.type("un mot de passe assez long")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name=re.compile("Bienvenue"))).to_be_visible()
        await visit.seen("bienvenue")
        await expect(page.get_by_role("link", name="Mes rendez-vous")).to_have_count(0)
        await page.close()
        await visit.statuses()


async def press_until(page: Page, text: str) -> None:
    """Tab to the link of that text; fails when the keyboard does not lead there."""
    for _ in range(30):
        await page.keyboard.press("Tab")
        if any(text in each for each in await page.locator(":focus").all_inner_texts()):
            return
    raise AssertionError(f"no way to « {text} » by keyboard")


@pytest.mark.requirement("SSO-2", "SSO-4")
async def test_somebody_without_an_account_is_turned_away(chromium: Browser, tmp_path: Path) -> None:
    """The SAS core has not told this editor of the regulator: he came with an old link."""
    async with sandbox_here(tmp_path, preset="minimal") as document:
        visit = Visit(await chromium.new_page(viewport={"width": 360, "height": 900}), document, 360)
        page, account = visit.page, document["examples"]["regulators"][0]
        await page.goto(f"{visit.root}/rdv?slot=x&origin=sas")
        await expect(page.get_by_text("Ministère de la Santé et de la Prévention").first).to_be_visible()
        await page.fill("[name=login]", account["identifier"])
        await page.fill("[name=password]", account["password"])
        await page.click("form#connexion button")
        await expect(page.get_by_role("heading", name="Accès refusé")).to_be_visible()
        await visit.seen("refuse")
        await page.close()
        await visit.statuses("403")
