"""Deliveries that are not acknowledged in time, on both brokers: what vendors' clients see of it, unchanged, and what
our own LRM and SAS core make of it.

Each program is called with: host, port, virtual host, client id, CA, certificate, key, PKCS#12. It consumes its queue,
and does not acknowledge; it tells how its channel was closed, and what becomes of the message on a new one.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sandbox.kernel.hub.report import read
from sandbox.net.amqp import client as amqp_client
from sandbox.net.amqp.client import AmqpClient
from sandbox.net.amqp.deliveries import Delivery
from sandbox.pki.authority import load_pki
from tests.support.hub.brokers import BROKERS, EMBEDDED, PLATFORM, SPARE, VHOST, Place
from tests.support.hub.queues import appointment_message, depth, emptied
from tests.support.sandboxes import eventually
from tests.wire.hub.conftest import Opened
from tests.wire.hub.test_vendors import JARS, PROGRAMS, TIMEOUT_S, run

ACK_S = 1.0
INBOX = f"{SPARE}.message"
TOLD = {
    "close": "406 PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out. Timeout value used: 1000 ms. "
    "This timeout value can be configured, see consumers doc guide to learn more",
    "culprit": "0,0",
    "open": "true",
    "again": "true",
}


def pika(build: Path) -> list[str]:
    return [sys.executable, str(PROGRAMS / "slow_pika.py")]


def java(build: Path) -> list[str]:
    if shutil.which("javac") is None or not all(jar.exists() for jar in JARS):
        pytest.skip("no JDK, or Debian's librabbitmq-client-java is not installed")
    path = os.pathsep.join([str(build), *map(str, JARS)])
    sources = [str(PROGRAMS / name) for name in ("Lrm.java", "Slow.java")]
    subprocess.run(["javac", "-cp", path, "-d", str(build), *sources], check=True, timeout=TIMEOUT_S)
    return ["java", "-cp", path, "Slow"]


@asynccontextmanager
async def hurried(hub_on: Opened, broker: str, data: Path) -> AsyncIterator[Place]:
    """A hub that waits a second for acknowledgements."""
    async with hub_on(broker, ack_timeout_s=ACK_S) as place:
        await emptied(data, place, SPARE)
        if place.node is None:
            yield place
            return
        await asyncio.to_thread(place.node.limit, ACK_S, 134_217_728)
        yield place
        await asyncio.to_thread(place.node.limit, 1800, 134_217_728)


async def sent(place: Place, *uniques: str) -> None:
    """Messages of the platform for SPARE."""
    sas = AmqpClient(place.context, "sas", PLATFORM)
    await sas.start()
    for unique in uniques:
        await sas.publish(business(unique))
    await sas.stop()


def business(unique: str) -> bytes:

    return appointment_message(PLATFORM, SPARE, unique)


@pytest.mark.parametrize("broker", BROKERS)
async def test_vendors_meet_the_time_out(hub_on: Opened, data: Path, tmp_path: Path, broker: str) -> None:
    commands: list[Callable[[Path], list[str]]] = [pika, java]
    own = load_pki(data / "pki").client(SPARE)
    async with hurried(hub_on, broker, data) as place:
        arguments = ["127.0.0.1", str(place.port), VHOST, SPARE]
        arguments += map(str, (load_pki(data / "pki").ca, own.cert, own.key, own.p12))
        for command in commands:
            await sent(place, command.__name__)
            lines = await asyncio.to_thread(run, [*command(tmp_path), *arguments])
            assert dict(line.split("\t", 1) for line in lines.splitlines()) == TOLD
        assert await depth(data, place, INBOX) == 0
        if broker == EMBEDDED:
            report = read(place.hub.health())
            assert report is not None
            (refusal,) = report.refusals
            assert (refusal.client, refusal.code, refusal.count) == (SPARE, 406, 2)
            noted = [each for each in place.context.journal.take() if each.action == "channel.close"]
            assert [(each.actor, each.peer, each.status) for each in noted] == [("hub", SPARE, 406)] * 2


@pytest.mark.parametrize(("broker", "together"), [(EMBEDDED, False), *((broker, True) for broker in BROKERS)])
async def test_our_own_client_comes_back_and_handles_what_it_had(
    hub_on: Opened, data: Path, monkeypatch: pytest.MonkeyPatch, broker: str, together: bool
) -> None:
    """An LRM whose handling took longer than the hub waits (a disk that refused, a person at a breakpoint)."""
    monkeypatch.setattr(amqp_client, "RECONNECT", (0.02, 0.1))
    hanging, seen = asyncio.Event(), []

    async def handler(delivery: Delivery) -> None:
        seen.append(delivery.redelivered)
        if len(seen) == 1:
            await hanging.wait()

    async with hurried(hub_on, broker, data) as place:
        lrm = AmqpClient(place.context, "lrm", SPARE)
        lrm.consume(INBOX, handler, together=together)
        await lrm.start()
        await sent(place, "slow")
        await eventually(lambda: seen == [False, True])
        hanging.set()
        await eventually(lambda: lrm.connected)
        await sent(place, "next")
        await eventually(lambda: len(seen) == 3)
        assert not seen[2]
        await lrm.stop()
        assert await depth(data, place, INBOX) == 0
