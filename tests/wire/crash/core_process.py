"""A SAS core that books one appointment and kills itself (SIGKILL) at a named instant on the way of the message to the
LRM.

    storing        the appointment is handed to the disk, which has not said that it has it
    answered       the editor has its answer, nothing was published yet
    published      the hub has the message, the SAS core no confirm
    confirmed      the confirm is known, durably; the outbox still has the entry
    acknowledging  the LRM's acknowledgement is handed to the disk
    acknowledged   it is durable, the hub has not been told so

Arguments: directory, instant. Prints the appointment's id once it is answered; what the hub got is in
`<directory>/hub`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sandbox.config import SAS_FHIR, SAS_UI, Settings
from sandbox.edxl.message import read
from sandbox.kernel.clock import PARIS
from sandbox.kernel.entropy import seeded
from sandbox.kernel.flows import AppointmentStatus
from sandbox.kernel.identifiers import Identifier
from sandbox.kernel.model import Appointment
from sandbox.population.load import load_population
from sandbox.sas.directory.directory import Directory
from sandbox.sas.orientations.appointments import Appointments
from sandbox.sas.orientations.l02.emitter import L02
from sandbox.sas.regulators.accounts import RegulatorAccounts
from sandbox.store.embedded.tables import open_store
from sandbox.store.protocol import Delete, Put, Store
from tests.support.contexts import make_context, stopped_clock
from tests.support.hub_peer import FakeHubPeer

INSTANTS = ("storing", "answered", "published", "confirmed", "acknowledging", "acknowledged")
NOW = datetime(2026, 11, 23, 10, 30, tzinfo=PARIS)
PEOPLE = load_population(Settings(preset="minimal", practitioners=0))


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def core_on(store: Store, hub: Any) -> tuple[Appointments, L02]:
    """The appointments of a SAS core and its messages, on that store."""
    context = make_context(
        Settings(mtls=False),
        clock=stopped_clock(NOW),
        entropy=seeded("crash"),
        population=PEOPLE,
        sockets={SAS_FHIR: None, SAS_UI: None},
    )
    regulators = RegulatorAccounts(context, store, lambda account: ())
    l02 = L02(context, store, regulators.person, hub=hub)
    return Appointments(context, store, l02, Directory(PEOPLE), regulators), l02


def booking() -> tuple[Appointment, str]:
    """What the editor posts, and the editor's slug."""
    doctor = next(iter(PEOPLE.practitioners()))
    wanted = Appointment(
        identifier=Identifier(PEOPLE.editors[doctor.editor].system, "crash-1"),
        operator=PEOPLE.regulators[0].identifier,
        status=AppointmentStatus.BOOKED,
        start=NOW + timedelta(hours=1),
        end=NOW + timedelta(hours=1, minutes=15),
        practitioner=doctor.id,
    )
    return wanted, doctor.editor


class DyingStore:
    """The real store; dies with the process around the commit that the instant names."""

    def __init__(self, store: Store, instant: str) -> None:
        self._store, self._instant = store, instant

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def commit(self, *writes: Put | Delete) -> Awaitable[None]:
        written = self._store.commit(*writes)
        rows = {write.table: write.value for write in writes if isinstance(write, Put)}
        if self._instant == "storing" and "appointments" in rows:
            die()
        message = rows.get("l02", b"")
        if self._instant == "acknowledging" and b'"acknowledged"' in message:
            die()
        if self._instant == "confirmed" and b'"published"' in message:
            return self._then_die(written)
        return written

    async def _then_die(self, written: Awaitable[None]) -> None:
        await written
        die()


class RecordingHub(FakeHubPeer):
    """Takes messages into a file, confirms them, and has an LRM behind it that acknowledges."""

    def __init__(self, path: Path, instant: str) -> None:
        super().__init__()
        self._path, self._instant = path, instant
        self._lrm: set[asyncio.Task[None]] = set()

    async def publish(self, body: bytes, *, headers: dict[str, Any] | None = None) -> None:
        if self._instant == "answered":
            await asyncio.Event().wait()
        with self._path.open("ab") as file:
            file.write(body + b"\n")
        if self._instant == "published":
            die()
        self._lrm.add(asyncio.create_task(self._answer(body)))

    async def _answer(self, body: bytes) -> None:
        await self.acknowledge(read(body), step="INTEGRE")
        if self._instant == "acknowledged":
            die()


async def main(directory: Path, instant: str) -> None:
    """Book, and die on the way."""
    store: Any = DyingStore(open_store(directory / "sas"), instant)
    core, l02 = core_on(store, RecordingHub(directory / "hub", instant))
    await l02.start()
    wanted, editor = booking()
    decision = await core.accept(wanted, editor, update=False)
    sys.stdout.write(decision.record.id)
    sys.stdout.flush()
    if instant == "answered":
        die()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
