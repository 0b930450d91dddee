"""Fixtures: a context with the minimal preset, one editor in it, and a browser that is logged in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest

from sandbox.config import Settings
from sandbox.kernel.clock import PARIS, Clock
from sandbox.kernel.entropy import Entropy, seeded
from sandbox.kernel.world import ClockSetting
from sandbox.net.context import Context
from sandbox.population.load import load_population
from sandbox.population.people import Population
from sandbox.store.embedded.tables import open_store
from sandbox.store.protocol import Store
from tests.support.contexts import make_context
from tests.support.editors.running_editor import REGULATOR, Browser, LocalEditor, booking_path, opened, slots

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=PARIS)  # a Monday


@pytest.fixture
def clock() -> Clock:
    return Clock(lambda: 0.0, ClockSetting(frozen=NOW.timestamp()))


@pytest.fixture
def entropy() -> Entropy:
    return seeded("editor tests")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = open_store(tmp_path / "store")
    yield opened
    await opened.close()


@pytest.fixture(scope="session")
def population() -> Population:
    return load_population(Settings(preset="minimal", practitioners=0))


@pytest.fixture
def context(tmp_path: Path, population: Population, clock: Clock, entropy: Entropy) -> Context:
    return make_context(
        Settings(data_dir=str(tmp_path), mtls=False, preset="minimal"),
        clock=clock,
        entropy=entropy,
        population=population,
    )


@pytest.fixture
async def editor(context: Context) -> AsyncIterator[LocalEditor]:
    """The editor of individual practitioners, with one regulator's account."""
    async with opened(context, "agenda-azur") as made:
        await made.running.accounts.post(REGULATOR)
        yield made


@pytest.fixture
async def browser(editor: LocalEditor) -> Browser:
    """The browser of a regulator who has logged in through the SAS and accepted the terms."""
    made = editor.browser()
    assert (await made.enter(booking_path(slots(editor)[3]))).status_code == 200
    return made
