"""The offers beside free slots on the pages: their section of the results, their forms, structures, and the steps that
follow."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import httpx
import pytest

from sandbox.kernel.model import Practitioner
from sandbox.sas.orientations.records import AppointmentRecord
from sandbox.sas.regulators.accounts import Right
from tests.actors.sas.api.test_orientations import CDS, MSP, willing
from tests.actors.sas.at_editors import changed
from tests.actors.sas.browsing import following, logged_in, submit
from tests.actors.sas.sas_core import Core
from tests.actors.sas.searching import open_editors

SEARCH = "/sas/recherche?place=Bordeaux&affichage=complet"


async def get(core: Core, path: str, status: int = 200) -> httpx.Response:
    async with logged_in(core) as browser:
        answer = await browser.get(path)
    assert answer.status_code == status, answer.text
    return answer


async def sent(core: Core, path: str, **fields: Any) -> httpx.Response:
    """Open the page and send its form, with its hidden fields."""
    page = await get(core, path)
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text))
    async with logged_in(core) as browser:
        return await submit(browser, page, path.partition("?")[0], **{**hidden, **fields})


def orientations(core: Core) -> list[AppointmentRecord]:
    return [*core.sas.appointments.of_regulator(core.regulator.identifier)]


async def noted(core: Core, person: Practitioner | None = None, **fields: Any) -> AppointmentRecord:
    """An agreement that was noted on the form."""
    person = person or willing(core)
    answer = await sent(core, f"/sas/en-sus/{person.id}", **{"accord": "journee", **fields})
    assert answer.status_code == 303, answer.text
    made = orientations(core)[0]
    assert answer.headers["location"] == f"/sas/orientations/{made.id}"
    return made


async def test_results_offer_them_on_request(core: Core) -> None:
    open_editors(core)
    closed = (await get(core, SEARCH)).text
    assert "data-extra-offer" not in closed
    link = unescape(re.findall(r'id="voir-offre" href="([^"]*)"', closed)[0])
    opened = (await get(core, link.partition("#")[0])).text
    for mark in ("data-extra-offer=", "data-community=", "data-structure=", 'href="tel:+33', "Conditions : "):
        assert mark in opened, mark
    back = unescape(re.findall(r'id="masquer-offre" href="([^"]*)"', opened)[0])
    assert "data-extra-offer" not in (await get(core, back)).text


async def test_they_come_with_the_first_event_of_a_live_search(core: Core) -> None:
    open_editors(core)
    async with following(core, "/sas/recherche/flux?place=Bordeaux&offres=1") as stream:
        events = await stream.until("fin")
    assert all("data-structure=" in event for event in events)


async def test_a_contextual_call_shows_them_without_its_origin(core: Core) -> None:
    open_editors(core)
    origin = core.population.territories["SAS-33"].origin
    page = (await get(core, f"/sas/recherche?origin={origin}&inseecode=33063&affichage=complet")).text
    assert "origin=" not in re.findall(r'id="voir-offre" href="([^"]*)"', page)[0]


async def test_communities_are_linked_only_when_they_can_be_asked(core: Core) -> None:
    from sandbox.sas.desk import is_made
    from sandbox.sas.directory.origins import Origin

    open_editors(core)
    page = (await get(core, f"{SEARCH}&offres=1")).text
    assert ("/sas/communaute/" in page) is is_made(Origin.MARKETPLACE)


async def test_an_agreement_for_the_day_is_noted(core: Core) -> None:
    made = await noted(core)
    assert (made.origin, made.status, made.details.all_day) == ("extra", "booked", True)
    page = (await get(core, f"/sas/orientations/{made.id}")).text
    assert "dans la journée" in page
    assert "En sus" in page
    assert "Orientation enregistrée" not in page  # said once, on the page that followed


async def test_an_agreed_hour_is_noted(core: Core) -> None:
    made = await noted(core, accord="heure", jour="2026-11-24", heure="08:20")
    assert (made.start.isoformat(), made.details.all_day) == ("2026-11-24T08:20:00+01:00", False)
    page = (await get(core, f"/sas/orientations/{made.id}")).text
    assert "mardi 24 novembre 2026 à 08:20, jusqu" in page


@pytest.mark.parametrize(
    ("jour", "heure"), [("2026-11-23", "09:00"), ("2026-11-26", "23:59"), ("2026-11-24", ""), ("", "08:00"), ("x", "y")]
)
async def test_an_hour_that_cannot_be_agreed_on_is_said_beside_what_was_typed(
    core: Core, jour: str, heure: str
) -> None:
    path = f"/sas/en-sus/{willing(core).id}"
    answer = await sent(core, path, accord="heure", jour=jour, heure=heure)
    assert answer.status_code == 422
    assert "heure à venir, dans les 3 jours" in answer.text
    assert f'value="{heure}"' in answer.text
    assert orientations(core) == []


async def test_when_the_patient_is_expected_must_be_said(core: Core) -> None:
    answer = await sent(core, f"/sas/en-sus/{willing(core).id}")
    assert answer.status_code == 422
    assert "Indiquez quand le patient est attendu." in answer.text
    assert orientations(core) == []


async def test_the_place_of_the_offer_is_chosen_and_only_his_are(core: Core) -> None:
    person = willing(core, places=2)
    path = f"/sas/en-sus/{person.id}?lieu={person.places[1].id}"
    assert f'value="{person.places[1].id}" selected' in (await get(core, path)).text
    made = await noted(core, person, lieu=person.places[1].id)
    assert made.details.place == person.places[1].id
    assert (await sent(core, path, accord="journee", lieu="elsewhere")).status_code == 422


@pytest.mark.parametrize("what", ["extra", "structure"])
async def test_a_form_sent_twice_makes_one(core: Core, what: str) -> None:
    path = f"/sas/en-sus/{willing(core).id}" if what == "extra" else f"/sas/structures/{CDS}"
    page = await get(core, path)
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text))
    async with logged_in(core) as browser:
        answers = [await submit(browser, page, path, **{**hidden, "accord": "journee"}) for _ in range(2)]
    assert answers[0].headers["location"] == answers[1].headers["location"]
    assert len(orientations(core)) == 1


async def test_whoever_takes_nobody_has_no_form(core: Core) -> None:
    for id in ("819899999999", "unknown", "%00"):
        await get(core, f"/sas/en-sus/{id}", 404)
    await get(core, "/sas/structures/1339900119", 404)


async def test_structures_around_a_place(core: Core) -> None:
    assert "data-structure" not in (await get(core, "/sas/structures")).text
    everything = (await get(core, "/sas/structures?place=Merignac")).text
    assert {CDS, "CDS", "MSP"} <= {
        *re.findall(r'data-structure="(\d+)"', everything),
        *re.findall(r">(\w+)<", everything),
    }
    only = (await get(core, "/sas/structures?place=Merignac&kind=msp")).text
    assert CDS not in only
    assert "n&#39;est pas connu" in (await get(core, "/sas/structures?place=Nulleparville", 400)).text
    await get(core, "/sas/structures?place=Merignac&kind=sos", 400)
    assert [call for call in core.editors.calls if call[1] != "INT_R02"] == []


async def test_a_patient_is_sent_to_a_structure(core: Core) -> None:
    answer = await sent(core, f"/sas/structures/{MSP}")
    assert answer.status_code == 303
    page = (await get(core, answer.headers["location"])).text
    assert "Maison de santé de la Maquette" in page
    assert f"<code>{MSP}</code>" in page
    listed = (await get(core, "/sas/orientations")).text
    assert "Maison de santé de la Maquette" in listed
    assert "dans la journée" in listed


@pytest.mark.parametrize(
    ("path", "status", "word"),
    [("annulation", "cancelled", "annulé"), ("honore", "fulfilled", "honoré"), ("absence", "noshow", "non honoré")],
)
async def test_each_step_is_confirmed_then_taken(core: Core, path: str, status: str, word: str) -> None:
    made = await noted(core)
    page = (await get(core, f"/sas/orientations/{made.id}")).text
    assert re.findall(r'data-step="(\w+)"', page) == ["annulation", "honore", "absence"]
    step = f"/sas/orientations/{made.id}/{path}"
    answer = await sent(core, step)
    assert answer.headers["location"] == f"/sas/orientations/{made.id}"
    assert orientations(core)[0].status == status
    after = (await get(core, f"/sas/orientations/{made.id}")).text
    assert word in after
    assert "data-step" not in after
    again = await get(core, step, 303)  # the question is no longer asked
    assert again.headers["location"] == f"/sas/orientations/{made.id}"


async def test_a_step_that_came_too_late_is_said(core: Core) -> None:
    made = await noted(core)
    page = await get(core, f"/sas/orientations/{made.id}/honore")
    await sent(core, f"/sas/orientations/{made.id}/annulation")
    async with logged_in(core) as browser:
        answer = await submit(browser, page, f"/sas/orientations/{made.id}/honore")
    assert answer.status_code == 303
    assert orientations(core)[0].status == "cancelled"


async def test_what_is_no_request_has_no_withdrawal_and_an_editors_appointment_no_step(core: Core) -> None:
    made = await noted(core)
    await get(core, f"/sas/orientations/{made.id}/retrait", 303)
    async with core.fhir(core.editor()) as editor:
        id = (await editor.post("/Appointment", content=core.body())).headers["location"].rpartition("/")[2]
    assert "data-step" not in (await get(core, f"/sas/orientations/{id}")).text
    await get(core, f"/sas/orientations/{id}/annulation", 303)


async def test_a_colleague_sees_and_changes_nothing(core: Core) -> None:
    made = await noted(core)
    other = next(each for each in core.population.regulators if each.identifier != core.regulator.identifier)
    async with logged_in(core, other.identifier.key) as browser:
        for path in ("annulation", "honore", "absence", "retrait"):
            assert (await browser.get(f"/sas/orientations/{made.id}/{path}")).status_code == 404
    await get(core, "/sas/orientations/unknown/annulation", 404)


async def test_the_orientation_page_follows_a_step_live(core: Core) -> None:
    made = await noted(core)
    async with following(core, f"/sas/orientations/{made.id}/flux") as stream:
        assert "data-step" in (await stream.next())[1]
        await sent(core, f"/sas/orientations/{made.id}/annulation")
        while "annulé" not in (html := (await stream.next())[1]):
            pass
    assert "data-step" not in html


async def test_without_token_or_right_nothing_is_made(core: Core) -> None:
    person, made = willing(core), await noted(core)
    paths = [f"/sas/en-sus/{person.id}", f"/sas/structures/{CDS}", f"/sas/orientations/{made.id}/annulation"]
    async with logged_in(core) as browser:
        for path in paths:
            assert (await browser.post(path, data={"accord": "journee"})).status_code == 403
    await changed(core.sas.regulators, core.regulator, rights=(Right.ADMINISTRATION,))
    for path in (*paths, "/sas/structures"):
        await get(core, path, 403)
    assert len(orientations(core)) == 1
