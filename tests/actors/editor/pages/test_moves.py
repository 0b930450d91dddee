"""An appointment is moved to another slot: one write, one version, one slot freed (R03-2)."""

from __future__ import annotations

import html

import pytest

from sandbox.editor.appointments.booking import slot_key
from sandbox.kernel.errors import StoreError
from sandbox.kernel.flows import AppointmentStatus
from sandbox.net.context import Context
from tests.actors.editor.conftest import opened
from tests.support.appointments import parse_appointment
from tests.support.editors.running_editor import (
    REGULATOR,
    TWO_SITES,
    Browser,
    LocalEditor,
    appointment_id,
    booking_path,
    is_free,
    links,
    slots,
)


@pytest.mark.requirement("R03-2", "R03-6")
async def test_a_move_keeps_the_identifier_and_sends_the_new_time(editor: LocalEditor, browser: Browser):
    old, new = slots(editor)[2], slots(editor)[5]
    id = appointment_id(await browser.book(old))
    page = await browser.get(f"/rendez-vous/{id}/deplacer")
    assert page.status_code == 200
    assert f"deplacer?slot={slot_key(new)}" in html.unescape(page.text)
    page = await browser.get(f"/rendez-vous/{id}/deplacer?slot={slot_key(new)}")
    assert "Déplacer à ce créneau" in page.text
    answer = await browser.post(f"/rendez-vous/{id}/deplacer", {"slot": slot_key(new)})
    assert appointment_id(answer) == id
    _, (method, url, body) = await editor.sas.reached(2)
    assert (method, url.rpartition("%7C")[2]) == ("PUT", id)
    sent = parse_appointment(body)
    assert (sent.identifier.value, sent.status, sent.start, sent.end) == (
        *(id, AppointmentStatus.BOOKED),
        *(new.start, new.end),
    )
    assert is_free(editor, old)
    assert not is_free(editor, new)
    assert len(editor.running.ledger) == 1


async def test_a_move_may_lead_to_another_place_of_the_practitioner(editor: LocalEditor, browser: Browser):
    old, new = slots(editor, TWO_SITES)[2], slots(editor, TWO_SITES, 1)[2]
    id = appointment_id(await browser.book(old))
    page = await browser.get(f"/rendez-vous/{id}/deplacer?lieu={new.schedule}")
    assert "8 place du Modèle" in page.text
    await browser.post(f"/rendez-vous/{id}/deplacer", {"slot": slot_key(new)})
    booking = editor.running.ledger.get(id)
    assert booking is not None
    assert (booking.schedule, booking.practitioner) == (new.schedule, TWO_SITES)


async def test_a_move_to_another_practitioner_is_refused(editor: LocalEditor, browser: Browser):
    old, new = slots(editor)[2], slots(editor, TWO_SITES)[2]
    id = appointment_id(await browser.book(old))
    answer = await browser.post(f"/rendez-vous/{id}/deplacer", {"slot": slot_key(new)})
    assert answer.status_code == 422
    assert is_free(editor, new)


async def test_a_move_to_where_it_is_changes_nothing(editor: LocalEditor, browser: Browser):
    slot = slots(editor)[2]
    id = appointment_id(await browser.book(slot))
    before = editor.running.ledger.get(id)
    page = await browser.get(f"/rendez-vous/{id}/deplacer?slot={slot_key(slot)}")
    assert "le créneau actuel" in page.text
    assert (await browser.post(f"/rendez-vous/{id}/deplacer", {"slot": slot_key(slot)})).status_code == 303
    assert editor.running.ledger.get(id) == before


async def test_a_slot_that_went_meanwhile_leaves_the_appointment_where_it_is(editor: LocalEditor, browser: Browser):
    old, new = slots(editor)[2], slots(editor)[5]
    id = appointment_id(await browser.book(old))
    editor.running.fhir.agenda.take(slot_key(new))
    page = await browser.post(f"/rendez-vous/{id}/deplacer", {"slot": slot_key(new)})
    assert page.status_code == 409
    assert "n'a pas bougé" in html.unescape(page.text)
    proposed = links(page, "ici")
    assert proposed
    assert all(f"/rendez-vous/{id}/deplacer?slot=" in url for url in proposed)
    assert not is_free(editor, old)
    assert len(await editor.sas.reached(1)) == 1


@pytest.mark.parametrize("action", ["annuler", "honorer", "absent"])
async def test_what_is_over_cannot_be_moved(editor: LocalEditor, browser: Browser, action: str):
    old, new = slots(editor)[2], slots(editor)[5]
    id = appointment_id(await browser.book(old))
    await browser.post(f"/rendez-vous/{id}/{action}")
    assert "ne peut plus être déplacé" in (await browser.get(f"/rendez-vous/{id}/deplacer")).text
    await browser.get(f"/rendez-vous/{id}/deplacer")
    assert (await browser.post(f"/rendez-vous/{id}/deplacer", {"slot": slot_key(new)})).status_code == 409
    assert is_free(editor, new)


async def test_a_cancelled_move_frees_the_slot_where_it_is_now(editor: LocalEditor, browser: Browser):
    old, new = slots(editor)[2], slots(editor)[5]
    id = appointment_id(await browser.book(old))
    stale = editor.running.ledger.get(id)
    assert stale is not None
    await browser.post(f"/rendez-vous/{id}/deplacer", {"slot": slot_key(new)})
    await browser.post(f"/rendez-vous/{id}/annuler")
    assert is_free(editor, old)
    assert is_free(editor, new)


@pytest.mark.parametrize(("slot", "status"), [("", 400), ("unknown.1", 404)])
async def test_a_move_without_a_known_slot_is_told(editor: LocalEditor, browser: Browser, slot: str, status: int):
    id = appointment_id(await browser.book(slots(editor)[2]))
    assert (await browser.post(f"/rendez-vous/{id}/deplacer", {"slot": slot})).status_code == status


async def test_a_move_that_cannot_be_stored_changes_nothing(
    editor: LocalEditor, browser: Browser, monkeypatch: pytest.MonkeyPatch
):
    old, new = slots(editor)[2], slots(editor)[5]
    id = appointment_id(await browser.book(old))

    def full(*writes: object) -> object:
        raise StoreError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(editor.running.store, "commit", full)
        assert (await browser.post(f"/rendez-vous/{id}/deplacer", {"slot": slot_key(new)})).status_code == 503
    assert is_free(editor, new)
    assert not is_free(editor, old)


async def test_a_moved_appointment_is_where_it_was_moved_after_a_restart(context: Context):
    async with opened(context, "agenda-azur") as editor:
        await editor.running.accounts.post(REGULATOR)
        browser = editor.browser()
        old, new = slots(editor)[2], slots(editor)[5]
        await browser.enter(booking_path(old))
        id = appointment_id(await browser.book(old))
        await browser.post(f"/rendez-vous/{id}/deplacer", {"slot": slot_key(new)})
    async with opened(context, "agenda-azur") as editor:
        assert is_free(editor, old)
        assert not is_free(editor, new)
