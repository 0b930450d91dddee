"""Messages per second through the hub: the embedded broker against RabbitMQ on one core, 3 KB, persistent, plain TCP.

publish   a client publishes to `hubsante` with confirms, no dispatcher: raw and pipelined, aio-pika and aiormq
          pipelined, pika one at a time
journey   publisher -> hubsante -> dispatch -> dispatcher -> distribution -> consumer that acknowledges: the dispatcher
          in the embedded broker's process, or as an AMQP client (`peers/dispatcher.py`) of either broker

The broker has core 0, everybody else core 1. RabbitMQ runs on ports and directories of its own.

A journey has two rates. `wall`: messages by the clock, with whatever else the machine does. The other is what the
busier core allows, by the processor time that its processes spend on a message: what else runs only ever adds to it, so
the best round counts. RabbitMQ's own time is left out of it, since its schedulers spin while they wait: to its favour.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aio_pika
import aiormq
import orjson
import pika

from load.bench.r03 import pin
from load.peers import raw
from sandbox import ecosystem
from sandbox.amqp.broker.broker import Broker
from sandbox.amqp.broker.permissions import Plain
from sandbox.config import AMQP, Settings
from sandbox.edxl import build as edxl
from sandbox.edxl.validation import validate
from sandbox.hub.app import Hub
from sandbox.hub.clients import Clients
from sandbox.hub.embedded.messages import MessageLog
from sandbox.hub.topology import add_virtual_host
from sandbox.net.amqp.server import AmqpServer
from sandbox.net.context import Context
from tests.support.contexts import make_context
from tests.support.hub import rabbit

VHOST, PLATFORM, SAMU, DISPATCHER = "15-15_v2.0", "fr.health.test.ptfsas", "fr.health.samu330", "hub.dispatcher"
TTL_MS = 86_400_000
MASTER = b"b" * 32
COUNTS = {"raw": 6_000, "aio-pika": 1_600, "aiormq": 1_600, "pika": 400, "journey": 1_500, "inside": 6_000}
WINDOW = 200  # publications of pipelining clients that wait for their confirm
PASSWORD = Context.secret(SimpleNamespace(master_secret=MASTER), "hub-password")  # type: ignore[arg-type]


class Skipped(Exception):
    """A measurement that cannot be made here, with the reason."""


ALLOWED_US = 10.0  # for judging a message
_JUDGED, _REPEATED = 5_000, 3


def measure_publishing(rounds: int) -> dict[str, list[float]]:
    """Confirmed publications per second, by broker and client. Raises Skipped."""
    clients = (*CLIENTS, "pika")
    return _measure(rounds, tuple(f"{broker} {client}" for client in clients for broker in ("rabbitmq", "embedded")))


def measure_journey(rounds: int) -> dict[str, list[float]]:
    """Messages per second from publisher to consumer, by the busier core's processor time and by the clock. Raises
    Skipped."""
    return _measure(2 * rounds, ("rabbitmq journey", "embedded journey", "embedded inside"))


def measure_validation(rounds: int) -> dict[str, list[float]]:
    """Microseconds of processor time for judging a parsed message of 3 KB by its schemas (envelope, content and dates,
    as the dispatcher has it judged), and the limit."""
    document = orjson.loads(message())
    if issues := validate(document):
        raise ValueError(f"the message measured is not valid: {issues}")
    taken = []
    for _ in range(rounds * _REPEATED):
        started = time.process_time()
        for _ in range(_JUDGED):
            validate(document)
        taken.append((time.process_time() - started) / _JUDGED * 1e6)
    return {"allowed": [ALLOWED_US], "taken": taken}


def _measure(rounds: int, variants: tuple[str, ...]) -> dict[str, list[float]]:
    reason = rabbit.missing()
    if reason is not None:
        raise Skipped(reason)
    rates: dict[str, list[float]] = {}
    imported = rabbit.definitions((VHOST,), (PLATFORM, SAMU), ttl_ms=TTL_MS, dispatcher=DISPATCHER, password=PASSWORD)
    with tempfile.TemporaryDirectory(prefix="sas-bench-") as directory:
        node = rabbit.start(Path(directory) / "rabbit", None, imported, core=0)
        try:
            pin(1)
            for number in range(rounds):
                for variant in variants:
                    broker, _, what = variant.partition(" ")
                    with _broker(broker, what, node, Path(directory) / f"{number}{what}") as (port, pid):
                        for which, rate in _once(what, port, pid).items():
                            rates.setdefault(variant + which, []).append(rate)
        finally:
            node.stop()
    return rates


@contextmanager
def _broker(broker: str, what: str, node: rabbit.Node, directory: Path) -> Iterator[tuple[int, int | None]]:
    """The port of an empty broker, and its process if it was started here."""
    if broker == "rabbitmq":
        asyncio.run(_empty(node.port))
        yield node.port, None
        return
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    arguments = (what == "inside", str(directory), theirs)
    server = multiprocessing.get_context("spawn").Process(target=serve, args=arguments, daemon=True)
    server.start()
    with node.asleep():
        try:
            yield ours.recv(), server.pid
        finally:
            ours.send("stop")
            server.join(20)


async def _empty(port: int) -> None:
    for user, queue in ((DISPATCHER, "dispatch"), (SAMU, f"{SAMU}.message")):
        connection = await aiormq.connect(_url(port, user))
        await (await connection.channel()).queue_purge(queue)
        await connection.close()


def _url(port: int, user: str) -> str:
    return f"amqp://{user}:{PASSWORD}@127.0.0.1:{port}/{VHOST}"


def _once(what: str, port: int, broker: int | None) -> dict[str, float]:
    """Messages per second of one client, or through the whole hub. `broker`: its process, if it was started here."""
    count = COUNTS[what]
    if what == "pika":
        return {"": _with_pika(port, count)}
    if what == "inside":
        return _travelled(port, count, broker, None)
    if what == "journey":
        with _dispatcher(port) as dispatcher:
            return _travelled(port, count, broker, dispatcher)
    return {"": asyncio.run(_timed(count, lambda: CLIENTS[what](port, count)))}


def _travelled(port: int, count: int, broker: int | None, dispatcher: int | None) -> dict[str, float]:
    """Both rates of a journey."""
    core_0, core_1 = _spent(broker), _spent(dispatcher) + time.process_time()
    rate = asyncio.run(_timed(count, lambda: _journey(port, count)))
    busiest = max(_spent(broker) - core_0, _spent(dispatcher) + time.process_time() - core_1)
    return {"": count / busiest, ", wall": rate}


def _spent(pid: int | None) -> float:
    """Seconds of processor time of a process so far (Linux); 0 of none."""
    if pid is None:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # user, system


async def _timed(count: int, work: Callable[[], Awaitable[None]]) -> float:
    started = time.perf_counter()
    await work()
    return count / (time.perf_counter() - started)


@contextmanager
def _dispatcher(port: int) -> Iterator[int]:
    """The process of a dispatcher that consumes."""
    command = (sys.executable, "-m", "load.peers.dispatcher", _url(port, DISPATCHER))
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process.pid
        finally:
            process.terminate()


# -- the embedded broker


def serve(inside: bool, directory: str, pipe: Connection) -> None:
    """The broker's process: prints its port, runs until it is stopped. `inside`: with the dispatcher."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, range(os.cpu_count() or 1))  # a core other than the parent process's
    pin(0)
    ecosystem.run(_serve(inside, directory, pipe))


async def _serve(inside: bool, directory: str, pipe: Connection) -> int:
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    service: Any = _hub(directory, sock) if inside else Bare(Path(directory), sock)
    await service.start()
    ecosystem.tune_collector()
    pipe.send(sock.getsockname()[1])
    await asyncio.to_thread(pipe.recv)
    await service.stop()
    return 0


class Bare:
    """The embedded broker with its log and without a dispatcher, which is a client here."""

    def __init__(self, directory: Path, sock: socket.socket) -> None:
        self._directory, self._broker = directory, Broker(os.urandom)
        ids = (PLATFORM, SAMU)
        add_virtual_host(self._broker, VHOST, ids, TTL_MS)
        rights = Clients(ids, (VHOST,), dispatcher=DISPATCHER).rights
        self._server = AmqpServer(
            self._broker, sock, login=lambda peer: Plain(PASSWORD, rights), clock=time.time, tls=None
        )

    async def start(self) -> None:
        self._log = MessageLog.open(self._directory, self._broker)
        self._log.start()
        await self._server.start()

    async def stop(self) -> None:
        await self._server.stop(0.2)
        await self._log.stop()


def _hub(directory: str, sock: socket.socket) -> Hub:
    population: Any = SimpleNamespace(territories={"SAS-33": SimpleNamespace(samu=SAMU, format="json")})
    return Hub(
        make_context(
            Settings(data_dir=directory, mtls=False, vhost=VHOST),
            population=population,
            sockets={AMQP: sock},
            master_secret=MASTER,
        )
    )


# -- clients


async def _raw(port: int, count: int) -> None:
    client = await raw.connect(port, PLATFORM, PASSWORD, VHOST)
    await raw.publish(client, PLATFORM, message(), count)
    client.transport.close()


async def _with_aio_pika(port: int, count: int) -> None:
    async with await aio_pika.connect(_url(port, PLATFORM)) as connection:
        exchange = await (await connection.channel()).get_exchange("hubsante", ensure=False)
        body = message()

        async def one() -> None:
            published = aio_pika.Message(body, content_type="application/json", delivery_mode=2)
            await exchange.publish(published, PLATFORM, mandatory=False)

        await _pipelined(one, count)


async def _with_aiormq(port: int, count: int) -> None:
    connection = await aiormq.connect(_url(port, PLATFORM))
    channel = await connection.channel(publisher_confirms=True)
    body = message()
    properties = aiormq.spec.Basic.Properties(content_type="application/json", delivery_mode=2)

    async def one() -> None:
        await channel.basic_publish(body, exchange="hubsante", routing_key=PLATFORM, properties=properties)

    await _pipelined(one, count)
    await connection.close()


async def _pipelined(one: Callable[[], Awaitable[None]], count: int) -> None:
    async def some() -> None:
        for _ in range(count // WINDOW):
            await one()

    await asyncio.gather(*(some() for _ in range(WINDOW)))


def _with_pika(port: int, count: int) -> float:
    connection = pika.BlockingConnection(pika.URLParameters(_url(port, PLATFORM)))
    channel = connection.channel()
    channel.confirm_delivery()
    body = message()
    properties = pika.BasicProperties(content_type="application/json", delivery_mode=2)  # type: ignore[no-untyped-call]
    started = time.perf_counter()
    for _ in range(count):
        channel.basic_publish("hubsante", PLATFORM, body, properties)
    rate = count / (time.perf_counter() - started)
    connection.close()
    return rate


async def _journey(port: int, count: int) -> None:
    publisher = await raw.connect(port, PLATFORM, PASSWORD, VHOST)
    consumer = await raw.connect(port, SAMU, PASSWORD, VHOST)
    await asyncio.gather(
        raw.publish(publisher, PLATFORM, message(), count), raw.consume(consumer, f"{SAMU}.message", count)
    )
    publisher.transport.close()
    consumer.transport.close()


CLIENTS: dict[str, Callable[[int, int], Awaitable[None]]] = {
    "raw": _raw,
    "aio-pika": _with_aio_pika,
    "aiormq": _with_aiormq,
}


def message() -> bytes:
    """3 KB that the dispatcher accepts."""
    sent = datetime.now(UTC)
    address = edxl.Address(f"{PLATFORM}_1", PLATFORM, SAMU, sent, sent + timedelta(hours=1))
    filler = "https://example.invalid/" + "x" * 900
    practitioner = {"rppsId": "810100000001", "lastName": "TEST", "firstName": "Anne", "specialityUrl": filler}
    return edxl.report(
        address,
        {
            "appointmentId": "11111111-2222-4333-8444-555555555555",
            "method": "CreateAppointment",
            "created": "2026-01-05T10:00:00+01:00",
            "status": "booked",
            "orientationCategory": "PS",
            "start": "2026-01-06T09:00:00+01:00",
            "end": "2026-01-06T09:15:00+01:00",
            "practitioner": {**practitioner, "professionUrl": filler},
            "regulator": {
                "regulatorId": "3990000000/1",
                "regulatorName": "ESSAI",
                "regulatorFirstname": "Paul",
                "regulatorEmail": "paul.essai@example.invalid",
            },
        },
    )
