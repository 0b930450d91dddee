"""The form with which a regulator books a slot of the SAS agenda."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from sandbox.sas.orientations.steps import Action
from sandbox.sas.regulators.accounts import Draft
from tests.actors.sas.agenda.practitioners import KERGUELEN, ROUVEYRAN
from tests.actors.sas.browsing import logged_in, submit
from tests.actors.sas.console.agenda.practitioner import booked, landed
from tests.actors.sas.sas_core import Core
from tests.actors.sas.searching import open_editors

PATH = "/sas/agenda/reserver"
SLOT = f"{ROUVEYRAN}-w11200.20261201"
NEXT = f"{ROUVEYRAN}-w11140.20261201"
PATIENT = {
    "family": "Zzyzx",
    "given": "Ana",
    "birth_date": "31/01/1980",
    "sex": "F",
    "phone": "06 39 98 00 00",
    "reason": "Toux",
}


async def form(browser: httpx.AsyncClient, slot: str = SLOT) -> tuple[httpx.Response, dict[str, str]]:
    """The page of a slot, and the hidden fields of its form."""
    page = await browser.get(f"{PATH}?creneau={slot}&praticien={slot.partition('-')[0]}")
    hidden = dict(re.findall(r'type="hidden" name="(creneau|cle)" value="([^"]*)"', page.text))
    return page, hidden


def colleague(core: Core) -> str:
    return next(each.id for each in core.sas.regulators.listed() if each.identifier != core.regulator.identifier)


async def test_the_form_says_who_when_and_where(core: Core) -> None:
    async with logged_in(core) as browser:
        page, hidden = await form(browser)
    for words in ("Aurore ROUVEYRAN", "Mardi 1er décembre 2026 à 20:00", "3 rue du Brouillon", "1 place libre"):
        assert words in page.text
    assert "Données fictives seulement." in page.text
    assert hidden["creneau"] == SLOT
    assert len(hidden["cle"]) > 10


async def test_a_booking_leads_to_the_orientation_which_shows_the_patient_to_its_regulator(core: Core) -> None:
    async with logged_in(core) as browser, logged_in(core, colleague(core)) as other:
        page, hidden = await form(browser)
        answer = await submit(browser, page, PATH, **hidden, **PATIENT)
        assert "Zzyzx" not in answer.headers["location"]
        shown = await landed(browser, answer)
        listed = await browser.get("/sas/orientations")
        assert (await other.get(answer.headers["location"])).status_code == 404
    for words in (
        "Le rendez-vous est enregistré.",
        "Agenda SAS",
        "3 rue du Brouillon",
        "Ana Zzyzx",
        "31/01/1980",
        "Toux",
    ):
        assert words in shown
    assert "ne quittent pas la plateforme" in shown
    assert "Agenda SAS" in listed.text
    assert "Zzyzx" not in listed.text
    (message,) = await core.l02_messages()
    assert "Zzyzx" not in str(message)


async def test_an_invented_patient_fills_the_form(core: Core) -> None:
    async with logged_in(core) as browser:
        page, hidden = await form(browser)
        filled = await submit(browser, page, PATH, **hidden, inventer="1")
        assert filled.status_code == 200
        fields = dict(re.findall(r'id="f-\w+" name="(\w+)" type="\w+" value="([^"]*)"', filled.text))
        assert all(fields[name] for name in ("family", "given", "birth_date", "phone", "reason"))
        assert f'name="cle" value="{hidden["cle"]}"' in filled.text
        answer = await submit(browser, filled, PATH, **hidden, **fields)
    assert answer.status_code == 303


@pytest.mark.parametrize(("field", "text"), [("family", ""), ("birth_date", "31/02/1980"), ("phone", "12")])
async def test_errors_are_at_their_fields_and_nothing_typed_is_lost(core: Core, field: str, text: str) -> None:
    async with logged_in(core) as browser:
        page, hidden = await form(browser)
        refused = await submit(browser, page, PATH, **hidden, **{**PATIENT, field: text})
    assert refused.status_code == 422
    assert f'id="e-{field}"' in refused.text
    assert 'value="Ana"' in refused.text
    assert core.sas.appointments.count == 0


async def test_a_form_that_is_sent_twice_makes_one_appointment(core: Core) -> None:
    async with logged_in(core) as browser:
        page, hidden = await form(browser)
        first = await submit(browser, page, PATH, **hidden, **PATIENT)
        second = await submit(browser, page, PATH, **hidden, **PATIENT)
    assert first.headers["location"] == second.headers["location"]
    assert core.sas.appointments.count == 1


async def test_the_second_regulator_is_offered_the_nearest_slots_and_keeps_what_was_typed(core: Core) -> None:
    async with logged_in(core) as browser, logged_in(core, colleague(core)) as other:
        page, hidden = await form(browser)
        theirs, their_hidden = await form(other)
        assert (await submit(browser, page, PATH, **hidden, **PATIENT)).status_code == 303
        late: dict[str, Any] = {**PATIENT, "family": "Xyzzy"}
        refused = await submit(other, theirs, PATH, **their_hidden, **late)
        assert refused.status_code == 409
        assert "n'est plus libre" in refused.text.replace("&#39;", "'")
        nearest = re.findall(r'class="slot" href="([^"]*)" data-slot="([^"]*)"', refused.text)
        assert nearest[0][1] == NEXT
        assert "Xyzzy" not in str(nearest)
        link = nearest[0][0].replace("&amp;", "&")
        following = await other.get(link)
        assert 'value="Xyzzy"' in following.text
        hidden = dict(re.findall(r'type="hidden" name="(creneau|cle)" value="([^"]*)"', following.text))
        assert (await submit(other, following, PATH, **hidden, **late)).status_code == 303
        assert 'value="Xyzzy"' not in (await form(other, nearest[1][1]))[0].text
    assert core.sas.appointments.count == 2


async def test_a_taken_a_past_and_a_freed_slot(core: Core) -> None:
    record = await booked(core, SLOT)
    async with logged_in(core) as browser:
        taken, _ = await form(browser)
        past, _ = await form(browser, f"{ROUVEYRAN}-w00540.20261123")
        await core.sas.own.act(record.id, Action.CANCEL)
        freed, _ = await form(browser)
    assert "data-unavailable" in taken.text
    assert "Ce créneau est passé." in past.text
    assert "data-unavailable" not in freed.text


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 400),
        ("creneau=x", 404),
        (f"creneau={SLOT}&praticien={KERGUELEN}", 404),
        (f"creneau={ROUVEYRAN}-w9.20261201", 404),
    ],
)
async def test_a_slot_that_is_none_is_not_found(core: Core, query: str, status: int) -> None:
    async with logged_in(core) as browser:
        page = await browser.get(f"{PATH}?{query}")
        form = await browser.get("/")
        posted = await submit(browser, form, PATH, **dict(httpx.QueryParams(query.partition("&praticien")[0])))
    assert page.status_code == status
    assert posted.status_code in (status, 422)


async def test_an_account_without_the_right_to_orient_sees_no_form(core: Core) -> None:
    account = core.sas.regulators.named(core.regulator.identifier)
    assert account is not None
    draft = Draft(
        type=account.identifier.type,
        value=account.identifier.value,
        family=account.family,
        given=account.given,
        email=account.email,
        territory=account.territory,
        rights=("administration",),
    )
    await core.sas.regulators.change(account.id, draft, "test")
    async with logged_in(core) as browser:
        assert (await browser.get(f"{PATH}?creneau={SLOT}")).status_code == 403


async def test_the_card_of_a_search_names_the_sas_agenda_and_leads_to_the_form(core: Core) -> None:
    open_editors(core, lambda _: [])
    query = f"inseecode=33063&practitioner=urn:oid:1.2.250.1.71.4.2.1|{ROUVEYRAN}&affichage=complet"
    async with logged_in(core) as browser:
        page = await browser.get(f"/sas/recherche?{query}")
        link = re.search(rf'href="({PATH}\?creneau={ROUVEYRAN}[^"]*)"', page.text)
        assert link is not None
        shown = await browser.get(link[1].replace("&amp;", "&"))
    assert 'data-origin="sas-agenda">Agenda SAS</span>' in page.text
    assert re.search(r'data-source="sas-agenda" data-state="\w+"><span>Agenda SAS</span>', page.text)
    assert "origin=" not in link[1]
    assert "Réserver un créneau" in shown.text


async def test_the_patient_goes_nowhere_else(core: Core, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    async with logged_in(core) as browser:
        page, hidden = await form(browser)
        await submit(browser, page, PATH, **hidden, **{**PATIENT, "phone": "12"})
        record = await landed(browser, await submit(browser, page, PATH, **hidden, **PATIENT))
        told = [await browser.get(path) for path in ("/sas/orientations", "/administration/messages", "/sas/editeurs")]
    id = re.search(r'data-appointment="([^"]*)"', record)
    assert id is not None
    async with core.browser() as anybody:
        told.append(await anybody.get(f"/api/appointments/{id[1]}", headers=await core.token()))
    assert told[-1].status_code == 200
    written = [page.text for page in told] + [str(each) for each in await core.l02_messages()]
    written += [str(each) for each in core.context.journal.take()] + [caplog.text, str(core.editors.calls)]
    assert not [text for text in written if "Zzyzx" in text]
