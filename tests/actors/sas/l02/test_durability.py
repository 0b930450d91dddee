"""INT_L02: what is durable when, and which messages are deleted first."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sandbox.edxl import build
from sandbox.edxl.codes import HubCode
from sandbox.net.context import Context
from sandbox.sas.orientations.l02 import message_table
from sandbox.sas.orientations.l02.emitter import L02
from sandbox.store.embedded.tables import open_store
from sandbox.store.protocol import Store
from tests.actors.sas.l02.messages import RECORD, address, book, changed, error, person, until
from tests.support.hub_peer import FakeHubPeer
from tests.support.two_territories import SAS


async def test_state_and_outbox_survive_a_restart(context: Context, tmp_path: Path) -> None:
    store = open_store(tmp_path / "again")
    key = await book(L02(context, store, person, hub=FakeHubPeer()), store)  # type: ignore[arg-type]
    await store.close()
    store, hub = open_store(tmp_path / "again"), FakeHubPeer()
    l02 = L02(context, store, person, hub=hub)  # type: ignore[arg-type]
    assert [found["state"] for found in l02.of_appointment(RECORD.id)] == ["due"]
    await l02.start()
    assert [message.distribution_id for message in await hub.messages(1)] == [key]
    await until(l02, store, key, "published")
    await l02.stop()
    await store.close()


async def test_a_verdict_is_on_disk_before_the_delivery_is_acked(
    l02: L02, store: Store, hub: FakeHubPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await book(l02, store)
    await until(l02, store, key, "published")
    pending: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    monkeypatch.setattr(store, "commit", lambda *writes: pending)
    delivery = asyncio.create_task(hub.deliver(f"{SAS}.ack", build.ack(address(), key)))
    done, _ = await asyncio.wait([delivery], timeout=0.05)
    assert not done
    pending.set_result(None)
    await delivery


async def test_memory_is_bounded_by_forgetting_the_oldest_finished_messages(
    context: Context, store: Store, hub: FakeHubPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(message_table, "MOST_ROWS", 3)
    l02 = L02(context, store, person, hub=hub)  # type: ignore[arg-type]
    await l02.start()
    first = await book(l02, store)
    await until(l02, store, first, "published")
    others = [f"{SAS}_{number}" for number in range(4)]
    for other in others:
        await hub.deliver(f"{SAS}.ack", build.ack(address(), other))
    kept = [key for key in (first, *others) if l02.state(key) is not None]
    assert first in kept, "an unfinished message is never forgotten"
    assert others[-1] in kept
    assert len(kept) <= 4
    await hub.deliver(f"{SAS}.ack", build.ack(address(), first))
    for number in range(4, 8):
        await hub.deliver(f"{SAS}.ack", build.ack(address(), f"{SAS}_{number}"))
    assert l02.state(first) is None
    assert l02.of_appointment(RECORD.id) == []
    await l02.stop()


async def test_a_message_that_was_never_committed_is_forgotten_too(
    context: Context, store: Store, hub: FakeHubPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(message_table, "MOST_ROWS", 1)
    l02 = L02(context, store, person, hub=hub)  # type: ignore[arg-type]
    l02.due(RECORD)
    key = await book(l02, store, changed(version=2))
    assert [found["distributionID"] for found in l02.of_appointment(RECORD.id)] == [key]


async def test_a_code_beyond_reason_is_kept_as_none(l02: L02, store: Store, hub: FakeHubPeer) -> None:
    key = await book(l02, store)
    body = error(HubCode.CONFLICT, key).replace(b'"statusCode":409', b'"statusCode":1e300')
    await hub.deliver(f"{SAS}.info", body)
    assert (l02.state(key) or {})["code"] == 0
    assert l02.connected
