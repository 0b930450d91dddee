"""One RabbitMQ for all tests of this folder, and the certificates that it knows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sandbox import ecosystem
from sandbox.ground import make_pki
from sandbox.pki.authority import Pki
from sandbox.population.load import load_population
from tests.support.hub import rabbit
from tests.support.hub.brokers import (
    BROKERS,
    TTL_S,
    Place,
    beside,
    embedded,
    imported,
    plain_password,
    settings_for,
)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sandbox")


@pytest.fixture(scope="session")
def pki(data: Path) -> Pki:
    settings = settings_for(data, 1)
    return make_pki(settings, load_population(settings), ecosystem.wall)


@pytest.fixture(scope="session")
def node(data: Path, pki: Pki, tmp_path_factory: pytest.TempPathFactory) -> Iterator[rabbit.Node]:
    """A broker that imported the definitions, with a certificate of the sandbox's authority."""
    if why := rabbit.missing():
        pytest.skip(why)
    settings = settings_for(data, 1, message_ttl_s=TTL_S)
    broker = rabbit.start(tmp_path_factory.mktemp("rabbit"), pki, imported(settings))
    yield broker
    broker.stop()


@pytest.fixture(scope="session")
def plain_node(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[rabbit.Node]:
    """A broker without TLS, where clients have a password."""
    if why := rabbit.missing():
        pytest.skip(why)
    settings = settings_for(data, 1, message_ttl_s=TTL_S, mtls=False)
    broker = rabbit.start(tmp_path_factory.mktemp("plain-rabbit"), None, imported(settings, plain_password()))
    yield broker
    broker.stop()


Opened = Callable[..., AbstractAsyncContextManager[Place]]


@pytest.fixture
def hub_on(data: Path, pki: Pki, tmp_path: Path, request: pytest.FixtureRequest) -> Opened:
    """`async with hub_on(broker, mtls=True, **settings) as place`: a hub at work, on one of BROKERS."""
    embedded_broker, _ = BROKERS

    @asynccontextmanager
    async def opened(broker: str, mtls: bool = True, **more: Any) -> AsyncIterator[Place]:
        if broker == embedded_broker:
            async with embedded(data, tmp_path, mtls=mtls, **more) as place:
                yield place
        else:
            node: rabbit.Node = request.getfixturevalue("node" if mtls else "plain_node")
            async with beside(data, node.port, node, mtls=mtls, **more) as place:
                yield place

    return opened
