"""The embedded broker without a client that it had: over restarts, and beside a disk that refuses.

Only the embedded one: a RabbitMQ keeps its queues by itself, and `tests/wire/hub/test_removal.py` plays both.
"""

from __future__ import annotations

from typing import Any

import pytest
from pamqp import commands

from sandbox.kernel.hub.clients import leaving_switch, switch_of
from sandbox.kernel.hub.removal import Removal, reported_removal
from sandbox.kernel.world import Fault, World
from sandbox.net.amqp.client import AmqpClient
from tests.support.hub.queues import appointment_message
from tests.support.sandboxes import eventually
from tests.wire.amqp.conftest import PLATFORM, VHOST

NEW = "fr.health.samu750"
ADDED, LEAVING = {switch_of(NEW): ""}, {leaving_switch(NEW): "w"}


async def started(site: Any, switches: dict[str, str]) -> Any:
    hub = site.hub()
    site.hub_context.world.apply(World(revision=1, switches=switches))
    await hub.start()
    return hub


async def with_a_message(site: Any) -> Any:
    """A hub in which a message waits for the client."""
    hub = await started(site, ADDED)
    sender = AmqpClient(site.context(), "test", PLATFORM)
    await sender.start()
    await sender.publish(appointment_message(PLATFORM, NEW))
    await sender.stop()
    await eventually(lambda: hub.health()["queues"] == {f"{VHOST}:{NEW}.message": "1/0"})
    return hub


async def removal(hub: Any) -> Removal:
    found: Removal = await eventually(lambda: reported_removal(hub.health(), NEW, "w"))
    return found


def lost(found: Removal) -> list[tuple[str, int]]:
    return [(each.queue, each.ready) for each in found.queues if each.ready]


async def test_client_that_left_while_the_hub_was_away_is_counted_at_its_start(plain_site) -> None:
    await (await with_a_message(plain_site)).stop()
    hub = await started(plain_site, LEAVING)
    assert lost(await removal(hub)) == [(f"{NEW}.message", 1)]
    await hub.stop()
    hub = await started(plain_site, ADDED)
    assert hub.health()["queues"] == {}, "what was told as lost does not come back with the client"
    await hub.stop()


async def test_client_that_leaves_a_running_hub_may_log_in_no_more(site, raw) -> None:
    hub = await with_a_message(site)
    site.hub_context.world.apply(World(revision=2, switches=LEAVING))
    assert lost(await removal(hub)) == [(f"{NEW}.message", 1)]
    assert hub._clients.rights(NEW) is None
    wire = await raw()
    await wire.login()
    wire.send(commands.Channel.Open(), 1)
    await wire.read()
    wire.send(commands.Queue.Declare(0, f"{NEW}.message", passive=True), 1)
    assert (await wire.read()).reply_code == 404
    await wire.close()
    await hub.stop()


async def test_broker_that_restarts_meanwhile_finishes_what_it_had_begun(plain_site) -> None:
    hub = await with_a_message(plain_site)
    restart = (Fault(id="r", kind="restart", target="hub", params={"ms": 0}),)
    plain_site.hub_context.world.apply(World(revision=2, switches=LEAVING, faults=restart))
    await removal(hub)
    assert hub._running is not None
    assert not any(queue.startswith(NEW) for queue in hub._running.broker.vhosts[VHOST].queues)
    await hub.stop()


async def test_nothing_is_told_before_the_disk_has_it(plain_site, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = await with_a_message(plain_site)
    records = hub._running.broker.records
    monkeypatch.setattr(records, "on_work", None)  # the disk no longer completes writes
    plain_site.hub_context.world.apply(World(revision=2, switches=LEAVING))
    await eventually(lambda: records._waiters)
    records.settled(records.batch - 1, safe=True)
    records.settled(records.batch, safe=False)
    assert reported_removal(hub.health(), NEW, "w") is None
    records.settled(records.batch, safe=True)
    assert lost(await removal(hub)) == [(f"{NEW}.message", 1)]
    await hub.stop()
