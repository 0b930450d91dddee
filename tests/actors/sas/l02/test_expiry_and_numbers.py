"""INT_L02: expiry, numbers about messages, and the most that is kept of one appointment."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sandbox.edxl import build
from sandbox.edxl.codes import HubCode
from sandbox.kernel.world import ClockSetting
from sandbox.net.context import Context
from sandbox.sas.orientations.l02 import message_table
from sandbox.sas.orientations.l02.emitter import L02
from sandbox.store.protocol import Store
from tests.actors.sas.l02.messages import RECORD, address, book, changed, error, eventually, person, until
from tests.support.hub_peer import FakeHubPeer
from tests.support.two_territories import NOW, SAS


async def test_a_message_that_nobody_answers_expires(
    l02: L02, context: Context, store: Store, hub: FakeHubPeer
) -> None:
    key = await book(l02, store)
    await until(l02, store, key, "published")
    await l02.sweep()
    assert (l02.state(key) or {})["state"] == "published"
    context.clock.setting = ClockSetting(frozen=(NOW + timedelta(days=1, minutes=2)).timestamp())
    await l02.sweep()
    found = l02.state(key) or {}
    assert (found["state"], found["cause"]) == ("expired", "no acknowledgement came before the message expired")
    await hub.deliver(f"{SAS}.ack", build.ack(address(), key))
    assert (l02.state(key) or {})["state"] == "acknowledged"


async def test_what_the_hub_has_not_taken_is_left_to_the_outbox(
    l02: L02, context: Context, store: Store, hub: FakeHubPeer
) -> None:
    hub.gate.clear()
    key = await book(l02, store)
    l02.due(changed(id="never committed"))
    context.clock.setting = ClockSetting(frozen=(NOW + timedelta(days=2)).timestamp())
    await l02.sweep()
    assert (l02.state(key) or {})["state"] == "due"
    assert l02.statistics()["states"]["due"] == 1
    hub.gate.set()


async def test_numbers_tell_states_ages_rates_and_causes(
    l02: L02, context: Context, store: Store, hub: FakeHubPeer
) -> None:
    keys = [await book(l02, store, changed(id=f"appointment-{number}")) for number in range(4)]
    for key in keys:
        await until(l02, store, key, "published")
    context.clock.setting = ClockSetting(frozen=(NOW + timedelta(seconds=30)).timestamp())
    await hub.deliver(f"{SAS}.ack", build.ack(address(), keys[0]))
    await hub.deliver(f"{SAS}.info", error(HubCode.CONFLICT, keys[1]))
    await hub.deliver(f"{SAS}.info", error(HubCode.CONFLICT, keys[2]))
    expected = {
        "states": {"due": 0, "published": 1, "acknowledged": 1, "refused": 2, "expired": 0},
        "open": 1,
        "oldest": 30.0,
        "lastHour": {"acknowledged": 1, "refused": 2, "expired": 0},
        "seconds": {"median": 30.0, "p95": 30.0},
        "causes": [{"code": 409, "state": "refused", "count": 2, "cause": "why"}],
        "waiting": 0,
        "connected": True,
    }
    await eventually(store, lambda: l02.waiting == 0)
    assert l02.statistics() == expected
    again = L02(context, store, person, hub=hub)  # type: ignore[arg-type]
    assert {**again.statistics(), "waiting": 0} == expected
    context.clock.setting = ClockSetting(frozen=(NOW + timedelta(hours=2)).timestamp())
    assert l02.statistics()["lastHour"] == {"acknowledged": 0, "refused": 0, "expired": 0}


async def test_the_messages_of_one_appointment_are_bounded(
    l02: L02, store: Store, hub: FakeHubPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(message_table, "MOST_OF_ONE", 2)
    for version in (1, 2, 3):
        key = await book(l02, store, changed(version=version))
        await until(l02, store, key, "published")
        await hub.deliver(f"{SAS}.ack", build.ack(address(), key))
    assert [found["distributionID"][-2:] for found in l02.of_appointment(RECORD.id)] == [".2", ".3"]
    assert l02.statistics()["states"]["acknowledged"] == 2
