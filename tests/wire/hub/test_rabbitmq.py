"""Hub Santé on a RabbitMQ: the same topology, the same dispatcher, the same clients."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from aio_pika.abc import AbstractConnection

from sandbox import ecosystem
from sandbox.cli import main
from sandbox.config import Settings, load_settings
from sandbox.edxl import build
from sandbox.ground import make_pki
from sandbox.hub.app import build as build_hub
from sandbox.hub.clients import client_ids, virtual_hosts
from sandbox.hub.definitions import definitions
from sandbox.hub.remote import RemoteHub
from sandbox.kernel.clock import Clock
from sandbox.kernel.entropy import Entropy
from sandbox.kernel.errors import PeerUnreachable
from sandbox.kernel.hub_clients import switch_of
from sandbox.kernel.journal import Journal
from sandbox.kernel.world import World, WorldView
from sandbox.net.context import Context
from sandbox.net.tls import client_context
from sandbox.pki.authority import Pki, load_pki
from sandbox.population.load import load_population
from sandbox.runner.run import play
from tests.sandboxes import command, eventually, free_port_base
from tests.wire.amqp import rabbit

PLATFORM, SPARE, OTHER = "fr.health.test.ptfsas", "fr.health.samu999", "fr.health.samu998"
VHOST = "15-15_v2.0"
TTL_S = 600


def settings_for(data: Path, port: int, **more: Any) -> Settings:
    flags = {"data_dir": str(data), "preset": "minimal", "hub_broker": f"amqps://127.0.0.1:{port}", **more}
    return load_settings(flags, {})


def imported(settings: Settings) -> rabbit.Definitions:
    """What `sas-sandbox hub definitions` writes."""
    ids = client_ids(settings, load_population(settings))
    ttl_ms = settings.message_ttl_s * 1000
    found: rabbit.Definitions = json.loads(definitions(ids, virtual_hosts(settings), ttl_ms=ttl_ms, password=None))
    return found


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sandbox")


@pytest.fixture(scope="module")
def pki(data: Path) -> Pki:
    settings = settings_for(data, 1)
    return make_pki(settings, load_population(settings), ecosystem.wall)


@pytest.fixture(scope="module")
def node(data: Path, pki: Pki, tmp_path_factory: pytest.TempPathFactory) -> Iterator[rabbit.Node]:
    """A broker that imported the definitions, with a certificate of the sandbox's authority."""
    if why := rabbit.missing():
        pytest.skip(why)
    settings = settings_for(data, 1, message_ttl_s=TTL_S)
    broker = rabbit.start(tmp_path_factory.mktemp("rabbit"), pki, imported(settings))
    yield broker
    broker.stop()


def context(data: Path, port: int, **more: Any) -> Context:
    settings = settings_for(data, port, **more)
    return Context(
        settings=settings,
        world=WorldView(),
        clock=Clock(ecosystem.wall),
        journal=Journal(),
        entropy=Entropy(os.urandom),
        population=load_population(settings),
        sockets={},
        pki=load_pki(data / "pki"),
        master_secret=b"s" * 32,
    )


@asynccontextmanager
async def dispatcher(data: Path, port: int, **more: Any) -> AsyncIterator[RemoteHub]:
    hub = build_hub(context(data, port, message_ttl_s=TTL_S, **more))
    assert isinstance(hub, RemoteHub)
    await hub.start()
    try:
        yield hub
    finally:
        await hub.stop()


@asynccontextmanager
async def client(data: Path, node: rabbit.Node, name: str) -> AsyncIterator[AbstractConnection]:
    url = f"amqps://127.0.0.1:{node.port}/{VHOST}?auth=external"
    connection = await aio_pika.connect(url, ssl_context=client_context(load_pki(data / "pki"), name))
    try:
        yield connection
    finally:
        await connection.close()


def acknowledgement(sender: str, recipient: str, unique: str, *, lives: float = 3600) -> bytes:
    now = datetime.now(UTC)
    address = build.Address(f"{sender}_{unique}", sender, recipient, now, now + timedelta(seconds=lives))
    return build.ack(address, f"{recipient}_1")


async def publish(connection: AbstractConnection, key: str, *bodies: bytes) -> None:
    channel = await connection.channel()
    exchange = await channel.get_exchange("hubsante", ensure=False)
    message = aio_pika.DeliveryMode.PERSISTENT
    await asyncio.gather(
        *(
            exchange.publish(
                aio_pika.Message(body, content_type="application/json", delivery_mode=message), key, mandatory=False
            )
            for body in bodies
        )
    )


async def receive(connection: AbstractConnection, queue: str, count: int, seconds: float = 20) -> list[dict[str, Any]]:
    channel = await connection.channel()
    await channel.set_qos(prefetch_count=500)
    found: list[dict[str, Any]] = []
    source = await channel.get_queue(queue, ensure=False)
    async with asyncio.timeout(seconds), source.iterator() as messages:
        async for message in messages:
            found.append(json.loads(message.body))
            await message.ack()
            if len(found) == count:
                return found
    raise AssertionError(found)


def error_of(message: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = message["content"][0]["jsonContent"]["embeddedJsonContent"]["message"]["error"]
    return found


async def test_two_dispatchers_side_by_side_lose_nothing_and_route_nothing_twice(data: Path, node: rabbit.Node) -> None:
    count = 2000
    async with (
        dispatcher(data, node.port) as one,
        dispatcher(data, node.port) as other,
        client(data, node, SPARE) as spare,
    ):
        reading = asyncio.create_task(receive(spare, f"{SPARE}.ack", count))
        await publish(spare, SPARE, *(acknowledgement(SPARE, SPARE, str(number)) for number in range(count)))
        ids = [message["distributionID"] for message in await reading]
        assert sorted(ids) == sorted(f"{SPARE}_{number}" for number in range(count))
        shares: list[Any] = [hub.health()["routed"] for hub in (one, other)]
        assert sum(shares) == count
        assert min(shares) > 0


async def test_one_dispatcher_keeps_the_order_of_what_was_published(data: Path, node: rabbit.Node) -> None:
    async with dispatcher(data, node.port), client(data, node, SPARE) as spare:
        await publish(spare, SPARE, *(acknowledgement(SPARE, SPARE, str(number)) for number in range(300)))
        found = await receive(spare, f"{SPARE}.ack", 300)
    assert [message["distributionID"] for message in found] == [f"{SPARE}_{number}" for number in range(300)]


async def test_recipient_without_a_queue_is_reported_to_the_sender(data: Path, node: rabbit.Node) -> None:
    async with dispatcher(data, node.port) as hub, client(data, node, SPARE) as spare:
        await publish(spare, SPARE, acknowledgement(SPARE, "fr.health.samu000", "lost"))
        (report,) = await receive(spare, f"{SPARE}.info", 1)
        assert (hub.health()["routed"], hub.health()["refused"]) == (0, 1)
    assert error_of(report)["errorCode"] == {"statusCode": 501, "statusString": "UNROUTABLE_MESSAGE"}
    assert error_of(report)["referencedDistributionID"] == f"{SPARE}_lost"


async def test_message_that_nobody_reads_is_buried_by_the_policy_and_reported(data: Path, node: rabbit.Node) -> None:
    async with dispatcher(data, node.port), client(data, node, SPARE) as spare:
        await publish(spare, SPARE, acknowledgement(SPARE, OTHER, "unread", lives=3))
        (report,) = await receive(spare, f"{SPARE}.info", 1)
    assert error_of(report)["errorCode"]["statusCode"] == 500
    assert f"{OTHER}.ack" in error_of(report)["errorCause"]


async def test_dispatcher_that_was_away_finds_what_was_sent_meanwhile(data: Path, node: rabbit.Node) -> None:
    async with client(data, node, SPARE) as spare:
        await publish(spare, SPARE, acknowledgement(SPARE, SPARE, "early"))
        async with dispatcher(data, node.port):
            (found,) = await receive(spare, f"{SPARE}.ack", 1)
    assert found["distributionID"] == f"{SPARE}_early"


async def test_a_cut_connection_comes_back_and_nothing_is_lost(data: Path, node: rabbit.Node) -> None:
    async with dispatcher(data, node.port) as hub, client(data, node, SPARE) as spare:
        await asyncio.to_thread(node.control, "close_all_user_connections", "fr.health.hub", "test")
        await publish(spare, SPARE, *(acknowledgement(SPARE, SPARE, f"after-{number}") for number in range(50)))
        found = await receive(spare, f"{SPARE}.ack", 50)
        await eventually(lambda: hub.health()["trouble"] == {})
    assert {message["distributionID"] for message in found} == {f"{SPARE}_after-{number}" for number in range(50)}


async def test_what_is_missing_is_declared_or_said(data: Path, node: rabbit.Node) -> None:
    queue = f"{OTHER}.message"
    await asyncio.to_thread(node.control, "delete_queue", "--vhost", VHOST, queue)
    with pytest.raises(PeerUnreachable, match=f"no queue '{queue}'.*--hub-topology=declare"):
        async with dispatcher(data, node.port, hub_topology="assume"):
            raise AssertionError("it must not start")
    async with dispatcher(data, node.port):
        listed = await asyncio.to_thread(node.control, "list_queues", "--vhost", VHOST, "name", "arguments")
        assert any(line.startswith(queue) and "x-message-ttl" in line for line in listed.splitlines())
    async with dispatcher(data, node.port, hub_topology="assume"):
        pass


async def test_queues_of_a_client_that_is_added_are_declared(data: Path, node: rabbit.Node) -> None:
    surroundings = context(data, node.port, message_ttl_s=TTL_S)
    hub = build_hub(surroundings)
    await hub.start()
    try:
        surroundings.world.apply(World(revision=1, switches={switch_of("fr.health.samu750"): ""}))

        async def declared() -> bool:
            listed = await asyncio.to_thread(node.control, "list_queues", "--vhost", VHOST, "name")
            return "fr.health.samu750.info" in listed

        await eventually(declared)
    finally:
        await hub.stop()


def test_the_main_job_is_played_over_rabbitmq(
    data: Path, node: rabbit.Node, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--preset", "minimal", "--hub-broker", f"amqps://127.0.0.1:{node.port}")
    with command(data, *flags, base=free_port_base()):
        document = json.loads((data / "endpoints.json").read_text("utf-8"))
        assert document["hub"]["broker"] == "rabbitmq"
        assert document["hub"]["amqp"] == f"amqps://127.0.0.1:{node.port}/{VHOST}"
        code = play("nominal", data / "endpoints.json", start=None, out=_Discard())
    assert code == 0


def test_the_main_job_is_played_over_rabbitmq_without_tls(tmp_path: Path) -> None:
    if why := rabbit.missing():
        pytest.skip(why)
    data, file = tmp_path / "data", tmp_path / "definitions.json"
    common = ["--preset", "minimal", "--no-mtls"]
    assert main(["hub", "definitions", "--data-dir", str(data), "--out", str(file), *common]) == 0
    broker = rabbit.start(tmp_path / "rabbit", None, json.loads(file.read_bytes()))
    try:
        with command(data, *common, "--hub-broker", f"amqp://127.0.0.1:{broker.port}", base=free_port_base()):
            assert play("nominal", data / "endpoints.json", start=None, out=_Discard()) == 0
    finally:
        broker.stop()


class _Discard:
    write: Callable[[str], int] = len

    def flush(self) -> None:
        pass


def test_broker_that_is_not_there_ends_the_start_in_one_line(data: Path, pki: Pki) -> None:
    with command(data, "--preset", "minimal", "--hub-broker", "amqps://127.0.0.1:9", ready=False) as running:
        assert running.process is not None
        _, error = running.process.communicate(timeout=20)
        assert running.process.returncode == 1
    assert error.strip().splitlines()[-1].startswith("sas-sandbox: RabbitMQ: 127.0.0.1:9:")
    assert "Traceback" not in error
