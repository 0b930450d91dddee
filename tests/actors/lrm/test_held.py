"""Behaviours of an LRM as its pages show them, and answers that are held back."""

from __future__ import annotations

import httpx
import pytest

from sandbox.kernel.world import ClockSetting, Fault, World
from sandbox.lrm import app as module
from sandbox.lrm.app import Lrm, LrmService
from sandbox.net.context import Context
from tests.actors.lrm.test_consumer import QUEUE, appointment, sent
from tests.support.hub_peer import FakeHubPeer
from tests.support.two_territories import SAMU, SAS


async def test_behaviours_and_what_they_hold_back_are_shown_and_outlive_a_restart(
    context: Context, browser: httpx.AsyncClient, service: LrmService, hubs: dict[str, FakeHubPeer]
) -> None:
    slow = Fault("f1", "ack-delay", f"lrm:{SAMU}", params={"median_ms": 120_000, "p95_ms": 120_000})
    context.world.apply(World(revision=1, faults=(slow,)))
    await hubs[SAMU].deliver(QUEUE, sent(1))
    page = (await browser.get("/samu330/messages")).text
    for text in ('data-rule="ack-delay"', "appliqué 1 fois", f'data-held="{SAS}_1"', "part à 10:02:00"):
        assert text in page
    assert "Ce LRM enregistre chaque message" in (await browser.get("/samu350/messages")).text
    (held,) = (await browser.get("/samu330/api/held")).json()["held"]
    assert hubs[SAMU].published == []
    await service.stop()
    hubs.clear()
    store = module.open_store(context.store_dir(f"lrm/{SAMU}"))
    lrm = Lrm(context, context.population.territories["SAS-33"], store)
    await lrm.start()
    assert [each.id for each in lrm.consumer.answers.held()] == [held["id"]]
    assert await lrm.consumer.answers.release(held["id"])
    (answer,) = await hubs[SAMU].messages(1)
    assert answer.reference is not None
    assert answer.reference["distributionID"] == f"{SAS}_1"
    await lrm.stop()


async def test_a_delay_that_passed_while_nobody_ran_is_over_at_the_next_start(
    context: Context, browser: httpx.AsyncClient, service: LrmService, hubs: dict[str, FakeHubPeer]
) -> None:
    slow = Fault("f1", "ack-delay", f"lrm:{SAMU}", params={"median_ms": 120_000, "p95_ms": 120_000})
    context.world.apply(World(revision=1, faults=(slow,)))
    await hubs[SAMU].deliver(QUEUE, sent(1))
    await service.stop()
    hubs.clear()
    context.clock.setting = ClockSetting(frozen=context.clock.now().timestamp() + 3600)
    store = module.open_store(context.store_dir(f"lrm/{SAMU}"))
    lrm = Lrm(context, context.population.territories["SAS-33"], store)
    await lrm.start()
    await hubs[SAMU].messages(1)
    await lrm.stop()


async def test_beyond_so_many_held_answers_the_next_leave_at_once(
    context: Context, browser: httpx.AsyncClient, hubs: dict[str, FakeHubPeer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.lrm.messages.answers.MOST_HELD", 1)
    context.world.apply(World(revision=1, faults=(Fault("f1", "ack-by-hand", f"lrm:{SAMU}"),)))
    for number in range(2):
        await hubs[SAMU].deliver(QUEUE, sent(number, appointment(appointmentId=f"id-{number}")))
    (answer,) = await hubs[SAMU].messages(1)
    assert answer.reference is not None
    assert answer.reference["distributionID"] == f"{SAS}_1"


async def test_a_deaf_lrm_hears_no_messages_until_it_is_cured(
    context: Context, browser: httpx.AsyncClient, hubs: dict[str, FakeHubPeer]
) -> None:
    context.world.apply(World(revision=1, faults=(Fault("f1", "lrm-deaf", f"lrm:{SAMU}"),)))
    assert hubs[SAMU].unheard == {QUEUE}
    assert hubs["fr.health.samu350"].unheard == frozenset()
    context.world.apply(World(revision=2))
    assert hubs[SAMU].unheard == frozenset()
