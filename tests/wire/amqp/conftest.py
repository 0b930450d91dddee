"""A hub on a free port, with certificates for its clients, and raw AMQP connections that speak pamqp's codec."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio
from pamqp import commands, frame

from sandbox.config import AMQP, AMQPS, Settings
from sandbox.hub.app import Hub
from sandbox.net.context import Context
from sandbox.net.tls import client_context
from sandbox.pki.authority import Pki, ensure_pki
from sandbox.pki.subjects import hub_client_subject
from tests.support.contexts import make_context
from tests.support.hub.brokers import bound
from tests.support.hub.queues import appointment_message

VHOST = "15-15_v2.0"
PLATFORM, SAMU, SPARE = "fr.health.test.ptfsas", "fr.health.samu330", "fr.health.samu999"
POPULATION: Any = SimpleNamespace(territories={"SAS-33": SimpleNamespace(samu=SAMU, format="json")})


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    clients = {name: hub_client_subject(name) for name in (PLATFORM, SAMU, SPARE)}
    return ensure_pki(
        tmp_path_factory.mktemp("pki"),
        hosts=("127.0.0.1",),
        clients=clients,
        now=datetime.now(UTC),
        bad_like=hub_client_subject(PLATFORM),
    )


class Site:
    """Contexts of one sandbox: the same port and data directory for a hub and for the one that is started after it."""

    def __init__(self, data: Path, pki: Pki | None) -> None:
        self.pki, self.data = pki, data
        self.offset = AMQP if pki is None else AMQPS
        self._first = bound()
        self.port: int = self._first.getsockname()[1]
        self._used = False
        self.settings = Settings(
            port_base=self.port - self.offset, data_dir=str(data), vhost=VHOST, spare_clients=(SPARE,), mtls=bool(pki)
        )

    def context(self, sockets: dict[int, socket.socket] | None = None) -> Context:
        return make_context(self.settings, population=POPULATION, sockets=sockets or {}, pki=self.pki)

    def hub(self) -> Hub:
        sock = bound(self.port) if self._used else self._first
        self._used = True
        self.hub_context = self.context({self.offset: sock})
        return Hub(self.hub_context)

    def close(self) -> None:
        self._first.close()


@pytest.fixture
def site(tmp_path: Path, pki: Pki) -> Site:
    made = Site(tmp_path, pki)
    yield made
    made.close()


@pytest.fixture
def plain_site(tmp_path: Path) -> Site:
    made = Site(tmp_path, None)
    yield made
    made.close()


@pytest_asyncio.fixture
async def hub(site: Site) -> AsyncIterator[Hub]:
    made = site.hub()
    await made.start()
    yield made
    await made.stop()


class Raw:
    """An AMQP connection of octets and frames."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self._rest = b""

    def send(self, value: Any, channel: int = 0) -> None:
        self.writer.write(frame.marshal(value, channel))

    async def read(self) -> Any:
        async with asyncio.timeout(10):
            head = await self.reader.readexactly(7)
            rest = await self.reader.readexactly(int.from_bytes(head[3:7], "big") + 1)
        return frame.unmarshal(head + rest)[2]

    async def ended(self) -> bool:
        async with asyncio.timeout(10):
            with suppress(ConnectionError, ssl.SSLError):
                return await self.reader.read(1) == b""
            return True

    async def login(self, heartbeat: int = 0, capabilities: dict[str, bool] | None = None, vhost: str = VHOST) -> None:
        self.writer.write(b"AMQP\x00\x00\x09\x01")
        assert isinstance(await self.read(), commands.Connection.Start)
        self.send(commands.Connection.StartOk({"capabilities": capabilities or {}}, "EXTERNAL", "", "en_US"))
        assert isinstance(await self.read(), commands.Connection.Tune)
        self.send(commands.Connection.TuneOk(2047, 131_072, heartbeat))
        self.send(commands.Connection.Open(vhost))
        assert isinstance(await self.read(), commands.Connection.OpenOk)

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError, ssl.SSLError):
            await self.writer.wait_closed()


@pytest.fixture
def raw(site: Site) -> Callable[..., Any]:
    async def connect(user: str = PLATFORM) -> Raw:
        context = client_context(site.pki, user)
        return Raw(*await asyncio.open_connection("127.0.0.1", site.port, ssl=context))

    return connect


@pytest.fixture
def message() -> Callable[..., bytes]:
    return appointment_message


@pytest.fixture
def raw_type() -> type[Raw]:
    return Raw
