"""A SAS core in which a slot of the SAS agenda is typed, booked and deleted with its appointment, and which kills
itself (SIGKILL) at one of these steps: `book` or `remove`, while the commit is handed to the disk (`storing`) or once
the disk has it (`stored`), before anybody is answered.

Arguments: directory, step, instant. Prints the id of the slot, then that of the appointment once it is answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable
from datetime import date
from pathlib import Path
from typing import Any

from sandbox.config import SAS_FHIR, SAS_UI, Settings
from sandbox.kernel.entropy import seeded
from sandbox.kernel.patients import Patient
from sandbox.population.load import load_population
from sandbox.sas.orientations.typed_booking import SlotRequest
from sandbox.store.embedded.tables import open_store
from sandbox.store.protocol import Delete, Put, Store
from tests.actors.sas.agenda.practitioners import person, typed
from tests.actors.sas.sas_core import NOW, Core, core_on
from tests.support.contexts import bound_sockets, make_context, stopped_clock

STEPS, INSTANTS = ("book", "remove"), ("storing", "stored")
PATIENT = Patient("Fictif", "Zoé", date(1990, 2, 28), "+33639980102")
PEOPLE = load_population(Settings(preset="minimal", practitioners=0))


class DyingStore:
    """The real store; dies with the process around the next commit that has an appointment, once it is `armed`."""

    def __init__(self, store: Store, instant: str) -> None:
        self._store, self._instant, self.armed = store, instant, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def commit(self, *writes: Put | Delete) -> Awaitable[None]:
        written = self._store.commit(*writes)
        if not self.armed or not any(write.table == "appointments" for write in writes):
            return written
        if self._instant == "storing":
            os.kill(os.getpid(), signal.SIGKILL)
        return self._then_die(written)

    async def _then_die(self, written: Awaitable[None]) -> None:
        await written
        os.kill(os.getpid(), signal.SIGKILL)


@contextlib.asynccontextmanager
async def role(store: Any, directory: Path) -> AsyncIterator[Core]:
    """The role on that store, which listens on no port."""
    with bound_sockets(SAS_UI, SAS_FHIR) as sockets:
        context = make_context(
            Settings(data_dir=str(directory), mtls=False),
            clock=stopped_clock(NOW),
            entropy=seeded("crash"),
            population=PEOPLE,
            sockets=sockets,
        )
        core = await core_on(context, store)
        yield core
        await core.sas.stop()


async def main(directory: Path, step: str, instant: str) -> None:
    """Die on the way."""
    store = DyingStore(open_store(directory / "sas"), instant)
    async with role(store, directory) as core:
        slot = await typed(core)
        tell(slot.id)
        store.armed = step == "book"
        record = await core.sas.booking.book(core.regulator, SlotRequest(slot.id, PATIENT))
        tell(record.id)
        store.armed = True
        await core.sas.agenda_changes.remove(person(core), slot.id, cancel=True)


def tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), *sys.argv[2:4]))
