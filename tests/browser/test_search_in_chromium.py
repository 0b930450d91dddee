"""The search in a real Chromium, wide and narrow: cards and map, without script, and when somebody does not answer."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from playwright.async_api import Locator, Page, expect

from sandbox.config import load_settings
from tests.browser.people import CHROMIUM, log_in, picture, searched
from tests.browser.regulator import look, opened, regulator
from tests.wire.vendors.guide import write_files

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
    pytest.mark.parametrize("width", [1280, 360]),
]
BORDEAUX = "/sas/recherche?place=Bordeaux"
HOSTS = {"garde-plus": "Garde Plus", "agenda-azur": "Agenda Azur", "rdv-commune": "RDV Commune"}


async def ids(cards: Locator) -> list[str]:
    return [await card.get_attribute("data-card") or "" for card in await cards.all()]


async def test_cards_and_map_are_linked_by_pointer_and_keyboard(tmp_path: Path, width: int) -> None:
    async with regulator(tmp_path, width) as (page, document):
        await page.goto(document["sas"]["ui"] + BORDEAUX)
        await searched(page)
        card = page.locator("[data-card]").nth(1)
        mark = page.locator(f"[data-mark='{await card.get_attribute('data-card')}']").first
        lit = page.locator("[data-lit]")
        await card.hover()
        await expect(mark).to_have_attribute("data-lit", "")
        await mark.hover()
        await expect(card).to_have_attribute("data-lit", "")
        await page.locator("h1").hover()
        await expect(lit).to_have_count(0)
        await card.locator("a.slot").first.focus()
        await expect(mark).to_have_attribute("data-lit", "")
        await mark.focus()
        await expect(card).to_have_attribute("data-lit", "")
        await look(page, "carte-liee", width)
        await mark.press("Enter")
        await expect(card.locator("a.slot").first).to_be_focused()
        await expect(card).to_be_in_viewport()


async def test_every_mark_is_reached_by_the_tabulator_in_the_order_of_the_cards(tmp_path: Path, width: int) -> None:
    async with regulator(tmp_path, width) as (page, document):
        await page.goto(document["sas"]["ui"] + BORDEAUX)
        await searched(page)
        marks = page.locator("#carte-dessin [data-mark]")
        await marks.first.focus()
        for number in range(await marks.count()):
            await expect(marks.nth(number)).to_be_focused()
            await page.keyboard.press("Tab")
        await page.get_by_text("La carte en tableau").click()
        rows = page.locator("#carte-dessin tbody tr")
        numbers = await marks.locator("text").all_text_contents()
        assert numbers == [await row.locator("td").first.inner_text() for row in await rows.all()]


async def test_the_map_shows_practitioners_with_and_without_slots_differently(tmp_path: Path, width: int) -> None:
    async with regulator(tmp_path, width) as (page, document):
        await page.goto(f"{document['sas']['ui']}/sas/recherche?place=Rhône&type=HH")
        await searched(page)
        without = page.locator("#carte-dessin .others circle")
        assert await page.locator("#carte-dessin .free a").count() >= 1
        assert await without.count() >= 1
        await expect(page.locator("#sans summary")).to_contain_text("sans créneau libre")
        assert "aucun créneau" in (await without.first.text_content() or "")
        await look(page, "carte-sans-creneaux", width)


async def test_without_script_the_page_has_the_same_content(tmp_path: Path, width: int) -> None:
    async with regulator(tmp_path, width, practitioners=200) as (page, document):
        ui = document["sas"]["ui"]
        await page.goto(ui + BORDEAUX)
        await searched(page)
        expected = await ids(page.locator("[data-card]"))
        plain = await opened(page.context.browser or pytest.fail("no browser"), width, script=False)
        await log_in(plain, document)
        await plain.fill("[name=place]", "Bordeaux")
        await plain.get_by_role("button", name="Rechercher").click()
        await plain.wait_for_url("**affichage=complet")
        assert await ids(plain.locator("[data-card]")) == expected
        assert await plain.locator("[data-live]").count() == 0
        await picture(plain, f"sans-script-{width}")
        await by_its_forms(plain, expected)
        await by_its_links(plain, ui)
        await plain.close()


async def by_its_forms(plain: Page, first: list[str]) -> None:
    """Filters and further pages, sent by the browser itself."""
    await plain.get_by_role("link", name="Page suivante").click()
    await plain.wait_for_url("**affichage=complet**")
    second = await ids(plain.locator("[data-card]"))
    assert len(second) == 5
    assert not set(first) & set(second)
    await plain.locator("summary", has_text="Filtres").click()
    await plain.get_by_role("checkbox", name="SOS Médecins").check()
    await plain.get_by_role("button", name="Rechercher").click()
    await expect(plain.locator("[data-card]")).to_have_count(1)
    await expect(plain.get_by_role("checkbox", name="SOS Médecins")).to_be_checked()


async def by_its_links(plain: Page, ui: str) -> None:
    """From a number on the map to its card, from a slot to the editor, and back by the pages' own links."""
    await plain.locator("#carte-dessin [data-mark]").first.click()
    await expect(plain.locator("[data-card]:target")).to_be_visible()
    await plain.locator("a.slot:visible").first.click()
    await expect(plain.get_by_text("BAC À SABLE").first).to_be_visible()
    assert "origin" in plain.url
    for path in ("/sas/orientations", "/sas/editeurs", "/administration/regulateurs", "/administration/messages"):
        await plain.goto(ui + path)
        await expect(plain.locator("h1")).to_be_visible()
        await expect(plain.get_by_text("Suivi en direct")).to_be_hidden()
    await plain.get_by_role("button", name="Se déconnecter").click()
    await expect(plain.locator("#connexion")).to_be_visible()


async def test_while_one_editor_hangs_the_others_cards_are_all_on_screen(tmp_path: Path, width: int) -> None:
    async with regulator(tmp_path, width) as (page, document):
        await page.goto(document["sas"]["ui"] + BORDEAUX)
        await searched(page)
        others = await ids(page.locator("[data-card]:not([data-editor=garde-plus])"))
        fault = {"kind": "latency", "target": "editor:garde-plus", "flow": "SOS", "params": {"ms": 20_000}}
        answer = await page.request.post(document["control"]["api"] + "/faults", data=fault)
        assert answer.status == 201, await answer.text()
        await page.reload()
        for id in others:
            await expect(page.locator(f"[data-card='{id}']")).to_be_visible(timeout=5_000)
        shown = await ids(page.locator("[data-card]"))  # the next page's first one has taken the place of the editor's
        assert [id for id in shown if id in others] == others
        await expect(page.locator("#resultats")).to_have_attribute("aria-busy", "true")
        await expect(page.locator("#resume")).to_contain_text("Recherche en cours")
        await expect(page.locator("[data-source=garde-plus]")).to_have_count(0)
        await look(page, "un-editeur-muet", width)
        await searched(page)
        await expect(page.locator("[data-failed=garde-plus]")).to_have_text("Garde Plus : pas de réponse en 7 s")
        await expect(page.locator("[data-source=garde-plus]")).to_contain_text("pas de réponse en 7 s")
        assert await ids(page.locator("[data-card]")) == shown
        await look(page, "partiel", width)


async def test_an_unknown_place_is_reported_beside_its_field(tmp_path: Path, width: int) -> None:
    async with regulator(tmp_path, width) as (page, document):
        await page.get_by_role("combobox", name="Lieu").fill("12 rue du Rien, Nulle-Part")
        await page.get_by_role("button", name="Rechercher").click()
        await expect(page.get_by_role("alert")).to_have_text("Le lieu « 12 rue du Rien, Nulle-Part » n'est pas connu.")
        await expect(page.get_by_role("combobox", name="Lieu")).to_have_value("12 rue du Rien, Nulle-Part")
        await look(page, "lieu-inconnu", width)
        lrm = document["lrms"][0]["origin"]
        await page.goto(f"{document['sas']['ui']}/sas/recherche?origin={lrm}&inseecode=99999")
        await expect(page.get_by_text("Le lieu « 99999 » n'est pas connu.")).to_be_visible()
        await look(page, "appel-sans-lieu", width)


async def test_where_nobody_practises_the_area_is_enlarged_and_the_page_says_so(tmp_path: Path, width: int) -> None:
    async with regulator(tmp_path, width) as (page, document):
        await page.goto(document["sas"]["ui"] + "/sas/recherche?place=Arcachon")
        await searched(page)
        await expect(page.locator("#elargie")).to_have_text(
            "Rien à moins de 10 km : la recherche a été élargie à 15 km."
        )
        await expect(page.locator("[data-empty=nobody]")).to_be_visible()
        await expect(page.locator("#resume")).to_contain_text("Aucun professionnel à interroger.")
        await expect(page.get_by_role("group", name="Carte : Arcachon et 15 km autour")).to_be_visible()
        await look(page, "personne-autour", width)


async def test_a_disabled_editor_is_not_asked_and_not_reported_as_missing(tmp_path: Path, width: int) -> None:
    async with regulator(tmp_path, width) as (page, document):
        switch = f"{document['control']['api']}/interfaces/agenda-azur"
        assert (await page.request.put(switch, data={"enabled": False})).status == 200
        await page.goto(document["sas"]["ui"] + BORDEAUX)
        await searched(page)
        assert await page.locator("[data-card]").count() >= 1
        await expect(page.locator("[data-card][data-editor=agenda-azur]")).to_have_count(0)
        await expect(page.locator("[data-source=agenda-azur]")).to_have_count(0)
        await expect(page.locator("#partiel")).to_have_count(0)
        await page.get_by_role("link", name="Éditeurs").click()
        await expect(page.locator("[data-editor=agenda-azur]")).to_contain_text("désactivé")
        await look(page, "editeur-desactive", width)


async def test_a_vendors_server_that_is_down_is_named_and_the_others_are_shown(tmp_path: Path, width: int) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound and not listening: refused
        declared = load_settings({}, {}, write_files(tmp_path, nobody.getsockname()[1])).external_editors
        async with regulator(tmp_path / "data", width, external_editors=declared) as (page, document):
            await page.goto(document["sas"]["ui"] + BORDEAUX)
            await searched(page)
            await expect(page.locator("[data-failed=mon-agenda]")).to_have_text("Mon Agenda : injoignable")
            assert await page.locator("[data-card]").count() >= 1
            await look(page, "serveur-injoignable", width)
            await page.goto(document["sas"]["ui"] + "/sas/editeurs")
            await expect(page.locator("[data-editor=mon-agenda]")).to_contain_text("injoignable × 1")


async def test_when_no_editor_answers_the_page_does_not_say_that_nothing_is_free(tmp_path: Path, width: int) -> None:
    async with regulator(tmp_path, width) as (page, document):
        for slug in HOSTS:
            fault = {"kind": "status", "target": f"editor:{slug}", "params": {"code": 503}}
            answer = await page.request.post(document["control"]["api"] + "/faults", data=fault)
            assert answer.status == 201, await answer.text()
        await page.goto(document["sas"]["ui"] + BORDEAUX)
        await searched(page)
        await expect(page.locator("[data-failed]")).to_have_count(3)
        for slug, name in HOSTS.items():
            await expect(page.locator(f"[data-failed={slug}]")).to_have_text(f"{name} : a répondu par une erreur 503")
        cards = page.locator("[data-card]")
        await expect(page.locator("[data-card][data-editor=sas-agenda]")).to_have_count(await cards.count())
        await page.goto(
            document["sas"]["ui"] + "/sas/recherche?place=Saint-Malo&specialty=Médecine polyvalente d'urgence"
        )
        await searched(page)  # of that specialty nobody has an SAS agenda
        await expect(page.locator("#resume")).to_contain_text("Aucun éditeur n'a répondu.")
        await look(page, "aucune-reponse", width)
