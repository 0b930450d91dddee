"""A SAS core and the editor of its communities without network: each calls the other, on one clock that tests move."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from sandbox.config import SAS_FHIR, SAS_UI, Settings
from sandbox.editor.communities.requests import CommunityRequest
from sandbox.faults.communities import Behaviour, with_behaviour
from sandbox.kernel.clock import Clock
from sandbox.kernel.entropy import seeded
from sandbox.kernel.errors import PeerUnreachable
from sandbox.kernel.world import ClockSetting, WorldView
from sandbox.net.context import Context
from sandbox.net.http.client import Reply
from sandbox.population.load import load_population
from sandbox.sas.orientations.marketplace import MarketplaceOrientation
from sandbox.sas.orientations.records import AppointmentRecord
from sandbox.store.embedded.tables import open_store
from tests.actors.sas.sas_core import NOW, Core, core_on
from tests.support.contexts import bound_sockets, make_context
from tests.support.editors.running_editor import LocalEditor, opened

SLUG, COMMUNITY = "entraide-commune", "cpts-rive-gauche"
MEMBERS = ("819800000077", "819800000085")
ASKED = MarketplaceOrientation(COMMUNITY, "Fièvre depuis trois jours", 30, "33063")


@dataclass
class Place:
    """Where both live: their context, and a clock that stands still until it is moved."""

    context: Context
    seconds: list[float]

    def pass_(self, **time: float) -> None:
        """Let sandbox time pass; `time` as of timedelta."""
        self.seconds[0] += timedelta(**time).total_seconds()
        self.context.world.apply(self.context.world.world)

    @property
    def now(self) -> datetime:
        return self.context.clock.now()

    def behave(self, community: str = COMMUNITY, **behaviour: Any) -> None:
        """How the community answers from now on."""
        world = self.context.world.world
        switches = with_behaviour(world.switches, community, Behaviour(**behaviour))
        self.context.world.apply(msgspec.structs.replace(world, switches=switches))


@dataclass
class ToCore:
    """Stands in for the editor's HTTP client: its reports go to the FHIR port of the core, if not `down`."""

    core: Core | None = None
    down: bool = False
    calls: list[tuple[str, int]] = field(default_factory=list)

    async def request(self, method: str, url: str, *, body: bytes | None = None, **_: Any) -> Reply:
        if self.down or self.core is None:
            raise PeerUnreachable("sas", "connection refused")
        async with self.core.fhir(self.core.editor(SLUG)) as client:
            answer = await client.request(method, url.partition("/sas/fhir")[2], content=body)
        self.calls.append((method, answer.status_code))
        return Reply(answer.status_code, {}, answer.content)

    async def close(self) -> None:
        """Nothing is open."""


@dataclass
class Marketplace:
    """Both sides."""

    place: Place
    core: Core
    editor: LocalEditor
    reports: ToCore

    async def ask(self, asked: MarketplaceOrientation = ASKED, key: str = "") -> AppointmentRecord:
        return await self.core.sas.marketplace.ask(self.core.regulator, asked, key)

    def record(self, id: str) -> AppointmentRecord:
        found = self.core.sas.appointments.read(id)
        assert found is not None
        return found

    def request(self, record: AppointmentRecord) -> CommunityRequest:
        found = self.editor.running.requests.get(record.sender.value)
        assert found is not None
        return found

    def requests(self) -> list[tuple[str, str]]:
        """(method, path without query) of the calls to the community's editor."""
        return [(method, path.partition("?")[0]) for peer, method, path in self.core.editors.flows("PDM")]


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.to_thread(int)


@contextlib.asynccontextmanager
async def place(path: Path) -> AsyncIterator[Place]:
    """The directory and the clock of both."""
    seconds = [NOW.timestamp()]
    settings = Settings(data_dir=str(path), mtls=False, preset="minimal")
    view = WorldView()
    with bound_sockets(SAS_UI, SAS_FHIR) as sockets:
        context = make_context(
            settings,
            clock=Clock(lambda: seconds[0], ClockSetting()),
            entropy=seeded("marketplace"),
            population=load_population(settings),
            sockets=sockets,
            world=view,
        )
        yield Place(context, seconds)


@contextlib.asynccontextmanager
async def both(place: Place, *, editor_down: bool = False) -> AsyncIterator[Marketplace]:
    """Both sides, running. `editor_down`: the core cannot reach the editor."""
    reports = ToCore()
    core = await core_on(place.context, open_store(place.context.store_dir("sas")))
    reports.core = core
    try:
        async with opened(place.context, SLUG, reports) as editor:  # type: ignore[arg-type]

            async def answer(method: str, path: str, body: bytes | None) -> Reply:
                if editor_down:
                    raise PeerUnreachable(SLUG, "connection refused")
                got = await editor.call(method, f"/{path}", content=body)
                return Reply(got.status_code, {}, got.content)

            core.editors.answers[SLUG] = answer
            await core.sas.marketplace.start()
            yield Marketplace(place, core, editor, reports)
    finally:
        await core.sas.stop()
