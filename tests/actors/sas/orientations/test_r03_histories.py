"""The answers to any sequence of requests and restarts follow the state machine, and every accepted version is sent to
the LRM once and in order."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections import defaultdict
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from sandbox.config import SAS_FHIR, SAS_UI, Settings
from sandbox.edxl.message import read
from sandbox.kernel.entropy import seeded
from sandbox.kernel.errors import PeerTimeout, RequestError
from sandbox.kernel.flows import AppointmentStatus
from sandbox.kernel.identifiers import Identifier
from sandbox.kernel.model import Appointment
from sandbox.population.load import load_population
from sandbox.sas.directory.directory import Directory
from sandbox.sas.orientations.appointments import Appointments
from sandbox.sas.orientations.l02.emitter import L02
from sandbox.sas.regulators.accounts import RegulatorAccounts
from sandbox.store.embedded.tables import open_store
from tests.actors.sas.sas_core import NOW
from tests.support.contexts import make_context, stopped_clock
from tests.support.hub_peer import FakeHubPeer

PEOPLE = load_population(Settings(preset="minimal", practitioners=0))
DOCTOR = next(iter(PEOPLE.practitioners()))
EDITOR = PEOPLE.editors[DOCTOR.editor]
S = AppointmentStatus
# The automaton once more, as the guide's prose has it: from each status, what is an ordinary next one.
ORDINARY = {S.PENDING: {S.PENDING, S.BOOKED, S.CANCELLED}, S.BOOKED: {S.BOOKED, S.FULFILLED, S.NOSHOW, S.CANCELLED}}
TERMINAL = {S.FULFILLED, S.NOSHOW, S.CANCELLED}

names = st.sampled_from(["a", "b"])
contents = st.tuples(st.sampled_from(list(S)), st.integers(0, 1), st.integers(0, 1))


class Lossy(FakeHubPeer):
    """A hub that sometimes accepts a message without confirming it."""

    def __init__(self) -> None:
        super().__init__()
        self.silent = 0

    async def publish(self, body: bytes, *, headers: dict[str, Any] | None = None) -> None:
        await super().publish(body, headers=headers)
        if self.silent:
            self.silent -= 1
            raise PeerTimeout("hub", "no confirm")


class Histories(RuleBasedStateMachine):
    """`held`: accepted contents by identifier, oldest first: the SAS core must have them, and must have sent them."""

    def __init__(self) -> None:
        super().__init__()
        self._stack = contextlib.ExitStack()
        self._directory = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        self._loop = self._stack.enter_context(asyncio.Runner())
        self.hub = Lossy()
        self.held: dict[str, list[tuple[S, int, int]]] = defaultdict(list)
        self.flagged: set[str] = set()
        self._loop.run(self._open())

    async def _open(self) -> None:
        context = make_context(
            Settings(data_dir=str(self._directory), mtls=False),
            clock=stopped_clock(NOW),
            entropy=seeded("history"),
            population=PEOPLE,
            sockets={SAS_FHIR: None, SAS_UI: None},
        )
        self.store = open_store(self._directory / "sas")
        regulators = RegulatorAccounts(context, self.store, lambda account: ())
        self.l02 = L02(context, self.store, regulators.person, hub=self.hub)  # type: ignore[arg-type]
        self.core = Appointments(context, self.store, self.l02, Directory(PEOPLE), regulators)
        await self.l02.start()

    async def _close(self) -> None:
        await self.l02.stop()
        await self.store.close()

    def _wanted(self, name: str, content: tuple[S, int, int]) -> Appointment:
        status, day, who = content
        start = NOW + timedelta(days=day)
        return Appointment(
            identifier=Identifier(EDITOR.system, name),
            operator=PEOPLE.regulators[who].identifier,
            status=status,
            start=start,
            end=start + timedelta(minutes=15),
            practitioner=DOCTOR.id,
        )

    def _expected(self, name: str, content: tuple[S, int, int], update: bool) -> int:
        """The answer: 200, 201, 409 or 422."""
        if not self.held[name]:
            return 201
        before = self.held[name][-1]
        if before == content:
            return 200
        if not update:
            return 409
        terminal = before[0] in TERMINAL
        return 200 if terminal or content[0] in ORDINARY[before[0]] else 422

    @rule(name=names, content=contents, update=st.booleans())
    def request(self, name: str, content: tuple[S, int, int], update: bool) -> None:
        expected = self._expected(name, content, update)
        try:
            decision = self._loop.run(self.core.accept(self._wanted(name, content), EDITOR.slug, update=update))
        except RequestError as error:
            found = error.status
        else:
            found = 201 if decision.created else 200
        assert found == expected
        if found in (409, 422):
            return
        changed = not self.held[name] or self.held[name][-1] != content
        assert decision.changed is changed
        if changed:
            if self.held[name] and self.held[name][-1][0] in TERMINAL:
                self.flagged.add(name)
            self.held[name].append(content)
        assert decision.record.version == len(self.held[name])
        assert decision.record.flagged is (name in self.flagged)

    @rule(times=st.integers(1, 2))
    def lose_confirms(self, times: int) -> None:
        self.hub.silent = times

    @rule()
    def restart(self) -> None:
        self._loop.run(self._close())
        self._loop.run(self._open())

    def teardown(self) -> None:
        try:
            self._loop.run(self._drained())
            self._judge()
        finally:
            self._loop.run(self._close())
            self._stack.close()

    async def _drained(self) -> None:
        async with asyncio.timeout(20):
            while self.l02.statistics()["states"]["due"]:
                await asyncio.sleep(0.01)
                await self.store.barrier()

    def _judge(self) -> None:
        """Check that every version was sent in order; a repeated one has the same id and follows directly."""
        told: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
        for body in self.hub.published:
            message = read(body)
            content = message.appointment or {}
            entry = (message.distribution_id, content["method"], content["status"])
            versions = told[content["appointmentId"]]
            if not versions or versions[-1] != entry:
                versions.append(entry)
        for name, contents in self.held.items():
            if not contents:
                continue
            record = self.core.sent_as(Identifier(EDITOR.system, name))
            assert record is not None
            ids = [f"fr.health.test.ptfsas_{record.id}.{version + 1}" for version in range(len(contents))]
            methods = ["CreateAppointment"] + ["UpdateAppointment"] * (len(contents) - 1)
            expected = list(zip(ids, methods, [str(status) for status, _, _ in contents], strict=True))
            assert told.pop(record.id) == expected
        assert not told


Histories.TestCase.settings = settings(
    max_examples=25, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
)
TestHistories = Histories.TestCase
