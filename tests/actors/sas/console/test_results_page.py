"""The results page: cards, map, sources, filters; filled as editors answer, whole without script."""

from __future__ import annotations

import html
import re

import pytest

from sandbox.kernel.errors import PeerUnreachable
from sandbox.net.http.client import Reply
from tests.actors.sas.browsing import following, logged_in
from tests.actors.sas.sas_core import Core, Gate, reply
from tests.actors.sas.searching import open_editors

WHOLE = "/sas/recherche?place=Bordeaux&affichage=complet"
LIVE = "/sas/recherche/flux?place=Bordeaux"


async def page_of(core: Core, path: str = WHOLE) -> str:
    async with logged_in(core) as browser:
        answer = await browser.get(path)
    assert answer.status_code == 200, answer.text
    return html.unescape(answer.text)


def cards(text: str) -> list[str]:
    return re.findall(r'data-card="(\w+)"', text)


async def test_five_cards_a_page_numbered_through_all_pages(core: Core) -> None:
    open_editors(core)
    first = await page_of(core)
    link = re.search(r'id="suivante" href="([^"]+)"', first)
    assert link is not None
    second = await page_of(core, link[1])
    assert len(cards(first)) == len(cards(second)) == 5
    assert not set(cards(first)) & set(cards(second))
    assert re.findall(r'class="rank"[^>]*>(\d+)<', second) == ["6", "7", "8", "9", "10"]
    assert "Page précédente" in second


async def test_a_slot_is_one_click_from_the_editors_page(core: Core) -> None:
    open_editors(core)
    slots = re.findall(r'<a class="slot" href="([^"]+)"', await page_of(core))
    assert slots
    assert all(url.startswith("http") and "origin=sas" in url for url in slots)


async def test_a_card_has_three_columns_and_says_which_day_is_which(core: Core) -> None:
    open_editors(core)
    page = await page_of(core)
    days = re.findall(r"<strong>(aujourd'hui|demain|après-demain)</strong>", page)
    assert set(days) == {"aujourd'hui", "demain", "après-demain"}


async def test_the_map_has_the_numbers_of_the_cards_and_a_table_beside_it(core: Core) -> None:
    open_editors(core)
    page = await page_of(core)
    marks = dict(re.findall(r'data-mark="(\w+)"(?: class="away")? aria-label="(\d+),', page))
    assert set(marks) == set(cards(page))
    assert [marks[card] for card in cards(page)] == ["1", "2", "3", "4", "5"]
    for card in cards(page):
        assert f'href="#c-{card}"' in page.partition("La carte en tableau")[2]
    assert 'aria-label="Carte : Bordeaux et 10 km autour"' in page
    assert "5 km</text>" in page


async def test_sources_are_listed_with_their_answers_or_reasons(core: Core) -> None:
    open_editors(core)

    async def down(*_: object) -> Reply:
        raise PeerUnreachable("agenda-azur", "refused")

    core.editors.answers["agenda-azur"] = down
    page = await page_of(core)
    assert "Résultats partiels" in page
    assert 'data-failed="agenda-azur"><strong>Agenda Azur</strong> : injoignable' in page
    assert 'data-source="rdv-commune" data-state="answered"' in page
    assert cards(page)


async def test_filters_narrow_the_search_and_stay_in_the_form(core: Core) -> None:
    open_editors(core)
    page = await page_of(core, WHOLE + "&kind=sos&kind=cpts&booking=with&within=10")
    assert 'value="sos" checked' in page
    assert 'value="cpts" checked' in page
    assert '<option value="with" selected>' in page
    assert "3 actifs" in page
    kinds = re.findall(r'badge-info">SOS Médecins', page)
    assert len(kinds) == 1


async def test_the_order_can_be_chosen(core: Core) -> None:
    open_editors(core)
    page = await page_of(core, WHOLE + "&order=distance&within=50")
    away = [float(text.replace(",", ".")) for text in re.findall(r'<h3>.*?class="muted">([\d,]+) km<', page)]
    assert len(away) >= 5
    assert '<option value="distance" selected>' in page
    assert cards(page) != cards(await page_of(core, WHOLE + "&order=shuffled&within=50"))
    assert away[0] == min(away)


async def test_the_last_search_is_there_again_without_being_a_call(core: Core) -> None:
    origin = next(iter(core.population.territories.values())).origin
    async with logged_in(core) as browser:
        assert (await browser.get("/sas/reprise")).headers["location"] == "/"
        assert "Reprendre" not in (await browser.get("/")).text
        call = {"origin": origin, "inseecode": "33063", "type": "VR", "affichage": "complet"}
        answer = await browser.get("/sas/recherche", params=call)
        browser.headers["Cookie"] = answer.headers["set-cookie"].partition(";")[0]
        again = (await browser.get("/sas/reprise")).headers["location"]
        home = html.unescape((await browser.get("/")).text)
        assert again == "/sas/recherche?inseecode=33063&type=VR"
        assert f'href="{again}" id="reprise">Reprendre la dernière recherche : Médecine générale · Bordeaux<' in home
        assert (await browser.get(again)).status_code == 200
        answer = await browser.get("/sas/recherche", params={"place": "Bordeaux", "shuffle": "x" * 2000})
        assert answer.status_code == 200
        assert "set-cookie" not in answer.headers  # too long to be kept: the session stays as it was


async def test_while_one_editor_hangs_the_others_are_shown_and_the_search_is_marked_as_running(core: Core) -> None:
    open_editors(core)
    hung = core.editors.answers["agenda-azur"] = Gate(reply({}))
    async with following(core, LIVE) as stream:
        shown: list[str] = []
        while "Garde Plus" not in (shown[-1] if shown else "") or "RDV Commune" not in shown[-1]:
            name, text = await stream.next()
            assert name == "contenu"
            shown.append(text)
        assert hung.reached.is_set()
        assert not hung.opened.is_set()
        assert cards(shown[-1])
        assert "Recherche en cours" in shown[-1]
        assert "Agenda Azur" not in re.sub(r'class="badge">Agenda Azur', "", shown[-1])


async def test_the_stream_ends_with_the_same_page_as_without_script(core: Core) -> None:
    open_editors(core)
    async with following(core, LIVE) as stream:
        last = (await stream.until("fin"))[-1]
    assert cards(last) == cards(await page_of(core))
    assert "Recherche en cours" not in last


async def test_closing_the_page_ends_the_calls(core: Core) -> None:
    open_editors(core)
    gates = {slug: Gate(reply({})) for slug in core.population.editors}
    core.editors.answers.update(gates)
    async with following(core, LIVE):
        await gates["agenda-azur"].reached.wait()
        assert core.sas.aggregator.running == 1
    assert core.sas.aggregator.running == 0


async def test_with_too_many_searches_the_page_says_so_instead_of_breaking_the_stream(core: Core) -> None:
    core.sas.aggregator.running = 256
    async with following(core, LIVE) as stream:
        (text,) = await stream.until("fin")
    core.sas.aggregator.running = 0
    assert "trop de recherches" in text


async def test_nothing_found_says_what_to_try(core: Core) -> None:
    open_editors(core, lambda _: [])
    page = await page_of(core, WHOLE + "&specialty=SM40&kind=cds")
    assert "Aucun créneau libre" in page
    assert "Élargissez la recherche" in page


@pytest.mark.parametrize(
    ("query", "there"),
    [
        ("champ=place&q=bord", "Bordeaux"),
        ("champ=place&q=33000", "Bordeaux"),
        ("champ=place&q=giro", "Gironde (33)"),
        ("champ=motif&q=pédia", "Pédiatrie"),
        ("champ=motif&q=GENERALE", "Médecine générale"),
    ],
)
async def test_suggestions_come_as_one_types(core: Core, query: str, there: str) -> None:
    async with logged_in(core) as browser:
        answer = await browser.get(f"/sas/suggestions?{query}")
    assert there in answer.json()
    assert len(answer.json()) <= 8


@pytest.mark.parametrize("query", ["", "champ=place", "champ=motif&q=zzzz", "champ=place&q=" + "x" * 5000])
async def test_where_nothing_fits_nothing_is_suggested(core: Core, query: str) -> None:
    async with logged_in(core) as browser:
        answer = await browser.get(f"/sas/suggestions?{query}")
    assert answer.json() == []


async def test_reasons_that_agendas_know_are_suggested_too(core: Core) -> None:
    people = core.population.handmade()
    reason = next(each for person in people for place in person.places for each in place.agenda.reasons)
    async with logged_in(core) as browser:
        answer = await browser.get("/sas/suggestions", params={"champ": "motif", "q": reason[:4]})
    assert reason in answer.json()


async def test_the_editors_page_shows_circuit_answers_failures_and_findings(core: Core) -> None:
    open_editors(core)
    await page_of(core)

    async def down(*_: object) -> Reply:
        raise PeerUnreachable("agenda-azur", "refused")

    core.editors.answers["agenda-azur"] = down
    for _ in range(core.context.settings.breaker_failures):
        await page_of(core)
    page = await page_of(core, "/sas/editeurs")
    assert 'data-editor="agenda-azur" data-circuit="open"' in page
    assert "écarté" in page
    assert f"injoignable × {core.context.settings.breaker_failures}" in page
    assert 'data-editor="rdv-commune" data-circuit="closed"' in page
    assert 'data-account="agenda-azur" data-state="due"' in page
