"""INT_L01: an LRM opens the search; every form of its parameters, and every error in them."""

from __future__ import annotations

import base64
import html
import json
import re
from collections import Counter
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from sandbox.fhir.queries.search import parse_slot_query
from sandbox.kernel.calls import with_calls
from sandbox.kernel.flows import Flow
from sandbox.kernel.world import World
from sandbox.population.geocoding import geocode
from sandbox.sas.directory.areas import area_of, distance_km
from sandbox.sas.directory.directory import Directory
from sandbox.sas.directory.places import Places
from sandbox.sas.search.criteria import read_criteria
from tests.actors.sas.browsing import at_psc, logged_in
from tests.actors.sas.sas_core import Core
from tests.actors.sas.searching import open_editors

PLACE = {"inseecode": "33063"}
RPPS = "urn:oid:1.2.250.1.71.4.2.1"
DUVALLON = "819800000010"


def call(core: Core, **parameters: str) -> dict[str, str]:
    """The parameters of a call by the regulator's own LRM, which wants the whole page."""
    territory = core.population.territories[core.regulator.territory]
    return {"origin": territory.origin, **PLACE, "affichage": "complet", **parameters}


async def page_of(core: Core, status: int = 200, **parameters: str) -> str:
    open_editors(core)
    async with logged_in(core) as browser:
        answer = await browser.get("/sas/recherche", params=call(core, **parameters))
    assert answer.status_code == status, answer.text
    return html.unescape(answer.text)


async def home_after(core: Core, **parameters: str) -> str:
    """The home page after a call that leads back to it."""
    open_editors(core)
    async with logged_in(core) as browser:
        answer = await browser.get("/sas/recherche", params=call(core, **parameters))
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        del browser.headers["Cookie"]
        return html.unescape((await browser.get("/")).text)


async def test_a_call_is_a_search_of_the_place_it_names(core: Core) -> None:
    page = await page_of(core, specialty="urn:oid:1.2.250.1.71.4.2.5|SM54", streetnumber="12", streetname="rue du Test")
    assert "12 rue du Test, Bordeaux</span></h1>" in page
    assert 'data-card="' in page
    assert 'value="12 rue du Test, 33000 Bordeaux"' in page


async def test_a_call_is_journalled_as_the_flow_that_it_is(core: Core) -> None:
    told: list[Any] = []
    core.context.journal.put = told.append  # type: ignore[method-assign]
    await page_of(core)
    assert [each.flow for each in told if each.action.startswith("GET /sas/recherche")] == [Flow.INT_L01]


@pytest.mark.parametrize("origin", ["", "urn:oid:1.2.250.1.999.9.99", "LRM inconnu"])
async def test_an_unknown_origin_gets_a_page_that_says_so_and_no_search(core: Core, origin: str) -> None:
    page = await page_of(core, 403, origin=origin)
    assert "Le flux avec ce LRM est désactivé" in page
    assert 'data-call-refused="unknown"' in page
    assert core.editors.calls == []


async def test_a_disabled_origin_gets_the_same_page(core: Core) -> None:
    territory = core.population.territories[core.regulator.territory]
    core.context.world.apply(World(revision=1, switches=with_calls({}, territory.samu, False)))
    page = await page_of(core, 403)
    assert 'data-call-refused="disabled"' in page
    assert territory.samu in page
    assert core.editors.calls == []


async def test_a_disabled_origin_is_told_without_a_login(core: Core) -> None:
    async with core.browser() as browser:
        answer = await browser.get("/sas/recherche", params={"origin": "nobody", **PLACE})
    assert answer.status_code == 403


async def test_a_registered_name_is_an_origin_too(core: Core) -> None:
    territory = core.population.territories[core.regulator.territory]
    assert "<h1>Médecine générale" in await page_of(core, origin=territory.samu)


@pytest.mark.parametrize(
    ("specialty", "label"),
    [
        ("urn:oid:1.2.250.1.71.4.2.5|SM54", "Médecine générale"),
        ("urn:oid:1.2.250.1.71.4.2.5|SM40", "Pédiatrie"),
        ("SM40", "Pédiatrie"),
        ("pediatrie", "Pédiatrie"),
        ("", "Médecine générale"),
    ],
)
async def test_a_specialty_is_a_code_or_its_label(core: Core, specialty: str, label: str) -> None:
    page = await page_of(core, specialty=specialty)
    assert f"<h1>{label} " in page
    assert 'data-notice="specialty"' not in page


@pytest.mark.parametrize("specialty", ["urn:oid:1.2.250.1.71.4.2.5|SM99", "urn:oid:1.2.3|x", "ni ceci ni cela"])
async def test_an_unknown_specialty_is_general_medicine_and_is_told(core: Core, specialty: str) -> None:
    page = await page_of(core, specialty=specialty)
    assert "<h1>Médecine générale " in page
    assert "consultation de médecine générale" in page


async def test_free_words_may_be_a_reason(core: Core) -> None:
    people = core.population.handmade()
    reason = next(each for person in people for place in person.places for each in place.agenda.reasons)
    page = await page_of(core, specialty=reason.upper())
    assert "<h1>Médecine générale " in page
    assert 'data-notice="specialty"' not in page


@pytest.mark.parametrize("practitioner", [f"{RPPS}|{DUVALLON}", "Dr Amélie DUVALLON", "duvallon"])
async def test_the_preferred_doctor_comes_first(core: Core, practitioner: str) -> None:
    page = await page_of(core, practitioner=practitioner)
    assert page.partition('data-card="')[2].startswith(DUVALLON)
    assert "médecin traitant</span>" in page
    assert "sas_pf" not in page


@pytest.mark.parametrize(
    "practitioner",
    [
        f"{RPPS}|19800000010",
        f"{RPPS}|0339900015",
        "urn:oid:1.2.3|819800000010",
        "urn",
        "oid 8",
        "a:b",
        f"{RPPS}|899999999999",
        "Personne Decenom",
    ],
)
async def test_a_doctor_who_is_malformed_or_not_found_is_told_and_the_search_goes_on(
    core: Core, practitioner: str
) -> None:
    page = await page_of(core, practitioner=practitioner)
    assert 'data-notice="sas_pf_001"' in page
    assert 'data-card="' in page


async def test_a_preferred_doctor_of_another_town_is_asked_all_the_same(core: Core) -> None:
    page = await page_of(core, inseecode="35238", practitioner=f"{RPPS}|{DUVALLON}")
    assert "Rennes</span></h1>" in page
    assert page.partition('data-card="')[2].startswith(DUVALLON)


async def test_of_several_doctors_of_one_name_none_is_chosen(core: Core) -> None:
    around = core.sas.aggregator.candidates("SM54", area_of(core.population.towns["33063"]))
    (name, count), *_ = Counter(each.practitioner.family for each in around).most_common(1)
    assert count > 1
    page = await page_of(core, practitioner=name)
    assert 'data-notice="sas_pf_001"' in page
    assert 'data-card="' in page


async def test_a_call_without_doctor_says_that_none_was_asked_for(core: Core) -> None:
    page = await page_of(core)
    assert 'data-notice="sas_pf_002"' in page
    assert 'data-card="' in page


@pytest.mark.parametrize(
    ("code", "town"),
    [("69381", "Lyon"), ("69389", "Lyon")],  # the persona files know no other of the three; see tests/unit/sas
)
async def test_arrondissements_are_their_city(core: Core, code: str, town: str) -> None:
    assert f"{town}</span></h1>" in await page_of(core, inseecode=code)


async def test_the_town_is_that_of_the_code_else_of_the_name(core: Core) -> None:
    assert "Bordeaux</span></h1>" in await page_of(core, city="Rennes")
    assert "Rennes</span></h1>" in await page_of(core, inseecode="", city="rennes")
    assert "Rennes</span></h1>" in await page_of(core, inseecode="00000", city="rennes")


async def test_of_a_street_number_only_the_digits_count(core: Core) -> None:
    page = await page_of(core, streetnumber="n° 1-2 bis", streetname="rue du Test")
    assert "12 rue du Test, Bordeaux</span></h1>" in page
    assert "rue du Test, Bordeaux</span></h1>" in await page_of(core, streetnumber="bis", streetname="rue du Test")


@pytest.mark.parametrize(
    "unknown", [{"inseecode": ""}, {"inseecode": "99999"}, {"inseecode": "", "city": "Nulle-Part"}]
)
async def test_without_a_town_one_is_back_on_the_home_page_with_a_message(core: Core, unknown: dict[str, str]) -> None:
    page = await home_after(core, **unknown)
    assert "n'est pas connu" in page or "Indiquez un lieu" in page
    assert 'action="/sas/recherche"' in page


async def test_a_number_without_a_street_leads_back_home_with_a_message(core: Core) -> None:
    assert "un numéro est donné sans la rue" in await home_after(core, streetnumber="12")


async def test_an_address_is_searched_nearest_first_and_a_town_is_not(core: Core) -> None:
    agendas = open_editors(core)
    async with logged_in(core) as browser:
        await browser.get("/sas/recherche", params=call(core, streetname="cours de l'Exemple", streetnumber="12"))
    point = geocode(core.population.towns["33063"], "12", "cours de l'Exemple")

    def away(id: str) -> float:
        person = core.population.practitioner(id)
        assert person is not None
        return min(distance_km(*point, place.lat, place.lon) for place in person.places)

    asked = agendas["agenda-azur"].asked[0]
    assert len(asked) > 3
    assert asked == sorted(asked, key=away)


async def test_who_is_not_logged_in_logs_in_and_lands_on_the_same_search(core: Core) -> None:
    at_psc(core)
    asked = call(core, specialty="urn:oid:1.2.250.1.71.4.2.5|SM54", practitioner=f"{RPPS}|{DUVALLON}")
    async with core.browser() as browser:
        answer = await browser.get("/sas/recherche", params=asked)
    assert answer.status_code == 303
    state = parse_qs(urlsplit(answer.headers["location"]).query)["state"][0]
    kept = session_of(core, answer.headers["set-cookie"])["oidc"][state]
    assert urlsplit(kept).path == "/sas/recherche"
    assert {name: values[0] for name, values in parse_qs(urlsplit(kept).query).items()} == asked


def session_of(core: Core, cookie: str) -> dict[str, Any]:
    """The content of a session cookie."""
    value = cookie.partition("=")[2].partition(".")[0]
    held: dict[str, Any] = json.loads(base64.b64decode(value))
    return held


def simulator(**parameters: str) -> dict[str, str]:
    """The call of ANS's LRM simulator, word for word."""
    asked = {"specialty": "urn:oid:1.2.250.1.213.2.28|SM54", "streetname": "12 cours de l’Exemple", "city": "Bordeaux"}
    return {"origin": "TEST-SAMU000", **asked, "affichage": "complet", **parameters}


async def simulated(core: Core, status: int = 200, **parameters: str) -> str:
    open_editors(core)
    async with logged_in(core) as browser:
        answer = await browser.get("/sas/recherche", params=simulator(**parameters))
    assert answer.status_code == status, answer.text
    return html.unescape(answer.text)


@pytest.mark.requirement("L01-2")
@pytest.mark.parametrize("city", ["Bordeaux", "BORDEAUX CEDEX", "33800 Bordeaux"])
async def test_the_call_of_the_simulator_of_ans_works_as_it_is(core: Core, city: str) -> None:
    page = await simulated(core, city=city)
    assert '<h1>Médecine générale <span class="muted">· 12 cours de l’Exemple, Bordeaux</span></h1>' in page
    assert 'data-card="' in page
    assert 'data-notice="specialty"' not in page


@pytest.mark.requirement("L01-2")
async def test_its_call_for_a_nurse_is_one_for_general_medicine_and_says_so(core: Core) -> None:
    page = await simulated(core, specialty="urn:oid:1.2.250.1.213.2.28|INF")
    assert "<h1>Médecine générale " in page
    assert "« INF » désigne une profession (infirmier) : consultation de médecine générale." in page
    assert 'data-card="' in page


@pytest.mark.requirement("L01-2")
async def test_the_address_of_its_call_is_the_one_that_is_asked_for_in_two_parts(core: Core) -> None:
    point = geocode(core.population.towns["33063"], "12", "cours de l'Exemple")
    for parameters in (simulator(), call(core, streetnumber="12", streetname="cours de l'Exemple")):
        criteria = read_criteria(
            {**parameters, "specialty": ""}, Directory(core.population), {}, core.context.clock.now()
        )
        assert criteria.place.point == point


async def test_the_simulator_is_disabled_like_any_other_lrm(core: Core) -> None:
    core.context.world.apply(World(revision=1, switches=with_calls({}, "TEST-SAMU000", False)))
    page = await simulated(core, 403)
    assert 'data-call-refused="disabled"' in page
    assert "TEST-SAMU000" in page


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"city": "Bordeaux (69)"}, "Bordeaux est dans le département Gironde (33), le texte dit « Rhône (69) »"),
        ({"city": "69003 Bordeaux"}, "ce code postal est celui de Lyon"),
        ({"city": "Lyon 10e arrondissement"}, "Lyon n'a pas de 10e arrondissement."),
    ],
)
async def test_a_town_that_contradicts_itself_leads_back_home_and_is_told(
    core: Core, parameters: dict[str, str], sentence: str
) -> None:
    assert sentence in await home_after(core, inseecode="", **parameters)


async def test_what_else_the_place_may_mean_is_offered(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Places, "others", lambda self, name: (f"{name} (99)", f"{name} (98)"))
    page = await page_of(core, inseecode="", city="Bordeaux", streetname="12 rue du Test", practitioner="Duvallon")
    assert "« Bordeaux » peut aussi désigner :" in page
    links = re.findall(r'<a href="(/sas/recherche\?[^"]+)">Bordeaux \(9\d\)</a>', page)
    asked = [{name: values[0] for name, values in parse_qs(urlsplit(link).query).items()} for link in links]
    assert [each.pop("place") for each in asked] == ["12 rue du Test, Bordeaux (99)", "12 rue du Test, Bordeaux (98)"]
    assert asked[0] == {"practitioner": "Duvallon", "affichage": "complet"}


@pytest.mark.parametrize("specialty", ["Médecine d’urgence", "médecine d'urgence", "MEDECINE D URGENCE"])
async def test_a_specialty_is_known_in_any_spelling(core: Core, specialty: str) -> None:
    page = await page_of(core, specialty=specialty)
    assert "<h1>Médecine d'urgence " in page
    assert 'data-notice="specialty"' not in page


async def test_a_call_is_served_as_a_shell_at_once_and_the_editors_are_asked_by_its_stream(core: Core) -> None:
    agendas = open_editors(core)
    parameters = {name: text for name, text in call(core).items() if name != "affichage"}
    async with logged_in(core) as browser:
        page = await browser.get("/sas/recherche", params=parameters)
    assert 'data-live="/sas/recherche/flux?' in page.text
    assert '<noscript><meta http-equiv="refresh"' in page.text
    assert [agenda.asked for agenda in agendas.values() if agenda.asked] == []


async def test_editors_are_asked_for_today_tomorrow_and_the_day_after(core: Core) -> None:
    await page_of(core)
    paths = [path for _, flow, _, path, _ in core.editors.calls if flow == Flow.INT_R01]
    query = parse_slot_query(paths[0].partition("?")[2])
    assert (query.end.date() - query.start.date()).days == 3
