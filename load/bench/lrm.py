"""L02 messages per second through one consumer, in two variants, from a hub whose queue is full when they begin.

bare     reads the distributionID, appends the octets to a log (group commit), acks, publishes a final acknowledgement
lrm      the LRM: validates, applies to orientations, stores with the acknowledgement, acks, publishes it

Both over the same AMQP client, log and embedded broker; the broker (which routes the acknowledgements too) in a process
of its own. What the LRM has done is verified after each run: every message was taken once, in order per appointment,
and acknowledged once; otherwise the measurement ends. `… cpu` is the rate per second of the consumer's own processor
time, which distinguishes the variants even when both wait for the broker on the other core.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import socket
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import orjson

from load.bench.r03 import pin
from sandbox import ecosystem
from sandbox.config import AMQP, Settings
from sandbox.edxl import build
from sandbox.hub.app import Hub
from sandbox.lrm.ledger.ledger import Ledger
from sandbox.lrm.messages.consumer import UNDER_WAY, Consumer
from sandbox.net.amqp.client import AmqpClient
from sandbox.net.amqp.deliveries import Delivery
from sandbox.net.context import Context
from sandbox.store.embedded.log import Log
from sandbox.store.embedded.tables import open_store
from tests.support.contexts import make_context

VARIANTS = ("bare", "lrm")
MESSAGES, VERSIONS = 20_000, 5  # messages in all, and per appointment: a creation, then updates
IN_FLIGHT = 256


def measure(rounds: int) -> dict[str, list[float]]:
    """Rates per second, `rounds` of each variant, alternately."""
    rates: dict[str, list[float]] = {name: [] for variant in VARIANTS for name in (variant, f"{variant} cpu")}
    for _ in range(rounds):
        for variant in VARIANTS:
            elapsed, busy = once(variant, MESSAGES)
            rates[variant].append(elapsed)
            rates[f"{variant} cpu"].append(busy)
    return rates


def once(variant: str, count: int) -> tuple[float, float]:
    """Rates per second, and per second of processor time, of one run over `count` messages.

    Raises RuntimeError when one was lost, doubled or out of order.
    """
    processes = multiprocessing.get_context("spawn")
    ours, theirs = processes.Pipe()
    with tempfile.TemporaryDirectory(prefix="sas-bench-") as directory:
        hub = processes.Process(target=_hub, args=(directory, theirs), daemon=True)
        hub.start()
        port = ours.recv()
        pin(1)
        try:
            rates: list[float] = []
            ecosystem.run(_run(variant, Path(directory), port, count, rates))
            return rates[0], rates[1]
        finally:
            ours.send("stop")
            hub.join(10)


def _hub(directory: str, pipe: Connection) -> None:
    pin(0)
    ecosystem.run(_serve(Path(directory), pipe))


async def _serve(directory: Path, pipe: Connection) -> int:
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    port = sock.getsockname()[1]
    hub = Hub(_context(directory, port, {AMQP: sock}))
    await hub.start()
    ecosystem.tune_collector()
    pipe.send(port)
    await asyncio.to_thread(pipe.recv)
    await hub.stop()
    return 0


def _context(directory: Path, port: int, sockets: dict[int, socket.socket]) -> Context:
    settings = Settings(data_dir=str(directory), mtls=False, preset="minimal", port_base=port - AMQP)
    return make_context(settings, sockets=sockets)


class _Counting(AmqpClient):
    """Records what is published, and when all of it was confirmed."""

    def __init__(self, context: Context, client_id: str, count: int) -> None:
        super().__init__(context, client_id, client_id)
        self.bodies: list[bytes] = []
        self.done = asyncio.Event()
        self._count = count
        self._confirmed = 0

    async def publish(self, body: bytes, *, headers: dict[str, Any] | None = None) -> None:
        await super().publish(body, headers=headers)
        self.bodies.append(body)
        self._confirmed += 1
        if self._confirmed >= self._count:
            self.done.set()


async def _run(variant: str, directory: Path, port: int, count: int, rates: list[float]) -> int:
    context = _context(directory, port, {})
    samu = next(iter(context.population.territories.values())).samu
    await _fill(context, samu, count)
    client = _Counting(context, samu, count)
    runner = _lrm if variant == "lrm" else _bare
    async with runner(context, client, samu, directory, count) as start:
        ecosystem.tune_collector()
        began, busy = time.perf_counter(), time.process_time()
        await start()
        async with asyncio.timeout(300):
            await client.done.wait()
        took, busy = time.perf_counter() - began, time.process_time() - busy
    answered = Counter(_referenced(body) for body in client.bodies)
    if len(answered) != count or max(answered.values()) != 1:
        raise RuntimeError(f"{count} messages, {len(answered)} acknowledged, one {max(answered.values())} times")
    rates += (count / took, count / busy)
    return 0


def _referenced(body: bytes) -> str:
    content = orjson.loads(body)["content"][0]["jsonContent"]["embeddedJsonContent"]["message"]
    found: str = content["reference"]["distributionID"]
    return found


async def _fill(context: Context, samu: str, count: int) -> None:
    """`count` messages in the queue of the LRM: the versions of each appointment in order, appointments mixed."""
    platform = context.settings.platform_client_id
    sas = AmqpClient(context, "sas", platform)
    await sas.start()
    appointments = count // VERSIONS
    for version in range(VERSIONS):
        for first in range(0, appointments, IN_FLIGHT):
            numbers = range(first, min(first + IN_FLIGHT, appointments))
            await asyncio.gather(*(sas.publish(_message(context, platform, samu, n, version)) for n in numbers))
    await sas.stop()


def _message(context: Context, platform: str, samu: str, number: int, version: int) -> bytes:
    now = context.clock.now()
    address = build.Address(f"{platform}_{number}-{version}", platform, samu, now, now + build.ERROR_LIFE)
    return build.report(
        address,
        {
            "appointmentId": f"00000000-0000-4000-8000-{number:012}",
            "method": "UpdateAppointment" if version else "CreateAppointment",
            "created": "2026-01-05T10:00:00+01:00",
            "status": "booked",
            "orientationCategory": "PS",
            "start": "2026-01-06T09:00:00+01:00",
            "end": f"2026-01-06T09:{15 + version}:00+01:00",
            "practitioner": {"rppsId": "810100000001", "lastName": "FICTIF", "firstName": "Anne"},
            "regulator": {
                "regulatorName": "FICTIF",
                "regulatorFirstname": "Paul",
                "regulatorEmail": "paul@example.invalid",
            },
        },
    )


Start = Callable[[], Awaitable[None]]


@asynccontextmanager
async def _lrm(context: Context, hub: _Counting, samu: str, directory: Path, count: int) -> AsyncIterator[Start]:
    store = open_store(directory / "lrm")
    ledger = Ledger(store, samu)
    consumer = Consumer(context, samu, store, ledger, hub=hub)
    try:
        yield consumer.start
        _verify(ledger, count)
    finally:
        await consumer.stop()
        await store.close()


def _verify(ledger: Ledger, count: int) -> None:
    orientations = list(ledger.orientations.all())
    for orientation in orientations:
        versions = [change.distribution_id.rpartition("-")[2] for change in orientation.history]
        if versions != [str(version) for version in range(VERSIONS)]:
            raise RuntimeError(f"{orientation.appointment_id}: {versions}")
    if len(orientations) * VERSIONS != count:
        raise RuntimeError(f"{len(orientations)} orientations of {count // VERSIONS}")


@asynccontextmanager
async def _bare(context: Context, hub: _Counting, samu: str, directory: Path, count: int) -> AsyncIterator[Start]:
    log, _ = Log.open(directory / "bare.log")
    room = asyncio.Semaphore(IN_FLIGHT)
    sending: set[asyncio.Task[None]] = set()

    async def answer(key: str, sender: str) -> None:
        now = context.clock.now()
        address = build.Address(f"{samu}_{context.entropy.uuid()}", samu, sender, now, now + build.ERROR_LIFE)
        async with room:
            await hub.publish(build.ack(address, key, step="INTEGRE"))

    async def take(delivery: Delivery) -> None:
        document = orjson.loads(delivery.body)
        await log.submit(delivery.body)
        task = asyncio.create_task(answer(document["distributionID"], document["senderID"]))
        sending.add(task)
        task.add_done_callback(sending.discard)

    hub.consume(f"{samu}.message", take, prefetch=UNDER_WAY, together=True)
    try:
        yield hub.start
    finally:
        await hub.stop()
        await log.close()
