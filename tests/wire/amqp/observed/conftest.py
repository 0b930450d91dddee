"""The same hub on both brokers: the embedded one, and RabbitMQ where it is installed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio
from pamqp import commands

from sandbox.amqp.broker.broker import Broker as Embedded
from sandbox.amqp.broker.limits import Limits
from sandbox.amqp.broker.load import Load
from sandbox.amqp.broker.permissions import External
from sandbox.amqp.broker.queue import Limit
from sandbox.hub.clients import Clients
from sandbox.hub.embedded.messages import MessageLog
from sandbox.hub.topology import add_virtual_host, queue_arguments
from sandbox.kernel.hub.queues import DISTRIBUTION, client_queues
from sandbox.net.amqp.server import AmqpServer
from sandbox.net.revocation import listener_contexts
from sandbox.pki.authority import Pki, ensure_pki
from sandbox.pki.subjects import hub_client_subject
from tests.support.hub import rabbit
from tests.support.hub.brokers import bound
from tests.wire.amqp.observed.talk import DISPATCHER, GONE, LRM, ME, SPARE, STRANGER, TTL_MS, VHOST, Broker

CLIENTS = (ME, LRM, SPARE, GONE)
OPERATOR = "hub.operator"  # on RabbitMQ it may do everything: it makes again what was deleted
VHOSTS = (VHOST, "/")
LIMITS = {
    f"{SPARE}.message": Limit(messages=2),
    f"{SPARE}.ack": Limit(messages=2, reject=True),
    f"{SPARE}.info": Limit(octets=10),
}
LIMITED = {
    f"{SPARE}.message": {"x-max-length": 2},
    f"{SPARE}.ack": {"x-max-length": 2, "x-overflow": "reject-publish"},
    f"{SPARE}.info": {"x-max-length-bytes": 10},
}


@pytest.fixture(scope="session")
def observed_pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    names = (*CLIENTS, DISPATCHER, STRANGER, OPERATOR)
    return ensure_pki(
        tmp_path_factory.mktemp("observed-pki"),
        hosts=("127.0.0.1",),
        clients={name: hub_client_subject(name) for name in names},
        now=datetime.now(UTC),
        bad_like=hub_client_subject(ME),
    )


@pytest.fixture(scope="session")
def rabbit_node(tmp_path_factory: pytest.TempPathFactory, observed_pki: Pki) -> Iterator[rabbit.Node]:
    reason = rabbit.missing()
    if reason:
        pytest.skip(reason)
    imported = rabbit.definitions(VHOSTS, CLIENTS, ttl_ms=TTL_MS, dispatcher=DISPATCHER, limited=LIMITED)
    imported["users"].append({"name": OPERATOR, "password": os.urandom(16).hex(), "tags": ""})
    imported["permissions"].append({"user": OPERATOR, "vhost": VHOST, "configure": ".*", "write": ".*", "read": ".*"})
    node = rabbit.start(tmp_path_factory.mktemp("rabbit"), observed_pki, imported)
    yield node
    node.stop()


@pytest_asyncio.fixture(params=["embedded", "rabbitmq"])
async def broker(request: pytest.FixtureRequest, observed_pki: Pki, tmp_path: Path) -> AsyncIterator[Broker]:
    """An empty hub without a dispatcher: what goes to `hubsante` stays in `dispatch`."""
    if request.param == "rabbitmq":
        node: rabbit.Node = request.getfixturevalue("rabbit_node")
        stopped = False

        async def stop() -> None:
            nonlocal stopped
            stopped = True
            await asyncio.to_thread(node.control, "stop_app")

        async def starve(on: bool) -> None:
            wanted = "0.000001" if on else "0.4"
            await asyncio.to_thread(node.control, "set_vm_memory_high_watermark", wanted)

        narrowed = False

        async def allow(seconds: float, octets: int) -> None:
            nonlocal narrowed
            narrowed = True
            await asyncio.to_thread(node.limit, seconds, octets)

        made = Broker("rabbitmq", node.port, observed_pki, asyncio.sleep, node.directory, stop, starve, allow)
        await _empty(made)
        yield made
        if narrowed:
            await allow(1800, 134_217_728)
        if stopped:
            await asyncio.to_thread(node.control, "start_app")
    else:
        async with _embedded(observed_pki, tmp_path) as made:
            yield made


class _embedded:  # noqa: N801 - a context manager
    """The embedded broker's listener with a log, and a clock that tests may advance."""

    def __init__(self, pki: Pki, data: Path) -> None:
        self._pki, self._data = pki, data
        self._now = datetime.now(UTC).timestamp()

    async def __aenter__(self) -> Broker:
        broker = Embedded(os.urandom, elapsed=lambda: self._now)
        for vhost in VHOSTS:
            add_virtual_host(broker, vhost, CLIENTS, TTL_MS, LIMITS)
        clients = Clients(CLIENTS, VHOSTS, dispatcher=DISPATCHER)
        self._log = MessageLog.open(self._data, broker)
        self._log.start()
        sock = bound()
        self._server = AmqpServer(
            broker,
            sock,
            login=lambda peer: External(peer.cn if peer else "", clients.rights),
            clock=lambda: self._now,
            tls=listener_contexts(self._pki, client_certificate="required"),
        )
        await self._server.start()
        self._broker = broker
        port, stop = sock.getsockname()[1], self._server.stop
        return Broker("embedded", port, self._pki, self._pass, self._data, stop, self._starve, self._allow)

    async def _pass(self, seconds: float) -> None:
        self._now += seconds
        self._broker.tick(self._now)

    async def _starve(self, on: bool) -> None:
        self._broker.load.most = 0 if on else Load().most

    async def _allow(self, seconds: float, octets: int) -> None:
        self._broker.limits = Limits(message=octets, ack_s=seconds)

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop(0)
        await self._log.stop()


async def _empty(broker: Broker) -> None:
    """Purge what an earlier case left, make again what it deleted."""
    async with broker.party() as party:
        talk = await party.get(OPERATOR)
        for queue in client_queues(GONE):
            talk.say(commands.Queue.Declare(0, queue, durable=True, arguments=queue_arguments(queue, TTL_MS)))
            assert (await talk.hear()).startswith("queue.declare-ok")
            talk.say(commands.Queue.Bind(0, queue, DISTRIBUTION, queue))
            assert await talk.hear() == "queue.bind-ok"
    for user, queues in (
        (DISPATCHER, ("dispatch", "dispatch.dlq")),
        *((client, tuple(f"{client}.{kind}" for kind in ("message", "ack", "info"))) for client in CLIENTS),
    ):
        async with broker.party() as party:
            talk = await party.get(user)
            for queue in queues:
                talk.say(commands.Queue.Purge(0, queue))
                assert (await talk.hear()).startswith("queue.purge-ok")
