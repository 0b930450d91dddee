"""The hub with the embedded broker or beside a RabbitMQ, for tests that must have the same results on both."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import aio_pika
import msgspec
from aio_pika.abc import AbstractConnection
from yarl import URL

from sandbox import ecosystem
from sandbox.config import AMQP, AMQPS, EMBEDDED, Settings, load_settings
from sandbox.hub.app import Hub
from sandbox.hub.app import build as build_hub
from sandbox.hub.clients import virtual_hosts
from sandbox.hub.rabbitmq.definitions import definitions
from sandbox.hub.rabbitmq.remote import RemoteHub
from sandbox.kernel.clock import Clock
from sandbox.net.amqp.hub_clients import client_ids
from sandbox.net.context import Context, derived_secret
from sandbox.net.tls import client_context
from sandbox.pki.authority import load_pki
from sandbox.population.load import load_population
from tests.support.contexts import MASTER_SECRET, make_context
from tests.support.hub import rabbit

PLATFORM, SPARE, OTHER = "fr.health.test.ptfsas", "fr.health.samu999", "fr.health.samu998"
VHOST = "15-15_v2.0"
TTL_S = 600
BROKERS = (EMBEDDED, "rabbitmq")


class Reachable(Protocol):
    """A broker on this machine."""

    @property
    def port(self) -> int: ...


@dataclass(frozen=True)
class Place:
    """Where a hub is, and the hub."""

    port: int
    hub: Hub | RemoteHub
    context: Context
    node: rabbit.Node | None = None

    def change(self, **fields: Any) -> None:
        """Apply a World with these fields changed."""
        world = self.context.world.world
        self.context.world.apply(msgspec.structs.replace(world, revision=world.revision + 1, **fields))

    async def cut(self, user: str) -> None:
        """End all connections of a user."""
        if self.node is not None:
            await asyncio.to_thread(self.node.control, "close_all_user_connections", user, "test")
        elif isinstance(self.hub, Hub) and self.hub._running is not None:
            self.hub._running.server.cut(user)


def settings_for(data: Path, port: int, **more: Any) -> Settings:
    scheme = "amqps" if more.get("mtls", True) else "amqp"
    flags = {"data_dir": str(data), "preset": "minimal", "hub_broker": f"{scheme}://127.0.0.1:{port}", **more}
    return load_settings(flags, {})


def imported(settings: Settings, password: str | None = None) -> rabbit.Definitions:
    """What `sas-sandbox hub definitions` writes."""
    ids = client_ids(settings, load_population(settings))
    ttl_ms = settings.message_ttl_s * 1000
    found: rabbit.Definitions = json.loads(definitions(ids, virtual_hosts(settings), ttl_ms=ttl_ms, password=password))
    return found


def context(data: Path, port: int, sockets: Mapping[int, socket.socket] | None = None, **more: Any) -> Context:
    """The context of a role, with the certificates of `data`."""
    settings = settings_for(data, port, **more)
    return make_context(
        settings,
        clock=Clock(ecosystem.wall),
        sockets=sockets or {},
        pki=load_pki(data / "pki") if settings.mtls else None,
    )


@asynccontextmanager
async def dispatcher(data: Path, port: int, **more: Any) -> AsyncIterator[RemoteHub]:
    """The dispatcher beside a RabbitMQ."""
    async with beside(data, port, **more) as place:
        assert isinstance(place.hub, RemoteHub)
        yield place.hub


@asynccontextmanager
async def beside(data: Path, port: int, node: rabbit.Node | None = None, **more: Any) -> AsyncIterator[Place]:
    """The hub whose broker is the RabbitMQ on that port; `node` to cut connections there."""
    role = context(data, port, message_ttl_s=TTL_S, **more)
    hub = build_hub(role)
    assert isinstance(hub, RemoteHub)
    await hub.start()
    try:
        yield Place(port, hub, role, node)
    finally:
        await hub.stop()


@asynccontextmanager
async def embedded(data: Path, store: Path, **more: Any) -> AsyncIterator[Place]:
    """The hub with its own broker on a free port; it keeps its messages in `store`."""
    offset = AMQPS if more.get("mtls", True) else AMQP
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        own = {
            "data_dir": str(store),
            "hub_broker": EMBEDDED,
            "port_base": port - offset,
            "message_ttl_s": TTL_S,
            **more,
        }
        role = context(data, port, {offset: sock}, **own)
        hub = build_hub(role)
        assert isinstance(hub, Hub)
        await hub.start()
        try:
            yield Place(port, hub, role)
        finally:
            await hub.stop()


@asynccontextmanager
async def connected(data: Path, node: Reachable, name: str) -> AsyncIterator[AbstractConnection]:
    """One of the hub's clients."""
    url = f"amqps://127.0.0.1:{node.port}/{VHOST}?auth=external"
    connection = await aio_pika.connect(url, ssl_context=client_context(load_pki(data / "pki"), name))
    try:
        yield connection
    finally:
        await connection.close()


def error_of(message: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = message["content"][0]["jsonContent"]["embeddedJsonContent"]["message"]["error"]
    return found


@asynccontextmanager
async def connected_plainly(place: Reachable, name: str) -> AsyncIterator[AbstractConnection]:
    """One of the hub's clients, without TLS and with a password."""
    url = URL.build(scheme="amqp", host="127.0.0.1", port=place.port, user=name, password=plain_password())
    connection = await aio_pika.connect(url / VHOST)
    try:
        yield connection
    finally:
        await connection.close()


def plain_password() -> str:
    """The password of the clients of a hub without certificates."""
    return derived_secret(MASTER_SECRET, "hub-password")


def bound(port: int = 0) -> socket.socket:
    """A socket that is bound to a port of the loopback address, 0: to any."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    return sock
