"""« Envois au SAS »: which INT_R03 wait and why, which were refused, and how they are sent again (R03-8, R03-10)."""

from __future__ import annotations

import asyncio
import html
import re
from typing import Any

import orjson
import pytest

from sandbox.kernel.calls import resend_switch
from sandbox.kernel.errors import PeerError, PeerRefused, PeerTimeout, PeerUnreachable, StoreError
from sandbox.kernel.flows import AppointmentStatus
from sandbox.kernel.world import World
from sandbox.net.context import Context
from sandbox.net.http.client import Reply
from tests.actors.editor.conftest import opened
from tests.support.appointments import parse_appointment
from tests.support.editors.running_editor import (
    REGULATOR,
    Browser,
    LocalEditor,
    Sas,
    appointment_id,
    booking_path,
    several,
    slots,
)
from tests.support.sandboxes import eventually

REFUSAL = b'{"resourceType":"OperationOutcome","issue":[{"details":{"text":"unknown regulator"}}]}'


@pytest.mark.requirement("R03-8", "R03-10")
async def test_what_waits_shows_why_and_until_when_and_goes_at_once_when_told(context: Context):
    sas = Sas(failure=PeerTimeout("sas", "no complete answer within 7 s"))
    async with opened(context, "agenda-azur", sas) as editor:
        await editor.running.accounts.post(REGULATOR)
        browser = editor.browser()
        await browser.enter(booking_path(slots(editor)[3]))
        id = appointment_id(await browser.book(slots(editor)[3]))
        await browser.post(f"/rendez-vous/{id}/absent")
        await eventually(lambda: editor.running.emitter.listed(1))
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
    """A SAS core that answers only when the test permits it."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()

    async def request(self, method: str, url: str, *, body: bytes | None = None, **options: Any) -> Reply:
        self.called.set()
        await self.gate.wait()
        return await super().request(method, url, body=body, **options)


async def test_what_is_on_its_way_is_no_trouble(context: Context):
    slow = Slow()
    async with opened(context, "agenda-azur", slow) as editor:
        await editor.running.accounts.post(REGULATOR)
        browser = editor.browser()
        await browser.enter(booking_path(slots(editor)[3]))
        id = appointment_id(await browser.book(slots(editor)[3]))
        await slow.called.wait()
        assert "envoi au SAS en cours" in (await browser.get(f"/rendez-vous/{id}")).text
        assert editor.running.emitter.listed(5) == []
        slow.gate.set()
        await settled(editor)
        assert "transmis au SAS" in (await browser.get(f"/rendez-vous/{id}")).text


async def refused(context: Context, editor: LocalEditor) -> tuple[Browser, str]:
    """A regulator whose booking the SAS core refused, and the booking's id."""
    await editor.running.accounts.post(REGULATOR)
    browser = editor.browser()
    await browser.enter(booking_path(slots(editor)[3]))
    id = appointment_id(await browser.book(slots(editor)[3]))
    await editor.sas.reached(1)
    return browser, id


@pytest.mark.requirement("R03-8")
async def test_a_refusal_is_told_with_its_words_and_can_be_sent_again(context: Context):
    async with opened(context, "agenda-azur", Sas(422, REFUSAL)) as editor:
        browser, id = await refused(context, editor)
        page = await browser.get("/envois")
        assert f'data-appointment="{id}" data-sending="failed"' in page.text
        assert "422 : unknown regulator" in page.text
        editor.sas.status = 201
        await browser.get("/envois")
        assert (await browser.post(f"/rendez-vous/{id}/renvoyer")).headers["location"] == "/agenda-azur/envois"
        _, (method, url, body) = await editor.sas.reached(2)
        assert (method, url.rpartition("%7C")[2]) == ("PUT", id)
        assert parse_appointment(body).status is AppointmentStatus.BOOKED
        await settled(editor)
        assert "Tout est transmis" in (await browser.get("/envois")).text
        assert "transmis au SAS" in (await browser.get(f"/rendez-vous/{id}")).text
        assert (await browser.post(f"/rendez-vous/{id}/renvoyer")).status_code == 409


async def test_a_refusal_is_forgotten_when_a_later_version_passes(context: Context):
    async with opened(context, "agenda-azur", Sas(422, REFUSAL)) as editor:
        browser, id = await refused(context, editor)
        editor.sas.status = 201
        await browser.get("/rendez-vous")
        await browser.post(f"/rendez-vous/{id}/honorer")
        await editor.sas.reached(2)
        await settled(editor)
        page = await browser.get("/rendez-vous")
        assert "refusé par le SAS" not in page.text
        assert editor.running.emitter.health() == {"r03_waiting": 0, "r03_failed": 0}


async def settled(editor: LocalEditor) -> None:
    """Wait until nothing is left to be sent."""
    await eventually(lambda: not editor.running.emitter.outbox.depth)


async def test_the_control_plane_has_everything_refused_sent_again_once_per_word(context: Context):
    sas = Sas(422, REFUSAL)
    world = World(revision=1, switches={resend_switch("agenda-azur"): "first", resend_switch("garde-plus"): "x"})
    async with opened(context, "agenda-azur", sas) as editor:
        _, id = await refused(context, editor)
        await settled(editor)
        assert editor.running.emitter.listed(5) == [
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
        await settled(editor)
        assert editor.running.emitter.health() == {"r03_waiting": 0, "r03_failed": 1}
    async with opened(context, "agenda-azur", sas) as editor:
        context.world.apply(World(revision=2, switches=dict(world.switches)))
        await editor.running.store.barrier()
        assert (editor.running.emitter.outbox.depth, len(sas.calls)) == (0, 2)
        sas.status = 200
        context.world.apply(World(revision=3, switches={resend_switch("agenda-azur"): "second"}))
        await sas.reached(3)
        await settled(editor)
        assert editor.running.emitter.listed(5) == []


async def test_a_store_that_fails_does_not_stop_the_world(
    context: Context, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    async with opened(context, "agenda-azur", Sas(422, REFUSAL)) as editor:
        await refused(context, editor)
        await settled(editor)

        def full(*writes: object) -> object:
            raise StoreError("disk full")

        with monkeypatch.context() as patch:
            patch.setattr(editor.running.store, "commit", full)
            assert context.world.apply(World(revision=1, switches={resend_switch("agenda-azur"): "now"}))
        assert "cannot be sent again" in caplog.text


async def test_a_regulator_sees_the_sendings_of_his_own_appointments_only(context: Context):
    async with opened(context, "agenda-azur", Sas(422, REFUSAL)) as editor:
        _, id = await refused(context, editor)
        [other] = await several(editor, 1, slots(editor)[5])
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
    async with opened(context, "agenda-azur", sas) as editor:
        await refused(context, editor)
        await eventually(lambda: editor.running.emitter.listed(1))
        assert editor.running.emitter.listed(1)[0]["reason"] == text
        assert orjson.dumps(editor.running.emitter.listed(1))


async def test_sending_that_can_never_be_made_stays_visible_and_holds_nobody_up(context: Context):
    """The row was written by an older version or edited by hand."""
    sas = Sas()
    async with opened(context, "agenda-azur", sas) as editor:
        emitter = editor.running.emitter
        await editor.running.store.commit(*emitter.outbox.put("broken", b"{}", ref="broken"))
        emitter.wake()
        await eventually(lambda: emitter.outbox.abandoned.count == 1)
        (shown,) = emitter.listed(10)
        assert (shown["appointment"], shown["state"]) == ("broken", "refused")
        assert shown["reason"] == "l'envoi enregistré n'est pas lisible"
        _, id = await refused(context, editor)
        await settled(editor)
        assert [one["appointment"] for one in emitter.listed(10)] == ["broken"]
        assert emitter.transmission(id).state == "sent"
