"""What 200,000 appointments cost the SAS core: memory, start-up, and the rate of the durable POST beside none.

The store is filled once, with what the SAS core's own encoders write: an appointment and its acknowledged L02 message
each. Every variant is a server process of its own that opens a fresh copy of it, or an empty store.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

from load.bench import r03
from sandbox.config import Settings
from sandbox.kernel.clock import PARIS, Clock
from sandbox.kernel.flows import AppointmentStatus
from sandbox.kernel.identifiers import Identifier
from sandbox.kernel.model import Appointment
from sandbox.population.load import load_population
from sandbox.population.people import Population, persona_key
from sandbox.sas.orientations import appointments
from sandbox.sas.orientations.l02.message_table import MessageTable
from sandbox.sas.orientations.l02.states import ACKNOWLEDGED, DUE, PUBLISHED, L02Message, StateChange
from sandbox.sas.orientations.lifecycle import Reception, appointment_id, first_version
from sandbox.sas.orientations.records import AppointmentRecord, encode
from sandbox.store.embedded.tables import open_store
from sandbox.store.protocol import Delete, Put

COUNT = 200_000
ALLOWED_MIB = 300.0
BORNE_S = 5.0
SLICES, SLICE_S = 8, 0.5
_AT_ONCE = 1_000

_directories: list[tempfile.TemporaryDirectory[str]] = []  # kept until this process ends


def rate(rounds: int) -> dict[str, list[float]]:
    """POSTs per second with no appointments and with COUNT: both servers run and are measured alternately in slices of
    a second, so that both have the same disk and the same other load; `… by cpu`: of the server's own processor
    time."""
    rates: dict[str, list[float]] = {}
    filled = _filled()
    with r03.server("durable") as none, r03.server("durable", filled) as full:
        r03.pin(1)
        asyncio.run(_by_turns({"none": none, "full": full}, SLICES * rounds, rates))
    return rates


async def _by_turns(servers: Mapping[str, r03.Started], slices: int, rates: dict[str, list[float]]) -> None:
    async with contextlib.AsyncExitStack() as stack:
        loads = {name: await stack.enter_async_context(r03.Load.on(server.port)) for name, server in servers.items()}
        for number in range(-1, slices):
            for name, load in loads.items():
                spent = r03.processor_time(servers[name].pid)
                count, seconds = await load.slice(SLICE_S)
                if number >= 0:  # the first slice warms up
                    rates.setdefault(name, []).append(count / seconds)
                    used = r03.processor_time(servers[name].pid) - spent
                    rates.setdefault(f"{name} by cpu", []).append(count / used)


def weight(rounds: int) -> dict[str, list[float]]:
    """MiB that COUNT appointments add to a server that has opened its store, and the limit."""
    added = [r03.started("durable", _filled()).mib - r03.started("durable").mib for _ in range(rounds)]
    return {"allowed": [ALLOWED_MIB], "added": added}


def start(rounds: int) -> dict[str, list[float]]:
    """Seconds until the store is open and the SAS core is built on it, and the limit."""
    return {"borne": [BORNE_S], "taken": [r03.started("durable", _filled()).seconds for _ in range(rounds)]}


@lru_cache(maxsize=1)
def _filled() -> Path:
    """The directory of a closed store with COUNT appointments."""
    directory = tempfile.TemporaryDirectory(prefix="sas-bench-full-")
    _directories.append(directory)
    path = Path(directory.name) / "sas"
    asyncio.run(_fill(path))
    return path


async def _fill(path: Path) -> None:
    store = open_store(path)
    clock = Clock(time.time)
    ledger = MessageTable(store, "fr.health.test.ptfsas", clock)
    records = _records(load_population(Settings(preset="minimal")), clock)
    for _ in range(COUNT // _AT_ONCE):
        writes: list[Put | Delete] = []
        for record in itertools.islice(records, _AT_ONCE):
            message = _acknowledged(ledger.distribution_id(record.id, 1), record.received)
            writes += (Put(appointments.TABLE, record.id, encode(record)), *ledger.write(record.id, message))
        await store.commit(*writes)
    await store.close()


def _records(population: Population, clock: Clock) -> Iterator[AppointmentRecord]:
    practitioner = next(iter(population.practitioners()))
    system = population.editors[practitioner.editor].system
    for regulator in itertools.cycle(population.regulators):
        now = clock.now().astimezone(PARIS)
        begin = now.replace(microsecond=0)
        identifier = Identifier(system, str(uuid.uuid4()))
        booked = Appointment(
            identifier=identifier,
            operator=regulator.identifier,
            status=AppointmentStatus.BOOKED,
            start=begin,
            end=begin + timedelta(minutes=15),
            practitioner=practitioner.id,
        )
        reception = Reception(
            id=appointment_id(identifier),
            editor=practitioner.editor,
            at=now,
            practitioner=practitioner,
            account=persona_key(regulator),
            territory=regulator.territory,
        )
        yield first_version(booked, reception)


def _acknowledged(distribution_id: str, now: datetime) -> L02Message:
    at = now.isoformat(timespec="milliseconds")
    events = (StateChange(DUE, at), StateChange(PUBLISHED, at), StateChange(ACKNOWLEDGED, at, step="INTEGRE"))
    return L02Message(
        distribution_id=distribution_id, state=ACKNOWLEDGED, events=events, version=1, recipient="fr.health.samu330"
    )
