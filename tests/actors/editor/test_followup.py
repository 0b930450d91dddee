"""Moving an appointment, who gets a slot that several want, and what INT_R03 still owes (R03-*)."""

from __future__ import annotations

import asyncio
import html
import re
from datetime import timedelta
from typing import Any

import httpx
import orjson
import pytest

from sandbox.editor.ledger import slot_key
from sandbox.editor.venues import kindred
from sandbox.fhir.appointment import parse_appointment
from sandbox.fhir.practitioner import RegulatorAccount
from sandbox.kernel.errors import PeerError, PeerRefused, PeerTimeout, PeerUnreachable, StoreError
from sandbox.kernel.flows import AppointmentStatus
from sandbox.kernel.identifiers import SYSTEM_PERSON, Identifier
from sandbox.kernel.model import Slot
from sandbox.kernel.switches import resend_switch
from sandbox.kernel.world import ClockSetting, World
from sandbox.net.context import Context
from sandbox.net.http_client import Reply
from tests.actors.editor.conftest import opened
from tests.actors.editor.office import PATIENT, REGULATOR, Browser, Office, Sas, appointment_id, booking_path
from tests.sandboxes import eventually

ONE_SITE, TWO_SITES = "819800000010", "819800000028"
REFUSAL = b'{"resourceType":"OperationOutcome","issue":[{"details":{"text":"unknown regulator"}}]}'


def slots(office: Office, practitioner: str = ONE_SITE, place: int = 0) -> list[Slot]:
    found = office.context.population.practitioner(practitioner)
    assert found is not None
    return office.free(found.places[place].id)


def is_free(office: Office, slot: Slot) -> bool:
    return office.vendor.desk.agenda.is_free(slot_key(slot), office.context.clock.now())


def links(page: httpx.Response, place: str) -> list[str]:
    """The URLs proposed `ici` or `ailleurs`."""
    found = re.findall(rf'<ul class="slots" data-place="{place}">(.*?)</ul>', page.text, re.DOTALL)
    return [html.unescape(url) for group in found for url in re.findall(r'href="([^"]+)"', group)]


@pytest.fixture
async def browser(office: Office) -> Browser:
    made = office.browser()
    assert (await made.enter(booking_path(slots(office)[3]))).status_code == 200
    return made


async def several(office: Office, count: int, slot: Slot) -> list[Browser]:
    """So many regulators, each with an own account and session, at the agenda of the slot."""
    made = []
    for number in range(count):
        identifier = Identifier(SYSTEM_PERSON, f"8198000009{number:02d}", "IDNPS")
        email = f"r{number}@samu33.example"
        await office.vendor.accounts.post(RegulatorAccount((identifier,), True, "R", (f"N{number}",), email))
        office.login.person = (identifier.value, "R", f"N{number}", email)
        browser = office.browser()
        await browser.enter(booking_path(slot))
        made.append(browser)
    return made


# -- moving ----------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R03-2", "R03-6")
async def test_a_move_keeps_the_identifier_and_sends_the_new_time(office: Office, browser: Browser):
    old, new = slots(office)[2], slots(office)[5]
    id = appointment_id(await browser.book(old))
    page = await browser.get(f"/rendez-vous/{id}/deplacer")
    assert page.status_code == 200
    assert f"deplacer?slot={slot_key(new)}" in html.unescape(page.text)
    page = await browser.get(f"/rendez-vous/{id}/deplacer?slot={slot_key(new)}")
    assert "Déplacer à ce créneau" in page.text
    answer = await browser.post(f"/rendez-vous/{id}/deplacer", {"slot": slot_key(new)})
    assert appointment_id(answer) == id
    _, (method, url, body) = await office.sas.reached(2)
    assert (method, url.rpartition("%7C")[2]) == ("PUT", id)
    sent = parse_appointment(body)
    assert (sent.identifier.value, sent.status, sent.start, sent.end) == (
        *(id, AppointmentStatus.BOOKED),
        *(new.start, new.end),
    )
    assert is_free(office, old)
    assert not is_free(office, new)
    assert len(office.vendor.ledger) == 1


async def test_a_move_may_lead_to_another_place_of_the_practitioner(office: Office, browser: Browser):
    old, new = slots(office, TWO_SITES)[2], slots(office, TWO_SITES, 1)[2]
    id = appointment_id(await browser.book(old))
    page = await browser.get(f"/rendez-vous/{id}/deplacer?lieu={new.schedule}")
    assert "8 place du Modèle" in page.text
    await browser.post(f"/rendez-vous/{id}/deplacer", {"slot": slot_key(new)})
    booking = office.vendor.ledger.get(id)
    assert booking is not None
    assert (booking.schedule, booking.practitioner) == (new.schedule, TWO_SITES)


async def test_a_move_to_another_practitioner_is_refused(office: Office, browser: Browser):
    old, new = slots(office)[2], slots(office, TWO_SITES)[2]
    id = appointment_id(await browser.book(old))
    answer = await browser.post(f"/rendez-vous/{id}/deplacer", {"slot": slot_key(new)})
    assert answer.status_code == 422
    assert is_free(office, new)


async def test_a_move_to_where_it_is_changes_nothing(office: Office, browser: Browser):
    slot = slots(office)[2]
    id = appointment_id(await browser.book(slot))
    before = office.vendor.ledger.get(id)
    page = await browser.get(f"/rendez-vous/{id}/deplacer?slot={slot_key(slot)}")
    assert "le créneau actuel" in page.text
    assert (await browser.post(f"/rendez-vous/{id}/deplacer", {"slot": slot_key(slot)})).status_code == 303
    assert office.vendor.ledger.get(id) == before


async def test_a_slot_that_went_meanwhile_leaves_the_appointment_where_it_is(office: Office, browser: Browser):
    old, new = slots(office)[2], slots(office)[5]
    id = appointment_id(await browser.book(old))
    office.vendor.desk.agenda.take(slot_key(new))
    page = await browser.post(f"/rendez-vous/{id}/deplacer", {"slot": slot_key(new)})
    assert page.status_code == 409
    assert "n'a pas bougé" in html.unescape(page.text)
    proposed = links(page, "ici")
    assert proposed
    assert all(f"/rendez-vous/{id}/deplacer?slot=" in url for url in proposed)
    assert not is_free(office, old)
    assert len(await office.sas.reached(1)) == 1


@pytest.mark.parametrize("action", ["annuler", "honorer", "absent"])
async def test_what_is_over_cannot_be_moved(office: Office, browser: Browser, action: str):
    old, new = slots(office)[2], slots(office)[5]
    id = appointment_id(await browser.book(old))
    await browser.post(f"/rendez-vous/{id}/{action}")
    assert "ne peut plus être déplacé" in (await browser.get(f"/rendez-vous/{id}/deplacer")).text
    await browser.get(f"/rendez-vous/{id}/deplacer")
    assert (await browser.post(f"/rendez-vous/{id}/deplacer", {"slot": slot_key(new)})).status_code == 409
    assert is_free(office, new)


async def test_a_cancelled_move_frees_the_slot_where_it_is_now(office: Office, browser: Browser):
    old, new = slots(office)[2], slots(office)[5]
    id = appointment_id(await browser.book(old))
    stale = office.vendor.ledger.get(id)
    assert stale is not None
    await browser.post(f"/rendez-vous/{id}/deplacer", {"slot": slot_key(new)})
    await browser.post(f"/rendez-vous/{id}/annuler")
    assert is_free(office, old)
    assert is_free(office, new)


@pytest.mark.parametrize(("slot", "status"), [("", 400), ("unknown.1", 404)])
async def test_a_move_without_a_known_slot_is_told(office: Office, browser: Browser, slot: str, status: int):
    id = appointment_id(await browser.book(slots(office)[2]))
    assert (await browser.post(f"/rendez-vous/{id}/deplacer", {"slot": slot})).status_code == status


async def test_a_move_that_cannot_be_stored_changes_nothing(
    office: Office, browser: Browser, monkeypatch: pytest.MonkeyPatch
):
    old, new = slots(office)[2], slots(office)[5]
    id = appointment_id(await browser.book(old))

    def full(*writes: object) -> object:
        raise StoreError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(office.vendor.store, "commit", full)
        assert (await browser.post(f"/rendez-vous/{id}/deplacer", {"slot": slot_key(new)})).status_code == 500
    assert is_free(office, new)
    assert not is_free(office, old)


async def test_a_moved_appointment_is_where_it_was_moved_after_a_restart(context: Context):
    async with opened(context, "agenda-azur") as office:
        await office.vendor.accounts.post(REGULATOR)
        browser = office.browser()
        old, new = slots(office)[2], slots(office)[5]
        await browser.enter(booking_path(old))
        id = appointment_id(await browser.book(old))
        await browser.post(f"/rendez-vous/{id}/deplacer", {"slot": slot_key(new)})
    async with opened(context, "agenda-azur") as office:
        assert is_free(office, old)
        assert not is_free(office, new)


# -- the same slot ---------------------------------------------------------------------------------------------------


async def test_of_many_confirmations_at_once_one_gets_the_slot(office: Office):
    slot = slots(office)[3]
    regulators = await several(office, 8, slot)
    form = {"slot": slot_key(slot), **PATIENT}
    answers = await asyncio.gather(
        *(each.post("/rdv/confirmer", {**form, "given": f"Zoé{'e' * at}"}) for at, each in enumerate(regulators))
    )
    assert sorted(answer.status_code for answer in answers) == [303] + [409] * 7
    assert len(office.vendor.ledger) == 1
    assert len(await office.sas.reached(1)) == 1
    for page in (answer for answer in answers if answer.status_code == 409):
        proposed = links(page, "ici")
        assert 1 <= len(proposed) <= 6
        assert all("origin=sas" in url and slot_key(slot) not in url for url in proposed)
        times = [re.findall(r"slot=[^&]+?\.(\w+)", url)[0] for url in proposed]
        assert times == sorted(times)


async def test_a_booking_and_a_move_after_one_slot_end_with_one(office: Office, browser: Browser):
    first, wanted = slots(office)[2], slots(office)[5]
    id = appointment_id(await browser.book(first))
    [other] = await several(office, 1, wanted)
    moved, booked = await asyncio.gather(
        browser.post(f"/rendez-vous/{id}/deplacer", {"slot": slot_key(wanted)}),
        other.post("/rdv/confirmer", {"slot": slot_key(wanted), **PATIENT}),
    )
    assert sorted([moved.status_code, booked.status_code]) == [303, 409]
    holders = [one for one in (office.vendor.ledger.get(id),) if one is not None and one.slot == slot_key(wanted)]
    assert len(holders) + (booked.status_code == 303) == 1
    assert is_free(office, first) == (moved.status_code == 303)


async def test_other_places_of_the_practitioner_are_proposed_after_the_same(office: Office):
    here, there = slots(office, TWO_SITES)[3], slots(office, TWO_SITES, 1)[0].schedule
    office.vendor.desk.agenda.take(slot_key(here))
    page = await office.browser().enter(f"/rdv?slot={slot_key(here)}&origin=sas-preprod")
    same, other = links(page, "ici"), links(page, "ailleurs")
    assert all(f"slot={here.schedule}." in url for url in same)
    assert 1 <= len(other) <= 3
    assert all(f"slot={there}." in url for url in other)
    assert all("origin=sas-preprod" in url for url in same + other)
    assert page.text.index('data-place="ici"') < page.text.index('data-place="ailleurs"')


async def test_sites_of_one_association_stand_for_each_other(context: Context):
    async with opened(context, "garde-plus") as office:
        await office.vendor.accounts.post(REGULATOR)
        association = context.population.sos["399900300000018"]
        here, there = (site.id for site in association.sites[:2])
        first, taken, elsewhere = office.free(here)[0], office.free(here)[1], office.free(there)[0]
        office.vendor.desk.agenda.take(slot_key(taken))
        browser = office.browser()
        page = await browser.enter(booking_path(taken))
        assert all(f"slot={there}." in url for url in links(page, "ailleurs"))
        assert links(page, "ailleurs")
        id = appointment_id(await browser.book(first))
        answer = await browser.post(f"/rendez-vous/{id}/deplacer", {"slot": slot_key(elsewhere)})
        assert appointment_id(answer) == id
        _, (_, _, body) = await office.sas.reached(2)
        sent = parse_appointment(body)
        assert (sent.sos, sent.practitioner, sent.start) == (True, None, elsewhere.start)


def test_an_unknown_schedule_has_no_kin(context: Context):
    assert kindred(context.population, context.population.editors["agenda-azur"], "nowhere") == ()


async def test_a_slot_that_has_begun_is_told_apart_and_others_proposed(office: Office, browser: Browser):
    slot = slots(office)[3]
    form = {"slot": slot_key(slot), **PATIENT}
    office.context.clock.setting = ClockSetting(frozen=(slot.start + timedelta(seconds=1)).timestamp())
    for answer in (
        await browser.get(booking_path(slot)),
        await browser.post("/rdv", form),
        await browser.post("/rdv/confirmer", form),
    ):
        assert "Ce créneau est passé" in answer.text
        assert links(answer, "ici")
    assert not len(office.vendor.ledger)


async def test_what_was_typed_for_a_slot_that_went_is_there_for_the_next(office: Office, browser: Browser):
    slot, next_slot = slots(office)[3], slots(office)[4]
    office.vendor.desk.agenda.take(slot_key(slot))
    gone = await browser.post("/rdv/confirmer", {"slot": slot_key(slot), **PATIENT})
    assert gone.status_code == 409
    assert "Votre saisie pour Zoé Zzpatient est gardée" in gone.text
    assert all("Zzpatient" not in url for url in links(gone, "ici"))
    assert 'value="Zzpatient"' in (await browser.get(booking_path(next_slot))).text
    await browser.book(next_slot)
    assert "Zzpatient" not in (await browser.get(booking_path(slots(office)[6]))).text


async def test_typed_patients_are_kept_for_a_bounded_number_of_regulators(
    office: Office, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("sandbox.editor.booking.DRAFTS", 1)
    slot = slots(office)[3]
    first, second = await several(office, 2, slot)
    office.vendor.desk.agenda.take(slot_key(slot))
    for each in (first, second):
        await each.post("/rdv", {"slot": slot_key(slot), **PATIENT})
    pages = [await each.get(booking_path(slots(office)[4])) for each in (first, second)]
    assert ["Zzpatient" in page.text for page in pages] == [False, True]


# -- the agenda and the form -----------------------------------------------------------------------------------------


async def test_the_week_can_be_turned_within_what_is_open(office: Office, browser: Browser):
    slot = slots(office)[3]
    page = await browser.get(booking_path(slot))
    assert f'data-day="{slot.start.date()}"' in page.text
    assert 'rel="prev"' not in page.text
    turned = 0
    while found := re.search(r'href="([^"]+)" rel="next"', page.text):
        url = html.unescape(found[1])
        assert slot_key(slot) in url
        assert "origin=sas" in url
        page = await browser.get(url.removeprefix("/agenda-azur"))
        assert f'name="slot" value="{slot_key(slot)}"' in page.text
        assert 'rel="prev"' in page.text
        turned += 1
    assert turned == 4
    assert (await browser.get(booking_path(slot) + "&semaine=1999-01-01")).text.count('rel="prev"') == 0
    assert (await browser.get(booking_path(slot) + "&semaine=demain")).status_code == 200


async def test_an_invented_patient_fills_the_form_and_can_be_confirmed(office: Office, browser: Browser):
    slot = slots(office)[3]
    page = await browser.post("/rdv", {"slot": slot_key(slot), **dict.fromkeys(PATIENT, ""), "fill": "1"})
    assert page.status_code == 200
    assert "field-error" not in page.text
    typed = dict(re.findall(r'name="(family|given|birth_date|phone|reason)"[^>]*value="([^"]*)"', page.text))
    typed = {name: html.unescape(value) for name, value in typed.items()}
    assert typed["phone"].startswith("06 39 98 ")
    sex = re.search(r'<option value="([FM])" selected>', page.text)
    assert sex
    form = {"slot": slot_key(slot), **typed, "sex": sex[1]}
    summary = await browser.post("/rdv", form)
    assert summary.status_code == 200
    assert ("Féminin" if sex[1] == "F" else "Masculin") in summary.text
    id = appointment_id(await browser.post("/rdv/confirmer", form))
    booking = office.vendor.ledger.get(id)
    assert booking is not None
    assert booking.patient.sex == sex[1]


async def test_a_sex_outside_the_list_is_told(office: Office, browser: Browser):
    page = await browser.post("/rdv", {"slot": slot_key(slots(office)[3]), **PATIENT, "sex": "x"})
    assert page.status_code == 422
    assert 'id="e-sex"' in page.text


async def test_a_walk_in_slot_announces_the_patient_and_is_taken(office: Office, browser: Browser):
    now = office.context.clock.now()
    walkins = (
        slot
        for person in office.context.population.of_editor("agenda-azur")
        for place in person.places
        for slot in office.vendor.desk.agenda.free(place.id, now, now + timedelta(days=7), now)
        if slot.walkin
    )
    slot = next(walkins)
    page = await browser.get(booking_path(slot))
    assert "<strong>sans rendez-vous</strong>" in page.text
    id = appointment_id(await browser.book(slot))
    assert "sans rendez-vous" in (await browser.get(f"/rendez-vous/{id}")).text
    [(method, _, body)] = await office.sas.reached(1)
    assert (method, parse_appointment(body).start) == ("POST", slot.start)
    assert not is_free(office, slot)


# -- what INT_R03 owes -----------------------------------------------------------------------------------------------


@pytest.mark.requirement("R03-8", "R03-10")
async def test_what_waits_shows_why_and_until_when_and_goes_at_once_when_told(context: Context):
    sas = Sas(failure=PeerTimeout("sas", "no complete answer within 7 s"))
    async with opened(context, "agenda-azur", sas) as office:
        await office.vendor.accounts.post(REGULATOR)
        browser = office.browser()
        await browser.enter(booking_path(slots(office)[3]))
        id = appointment_id(await browser.book(slots(office)[3]))
        await browser.post(f"/rendez-vous/{id}/absent")
        await eventually(lambda: office.vendor.emitter.listed(1))
        page = await browser.get("/envois")
        assert re.search(rf'data-appointment="{id}" data-sending="waiting"', page.text)
        text = html.unescape(page.text)
        assert "la plateforme SAS n'a pas répondu dans le délai" in text
        assert "puis 1 autre" in text
        assert re.search(r"prochain essai à \d\d:\d\d:\d\d|essai en cours", text)
        sas.failure = None
        assert (await browser.post(f"/rendez-vous/{id}/renvoyer")).status_code == 409
        context.world.apply(World(revision=1, switches={resend_switch("agenda-azur"): "now"}))
        await sas.reached(3)
        assert [method for method, _, _ in sas.calls[-2:]] == ["POST", "PUT"]


class Slow(Sas):
    """A SAS core that answers when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()

    async def request(self, method: str, url: str, *, body: bytes | None = None, **options: Any) -> Reply:
        self.called.set()
        await self.gate.wait()
        return await super().request(method, url, body=body, **options)


async def test_what_is_on_its_way_is_no_trouble(context: Context):
    slow = Slow()
    async with opened(context, "agenda-azur", slow) as office:
        await office.vendor.accounts.post(REGULATOR)
        browser = office.browser()
        await browser.enter(booking_path(slots(office)[3]))
        id = appointment_id(await browser.book(slots(office)[3]))
        await slow.called.wait()
        assert "envoi au SAS en cours" in (await browser.get(f"/rendez-vous/{id}")).text
        assert office.vendor.emitter.listed(5) == []
        slow.gate.set()
        await settled(office)
        assert "transmis au SAS" in (await browser.get(f"/rendez-vous/{id}")).text


async def refused(context: Context, office: Office) -> tuple[Browser, str]:
    """A regulator whose booking the SAS core refused, and its id."""
    await office.vendor.accounts.post(REGULATOR)
    browser = office.browser()
    await browser.enter(booking_path(slots(office)[3]))
    id = appointment_id(await browser.book(slots(office)[3]))
    await office.sas.reached(1)
    return browser, id


@pytest.mark.requirement("R03-8")
async def test_a_refusal_is_told_with_its_words_and_can_be_sent_again(context: Context):
    async with opened(context, "agenda-azur", Sas(422, REFUSAL)) as office:
        browser, id = await refused(context, office)
        page = await browser.get("/envois")
        assert f'data-appointment="{id}" data-sending="failed"' in page.text
        assert "422 : unknown regulator" in page.text
        office.sas.status = 201
        await browser.get("/envois")
        assert (await browser.post(f"/rendez-vous/{id}/renvoyer")).headers["location"] == "/agenda-azur/envois"
        _, (method, url, body) = await office.sas.reached(2)
        assert (method, url.rpartition("%7C")[2]) == ("PUT", id)
        assert parse_appointment(body).status is AppointmentStatus.BOOKED
        await settled(office)
        assert "Tout est transmis" in (await browser.get("/envois")).text
        assert "transmis au SAS" in (await browser.get(f"/rendez-vous/{id}")).text
        assert (await browser.post(f"/rendez-vous/{id}/renvoyer")).status_code == 409


async def test_a_refusal_is_forgotten_when_a_later_version_passes(context: Context):
    async with opened(context, "agenda-azur", Sas(422, REFUSAL)) as office:
        browser, id = await refused(context, office)
        office.sas.status = 201
        await browser.get("/rendez-vous")
        await browser.post(f"/rendez-vous/{id}/honorer")
        await office.sas.reached(2)
        await settled(office)
        page = await browser.get("/rendez-vous")
        assert "refusé par le SAS" not in page.text
        assert office.vendor.emitter.health() == {"r03_waiting": 0, "r03_failed": 0}


async def settled(office: Office) -> None:
    """Until nothing waits."""
    await eventually(lambda: not office.vendor.emitter.outbox.depth)


async def test_the_control_plane_has_everything_refused_sent_again_once_per_word(context: Context):
    sas = Sas(422, REFUSAL)
    world = World(revision=1, switches={resend_switch("agenda-azur"): "first", resend_switch("garde-plus"): "x"})
    async with opened(context, "agenda-azur", sas) as office:
        _, id = await refused(context, office)
        await settled(office)
        assert office.vendor.emitter.listed(5) == [
            {
                "appointment": id,
                "state": "refused",
                "method": "POST",
                "attempts": 1,
                "versions_behind": 0,
                "reason": "422 : unknown regulator",
                "next_attempt": None,
            }
        ]
        context.world.apply(world)
        await sas.reached(2)
        await settled(office)
        assert office.vendor.emitter.health() == {"r03_waiting": 0, "r03_failed": 1}
    async with opened(context, "agenda-azur", sas) as office:
        context.world.apply(World(revision=2, switches=dict(world.switches)))
        await office.vendor.store.barrier()
        assert (office.vendor.emitter.outbox.depth, len(sas.calls)) == (0, 2)
        sas.status = 200
        context.world.apply(World(revision=3, switches={resend_switch("agenda-azur"): "second"}))
        await sas.reached(3)
        await settled(office)
        assert office.vendor.emitter.listed(5) == []


async def test_a_store_that_fails_does_not_stop_the_world(
    context: Context, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    async with opened(context, "agenda-azur", Sas(422, REFUSAL)) as office:
        await refused(context, office)
        await settled(office)

        def full(*writes: object) -> object:
            raise StoreError("disk full")

        with monkeypatch.context() as patch:
            patch.setattr(office.vendor.store, "commit", full)
            assert context.world.apply(World(revision=1, switches={resend_switch("agenda-azur"): "now"}))
        assert "cannot be sent again" in caplog.text


async def test_a_regulator_sees_the_sendings_of_his_own_appointments_only(context: Context):
    async with opened(context, "agenda-azur", Sas(422, REFUSAL)) as office:
        _, id = await refused(context, office)
        [other] = await several(office, 1, slots(office)[5])
        assert id not in (await other.get("/envois")).text
        assert (await other.post(f"/rendez-vous/{id}/renvoyer")).status_code == 404


@pytest.mark.parametrize(
    ("failure", "text"),
    [
        (PeerRefused("sas", 503, b""), "la plateforme SAS a répondu 503"),
        (PeerUnreachable("sas", "refused"), "la connexion à la plateforme SAS a échoué"),
        (PeerError("sas", "half a line"), "la réponse de la plateforme SAS n'est pas exploitable (half a line)"),
    ],
)
async def test_why_it_waits_is_told_in_french(context: Context, failure: PeerError, text: str):
    sas = Sas(failure=failure)
    async with opened(context, "agenda-azur", sas) as office:
        await refused(context, office)
        await eventually(lambda: office.vendor.emitter.listed(1))
        assert office.vendor.emitter.listed(1)[0]["reason"] == text
        assert orjson.dumps(office.vendor.emitter.listed(1))
