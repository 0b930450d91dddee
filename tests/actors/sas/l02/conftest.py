"""The SAS core's side of INT_L02, with a stand-in for the hub."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.net.context import Context
from sandbox.sas.orientations.l02.emitter import L02
from sandbox.store.embedded.tables import open_store
from sandbox.store.protocol import Store
from tests.actors.sas.l02.messages import person
from tests.support.hub_peer import FakeHubPeer
from tests.support.two_territories import make_context


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return make_context(tmp_path)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = open_store(tmp_path / "sas")
    yield opened
    await opened.close()


@pytest.fixture
def hub() -> FakeHubPeer:
    return FakeHubPeer()


@pytest.fixture
async def l02(context: Context, store: Store, hub: FakeHubPeer) -> AsyncIterator[L02]:
    made = L02(context, store, person, hub=hub)  # type: ignore[arg-type]
    await made.start()
    yield made
    await made.stop()
