"""What becomes of appointments when their slots are changed, deleted or closed; crashes in between."""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox.kernel.errors import StoreError
from sandbox.net.context import Context
from sandbox.sas.agenda.agenda import Scope
from sandbox.sas.agenda.agendas import Agendas, Occupancy
from sandbox.sas.agenda.drafts import ClosureDraft
from sandbox.sas.agenda.refusals import Cause, Refusal
from sandbox.sas.agenda.series import split_id
from sandbox.sas.orientations import records
from sandbox.sas.orientations.steps import Action
from sandbox.sas.orientations.typed_booking import SlotRequest
from sandbox.sas.orientations.typed_changes import InTheWay
from sandbox.sas.schema import SCHEMA
from sandbox.store.embedded.tables import open_store
from tests.actors.sas.agenda.practitioners import EARLY, MARCILHAC, ROUVEYRAN, draft, person, typed
from tests.actors.sas.sas_core import NOW, Core, core_on

WEEKS = date(2026, 12, 15)  # four Tuesdays


async def book(core: Core, slot: str) -> str:
    return (await core.sas.booking.book(core.regulator, SlotRequest(slot))).id


def status(core: Core, id: str) -> str:
    record = core.sas.appointments.read(id)
    assert record is not None
    return record.status


async def test_a_slot_with_an_appointment_is_not_deleted_unasked(core: Core) -> None:
    slot = await typed(core)
    id = await book(core, slot.id)
    with pytest.raises(InTheWay) as refused:
        await core.sas.agenda_changes.remove(person(core), slot.id)
    assert (refused.value.status, refused.value.cause) == (409, Cause.BOOKED)
    assert refused.value.french == "Un rendez-vous est pris sur ce créneau."
    assert [issue.expression for issue in refused.value.issues] == ["cancel", id]
    assert core.sas.booking.slot(slot.id)[1] == slot
    cancelled = await core.sas.agenda_changes.remove(person(core), slot.id, cancel=True)
    assert [each.id for each in cancelled] == [id]
    with pytest.raises(Refusal):
        core.sas.booking.slot(slot.id)
    messages = [message.appointment or {} for message in await core.l02_messages()]
    assert [(each["appointmentId"], each["status"]) for each in messages] == [(id, "booked"), (id, "cancelled")]


async def test_a_whole_series_goes_with_all_its_appointments(core: Core) -> None:
    slot = await typed(core, until=WEEKS)
    parts = split_id(slot.id)
    assert parts is not None
    later = f"{ROUVEYRAN}-{parts.series}.20261208"
    ids = [await book(core, slot.id), await book(core, later)]
    with pytest.raises(InTheWay) as refused:
        await core.sas.agenda_changes.remove(person(core), slot.id, Scope.ALL)
    assert refused.value.french == "2 rendez-vous sont pris sur ces créneaux."
    await core.sas.agenda_changes.remove(
        person(core), f"{ROUVEYRAN}-{parts.series}.20261201", Scope.FOLLOWING, cancel=True
    )
    assert [status(core, id) for id in ids] == ["booked", "cancelled"]
    assert (await core.sas.agenda_changes.remove(person(core), slot.id, Scope.ALL, cancel=True))[0].id == ids[0]


async def test_an_appointment_follows_its_slot_when_time_and_place_stay(core: Core) -> None:
    slot = await typed(core, until=WEEKS)
    id = await book(core, slot.id)
    changed = await core.sas.agenda_changes.change(person(core), slot.id, draft(max_patients=2))
    assert (changed.cancelled, changed.slot.start) == ([], slot.start)
    assert changed.slot.id != slot.id
    record = core.sas.appointments.read(id)
    assert record is not None
    assert (record.version, record.status, record.details.slot) == (1, "booked", changed.slot.id)
    assert core.sas.booking.left(changed.slot) == 1
    assert len(await core.l02_messages()) == 1
    assert [each.record.id for each in core.sas.booking.day(person(core), EARLY.date())] == [id]
    assert (await core.sas.booking.act(person(core), id, Action.FULFIL)).details.slot == changed.slot.id


async def test_a_booked_slot_is_moved_only_when_its_appointment_may_be_cancelled(core: Core) -> None:
    slot = await typed(core)
    id = await book(core, slot.id)
    moved = draft(EARLY + timedelta(minutes=25))
    with pytest.raises(InTheWay):
        await core.sas.agenda_changes.change(person(core), slot.id, moved)
    assert status(core, id) == "booked"
    changed = await core.sas.agenda_changes.change(person(core), slot.id, moved, cancel=True)
    assert [each.id for each in changed.cancelled] == [id]
    assert core.sas.booking.left(changed.slot) == 1


async def test_fewer_places_than_patients_cancel_the_latest_only(core: Core) -> None:
    slot = await typed(core, max_patients=2)
    first, second = await book(core, slot.id), await book(core, slot.id)
    with pytest.raises(InTheWay):
        await core.sas.agenda_changes.change(person(core), slot.id, draft())
    changed = await core.sas.agenda_changes.change(person(core), slot.id, draft(), cancel=True)
    assert sorted([status(core, first), status(core, second)]) == ["booked", "cancelled"]
    assert core.sas.booking.left(changed.slot) == 0


async def test_a_closed_period_over_appointments(core: Core) -> None:
    slot = await typed(core)
    id = await book(core, slot.id)
    leave = ClosureDraft(start=EARLY, end=EARLY + timedelta(days=1), label="Congés")
    with pytest.raises(InTheWay):
        await core.sas.agenda_changes.close(person(core), leave)
    made, cancelled = await core.sas.agenda_changes.close(person(core), leave, cancel=True)
    assert [each.id for each in cancelled] == [id]
    await core.sas.agenda_changes.reopen(person(core), made.id)
    assert await book(core, slot.id)


async def test_appointments_that_have_begun_or_were_kept_are_left_alone(core: Core) -> None:
    (first, *_) = core.sas.booking.free(person(core))
    id = await book(core, first.id)
    await core.sas.booking.act(person(core), id, Action.FULFIL)
    leave = ClosureDraft(start=NOW - timedelta(hours=3), end=NOW + timedelta(days=1))
    assert (await core.sas.agenda_changes.close(person(core), leave))[1] == []
    assert status(core, id) == "fulfilled"


async def test_slots_of_somebody_else_are_not_there(core: Core) -> None:
    slot = await typed(core)
    for id in (slot.id, "x", f"{MARCILHAC}-99.20261124"):
        with pytest.raises(Refusal) as refused:
            await core.sas.agenda_changes.remove(person(core, MARCILHAC), id)
        assert refused.value.status == 404


async def test_one_occurrence_does_not_become_a_series(core: Core) -> None:
    slot = await typed(core, until=WEEKS)
    with pytest.raises(Refusal) as refused:
        await core.sas.agenda_changes.change(person(core), slot.id, draft(until=WEEKS))
    assert refused.value.cause is Cause.SCOPE


async def test_nothing_is_changed_when_the_disk_refuses(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    slot = await typed(core)
    id = await book(core, slot.id)

    def refuse(*_: Any) -> Any:
        raise StoreError("full")

    with monkeypatch.context() as patched:
        patched.setattr(core.sas.store, "commit", refuse)
        with pytest.raises(StoreError):
            await core.sas.agenda_changes.remove(person(core), slot.id, cancel=True)
        with pytest.raises(StoreError):
            await core.sas.booking.act(person(core), id, Action.CANCEL)
    assert status(core, id) == "booked"
    assert core.sas.booking.left(slot) == 0
    assert core.sas.booking.slot(slot.id)[1] == slot


async def test_a_kill_after_any_commit_leaves_no_appointment_without_its_slot(context: Context, tmp_path: Path) -> None:
    directory = context.store_dir("sas")
    core = await core_on(context, open_store(directory))
    slot = await typed(core, until=WEEKS)
    parts = split_id(slot.id)
    assert parts is not None
    ids = [await book(core, f"{ROUVEYRAN}-{parts.series}.{day}") for day in ("20261124", "20261201", "20261208")]
    commit = core.sas.store.commit
    copies: list[Path] = []

    class Copied:
        """The commit, then a copy of the directory as a kill would leave it."""

        def __init__(self, written: Any) -> None:
            self.written = written

        def __await__(self) -> Any:
            yield from self.written.__await__()
            copies.append(tmp_path / f"copy-{len(copies)}")
            shutil.copytree(directory, copies[-1])

    core.sas.store.commit = lambda *writes: Copied(commit(*writes))  # type: ignore[method-assign]
    await core.sas.agenda_changes.change(person(core), slot.id, draft(max_patients=3), Scope.FOLLOWING)
    await core.sas.agenda_changes.change(
        person(core), slot.id, draft(EARLY + timedelta(minutes=25)), Scope.ONE, cancel=True
    )
    await core.sas.agenda_changes.remove(person(core), f"{ROUVEYRAN}-{parts.series}.20261201", Scope.ALL, cancel=True)
    await core.sas.store.barrier()
    await core.sas.stop()
    assert len(copies) >= 3
    ended = []
    for copy in copies:
        store = open_store(copy, SCHEMA)
        agenda, occupancy = Agendas(context, store).of(person(core)), Occupancy()
        held = [records.decode(row) for id in ids if (row := store.get("appointments", id)) is not None]
        booked = [each for each in held if each.status == "booked"]
        for each in booked:
            its = split_id(each.details.slot)
            assert its is not None
            offered = agenda.offered(its)
            assert offered is not None
            assert offered.start == each.start.timestamp()
            occupancy.note(ROUVEYRAN, each.id, each.details.slot, holds=True)
            assert occupancy.taken(each.details.slot) <= offered.kind.max_patients
        told = [key for key, _ in store.items("l02")] if store.count("l02") else []
        assert len(told) in (0, 3)
        ended.append(len(held) - len(booked))
        await store.close()
    assert ended == sorted(ended)
    assert {ended[0], ended[-1]} == {0, 3}
