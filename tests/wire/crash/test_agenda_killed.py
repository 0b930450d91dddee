"""kill -9 of the SAS core while a slot of the SAS agenda is booked, or deleted with its appointment: never one half."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.sas.orientations.typed_booking import SlotRequest
from sandbox.store.embedded.tables import open_store
from tests.actors.sas.agenda.practitioners import EARLY, person
from tests.wire.crash.agenda_process import INSTANTS, PATIENT, role

ROOT = Path(__file__).parents[3]


def crash(directory: Path, step: str, instant: str) -> tuple[str, ...]:
    """The ids that were told before the kill."""
    command = [sys.executable, "-m", "tests.wire.crash.agenda_process", str(directory), step, instant]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    return tuple(ended.stdout.split())


@pytest.mark.parametrize("instant", INSTANTS)
async def test_a_booking_is_there_with_its_patient_and_its_message_or_not_at_all(tmp_path: Path, instant: str) -> None:
    (slot,) = crash(tmp_path, "book", instant)
    async with role(open_store(tmp_path / "sas"), tmp_path) as core:
        booked = core.sas.booking.day(person(core), EARLY.date())
        assert len(booked) == 1 or instant == "storing"
        held = core.sas.booking.left(core.sas.booking.slot(slot)[1]) == 0
        assert held == bool(booked)
        assert [each.patient for each in booked] == [PATIENT] * len(booked)
        assert await core.l02_methods() == ["CreateAppointment"] * len(booked)
        if not booked:
            await core.sas.booking.book(core.regulator, SlotRequest(slot, PATIENT))


@pytest.mark.parametrize("instant", INSTANTS)
async def test_a_slot_goes_with_its_appointment_and_the_lrm_is_told_or_both_stay(tmp_path: Path, instant: str) -> None:
    slot, id = crash(tmp_path, "remove", instant)
    async with role(open_store(tmp_path / "sas"), tmp_path) as core:
        record = core.sas.appointments.read(id)
        assert record is not None
        there = slot in {each.id for each in core.sas.agendas.of(person(core)).typed(*around())}
        assert (there, record.status) in {(True, "booked"), (False, "cancelled")}
        assert not there or instant == "storing"
        statuses = [(message.appointment or {})["status"] for message in await core.l02_messages()]
        assert statuses[-1] == record.status
        if there:
            await core.sas.agenda_changes.remove(person(core), slot, cancel=True)
            assert [each.status for each in [core.sas.appointments.read(id)] if each] == ["cancelled"]


def around() -> tuple[float, float]:
    return EARLY.timestamp() - 3600, EARLY.timestamp() + 3600
