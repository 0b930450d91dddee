"""« Messages »: L02 in numbers, live updates, and the button that sends a message again."""

from __future__ import annotations

import asyncio

import pytest

from sandbox.edxl.codes import HubCode
from sandbox.edxl.message import Message
from sandbox.sas.console.message_pages import PATH as MESSAGES
from sandbox.sas.console.message_pages import RESEND
from tests.actors.sas.browsing import following, logged_in, submit
from tests.actors.sas.console.test_administration import created
from tests.actors.sas.sas_core import Core


async def booked(core: Core) -> Message:
    """What the LRM is sent of an appointment of the first regulator."""
    async with core.fhir() as editor:
        await editor.post("/Appointment", content=core.body(), headers={"Content-Type": "application/fhir+json"})
    return (await core.l02_messages())[-1]


async def failed(core: Core) -> Message:
    """The same, refused by the LRM."""
    message = await booked(core)
    await core.hub.refuse(message, HubCode.CONFLICT, "exists")
    return message


async def sent_again(core: Core) -> list[str]:
    """The distributionIDs of all messages but the first."""
    return [message.distribution_id for message in (await core.l02_messages())[1:]]


async def test_failed_messages_are_counted_and_can_be_sent_again(core: Core) -> None:
    key = (await failed(core)).distribution_id
    async with logged_in(core) as browser:
        page = await browser.get(MESSAGES)
        assert f'data-message="{key}"' in page.text
        assert "code 409" in page.text
        answer = await submit(browser, page, RESEND, message=key)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sas/orientations")
    assert await sent_again(core) == [f"{key}.1"]


@pytest.mark.parametrize(
    ("back", "lands"),
    [(MESSAGES, MESSAGES), ("/sas/orientations/1", "/sas/orientations/1"), ("//elsewhere", "/sas/orientations")],
)
async def test_sending_again_leads_back_to_the_page_and_never_to_another_site(
    core: Core, back: str, lands: str
) -> None:
    message = await failed(core)
    id = (message.appointment or {})["appointmentId"]
    async with logged_in(core) as browser:
        page = await browser.get(MESSAGES)
        detail = await browser.get(f"/sas/orientations/{id}")
        answer = await submit(browser, page, RESEND, message=message.distribution_id, retour=back)
    assert answer.headers["location"] == lands
    assert f'name="retour" value="{MESSAGES}"' in page.text
    assert f'name="retour" value="/sas/orientations/{id}"' in detail.text


async def test_the_page_follows_messages_and_the_hubs_connection(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.sas.console.message_pages.PAUSE_S", 0.0)
    monkeypatch.setattr("sandbox.sas.console.message_pages.AGAIN_S", 0.02)
    async with following(core, f"{MESSAGES}/flux") as stream:
        assert "tous les messages ont abouti" in (await stream.next())[1]
        key = (await failed(core)).distribution_id
        async with asyncio.timeout(5):
            while f'data-message="{key}"' not in (await stream.next())[1]:
                pass
        core.hub.connected = False
        assert "injoignable" in (await stream.next())[1]


async def test_a_written_message_updates_the_page_at_once(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.sas.console.message_pages.PAUSE_S", 0.0)
    monkeypatch.setattr("sandbox.sas.console.message_pages.AGAIN_S", None)
    async with following(core, f"{MESSAGES}/flux") as stream:
        await stream.next()
        core.hub.connected = False
        await failed(core)
        assert "injoignable" in (await stream.next())[1]


async def test_a_colleagues_message_is_for_the_administrator(core: Core) -> None:
    key = (await failed(core)).distribution_id
    plain = await created(core)
    colleague = core.sas.regulators.named(core.population.regulators[1].identifier)
    assert colleague is not None
    async with logged_in(core, plain.id) as browser:
        page = await browser.get("/")
        assert (await submit(browser, page, RESEND, message=key)).status_code == 403
    async with logged_in(core, colleague.id) as browser:
        page = await browser.get(MESSAGES)
        assert (await submit(browser, page, RESEND, message=key)).headers["location"] == MESSAGES
    async with core.browser() as stranger:
        assert (await stranger.post(RESEND, data={"message": key})).status_code == 403
    assert await sent_again(core) == [f"{key}.1"]


async def test_a_message_that_cannot_be_sent_again_says_why_and_an_unknown_one_is_404(core: Core) -> None:
    message = await booked(core)
    key = message.distribution_id
    await core.hub.acknowledge(message)
    headers = await core.token()
    async with logged_in(core) as browser:
        page = await browser.get(MESSAGES)
        answer = await submit(browser, page, RESEND, message=key)
        assert answer.status_code == 303
        assert (await submit(browser, page, RESEND, message="unknown")).status_code == 404
        assert (await browser.post(f"/api/l02/{key}/resend", headers=headers)).status_code == 409
        assert (await browser.post("/api/l02/unknown/resend", headers=headers)).status_code == 404


async def test_the_api_sends_again_and_has_the_statistics(core: Core) -> None:
    key = (await failed(core)).distribution_id
    async with core.browser() as browser:
        answer = await browser.post(f"/api/l02/{key}/resend", headers=await core.token())
        assert answer.status_code == 202
        numbers = (await browser.get("/api/l02")).json()
    assert numbers["states"]["refused"] == 1
    assert [message["distributionID"] for message in numbers["troubles"]] == [key]
    async with core.browser(("192.0.2.7", 40000)) as afar:
        assert (await afar.get("/api/l02")).status_code == 401
