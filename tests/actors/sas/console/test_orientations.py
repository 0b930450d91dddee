"""« Mes orientations »: the list, its filters, live updates, and who may see an orientation."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from sandbox.edxl.codes import HubCode
from sandbox.fhir.appointment import render_appointment
from sandbox.kernel.flows import AppointmentStatus
from sandbox.kernel.identifiers import Identifier
from tests.actors.sas.browsing import following, logged_in
from tests.actors.sas.sas_core import NOW, Core

JSON = {"Content-Type": "application/fhir+json"}
CANCELLED = AppointmentStatus.CANCELLED


async def booked(core: Core, **changes: object) -> str:
    """An appointment of the regulator; its id."""
    async with core.fhir() as editor:
        answer = await editor.post("/Appointment", content=core.body(**changes), headers=JSON)
    assert answer.status_code == 201, answer.text
    return answer.headers["location"].rpartition("/")[2]


async def changed(core: Core, **changes: object) -> None:
    value = core.appointment().identifier.value
    async with core.fhir() as editor:
        url = f"/Appointment?identifier={value}"
        assert (await editor.put(url, content=core.body(**changes), headers=JSON)).status_code == 200


async def listed(core: Core, query: str = "") -> str:
    async with logged_in(core) as browser:
        answer = await browser.get(f"/sas/orientations{query}")
    assert answer.status_code == 200
    return answer.text


async def test_without_any_the_page_says_what_to_do(core: Core) -> None:
    assert "Aucune orientation pour l'instant" in (await listed(core)).replace("&#39;", "'")


async def test_an_orientation_shows_its_status_and_its_message(core: Core) -> None:
    core.hub.gate.clear()
    id = await booked(core)
    await changed(core, status=CANCELLED)
    page = await listed(core)
    core.hub.gate.set()
    assert f'data-appointment="{id}"' in page
    assert 'data-status="cancelled" data-l02="due"' in page
    assert "annulé" in page
    assert "enregistrée" in page
    assert f'href="/sas/orientations/{id}"' in page


@pytest.mark.parametrize(
    ("query", "there"),
    [
        ("?statut=booked", True),
        ("?statut=cancelled", False),
        ("?message=due", True),
        ("?message=refused", False),
        (f"?jour={NOW.date()}", True),
        ("?jour=2020-01-01", False),
        ("?jour=&statut=&message=", True),
    ],
)
async def test_the_list_is_narrowed_by_day_and_state(core: Core, query: str, there: bool) -> None:
    id = await booked(core, created=NOW)
    page = await listed(core, query)
    assert (id in page) is there
    assert ("ne répond à ces filtres" in page) is not there


@pytest.mark.parametrize("query", ["?jour=hier", "?statut=x", "?message=x"])
async def test_an_unknown_filter_is_refused(core: Core, query: str) -> None:
    async with logged_in(core) as browser:
        assert (await browser.get(f"/sas/orientations{query}")).status_code == 400
        assert (await browser.get(f"/sas/orientations/flux{query}")).status_code == 400


async def test_the_list_follows_what_happens(core: Core) -> None:
    async with following(core, "/sas/orientations/flux") as stream:
        assert "Aucune orientation" in (await stream.next())[1]
        id = await booked(core)
        name, html = await stream.next()
        assert name == "contenu"
        assert f'data-key="{id}"' in html
        assert "<html" not in html
        await changed(core, status=CANCELLED)
        assert 'data-status="cancelled"' in (await stream.next())[1]


async def test_a_colleagues_orientations_update_nobody_elses_page(core: Core) -> None:
    colleague = core.population.regulators[1]
    async with following(core, "/sas/orientations/flux") as stream:
        await stream.next()
        other = Identifier(core.editor().system, "another")
        await booked(core, identifier=other, operator=colleague.identifier)
        own = await booked(core)
        html = (await stream.next())[1]
        assert html.count("data-appointment") == 1
        assert own in html


async def test_a_stream_ends_when_the_platform_stops(core: Core) -> None:
    async with following(core, "/sas/orientations/flux") as stream:
        await stream.next()
        core.sas.console.stop()
        assert stream.task is not None
        async with asyncio.timeout(5):
            await stream.task


async def test_the_detail_shows_the_appointment_and_every_message(core: Core) -> None:
    core.hub.gate.clear()
    id = await booked(core)
    await changed(core, status=CANCELLED)
    async with logged_in(core) as browser:
        page = (await browser.get(f"/sas/orientations/{id}")).text
    appointment = core.appointment()
    core.hub.gate.set()
    first, second = [message.distribution_id for message in await core.l02_messages()]
    assert f'data-message="{first}"' in page
    assert page.index(f'data-message="{second}"') < page.index(f'data-message="{first}"')
    for text in (appointment.identifier.value, appointment.practitioner or "", "annulé", "enregistrée"):
        assert text in page


@pytest.mark.parametrize("suffix", ["", "/flux"])
async def test_a_colleagues_orientation_is_not_found(core: Core, suffix: str) -> None:
    colleague = core.population.regulators[1]
    id = await booked(core, operator=colleague.identifier)
    async with logged_in(core) as browser:
        for path in (id, "nothing"):
            assert (await browser.get(f"/sas/orientations/{path}{suffix}")).status_code == 404


async def test_a_message_that_failed_can_be_sent_again(core: Core) -> None:
    id = await booked(core)
    async with logged_in(core) as browser:
        before = await browser.get(f"/sas/orientations/{id}")
        (message,) = await core.l02_messages()
        await core.hub.refuse(message, HubCode.CONFLICT, "exists")
        page = await browser.get(f"/sas/orientations/{id}")
        token = page.text.partition('name="csrf" value="')[2].partition('"')[0]
        del browser.headers["Cookie"]
        sent_again = {"csrf": token, "message": message.distribution_id}
        answer = await browser.post("/sas/orientations/renvoi", data=sent_again)
    assert "Renvoyer au LRM" not in before.text
    assert 'action="/sas/orientations/renvoi"' in page.text
    assert "Erreur 409 : exists" in page.text
    assert (answer.status_code, answer.headers["location"]) == (303, "/sas/orientations")
    assert (await core.l02_messages())[1].distribution_id == f"{message.distribution_id}.1"


async def test_a_doctor_whom_sos_does_not_know_yet_is_shown_as_such(core: Core) -> None:
    association = next(iter(core.population.sos.values()))
    sos = replace(
        core.appointment(),
        identifier=Identifier(core.editor(association.editor).system, "sos-1"),
        status=AppointmentStatus.PENDING,
        practitioner=None,
        sos=True,
    )
    async with core.fhir() as editor:
        answer = await editor.post("/Appointment", content=render_appointment(sos), headers=JSON)
    assert answer.status_code == 201, answer.text
    assert "Médecin pas encore désigné (SOS Médecins)" in await listed(core)
