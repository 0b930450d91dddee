"""The agenda of a practitioner: week by week, invented patients, walk-in slots."""

from __future__ import annotations

import html
import re
from datetime import timedelta

from sandbox.editor.appointments.booking import slot_key
from tests.support.appointments import parse_appointment
from tests.support.editors.running_editor import (
    PATIENT,
    Browser,
    LocalEditor,
    appointment_id,
    booking_path,
    is_free,
    slots,
)


async def test_the_week_can_be_turned_within_what_is_open(editor: LocalEditor, browser: Browser):
    slot = slots(editor)[3]
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


async def test_an_invented_patient_fills_the_form_and_can_be_confirmed(editor: LocalEditor, browser: Browser):
    slot = slots(editor)[3]
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
    booking = editor.running.ledger.get(id)
    assert booking is not None
    assert booking.patient.sex == sex[1]


async def test_a_sex_outside_the_list_is_told(editor: LocalEditor, browser: Browser):
    page = await browser.post("/rdv", {"slot": slot_key(slots(editor)[3]), **PATIENT, "sex": "x"})
    assert page.status_code == 422
    assert 'id="e-sex"' in page.text


async def test_a_walk_in_slot_announces_the_patient_and_is_taken(editor: LocalEditor, browser: Browser):
    now = editor.context.clock.now()
    walkins = (
        slot
        for person in editor.context.population.of_editor("agenda-azur")
        for place in person.places
        for slot in editor.running.fhir.agenda.free(place.id, now, now + timedelta(days=7), now)
        if slot.walkin
    )
    slot = next(walkins)
    page = await browser.get(booking_path(slot))
    assert "<strong>sans rendez-vous</strong>" in page.text
    id = appointment_id(await browser.book(slot))
    assert "sans rendez-vous" in (await browser.get(f"/rendez-vous/{id}")).text
    [(method, _, body)] = await editor.sas.reached(1)
    assert (method, parse_appointment(body).start) == ("POST", slot.start)
    assert not is_free(editor, slot)
