"""The SAS agenda in a real Chromium: a practitioner types his slots, a regulator finds and books one, the practitioner
sees the patient."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.people import CHROMIUM, chromium
from tests.browser.regulator import look, opened, regulator
from tests.support.sandboxes import sandbox_here

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


def account(document: dict[str, Any]) -> dict[str, str]:
    """A practitioner of the SAS agenda in Bordeaux."""
    found: dict[str, str] = document["examples"]["practitioners_sas_agenda"][0]
    return found


async def enter(page: Page, document: dict[str, Any]) -> None:
    """The practitioner logs in through Pro Santé Connect and lands on his agenda."""
    person = account(document)
    await page.goto(document["sas"]["ui"] + "/connexion")
    await expect(page.get_by_role("heading", name="Médecins – agenda SAS")).to_be_visible()
    await page.fill("[name=login]", person["identifier"])
    await page.fill("[name=password]", person["password"])
    await page.click("form#connexion button")
    await expect(page.locator("[data-practitioner]")).to_be_visible()
    await expect(page.get_by_role("heading", name="Mon agenda SAS")).to_be_visible()


def in_a_week(document: dict[str, Any]) -> date:
    """A Monday that is at least a week away."""
    today = datetime.fromisoformat(document["now"]).date()
    return today + timedelta(days=14 - today.weekday())


async def type_series(page: Page, day: date) -> None:
    """A weekly series in the evening, for two patients."""
    await page.get_by_role("link", name="Ajouter un créneau").click()
    await page.get_by_label("Jour").fill(day.isoformat())
    await page.get_by_label("Début").fill("21:30")
    await page.get_by_label("Fin", exact=False).first.fill("21:00")
    await page.get_by_label("Répétition").select_option("semaine")
    await page.get_by_label("Jusqu'au").fill((day + timedelta(weeks=6)).isoformat())
    await page.get_by_label("Patients par créneau").fill("2")
    await page.get_by_label("Motifs").fill("Suture, Fièvre")


async def slot(page: Page, day: date) -> Any:
    """The slot of the series on a day."""
    return page.locator(f"[data-day='{day}'] a", has_text=re.compile("21:[0-9]{2}–"))


@pytest.mark.parametrize("width", [1280, 360])
async def test_a_practitioner_types_changes_and_deletes_his_slots(tmp_path: Path, width: int) -> None:
    async with sandbox_here(tmp_path, preset="minimal") as document, chromium() as browser:
        page = await opened(browser, width, script=True)
        await enter(page, document)
        await look(page, "agenda-sas", width)
        first = in_a_week(document)

        await type_series(page, first)
        await page.get_by_role("button", name="Enregistrer").click()
        await expect(page.locator("#e-fin")).to_contain_text("après son début")
        await expect(page.get_by_label("Motifs")).to_have_value("Suture, Fièvre")  # nothing typed is lost
        await look(page, "agenda-sas-refus", width)
        await page.locator("#f-fin").fill("22:00")
        await page.get_by_role("button", name="Enregistrer").click()
        await expect(page.get_by_text("Série ajoutée.")).to_be_visible()

        await (await slot(page, first)).click()
        await look(page, "agenda-sas-creneau", width)
        await page.locator("#f-debut").fill("21:15")
        await page.get_by_role("button", name="Enregistrer").click()
        await expect(page.get_by_text("Modification enregistrée.")).to_be_visible()
        await expect(page.locator(f"[data-day='{first}']", has_text="21:15–22:00")).to_be_visible()

        second = first + timedelta(weeks=1)
        await page.get_by_role("link", name="Semaine suivante").click()
        await expect(page.locator(f"[data-day='{second}']", has_text="21:30–22:00")).to_be_visible()
        await (await slot(page, second)).click()
        await page.locator("input[name='portee-suppression'][value=following]").check()
        await page.get_by_role("button", name="Supprimer").click()
        await expect(page.get_by_text("Créneaux supprimés.")).to_be_visible()
        await expect(await slot(page, second)).to_have_count(0)

        await page.get_by_role("link", name="Fermetures et congés").click()
        await page.locator("#f-du").fill(first.isoformat())
        await page.locator("#f-au").fill((first + timedelta(days=2)).isoformat())
        await page.get_by_label("Libellé").fill("Congés d'essai")
        await page.get_by_role("button", name="Enregistrer").click()
        await expect(page.locator("[data-closure]", has_text="Congés d'essai")).to_be_visible()
        await look(page, "agenda-sas-fermetures", width)
        await page.goto(f"{document['sas']['ui']}/sas/agenda?semaine={first}")
        await expect(await slot(page, first)).to_have_attribute("data-state", "closed")
        await look(page, "agenda-sas-ferme", width)
        await page.close()


async def to_the_form(page: Page, document: dict[str, Any]) -> None:
    """From the search to the booking form of the practitioner's first free slot."""
    person = account(document)
    await page.goto(f"{document['sas']['ui']}/sas/recherche?inseecode={person['insee']}&affichage=complet")
    card = page.locator("[data-card]", has_text=person["name"].split()[-1])
    await expect(card.locator("[data-origin=sas-agenda]")).to_have_text("Agenda SAS")
    async with page.expect_navigation():
        await card.locator("a.slot:visible").last.click()
    await expect(page.get_by_role("heading", name="Réserver un créneau")).to_be_visible()


@pytest.mark.parametrize("width", [1280, 360])
async def test_a_regulator_books_and_the_practitioner_sees_the_patient_at_once(tmp_path: Path, width: int) -> None:
    async with regulator(tmp_path, width) as (page, document), chromium() as other:
        practitioner = await opened(other, width, script=True)
        await enter(practitioner, document)
        await to_the_form(page, document)
        await look(page, "agenda-sas-reserver", width)
        booked = await page.locator("[data-booking-slot]").get_attribute("data-booking-slot")
        assert booked
        day = date.fromisoformat(booked.rpartition(".")[2])
        await practitioner.goto(f"{document['sas']['ui']}/sas/agenda/patients?jour={day}")
        await expect(practitioner.get_by_text("Aucun rendez-vous ce jour-là.")).to_be_visible()

        await page.get_by_role("button", name="Confirmer").click()
        await expect(page.locator("#e-family")).to_be_visible()
        await look(page, "agenda-sas-reserver-refus", width)
        await page.get_by_role("button", name="Inventer un patient").click()
        await expect(page.locator("[name=family]")).not_to_have_value("")
        family = await page.locator("[name=family]").input_value()
        await page.get_by_role("button", name="Confirmer").click()
        await expect(page.locator("[data-patient]")).to_contain_text(family)
        await expect(page.locator("[data-l02=acknowledged]")).to_be_visible(timeout=10_000)
        await look(page, "agenda-sas-orientation", width)
        assert family not in page.url

        row = practitioner.locator("[data-appointment]", has_text=family)
        await expect(row).to_have_attribute("data-status", "booked")  # without reloading
        await look(practitioner, "agenda-sas-patients", width)
        await practitioner.goto(f"{document['sas']['ui']}/sas/agenda/creneau/{booked}")
        await practitioner.get_by_role("button", name="Supprimer").click()
        await expect(practitioner.locator("[data-booked]")).to_contain_text(family)
        await look(practitioner, "agenda-sas-rendez-vous", width)
        await practitioner.get_by_role("button", name="Annuler ces rendez-vous").click()
        await expect(practitioner.get_by_text("1 rendez-vous annulé")).to_be_visible()
        await expect(page.locator("[data-status=cancelled]")).to_be_visible()
        await practitioner.close()


async def test_the_last_place_is_offered_to_one_and_the_next_slots_to_the_other(tmp_path: Path) -> None:
    async with regulator(tmp_path, 1280) as (page, document):
        await to_the_form(page, document)
        slower = await page.context.new_page()
        await slower.goto(page.url)
        for each in (page, slower):
            await each.get_by_role("button", name="Inventer un patient").click()
            await expect(each.locator("[name=family]")).not_to_have_value("")
        family = await slower.locator("[name=family]").input_value()
        await page.get_by_role("button", name="Confirmer").click()
        await expect(page.locator("[data-patient]")).to_be_visible()
        await slower.get_by_role("button", name="Confirmer").click()
        await expect(slower.locator("[data-unavailable]")).to_contain_text("Ce créneau n'est plus libre.")
        await look(slower, "agenda-sas-pris", 1280)
        async with slower.expect_navigation():
            await slower.locator("a.slot").first.click()
        await expect(slower.locator("[name=family]")).to_have_value(family)
        await slower.get_by_role("button", name="Confirmer").click()
        await expect(slower.locator("[data-patient]")).to_contain_text(family)


async def test_everything_works_without_script_and_by_keyboard(tmp_path: Path) -> None:
    async with regulator(tmp_path, 360, script=False) as (page, document), chromium() as other:
        await to_the_form(page, document)
        await page.get_by_role("button", name="Inventer un patient").press("Enter")
        await expect(page.locator("[name=family]")).not_to_have_value("")
        await page.locator("[name=reason]").press("Enter")  # the first button of the form confirms
        await expect(page.locator("[data-patient]")).to_be_visible()

        practitioner = await opened(other, 360, script=False)
        await enter(practitioner, document)
        await practitioner.get_by_role("link", name="Mes patients").press("Enter")
        await practitioner.get_by_role("link", name="Lendemain").press("Enter")
        await practitioner.get_by_role("link", name="Veille").press("Enter")
        await expect(practitioner.get_by_role("heading", name="Mes patients")).to_be_visible()
        await practitioner.get_by_role("link", name="Mon agenda SAS").press("Enter")
        await practitioner.get_by_role("link", name="Ajouter un créneau").press("Enter")
        await practitioner.locator("#f-jour").fill(in_a_week(document).isoformat())
        await practitioner.locator("#f-debut").fill("07:00")
        await practitioner.locator("#f-fin").fill("07:20")
        await practitioner.locator("#f-motifs").press("Enter")
        await expect(practitioner.get_by_text("Créneau ajouté.")).to_be_visible()
        await practitioner.close()
