"""The hub as a function: what a client publishes is kept, what it consumes is handed to it by the test."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from sandbox.config import Settings
from sandbox.edxl.message import Message, read
from sandbox.kernel.clock import PARIS, Clock
from sandbox.kernel.entropy import seeded
from sandbox.kernel.identifiers import SYSTEM_PERSON, SYSTEM_SAS, Identifier
from sandbox.kernel.journal import Exchange
from sandbox.kernel.model import Cpts, Practitioner, Regulator, SosAssociation, Territory, Town
from sandbox.kernel.world import ClockSetting
from sandbox.net.amqp.deliveries import Delivery
from sandbox.net.context import Context
from sandbox.population.people import Personas, Population
from sandbox.population.procedural import Recipe
from tests.support import contexts

NOW = datetime(2026, 11, 22, 10, tzinfo=PARIS)
SAS, SAMU = "fr.health.test.ptfsas", "fr.health.samu330"
LUC = Regulator(Identifier(SYSTEM_PERSON, "3330000001/42", "IDNPS"), "Dorval", "Luc", "luc@example.org", "SAS-33", "x")
ANA = Regulator(Identifier(SYSTEM_SAS, "b5c4", "INTRN"), "Sorel", "Ana", "ana@example.org", "SAS-35", "x")
DOCTOR = Practitioner("810000000001", "Marchal", "Inès", "agenda-azur", (), "SM54")
OLD_DOCTOR = Practitioner("0331234567", "Vial", "Max", "agenda-azur", (), None)
UNTITLED = Practitioner("810000000002", "Roux", "Léo", "agenda-azur", (), None, "Homéopathie")
CPTS = Cpts("1330000001", "CPTS des Rives", None, ())
SOS = SosAssociation("333333333300001", "SOS Rives", "sos-agenda", ())


def territory(number: str) -> Territory:
    return Territory(f"SAS-{number}", f"Territoire {number}", number, f"fr.health.samu{number}0", "urn:oid:1")


POPULATION = Population(
    7,
    Personas(
        territories={"SAS-33": territory("33"), "SAS-35": territory("35")},
        towns={"33063": Town("33063", "Bordeaux", "33000", "33", 44.8, -0.6)},
        editors={},
        practitioners=(DOCTOR, OLD_DOCTOR, UNTITLED),
        cpts={CPTS.finess: CPTS},
        sos={SOS.siret: SOS},
        regulators=(LUC, ANA),
        examples={},
    ),
    Recipe((), (), ()),
)


def make_context(directory: Any, sockets: Any = MappingProxyType({})) -> Context:
    """The surroundings of one role in a test: a stopped clock, predictable ids, a store directory."""
    clock = Clock(lambda: 0.0, ClockSetting(frozen=NOW.astimezone(UTC).timestamp()))
    settings = Settings(data_dir=str(directory))
    return contexts.make_context(settings, clock=clock, entropy=seeded(1), population=POPULATION, sockets=sockets)


class HubPeer:
    """Stands in for `AmqpClient`."""

    def __init__(self) -> None:
        self.connected = True
        self.published: list[bytes] = []
        self.failures: list[Exception] = []  # raised by the next publications, first one first
        self.gate = asyncio.Event()  # confirms come while it is set
        self.gate.set()
        self.begun = asyncio.Event()
        self.unheard: frozenset[str] = frozenset()
        self.handlers: dict[str, Callable[[Delivery], Awaitable[None]]] = {}
        self._grown = asyncio.Condition()

    def consume(
        self,
        queue: str,
        handler: Callable[[Delivery], Awaitable[None]],
        *,
        prefetch: int = 50,
        together: bool = False,
    ) -> None:
        self.handlers[queue] = handler

    def stop_hearing(self, queues: frozenset[str]) -> None:
        self.unheard = queues

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    async def publish(self, body: bytes, *, headers: dict[str, Any] | None = None) -> None:
        self.begun.set()
        if self.failures:
            raise self.failures.pop(0)
        async with self._grown:
            self.published.append(body)
            self._grown.notify_all()
        await self.gate.wait()

    async def messages(self, count: int) -> list[Message]:
        """What was published, once there are `count` messages."""
        async with asyncio.timeout(5), self._grown:
            await self._grown.wait_for(lambda: len(self.published) >= count)
        return [read(body) for body in self.published]

    async def deliver(self, queue: str, body: bytes, **headers: Any) -> None:
        """Hand over one delivery; returns when the client would ack it."""
        async with asyncio.timeout(5):
            await self.handlers[queue](Delivery(queue=queue, body=body, headers=headers, redelivered=False))


def exchanges(context: Context) -> list[Exchange]:
    """What was journalled since the last time."""
    return context.journal.take()
