"""A whole SAS core in its own directory; `sas_core` has stand-ins for its peers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from sandbox.config import SAS_FHIR, SAS_UI, Settings
from sandbox.kernel.entropy import seeded
from sandbox.net.context import Context
from sandbox.population.load import load_population
from sandbox.population.people import Population
from sandbox.sas.regulators.accounts import RegulatorAccounts
from sandbox.sas.regulators.sync_to_editors import AccountSync
from sandbox.sas.search.typed_slots import TypedSlots
from sandbox.store.embedded.tables import open_store
from sandbox.store.protocol import Store
from tests.actors.sas.sas_core import NOW, Core, Editors, core_on
from tests.support.contexts import bound_sockets, make_context, stopped_clock


@pytest.fixture(scope="session")
def population() -> Population:
    return load_population(Settings(practitioners=200))


@pytest.fixture
def context(tmp_path: Path, population: Population) -> Iterator[Context]:
    with bound_sockets(SAS_UI, SAS_FHIR) as sockets:
        yield make_context(
            Settings(data_dir=str(tmp_path), mtls=False, practitioners=200),
            clock=stopped_clock(NOW),
            entropy=seeded("sas"),
            population=population,
            sockets=sockets,
        )


@pytest.fixture
async def core(context: Context) -> AsyncIterator[Core]:
    made = await core_on(context, open_store(context.store_dir("sas")))
    yield made
    await made.sas.stop()


@pytest.fixture
def editors_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has an agenda in the SAS platform itself: searches are answered by editors only."""
    monkeypatch.setattr(TypedSlots, "lists", lambda self, id: False)


@pytest.fixture
def editors() -> Editors:
    return Editors()


@pytest.fixture
async def store(context: Context) -> AsyncIterator[Store]:
    opened = open_store(context.store_dir("sas"))
    yield opened
    await opened.close()


@pytest.fixture
def regulators(context: Context, store: Store) -> RegulatorAccounts:
    return RegulatorAccounts(context, store, lambda account: ())


@pytest.fixture
async def accounts(
    context: Context, store: Store, editors: Editors, regulators: RegulatorAccounts
) -> AsyncIterator[AccountSync]:
    made = AccountSync(context, store, editors, regulators, backoff_s=(0.001, 0.002))  # type: ignore[arg-type]
    yield made
    await made.stop()
