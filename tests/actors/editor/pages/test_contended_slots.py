"""Several regulators want one slot: one gets it, the others are offered other slots."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta

import pytest

from sandbox.editor.appointments.booking import slot_key
from sandbox.editor.appointments.venues import schedules_of_holder
from sandbox.kernel.world import ClockSetting
from sandbox.net.context import Context
from tests.actors.editor.conftest import opened
from tests.support.appointments import parse_appointment
from tests.support.editors.running_editor import (
    PATIENT,
    REGULATOR,
    TWO_SITES,
    Browser,
    LocalEditor,
    appointment_id,
    booking_path,
    is_free,
    links,
    several,
    slots,
)


async def test_of_many_confirmations_at_once_one_gets_the_slot(editor: LocalEditor):
    slot = slots(editor)[3]
    regulators = await several(editor, 8, slot)
    form = {"slot": slot_key(slot), **PATIENT}
    answers = await asyncio.gather(
        *(each.post("/rdv/confirmer", {**form, "given": f"Zoé{'e' * at}"}) for at, each in enumerate(regulators))
    )
    assert sorted(answer.status_code for answer in answers) == [303] + [409] * 7
    assert len(editor.running.ledger) == 1
    assert len(await editor.sas.reached(1)) == 1
    for page in (answer for answer in answers if answer.status_code == 409):
        proposed = links(page, "ici")
        assert 1 <= len(proposed) <= 6
        assert all("origin=sas" in url and slot_key(slot) not in url for url in proposed)
        times = [re.findall(r"slot=[^&]+?\.(\w+)", url)[0] for url in proposed]
        assert times == sorted(times)


async def test_a_booking_and_a_move_after_one_slot_end_with_one(editor: LocalEditor, browser: Browser):
    first, wanted = slots(editor)[2], slots(editor)[5]
    id = appointment_id(await browser.book(first))
    [other] = await several(editor, 1, wanted)
    moved, booked = await asyncio.gather(
        browser.post(f"/rendez-vous/{id}/deplacer", {"slot": slot_key(wanted)}),
        other.post("/rdv/confirmer", {"slot": slot_key(wanted), **PATIENT}),
    )
    assert sorted([moved.status_code, booked.status_code]) == [303, 409]
    holders = [one for one in (editor.running.ledger.get(id),) if one is not None and one.slot == slot_key(wanted)]
    assert len(holders) + (booked.status_code == 303) == 1
    assert is_free(editor, first) == (moved.status_code == 303)


async def test_other_places_of_the_practitioner_are_proposed_after_the_same(editor: LocalEditor):
    here, there = slots(editor, TWO_SITES)[3], slots(editor, TWO_SITES, 1)[0].schedule
    editor.running.fhir.agenda.take(slot_key(here))
    page = await editor.browser().enter(f"/rdv?slot={slot_key(here)}&origin=sas-preprod")
    same, other = links(page, "ici"), links(page, "ailleurs")
    assert all(f"slot={here.schedule}." in url for url in same)
    assert 1 <= len(other) <= 3
    assert all(f"slot={there}." in url for url in other)
    assert all("origin=sas-preprod" in url for url in same + other)
    assert page.text.index('data-place="ici"') < page.text.index('data-place="ailleurs"')


async def test_sites_of_one_association_stand_for_each_other(context: Context):
    async with opened(context, "garde-plus") as editor:
        await editor.running.accounts.post(REGULATOR)
        association = context.population.sos["399900300000018"]
        here, there = (site.id for site in association.sites[:2])
        first, taken, elsewhere = editor.free(here)[0], editor.free(here)[1], editor.free(there)[0]
        editor.running.fhir.agenda.take(slot_key(taken))
        browser = editor.browser()
        page = await browser.enter(booking_path(taken))
        assert all(f"slot={there}." in url for url in links(page, "ailleurs"))
        assert links(page, "ailleurs")
        id = appointment_id(await browser.book(first))
        answer = await browser.post(f"/rendez-vous/{id}/deplacer", {"slot": slot_key(elsewhere)})
        assert appointment_id(answer) == id
        _, (_, _, body) = await editor.sas.reached(2)
        sent = parse_appointment(body)
        assert (sent.sos, sent.practitioner, sent.start) == (True, None, elsewhere.start)


def test_an_unknown_schedule_has_no_schedules_of_its_holder(context: Context):
    assert schedules_of_holder(context.population, context.population.editors["agenda-azur"], "nowhere") == ()


async def test_a_slot_that_has_begun_is_told_apart_and_others_proposed(editor: LocalEditor, browser: Browser):
    slot = slots(editor)[3]
    form = {"slot": slot_key(slot), **PATIENT}
    editor.context.clock.setting = ClockSetting(frozen=(slot.start + timedelta(seconds=1)).timestamp())
    for answer in (
        await browser.get(booking_path(slot)),
        await browser.post("/rdv", form),
        await browser.post("/rdv/confirmer", form),
    ):
        assert "Ce créneau est passé" in answer.text
        assert links(answer, "ici")
    assert not len(editor.running.ledger)


async def test_what_was_typed_for_a_slot_that_went_is_there_for_the_next(editor: LocalEditor, browser: Browser):
    slot, next_slot = slots(editor)[3], slots(editor)[4]
    editor.running.fhir.agenda.take(slot_key(slot))
    gone = await browser.post("/rdv/confirmer", {"slot": slot_key(slot), **PATIENT})
    assert gone.status_code == 409
    assert "Votre saisie pour Zoé Zzpatient est gardée" in gone.text
    assert all("Zzpatient" not in url for url in links(gone, "ici"))
    assert 'value="Zzpatient"' in (await browser.get(booking_path(next_slot))).text
    await browser.book(next_slot)
    assert "Zzpatient" not in (await browser.get(booking_path(slots(editor)[6]))).text


async def test_typed_patients_are_kept_for_a_bounded_number_of_regulators(
    editor: LocalEditor, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("sandbox.editor.pages.booking.DRAFTS", 1)
    slot = slots(editor)[3]
    first, second = await several(editor, 2, slot)
    editor.running.fhir.agenda.take(slot_key(slot))
    for each in (first, second):
        await each.post("/rdv", {"slot": slot_key(slot), **PATIENT})
    pages = [await each.get(booking_path(slots(editor)[4])) for each in (first, second)]
    assert ["Zzpatient" in page.text for page in pages] == [False, True]
