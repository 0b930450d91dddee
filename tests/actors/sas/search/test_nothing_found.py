"""A results page with few or no results says what is missing, why, and what to do."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from sandbox.fhir.queries.search import parse_slot_query
from sandbox.kernel.errors import PeerUnreachable
from sandbox.kernel.model import Practitioner
from sandbox.net.http.client import Reply
from sandbox.sas.directory.areas import distance_km
from sandbox.sas.directory.specialties import SPECIALTIES
from sandbox.sas.search.criteria import read_criteria
from tests.actors.sas.browsing import following
from tests.actors.sas.console.test_results_page import LIVE, WHOLE, cards, page_of
from tests.actors.sas.sas_core import NOW, Core, reply
from tests.actors.sas.search.test_candidates import switch
from tests.actors.sas.searching import SOON, nothing, open_editors
from tests.unit.sas.search.bundles import bundle, practitioner_resources, slot

pytestmark = pytest.mark.usefixtures("editors_alone")

ENLARGED = "Rien à moins de 10 km : la recherche a été élargie à 15 km."


async def down(*_: object) -> Reply:
    raise PeerUnreachable("x", "refused")


def why_empty(page: str) -> str:
    found = re.search(r'data-empty="(\w+)"', page)
    return found[1] if found is not None else ""


async def test_what_is_found_beyond_the_radius_is_said_to_be(core: Core) -> None:
    area = read_criteria({"town": "Bordeaux"}, core.sas.aggregator.directory, SPECIALTIES, NOW).area

    def far(person: Practitioner) -> list[Any]:
        away = min(distance_km(area.lat, area.lon, place.lat, place.lon) for place in person.places)
        return SOON if away > area.radius_km else []

    open_editors(core, far)
    core.editors.answers["garde-plus"] = nothing
    page = await page_of(core)
    assert ENLARGED in page
    assert "Rayon de 15 km" in page
    assert 'aria-label="Carte : Bordeaux et 15 km autour"' in page
    assert cards(page)
    async with following(core, LIVE) as stream:
        assert ENLARGED in (await stream.until("fin"))[-1]


async def test_where_something_is_found_nothing_is_said_of_a_larger_radius(core: Core) -> None:
    open_editors(core)
    assert "élargie" not in await page_of(core)


async def test_nothing_free_in_the_larger_radius_either(core: Core) -> None:
    open_editors(core, lambda _: [])
    core.editors.answers["garde-plus"] = nothing
    page = await page_of(core)
    assert (why_empty(page), ENLARGED in page) == ("busy", True)
    assert "Aucun créneau libre sur cette période." in page
    assert "sans créneau libre</summary>" in page
    assert page.count("<title>") > 1  # those without slots are on the map


async def test_nobody_of_that_specialty_around(core: Core) -> None:
    open_editors(core)
    present = {person.specialty for person in core.population.practitioners()}
    stranger = next(code for code in SPECIALTIES if code not in present)
    page = await page_of(core, f"{WHOLE}&specialty={stranger}")
    assert why_empty(page) == "nobody"
    assert "Aucun professionnel à interroger." in page
    assert "Aucun agenda concerné." in page
    assert ENLARGED in page


async def test_nobody_is_left_when_every_editor_is_disabled(core: Core) -> None:
    open_editors(core)
    for slug in core.population.editors:
        switch(core, slug, False)
    page = await page_of(core)
    assert why_empty(page) == "nobody"
    assert "ou leurs éditeurs sont désactivés" in page


async def test_when_no_editor_answers_it_is_not_said_that_nothing_is_free(core: Core) -> None:
    core.editors.answers.update(dict.fromkeys(core.population.editors, down))
    page = await page_of(core)
    assert why_empty(page) == "unanswered"
    assert "Aucun éditeur n'a répondu." in page
    assert "Aucun créneau libre" not in page
    assert page.count("data-failed=") == 3


async def test_when_some_answer_nothing_and_one_not_at_all_both_are_said(core: Core) -> None:
    core.editors.answers.update({"agenda-azur": nothing, "garde-plus": nothing, "rdv-commune": down})
    page = await page_of(core)
    assert why_empty(page) == "partly"
    assert "dans les agendas qui ont répondu" in page
    assert 'data-failed="rdv-commune"' in page


async def test_behind_the_last_page_one_is_sent_back(core: Core) -> None:
    open_editors(core)
    page = await page_of(core, f"{WHOLE}&page=40")
    assert why_empty(page) == "beyond"
    assert "Page précédente" in page


@pytest.mark.parametrize("addressed", [True, False])
async def test_a_place_unknown_to_the_directory_has_a_card_and_no_mark(core: Core, addressed: bool) -> None:
    moved: list[str] = []

    async def elsewhere(method: str, path: str, _: bytes | None) -> Reply:
        person = core.population.practitioner(parse_slot_query(path.partition("?")[2]).practitioners[0])
        assert person is not None
        moved.append(person.id)
        place = replace(person.places[0], id="elsewhere", line="9 quai Inconnu", postal_code="33999", city="Ailleurs")
        resources = practitioner_resources(person, [place])
        if not addressed:
            del resources[-1]["contained"][0]["address"]
        return reply(bundle([slot("elsewhere", start) for start in SOON], resources))

    core.editors.answers.update({"agenda-azur": elsewhere, "garde-plus": nothing, "rdv-commune": nothing})
    page = await page_of(core)
    assert cards(page) == moved
    assert "data-mark" not in page
    numbers = ", ".join(f"n° {number}" for number in range(1, len(moved) + 1))
    assert f"hors de la carte : {numbers}." in page
    address = "9 quai Inconnu, 33999 Ailleurs" if addressed else "Adresse non communiquée par l'éditeur"
    assert f"<h3>{address}</h3>" in page


async def test_a_cpts_is_named_on_the_one_card_that_stands_for_it(core: Core) -> None:
    open_editors(core)
    page = await page_of(core)
    names = {finess: cpts.name for finess, cpts in core.population.cpts.items()}
    (shown,) = re.findall(r'data-through="(\w+)"[^>]*>au titre de ([^<]+)<', page)[:1]
    assert names[shown[0]] == shown[1]


async def test_a_slot_says_until_when_for_what_and_for_whom(core: Core) -> None:
    async def told(method: str, path: str, _: bytes | None) -> Reply:
        person = core.population.practitioner(parse_slot_query(path.partition("?")[2]).practitioners[0])
        assert person is not None
        service = [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "VR"}]}]
        service[0]["text"] = "Renouvellement"  # type: ignore[assignment]
        offered = slot(person.places[0].id, SOON[0], serviceType=service)
        return reply(bundle([offered], practitioner_resources(person)))

    core.editors.answers.update({"agenda-azur": told, "garde-plus": nothing, "rdv-commune": nothing})
    page = await page_of(core)
    wanted = "de 11:30 à 11:45, téléconsultation, motif : Renouvellement, visible : Grand public"
    assert f'title="{wanted}"' in page
