"""A booking from the summary to the SAS core, and the steps after it (R03-*)."""

from __future__ import annotations

import re
from collections.abc import Awaitable

import orjson
import pytest

from sandbox.editor.appointments.booking import slot_key
from sandbox.editor.appointments.r03 import judge
from sandbox.kernel.errors import PeerRefused, PeerTimeout, StoreError
from sandbox.kernel.flows import AppointmentStatus, OrientationCategory
from sandbox.net.context import Context
from sandbox.net.http.client import Reply
from sandbox.store.protocol import Delete, Put
from tests.actors.editor.conftest import opened
from tests.support.appointments import parse_appointment
from tests.support.editors.running_editor import (
    NATIONAL,
    PATIENT,
    REGULATOR,
    Browser,
    LocalEditor,
    Sas,
    appointment_id,
    booking_path,
    slots,
)
from tests.support.sandboxes import eventually


@pytest.mark.requirement("R03-1", "R03-6", "R03-7")
async def test_a_booking_is_stored_takes_the_slot_and_reaches_the_sas_core(editor: LocalEditor, browser: Browser):
    slot = slots(editor)[3]
    id = appointment_id(await browser.book(slot))
    page = await browser.get(f"/rendez-vous/{id}")
    assert f'data-appointment="{id}"' in page.text
    assert "Zzpatient" in page.text
    assert not editor.running.fhir.agenda.is_free(slot_key(slot), editor.context.clock.now())
    [(method, url, body)] = await editor.sas.reached(1)
    assert (method, url) == ("POST", "http://127.0.0.1:8044/sas/fhir/Appointment")
    sent = parse_appointment(body)
    assert (sent.identifier.system, sent.identifier.value) == (editor.running.editor.system, id)
    assert (sent.operator, sent.practitioner) == (NATIONAL, "819800000010")
    assert (sent.status, sent.category) == (AppointmentStatus.BOOKED, OrientationCategory.PS)
    assert (sent.start, sent.end) == (slot.start, slot.end)


async def test_the_patient_stays_with_the_editor(
    editor: LocalEditor, browser: Browser, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(0)
    await browser.book(slots(editor)[3])
    [(_, url, body)] = await editor.sas.reached(1)
    journal = b"".join(orjson.dumps(exchange.action + exchange.note) for exchange in editor.context.journal.take())
    cookies = "".join(str(cookie.value) for cookie in browser.client.cookies.jar)
    for text in ("Zzpatient", "Zzmotif", "0612345678", "+33612345678"):
        assert text not in url + body.decode() + caplog.text + cookies + journal.decode()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("family", ""),
        ("family", "<script>"),
        ("given", "R2"),
        ("birth_date", ""),
        ("birth_date", "31/02/1980"),
        ("birth_date", "2030-01-01"),
        ("birth_date", "01/01/1850"),
        ("phone", "12"),
        ("phone", ""),
        ("reason", "x" * 301),
    ],
)
async def test_what_is_wrong_with_the_patient_is_told_at_its_field(
    editor: LocalEditor, browser: Browser, field: str, value: str
):
    form = {"slot": slot_key(slots(editor)[3]), **PATIENT, field: value}
    for path in ("/rdv", "/rdv/confirmer"):
        page = await browser.post(path, form)
        assert page.status_code == 422
        assert f'id="e-{field}"' in page.text
        assert "<script>" not in page.text
    assert not editor.sas.calls


async def test_the_summary_shows_the_patient_and_can_go_back(editor: LocalEditor, browser: Browser):
    form = {"slot": slot_key(slots(editor)[3]), **PATIENT}
    summary = await browser.post("/rdv", form)
    assert "Confirmer le rendez-vous" in summary.text
    assert "31/01/1980" in summary.text
    again = await browser.post("/rdv", {**form, "edit": "1"})
    assert again.status_code == 200
    assert 'value="Zzpatient"' in again.text


async def test_two_regulators_after_the_same_slot_one_gets_it(editor: LocalEditor, browser: Browser):
    slot = slots(editor)[3]
    other = editor.browser()
    await other.enter(booking_path(slot))
    appointment_id(await browser.book(slot))
    answer = await other.post("/rdv/confirmer", {"slot": slot_key(slot), **PATIENT, "family": "Autre"})
    assert answer.status_code == 409
    assert "vient d&#39;être pris" in answer.text or "vient d'être pris" in answer.text
    nearest = re.search(r"Créneaux libres les plus proches(.*?)</section>", answer.text, re.DOTALL)
    assert nearest
    assert 1 <= nearest[1].count('class="slot"') <= 6
    assert slot_key(slot) not in nearest[1]
    assert len(editor.running.ledger) == 1


async def test_confirming_twice_gives_the_same_appointment(editor: LocalEditor, browser: Browser):
    slot = slots(editor)[3]
    first = await browser.book(slot)
    second = await browser.post("/rdv/confirmer", {"slot": slot_key(slot), **PATIENT})
    assert appointment_id(first) == appointment_id(second)
    assert len(editor.running.ledger) == 1


async def test_a_taken_slot_shows_the_nearest_free_ones(editor: LocalEditor, browser: Browser):
    slot = slots(editor)[3]
    await browser.book(slot)
    page = await browser.get(booking_path(slot))
    assert "data-unavailable" in page.text
    assert 'name="family"' not in page.text


@pytest.mark.parametrize(("path", "status"), [("/rdv?origin=sas", 400), ("/rdv?slot=unknown.1&origin=sas", 404)])
async def test_a_slot_that_is_missing_or_unknown_has_a_page_that_says_so(browser: Browser, path: str, status: int):
    assert (await browser.get(path)).status_code == status


async def test_another_editors_slot_is_unknown_here(editor: LocalEditor, browser: Browser, context: Context):
    async with opened(context, "garde-plus") as other:
        slot = other.free("sos-bordeaux-bastide")[0]
    assert (await browser.get(booking_path(slot))).status_code == 404


@pytest.mark.requirement("R03-3", "R03-4", "R03-5", "R03-6")
@pytest.mark.parametrize(
    ("action", "status"), [("annuler", "cancelled"), ("honorer", "fulfilled"), ("absent", "noshow")]
)
async def test_each_action_sends_a_conditional_put_of_the_same_identifier(
    editor: LocalEditor, browser: Browser, action: str, status: str
):
    slot = slots(editor)[3]
    id = appointment_id(await browser.book(slot))
    assert (await browser.post(f"/rendez-vous/{id}/{action}")).status_code == 303
    page = await browser.get("/rendez-vous")
    assert re.search(f'<tr data-appointment="{id}" data-status="{status}">', page.text)
    (_, _, _), (method, url, body) = await editor.sas.reached(2)
    assert method == "PUT"
    assert url.endswith(f"/Appointment?identifier=urn:oid:1.2.250.1.999.1%7C{id}")
    sent = parse_appointment(body)
    assert (sent.identifier.value, sent.status.value) == (id, status)
    free = editor.running.fhir.agenda.is_free(slot_key(slot), editor.context.clock.now())
    assert free == (action == "annuler")


async def test_a_terminal_status_has_no_further_step(editor: LocalEditor, browser: Browser):
    id = appointment_id(await browser.book(slots(editor)[3]))
    await browser.post(f"/rendez-vous/{id}/honorer")
    answer = await browser.post(f"/rendez-vous/{id}/annuler")
    assert answer.status_code == 409
    assert (await browser.post(f"/rendez-vous/{id}/vendre")).status_code == 404
    assert len(await editor.sas.reached(2)) == 2


async def test_a_regulator_sees_and_changes_only_his_own_appointments(editor: LocalEditor, browser: Browser):
    id = appointment_id(await browser.book(slots(editor)[3]))
    other_account = type(REGULATOR)(
        (type(NATIONAL)(NATIONAL.system, "819800000903", "IDNPS"),), True, "B", ("K",), "karim@samu33.example"
    )
    await editor.running.accounts.post(other_account)
    editor.psc.person = ("819800000903", "B", "K", "karim@samu33.example")
    other = editor.browser()
    await other.enter(booking_path(slots(editor)[5]))
    assert (await other.get(f"/rendez-vous/{id}")).status_code == 404
    assert (await other.post(f"/rendez-vous/{id}/annuler")).status_code == 404
    assert id not in (await other.get("/rendez-vous")).text


async def test_a_refused_transmission_shows_and_the_next_change_still_goes(context: Context):
    sas = Sas(422, b'{"resourceType":"OperationOutcome","issue":[{"details":{"text":"unknown regulator"}}]}')
    async with opened(context, "agenda-azur", sas) as editor:
        await editor.running.accounts.post(REGULATOR)
        browser = editor.browser()
        await browser.enter(booking_path(slots(editor)[3]))
        id = appointment_id(await browser.book(slots(editor)[3]))
        await sas.reached(1)
        await browser.post(f"/rendez-vous/{id}/annuler")
        await sas.reached(2)
        page = await browser.get(f"/rendez-vous/{id}")
        assert "refusé par le SAS" in page.text
        assert "unknown regulator" in page.text
        assert editor.running.emitter.health() == {"r03_waiting": 0, "r03_failed": 1}  # of the last version


@pytest.mark.requirement("R03-8", "R03-10")
async def test_what_waits_for_the_sas_core_shows_and_survives_a_restart(context: Context):
    down = Sas(failure=PeerTimeout("sas", "no complete answer within 7 s"))
    async with opened(context, "agenda-azur", down) as editor:
        await editor.running.accounts.post(REGULATOR)
        browser = editor.browser()
        slot = slots(editor)[3]
        await browser.enter(booking_path(slot))
        id = appointment_id(await browser.book(slot))
        await browser.post(f"/rendez-vous/{id}/honorer")
        await down.reached(1)
        await eventually(lambda: editor.running.emitter.listed(1))
        page = await browser.get("/rendez-vous")
        assert "transmission en attente" in page.text
        assert "la plateforme SAS n&#39;a pas répondu dans le délai" in page.text
    up = Sas()
    async with opened(context, "agenda-azur", up) as editor:
        calls = await up.reached(2)
        assert [method for method, _, _ in calls] == ["POST", "PUT"]
        assert not editor.running.fhir.agenda.is_free(slot_key(slot), context.clock.now())
        again = editor.running.ledger.get(id)
        assert again is not None
        assert again.status is AppointmentStatus.FULFILLED


async def test_a_cancelled_slot_is_free_again_after_a_restart(context: Context):
    async with opened(context, "agenda-azur") as editor:
        await editor.running.accounts.post(REGULATOR)
        browser = editor.browser()
        slot = slots(editor)[3]
        await browser.enter(booking_path(slot))
        id = appointment_id(await browser.book(slot))
        await browser.post(f"/rendez-vous/{id}/annuler")
    async with opened(context, "agenda-azur") as editor:
        assert editor.running.fhir.agenda.is_free(slot_key(slot), context.clock.now())


async def test_a_slot_open_to_a_cpts_only_has_its_category(context: Context):
    async with opened(context, "rdv-commune") as editor:
        await editor.running.accounts.post(REGULATOR)
        browser = editor.browser()
        person = context.population.practitioner("819800000085")
        assert person is not None
        slot = next(slot for slot in editor.free(person.places[0].id, 7) if slot.visibilities == ("CPTS",))
        await browser.enter(booking_path(slot))
        await browser.book(slot)
        [(_, _, body)] = await editor.sas.reached(1)
        assert parse_appointment(body).category is OrientationCategory.CPTS


@pytest.mark.parametrize(
    ("schedule", "category"),
    [
        ("boisgontier-merignac", OrientationCategory.CDS),
        ("kerbrieuc-rennes", OrientationCategory.MSP),
    ],
)
async def test_a_slot_in_a_structure_has_the_category_of_the_structure(
    editor: LocalEditor, schedule: str, category: OrientationCategory
):
    browser, slot = editor.browser(), editor.free(schedule)[0]
    await browser.enter(booking_path(slot))
    await browser.book(slot)
    [(_, _, body)] = await editor.sas.reached(1)
    assert parse_appointment(body).category is category


async def test_a_booking_that_cannot_be_stored_leaves_the_slot_free(
    editor: LocalEditor, browser: Browser, monkeypatch: pytest.MonkeyPatch
):
    slot = slots(editor)[3]
    await browser.post("/rdv", {"slot": slot_key(slot), **PATIENT})

    def full(*writes: object) -> object:
        raise StoreError("disk full")

    monkeypatch.setattr(editor.running.store, "commit", full)
    answer = await browser.post("/rdv/confirmer", {"slot": slot_key(slot), **PATIENT})
    assert answer.status_code == 503
    assert editor.running.fhir.agenda.is_free(slot_key(slot), editor.context.clock.now())
    assert not editor.sas.calls


async def test_booking_that_met_a_full_disk_is_kept_and_its_repetition_finds_it(
    editor: LocalEditor, browser: Browser, monkeypatch: pytest.MonkeyPatch
):
    """The user was asked to try again: the slot stays reserved for the user, and the SAS core is informed once."""
    slot = slots(editor)[3]
    await browser.post("/rdv", {"slot": slot_key(slot), **PATIENT})
    commit = editor.running.store.commit

    async def refused(written: Awaitable[None]) -> None:
        await written
        raise StoreError("No space left on device")

    def full(*writes: Put | Delete) -> Awaitable[None]:
        patch.undo()  # there is room for the outbox's own writes
        return refused(commit(*writes))

    with monkeypatch.context() as patch:
        patch.setattr(editor.running.store, "commit", full)
        answer = await browser.post("/rdv/confirmer", {"slot": slot_key(slot), **PATIENT})
        assert answer.status_code == 503
    assert not editor.running.fhir.agenda.is_free(slot_key(slot), editor.context.clock.now())
    answer = await browser.post("/rdv/confirmer", {"slot": slot_key(slot), **PATIENT})
    assert answer.status_code == 303
    await editor.sas.reached(1)
    assert len(editor.running.ledger) == 1


@pytest.mark.requirement("R03-8")
@pytest.mark.parametrize("status", [408, 429, 500, 503, 302])
def test_an_answer_that_may_change_is_tried_again(status: int):
    with pytest.raises(PeerRefused):
        judge(Reply(status, {}, b""))


async def test_the_root_redirects_by_the_kind_of_session(editor: LocalEditor, browser: Browser):
    assert (await browser.get("/")).headers["location"] == "/agenda-azur/rendez-vous"
    assert (await editor.browser().get("/")).headers["location"] == "/agenda-azur/connexion"
    assert (await editor.browser().get("/cgu")).headers["location"] == "/agenda-azur/connexion"
    assert "Acceptées le" in (await browser.get("/cgu")).text


async def test_terms_are_accepted_only_in_a_session_of_the_sas(editor: LocalEditor):
    browser = editor.browser()
    await browser.get("/connexion")
    assert (await browser.post("/cgu", {"accept": "1"})).status_code == 403


async def test_a_slot_taken_while_the_form_was_filled_in_is_told_at_the_check(editor: LocalEditor, browser: Browser):
    slot = slots(editor)[3]
    await browser.get(booking_path(slot))
    editor.running.fhir.agenda.take(slot_key(slot))
    assert (await browser.post("/rdv", {"slot": slot_key(slot), **PATIENT})).status_code == 409


async def test_appointments_come_page_by_page(editor: LocalEditor, browser: Browser, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sandbox.editor.pages.followup.PER_PAGE", 2)
    ids = [appointment_id(await browser.book(slots(editor)[0])) for _ in range(3)]
    shown = [re.findall(r'<tr data-appointment="([^"]+)"', (await browser.get(path)).text) for path in PAGES]
    assert shown == [[ids[2], ids[1]], [ids[0]], [], [ids[2], ids[1]]]


PAGES = ("/rendez-vous", "/rendez-vous?page=1", "/rendez-vous?page=2", "/rendez-vous?page=x")
