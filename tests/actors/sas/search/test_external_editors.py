"""A search at the address of a vendor's practitioner shows that vendor's people on the first page, among thousands."""

from __future__ import annotations

import html
import re
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from sandbox.config import PRESETS, Settings
from sandbox.kernel.calls import with_interface
from sandbox.kernel.world import World
from sandbox.partners import ExternalEditor
from sandbox.population.load import load_population
from sandbox.population.people import Population
from sandbox.sas.directory.directory import Candidate, Directory
from sandbox.sas.search.criteria import read_criteria
from sandbox.sas.search.lots import ordered
from tests.actors.sas.browsing import logged_in
from tests.actors.sas.sas_core import NOW, Core
from tests.actors.sas.searching import open_editors, search

BORDEAUX, LYON, SIRET = "819800007700", "819800007718", "399900100000911"
DECLARED = {
    "slug": "mon-agenda",
    "name": "Mon Agenda",
    "system": "urn:oid:1.2.250.1.999.77",
    "base_url": "https://127.0.0.1:9443/fhir",
    "ou": "399900100000093",
    "flows": ["INT_R01", "INT_R02", "INT_R03"],
    "practitioners": [
        {
            "id": BORDEAUX,
            "family": "EXTERNE",
            "given": "Ada",
            "places": [{"structure": "1339907700", "line": "1 rue du Dehors", "town": "33063"}],
        },
        {
            "id": LYON,
            "family": "EXTERNE",
            "given": "Max",
            "places": [{"structure": "1699907700", "line": "12 bis, avenue d'Ailleurs", "town": "69123"}],
        },
    ],
}
SOS = {
    **DECLARED,
    "slug": "mon-sos",
    "name": "Mon SOS",
    "system": "urn:oid:1.2.250.1.999.78",
    "flows": ["SOS"],
    "practitioners": [],
    "sos": [{"siret": SIRET, "name": "SOS", "sites": [{"name": "Nord", "line": "3 quai du Nord", "town": "33063"}]}],
}


@pytest.fixture(scope="module")
def population() -> Population:
    editors = tuple(msgspec.convert(each, ExternalEditor) for each in (DECLARED, SOS))
    return load_population(Settings(practitioners=PRESETS["demo"]["practitioners"], external_editors=editors))


@pytest.mark.parametrize(
    ("place", "id"),
    [
        ("1 rue du Dehors, 33000 Bordeaux", BORDEAUX),
        ("1, RUE DU DEHORS 33000", BORDEAUX),
        ("12 bis avenue d'Ailleurs, Lyon", LYON),
        ("3 quai du Nord, 33000 Bordeaux", SIRET),
    ],
)
async def test_at_the_address_of_a_place_its_people_come_first(core: Core, place: str, id: str) -> None:
    open_editors(core)
    page = await search(core, f"/api/search?place={place}")
    first = page["cards"][0]
    assert (first["id"], first["external"], first["distance_km"]) == (id, True, 0.0)
    assert [card["distance_km"] for card in page["cards"]] == sorted(card["distance_km"] for card in page["cards"])
    assert "extra" not in first  # the vendor did not specify it
    assert len(page["cards"]) == 5
    assert [card for card in page["cards"][1:] if "external" in card] == []


@pytest.mark.parametrize(
    ("order", "expected"),
    [("distance", ["nearer", "z-external", "a", "further"]), ("shuffled", None)],
)
def test_of_equally_near_people_those_of_external_editors_come_first(
    population: Population, order: str, expected: list[str] | None
) -> None:
    criteria = read_criteria({"town": "Bordeaux", "order": order}, Directory(population), {}, NOW)
    near = [("a", 1.0, False), ("z-external", 1.0, True), ("nearer", 0.9, False), ("further", 1.1, True)]
    told = ordered([Candidate(id, km, population, external) for id, km, external in near], criteria)
    plain = ordered([Candidate(id, km, population) for id, km, _ in near], criteria)
    assert [each.id for each in told] == (expected or [each.id for each in plain])


async def test_card_says_that_the_editor_is_external_and_why_it_comes_first(core: Core) -> None:
    open_editors(core)
    page = await html_of(core, "/sas/recherche?place=1 rue du Dehors, 33000 Bordeaux&affichage=complet")
    card = page.split(f'data-card="{BORDEAUX}"')[1].split("</header>")[0]
    assert "éditeur externe" in card
    assert "présenté d'abord à distance égale" in card
    assert page.count("data-external") == page.count("à distance égale") == 1
    shuffled = await html_of(core, f"/sas/recherche?place=Bordeaux&practitioner={BORDEAUX}&affichage=complet")
    assert "data-external" in shuffled
    assert "à distance égale" not in shuffled


async def test_lines_of_the_editor_lead_to_the_search_that_finds_it(core: Core) -> None:
    open_editors(core)
    health = await html_of(core, "/sas/editeurs")
    results = await html_of(core, "/sas/recherche?place=Rennes&affichage=complet")
    asked = await html_of(core, "/sas/recherche?place=1 rue du Dehors, 33000 Bordeaux&affichage=complet")
    for page in (health, results, asked):
        links = re.findall(r'href="([^"]+)" data-search-at>chercher chez (Mon \w+)<', page)
        assert sorted(name for _, name in links) == ["Mon Agenda", "Mon SOS"]
        for link, name in links:
            found = await html_of(core, f"{link}&affichage=complet")
            assert re.findall(r'data-card="(\w+)"', found)[0] == {"Mon Agenda": BORDEAUX, "Mon SOS": SIRET}[name]
    assert "pas interrogé pour cette recherche" in results
    assert parse_qs(urlsplit(links[0][0]).query)["specialty"] == ["SM54"]


async def test_no_link_to_a_search_at_a_disabled_editor(core: Core) -> None:
    open_editors(core)
    world = core.context.world.world
    switches = with_interface(world.switches, "mon-agenda", False)
    assert core.context.world.apply(World(revision=world.revision + 1, switches=switches))
    assert re.findall(r"data-search-at>chercher chez ([^<]+)<", await html_of(core, "/sas/editeurs")) == ["Mon SOS"]


async def html_of(core: Core, path: str) -> str:
    async with logged_in(core) as browser:
        answer = await browser.get(path)
    assert answer.status_code == 200, answer.text
    return html.unescape(answer.text)
