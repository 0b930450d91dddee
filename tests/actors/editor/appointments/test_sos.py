"""Appointments at SOS Médecins: pending until the association names the doctor, by hand or by itself."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import msgspec
import orjson
import pytest

from sandbox.editor.appointments import takeover
from sandbox.editor.appointments.booking import TABLE, slot_key
from sandbox.editor.pages import followup
from sandbox.fhir.appointment import Conditional, receive_appointment
from sandbox.fhir.profiles import check
from sandbox.kernel.clock import Clock
from sandbox.kernel.errors import PeerUnreachable, StoreError
from sandbox.kernel.flows import IG_VERSIONS, AppointmentStatus
from sandbox.kernel.identifiers import SYSTEM_PERSON, Identifier
from sandbox.kernel.model import Appointment, Slot
from sandbox.kernel.world import ClockSetting
from sandbox.net.context import Context
from sandbox.population.duty import on_duty
from sandbox.store.protocol import Put
from tests.actors.editor.conftest import NOW, opened
from tests.support.editors.running_editor import (
    NATIONAL,
    REGULATOR,
    Browser,
    LocalEditor,
    Sas,
    appointment_id,
    booking_path,
    is_free,
)
from tests.support.sandboxes import eventually

SITE = "sos-bordeaux-bastide"
DELAY = timedelta(seconds=20)  # of the settings' default


def later(context: Context, by: timedelta) -> None:
    """Advance stopped sandbox time by so much."""
    context.clock.setting = ClockSetting(frozen=(NOW + by).timestamp())


def with_delay(context: Context, seconds: float) -> Context:
    settings = msgspec.structs.replace(context.settings, sos_take_over_s=seconds)
    return replace(context, settings=settings)


async def told(sas: Sas, count: int) -> list[tuple[str, Appointment]]:
    """(method, appointment) of each version that was sent; none has a finding, and each is valid by both versions of
    the guide."""
    found = []
    for method, _, body in await sas.reached(count):
        received = receive_appointment(body)
        assert received.findings == ()
        assert [check(orjson.loads(body), ig) for ig in IG_VERSIONS] == [[], []]
        found.append((method, received.appointment))
    assert len(found) == count
    return found


def said(versions: list[tuple[str, Appointment]]) -> list[tuple[str, str, bool, str]]:
    """For each version: method, status, whether the doctor is known, status of the participant."""
    return [(method, str(one.status), one.practitioner is not None, one.participant_status) for method, one in versions]


SOUGHT = ("POST", "pending", False, "needs-action")
NAMED = ("PUT", "booked", True, "accepted")


async def entered(editor: LocalEditor, at: int = 0) -> tuple[Browser, Slot]:
    if not len(editor.running.accounts):
        await editor.running.accounts.post(REGULATOR)
    browser, slot = editor.browser(), editor.free(SITE)[at]
    assert (await browser.enter(booking_path(slot))).status_code == 200
    return browser, slot


@pytest.fixture
async def sos(context: Context) -> AsyncIterator[LocalEditor]:
    async with opened(context, "garde-plus") as editor:
        yield editor


def duty(editor: LocalEditor, start: datetime, schedule: str = SITE) -> str:
    held = editor.context.population.site(schedule)
    assert held is not None
    return on_duty(held[0], schedule, start).id


@pytest.mark.requirement("R03-9", "R03-11")
async def test_a_booking_is_pending_until_the_doctor_on_duty_takes_it(sos: LocalEditor):
    browser, slot = await entered(sos)
    id = appointment_id(await browser.book(slot))
    page = (await browser.get(f"/rendez-vous/{id}")).text
    doctor = sos.context.population.doctor(duty(sos, slot.start))
    assert doctor is not None
    assert 'data-status="pending"' in page
    assert f"Dr {doctor.given} {doctor.family}" in page
    assert "08:00:20" in page  # when the association does it by itself
    assert "honorer" not in page
    assert (await browser.post(f"/rendez-vous/{id}/prendre-en-charge")).status_code == 303
    versions = await told(sos.sas, 2)
    assert said(versions) == [SOUGHT, NAMED]
    assert versions[1][1].practitioner == doctor.id
    page = (await browser.get(f"/rendez-vous/{id}")).text
    assert 'data-status="booked"' in page
    assert f"<dd>Dr {doctor.given} {doctor.family}</dd>" in page
    assert (await browser.post(f"/rendez-vous/{id}/prendre-en-charge")).status_code == 409
    await browser.post(f"/rendez-vous/{id}/honorer")
    assert (await told(sos.sas, 3))[2][1].practitioner == doctor.id


async def test_the_association_names_the_doctor_by_itself_once_sandbox_time_has_come(sos: LocalEditor):
    browser, slot = await entered(sos)
    await browser.book(slot)
    await told(sos.sas, 1)
    for by in (timedelta(), DELAY - timedelta(seconds=1)):  # time stands still, whatever the wall clock says
        later(sos.context, by)
        sos.context.world.apply(sos.context.world.world)
        await asyncio.sleep(0.05)
        assert len(sos.sas.calls) == 1
    later(sos.context, DELAY)
    sos.context.world.apply(sos.context.world.world)
    assert said(await told(sos.sas, 2)) == [SOUGHT, NAMED]
    assert sos.running.ledger.awaited.next_due is None


async def test_time_that_passes_by_itself_suffices(context: Context):
    """The World does not change: the ledger is checked while somebody waits."""
    loop = asyncio.get_running_loop()
    running = Clock(lambda: NOW.timestamp() + loop.time(), None)
    running.setting = ClockSetting(offset=-loop.time())
    context = replace(with_delay(context, 0.2), clock=running)
    async with opened(context, "garde-plus") as editor:
        browser, slot = await entered(editor)
        await browser.book(slot)
        assert said(await told(editor.sas, 2)) == [SOUGHT, NAMED]


async def test_without_delay_the_doctor_is_known_at_once(context: Context):
    async with opened(with_delay(context, 0), "garde-plus") as editor:
        browser, slot = await entered(editor)
        id = appointment_id(await browser.book(slot))
        [(method, sent)] = await told(editor.sas, 1)
        assert (method, sent.status, sent.participant_status) == ("POST", AppointmentStatus.BOOKED, "accepted")
        assert sent.practitioner == duty(editor, slot.start)
        assert "prendre-en-charge" not in (await browser.get(f"/rendez-vous/{id}")).text


@pytest.mark.requirement("R03-3", "R03-11")
async def test_a_pending_appointment_can_be_cancelled_and_its_slot_is_free_again(sos: LocalEditor):
    browser, slot = await entered(sos)
    id = appointment_id(await browser.book(slot))
    assert not is_free(sos, slot)
    assert (await browser.post(f"/rendez-vous/{id}/annuler")).status_code == 303
    assert said(await told(sos.sas, 2)) == [SOUGHT, ("PUT", "cancelled", False, "accepted")]
    assert is_free(sos, slot)
    later(sos.context, DELAY)
    sos.context.world.apply(sos.context.world.world)
    await asyncio.sleep(0.05)
    assert len(sos.sas.calls) == 2


async def test_who_waits_when_the_editor_ends_is_served_by_the_next_one(context: Context):
    down = Sas(failure=PeerUnreachable("sas", "refused"))
    async with opened(context, "garde-plus", down) as editor:
        browser, slot = await entered(editor)
        await browser.book(slot)
    later(context, timedelta(hours=1))
    async with opened(context, "garde-plus") as editor:
        versions = await told(editor.sas, 2)
        assert said(versions) == [SOUGHT, NAMED]
        assert versions[1][1].practitioner == duty(editor, slot.start)


async def test_a_pending_appointment_that_moves_stays_pending_a_booked_one_gets_the_doctor_of_then(
    sos: LocalEditor,
):
    browser, _ = await entered(sos)
    free = sos.free(SITE, 3)
    id = appointment_id(await browser.book(free[0]))
    await move(browser, id, free[2])
    tomorrow = next(slot for slot in free if duty(sos, slot.start) != duty(sos, free[2].start))
    await browser.post(f"/rendez-vous/{id}/prendre-en-charge")
    await move(browser, id, tomorrow)
    versions = await told(sos.sas, 4)
    assert said(versions) == [SOUGHT, ("PUT", *SOUGHT[1:]), NAMED, NAMED]
    assert [one.start for _, one in versions[1:]] == [free[2].start, free[2].start, tomorrow.start]
    assert [one.practitioner for _, one in versions[2:]] == [duty(sos, free[2].start), duty(sos, tomorrow.start)]


async def move(browser: Browser, id: str, slot: Slot) -> None:
    page = await browser.get(f"/rendez-vous/{id}/deplacer?lieu={slot.schedule}")
    assert page.status_code == 200
    answer = await browser.post(f"/rendez-vous/{id}/deplacer", {"slot": slot_key(slot)})
    assert answer.status_code == 303, answer.text


async def test_a_site_that_is_gone_leaves_an_appointment_that_can_be_cancelled(
    sos: LocalEditor, monkeypatch: pytest.MonkeyPatch
):
    browser, slot = await entered(sos)
    id = appointment_id(await browser.book(slot))
    monkeypatch.setattr(sos.context.population, "site", lambda _: None)
    later(sos.context, DELAY)
    sos.context.world.apply(sos.context.world.world)
    await eventually(lambda: sos.running.ledger.awaited.next_due is None)
    assert (await browser.get(f"/rendez-vous/{id}")).status_code == 200
    refusal = await browser.post(f"/rendez-vous/{id}/prendre-en-charge")
    assert refusal.status_code == 409
    assert "Ce site n'existe plus" in refusal.text.replace("&#39;", "'")
    await browser.post(f"/rendez-vous/{id}/annuler")
    assert said(await told(sos.sas, 2))[1] == ("PUT", "cancelled", False, "accepted")


async def test_a_disk_that_refuses_for_a_while_only_delays_the_doctor(
    sos: LocalEditor, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(takeover, "POLL_S", 0.01)
    browser, slot = await entered(sos)
    await browser.book(slot)
    await told(sos.sas, 1)
    commit, refusals = sos.running.store.commit, [1, 2]

    def full(*writes: Any) -> Any:
        if refusals and any(write.table == TABLE for write in writes):
            refusals.pop()
            raise StoreError("disk full")
        return commit(*writes)

    monkeypatch.setattr(sos.running.store, "commit", full)
    later(sos.context, DELAY)
    sos.context.world.apply(sos.context.world.world)
    assert said(await told(sos.sas, 2)) == [SOUGHT, NAMED]
    assert refusals == []


async def test_the_operator_is_the_regulator_as_the_editor_knows_him_when_the_doctor_is_named(sos: LocalEditor):
    browser, slot = await entered(sos)
    await browser.book(slot)
    await told(sos.sas, 1)
    new = Identifier(SYSTEM_PERSON, "3456780581/99999999", "IDNPS")
    account = dataclasses.replace(REGULATOR, identifiers=(new,))
    await sos.running.accounts.put(Conditional(NATIONAL.system, NATIONAL.value), account)
    later(sos.context, DELAY)
    sos.context.world.apply(sos.context.world.world)
    assert [one.operator for _, one in await told(sos.sas, 2)] == [NATIONAL, new]


async def test_a_booking_of_before_without_a_doctor_gets_one_when_it_is_read(sos: LocalEditor):
    """Earlier versions of the editors kept `booked` without a doctor: the next INT_R03 about it names one."""
    browser, slot = await entered(sos)
    id = appointment_id(await browser.book(slot))
    row = orjson.loads(sos.running.store.get(TABLE, id) or b"")
    row = {name: value for name, value in row.items() if name not in ("status", "due")}
    await sos.running.store.commit(Put(TABLE, id, orjson.dumps(row)))
    present = sos.running.ledger.appointment(id)
    assert present is not None
    assert (present.status, present.practitioner) == (AppointmentStatus.BOOKED, duty(sos, slot.start))
    assert present.participant_status == "accepted"


async def test_the_page_follows_until_the_doctor_is_named_and_the_sas_core_has_answered(
    sos: LocalEditor, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(followup, "POLL_S", 0.005)
    browser, slot = await entered(sos)
    id = appointment_id(await browser.book(slot))
    page = (await browser.get(f"/rendez-vous/{id}")).text
    assert f'data-live="/garde-plus/rendez-vous/{id}/flux"' in page
    following = asyncio.create_task(browser.get(f"/rendez-vous/{id}/flux"))
    await told(sos.sas, 1)
    await asyncio.sleep(0.05)
    assert not following.done()
    later(sos.context, DELAY)
    sos.context.world.apply(sos.context.world.world)
    async with asyncio.timeout(5):
        stream = (await following).text
    shown = [event for event in stream.split("\n\n") if event.startswith("event: contenu")]
    assert 'data-status="pending"' in shown[0]
    assert 'data-status="booked"' in shown[-1]
    assert "transmis au SAS" in shown[-1]
    assert "event: fin" in stream
    assert "data-live" not in (await browser.get(f"/rendez-vous/{id}")).text


async def test_the_page_is_followed_no_more_once_the_right_is_withdrawn(
    sos: LocalEditor, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(followup, "POLL_S", 0.005)
    browser, slot = await entered(sos)
    id = appointment_id(await browser.book(slot))
    following = asyncio.create_task(browser.get(f"/rendez-vous/{id}/flux"))
    await asyncio.sleep(0.05)
    withdrawn = dataclasses.replace(REGULATOR, active=False)
    await sos.running.accounts.put(Conditional(NATIONAL.system, NATIONAL.value), withdrawn)
    async with asyncio.timeout(5):
        stream = (await following).text
    assert stream.count("event: contenu") <= 2  # « envoi en cours », then « transmis »
    assert stream.rstrip().endswith("data:")
    assert (await sos.browser().get(f"/rendez-vous/{id}/flux")).status_code == 303
