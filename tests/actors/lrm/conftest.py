"""All LRMs of a small population on a listener of their own; the hub is a function of the test."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from sandbox.config import LRM_UI
from sandbox.lrm.app import LrmService, build
from sandbox.net.context import Context
from tests.support.hub_peer import FakeHubPeer
from tests.support.two_territories import make_context


@pytest.fixture
def hubs(monkeypatch: pytest.MonkeyPatch) -> dict[str, FakeHubPeer]:
    """The hub as each LRM sees it, by client id."""
    made: dict[str, FakeHubPeer] = {}

    def client(context: Context, actor: str, client_id: str) -> FakeHubPeer:
        return made.setdefault(client_id, FakeHubPeer())

    monkeypatch.setattr("sandbox.lrm.messages.consumer.AmqpClient", client)
    return made


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return make_context(tmp_path, {LRM_UI: socket.create_server(("127.0.0.1", 0))})


@pytest.fixture
async def service(context: Context, hubs: dict[str, FakeHubPeer]) -> AsyncIterator[LrmService]:
    made = build(context)
    assert isinstance(made, LrmService)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def browser(context: Context, service: LrmService) -> AsyncIterator[httpx.AsyncClient]:
    host, port = context.sockets[LRM_UI].getsockname()
    async with httpx.AsyncClient(base_url=f"http://{host}:{port}", trust_env=False) as client:
        yield client
