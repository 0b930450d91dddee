"""Shared by the tests of INT_L02: an appointment, its messages, and waiting for their states."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec

from sandbox.edxl import build
from sandbox.edxl.codes import HubCode
from sandbox.kernel.flows import AppointmentStatus, OrientationCategory
from sandbox.kernel.identifiers import Identifier
from sandbox.kernel.model import Regulator
from sandbox.sas.orientations.l02.content import Content, content_of
from sandbox.sas.orientations.l02.emitter import L02
from sandbox.sas.orientations.records import AppointmentRecord
from sandbox.store.protocol import Store
from tests.support.hub_peer import FakeHubPeer
from tests.support.two_territories import DOCTOR, LUC, NOW, POPULATION, SAMU, SAS

RECORD = AppointmentRecord(
    id="3f0c6a52-0a61-4e6e-a62c-4a1f6f3f3f01",
    version=1,
    editor="agenda-azur",
    sender=Identifier("urn:oid:1.2.250.1.999.1", "a1"),
    regulator=LUC.identifier,
    status=AppointmentStatus.BOOKED,
    start=NOW + timedelta(hours=4),
    end=NOW + timedelta(hours=4, minutes=15),
    created=NOW,
    category=OrientationCategory.PS,
    received=NOW,
    practitioner=DOCTOR.id,
)


def person(identifier: Identifier) -> Regulator | None:
    return POPULATION.regulator(identifier.key)


def content(record: AppointmentRecord = RECORD, *, creates: bool = True) -> Content:
    regulator = person(record.regulator)
    assert regulator is not None
    return content_of(record, regulator, POPULATION, creates=creates)


def changed(**values: Any) -> AppointmentRecord:
    return msgspec.structs.replace(RECORD, **values)


async def book(l02: L02, store: Store, record: AppointmentRecord = RECORD) -> str:
    """Make a version's message due as the appointments do; returns its distributionID."""
    writes = l02.due(record)
    await store.commit(*writes)
    l02.wake()
    return str(l02.of_appointment(record.id)[-1]["distributionID"])


async def eventually(store: Store, condition: Callable[[], bool]) -> None:
    """Run the outbox until `condition` holds."""
    async with asyncio.timeout(5):
        while not condition():
            await store.barrier()
            await asyncio.sleep(0)


async def until(l02: L02, store: Store, key: str, state: str) -> None:
    await eventually(store, lambda: (l02.state(key) or {}).get("state") == state)


def address(identifier: str = "1") -> build.Address:
    return build.Address(f"{SAMU}_{identifier}", SAMU, SAS, NOW, NOW + timedelta(hours=1))


def error(code: HubCode, referenced: str, source: object = None) -> bytes:
    return build.error(
        build.error_address("fr.health.hub", "1", SAS, NOW), code, "why", source=source, referenced=referenced
    )


async def fail(l02: L02, hub: FakeHubPeer, store: Store, key: str, code: HubCode) -> None:
    await until(l02, store, key, "published")
    await hub.deliver(f"{SAS}.info", error(code, key))


async def send_again(l02: L02, store: Store, key: str, record: AppointmentRecord = RECORD) -> str:
    writes = l02.again(key, record)
    await store.commit(*writes)
    l02.wake()
    return str(l02.of_appointment(record.id)[-1]["distributionID"])
