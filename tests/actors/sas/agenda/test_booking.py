"""Slots of the SAS agenda in searches, and their booking."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from sandbox.kernel.clock import PARIS
from sandbox.kernel.errors import RequestError
from sandbox.kernel.patients import Patient
from sandbox.net.context import Context
from sandbox.sas.agenda.agenda import Scope
from sandbox.sas.agenda.drafts import ClosureDraft
from sandbox.sas.agenda.refusals import Refusal
from sandbox.sas.orientations.steps import Action
from sandbox.sas.orientations.typed_booking import SlotGone, SlotRequest
from sandbox.store.embedded.tables import open_store
from tests.actors.sas.agenda.practitioners import KERGUELEN, MARCILHAC, ROUVEYRAN, cards, found, person, typed
from tests.actors.sas.sas_core import NOW, Core, core_on

MARK = "Zyxwvu"
PATIENT = Patient(MARK, f"{MARK}ine", date(1980, 1, 31), "+33639980102", f"Toux {MARK}")


# ---- searches


async def test_the_week_of_a_practitioner_without_editor_is_found(core: Core) -> None:
    card = (await cards(core, f"town=Bordeaux&order=distance&preferred={ROUVEYRAN}"))[ROUVEYRAN]
    assert (card["origin"], card["editor"], card["editor_name"]) == ("sas-agenda", "sas-agenda", "Agenda SAS")
    assert card["phone"] == "+33536490012"
    (place,) = [each for each in card["places"] if each.get("slots")]
    first = place["slots"][0]
    assert first["id"] == f"{ROUVEYRAN}-w00660.20261123"
    assert first["start"] == "2026-11-23T11:00:00+01:00"
    assert first["url"] == f"/sas/agenda/reserver?creneau={first['id']}&praticien={ROUVEYRAN}"


async def test_procedural_practitioners_of_the_sas_agenda_are_found_too(core: Core) -> None:
    card = next(
        card for id, card in (await cards(core, "town=Bordeaux")).items() if id.startswith("81999") and "origin" in card
    )
    assert card["origin"] == "sas-agenda"


async def test_slots_of_a_cpts_name_it_and_filters_apply(core: Core) -> None:
    slots = await found(core, MARCILHAC)
    only = [slot for slot in slots.values() if slot["visibilities"] == ["CPTS"]]
    assert only
    assert all(slot["cpts"] for slot in only)
    for code in ("CPTS", "SNP"):
        for id in (ROUVEYRAN, MARCILHAC):
            some = await found(core, id, f"town=Bordeaux&order=distance&visibility={code}")
            assert all(code in slot["visibilities"] for slot in some.values())
            assert bool(some) == ((id, code) in {(MARCILHAC, "CPTS"), (ROUVEYRAN, "SNP")})


async def test_what_has_begun_and_what_is_closed_is_not_found(core: Core) -> None:
    slots = await found(core)
    assert min(slot["start"] for slot in slots.values()) > NOW.isoformat()
    end = NOW + timedelta(days=1)
    await core.sas.agenda_changes.close(person(core), ClosureDraft(start=NOW, end=end, label="Congés"))
    left = await found(core)
    assert {*left} < {*slots}
    assert min(slot["start"] for slot in left.values()) >= end.isoformat()


async def test_who_is_away_on_all_days_of_the_search_is_not_asked_about(core: Core) -> None:
    async def named() -> bool:
        async with core.browser() as browser:
            url = "/api/search?town=Bordeaux&order=distance"
            page = (await browser.get(url, headers=await core.token())).json()
        return ROUVEYRAN in {card["id"] for card in [*page["cards"], *page["without_slots"]]}

    assert await named()
    await core.sas.agenda_changes.close(person(core), ClosureDraft(start=NOW, end=NOW + timedelta(days=9)))
    assert not await named()


async def test_a_slot_typed_now_is_found_now(core: Core) -> None:
    slot = await typed(core, reasons=("Certificat",), max_patients=2, type="VR")
    shown = (await found(core))[slot.id]
    assert (shown["start"], shown["end"]) == ("2026-11-24T08:00:00+01:00", "2026-11-24T08:20:00+01:00")
    assert (shown["reasons"], shown["types"]) == (["Certificat"], ["VR"])


# ---- booking


async def test_a_booked_slot_disappears_and_comes_back_when_the_appointment_is_cancelled(core: Core) -> None:
    slot = await typed(core)
    record = await core.sas.booking.book(core.regulator, SlotRequest(slot.id))
    assert (record.status, record.category, record.practitioner) == ("booked", "PS", ROUVEYRAN)
    assert (record.start, record.end) == (slot.begins, slot.ends)
    assert (record.details.slot, record.details.place) == (slot.id, "rouveyran-bordeaux")
    assert slot.id not in await found(core)
    with pytest.raises(SlotGone):
        await core.sas.booking.book(core.regulator, SlotRequest(slot.id))
    await core.sas.own.act(record.id, Action.CANCEL)
    assert slot.id in await found(core)


async def test_each_version_makes_its_message(core: Core) -> None:
    slot = await typed(core)
    record = await core.sas.booking.book(core.regulator, SlotRequest(slot.id))
    await core.sas.booking.act(person(core), record.id, Action.FULFIL)
    messages = [message.appointment or {} for message in await core.l02_messages()]
    assert [(each["method"], each["status"], each["orientationCategory"]) for each in messages] == [
        ("CreateAppointment", "booked", "PS"),
        ("UpdateAppointment", "fulfilled", "PS"),
    ]
    assert messages[0]["practitioner"]["rppsId"] == ROUVEYRAN


@pytest.mark.parametrize(
    ("id", "visibilities", "category", "organization"),
    [
        (ROUVEYRAN, ("PUBLIC",), "PS", "1339900144"),
        (MARCILHAC, ("PUBLIC", "CPTS"), "PS", "1339900169"),
        (MARCILHAC, ("CPTS",), "CPTS", "1339900011"),
        (KERGUELEN, ("PUBLIC",), "MSP", "1359900109"),
    ],
)
async def test_the_category_and_the_organization_follow_from_slot_and_place(
    core: Core, id: str, visibilities: tuple[str, ...], category: str, organization: str
) -> None:
    someone = person(core, id)
    slot = await typed(core, someone, place=someone.places[0].id, visibilities=visibilities)
    record = await core.sas.booking.book(core.regulator, SlotRequest(slot.id))
    assert (record.category, record.organization) == (category, organization)


async def test_a_slot_takes_as_many_patients_as_it_says(core: Core) -> None:
    slot = await typed(core, max_patients=2)
    for _ in range(2):
        assert slot.id in await found(core)
        await core.sas.booking.book(core.regulator, SlotRequest(slot.id))
    assert slot.id not in await found(core)
    assert core.sas.booking.left(slot) == 0


async def test_of_two_regulators_who_want_the_last_place_one_gets_it(core: Core) -> None:
    slot, other = await typed(core), core.population.regulators[1]
    answers = await asyncio.gather(
        *(core.sas.booking.book(each, SlotRequest(slot.id)) for each in (core.regulator, other)),
        return_exceptions=True,
    )
    (refused,) = [each for each in answers if isinstance(each, SlotGone)]
    assert len([each for each in answers if not isinstance(each, BaseException)]) == 1
    assert refused.status == 409
    assert [abs(each.start - slot.start) for each in refused.nearest] == sorted(
        abs(each.start - slot.start) for each in refused.nearest
    )
    assert len(refused.nearest) == 5
    first, *nearest = refused.issues
    assert first.expression == "slot"
    assert [issue.expression for issue in nearest] == [each.id for each in refused.nearest]
    assert refused.nearest[0].begins.isoformat(timespec="minutes") in nearest[0].detail


async def test_the_same_request_again_gives_the_same_appointment(core: Core) -> None:
    slot = await typed(core)
    first = await core.sas.booking.book(core.regulator, SlotRequest(slot.id, key="form-1"))
    again = await core.sas.booking.book(core.regulator, SlotRequest(slot.id, key="form-1"))
    assert again == first
    assert core.sas.appointments.count == 1


@pytest.mark.parametrize("id", ["", "x", f"{ROUVEYRAN}-99", "819800009999-1.20261124", "19800000127-1.20261124"])
async def test_a_slot_of_nobody_is_unknown(core: Core, id: str) -> None:
    with pytest.raises(Refusal) as refused:
        await core.sas.booking.book(core.regulator, SlotRequest(id))
    assert refused.value.status == 404
    with pytest.raises(Refusal):
        core.sas.booking.slot(id)


async def test_a_slot_that_is_over_deleted_or_closed_is_gone(core: Core) -> None:
    slot, someone = await typed(core), person(core)
    for gone in (f"{ROUVEYRAN}-w00600.20261123", f"{ROUVEYRAN}-99.20261124"):
        with pytest.raises(SlotGone):
            await core.sas.booking.book(core.regulator, SlotRequest(gone))
    await core.sas.agenda_changes.remove(someone, slot.id)
    with pytest.raises(SlotGone):
        await core.sas.booking.book(core.regulator, SlotRequest(slot.id))
    await core.sas.agenda_changes.close(someone, ClosureDraft(start=NOW, end=NOW + timedelta(days=60)))
    with pytest.raises(SlotGone) as refused:
        await core.sas.booking.book(core.regulator, SlotRequest(f"{ROUVEYRAN}-w10540.20261124"))
    assert refused.value.nearest == []
    assert "no other free slot" in str(refused.value)


async def test_who_may_not_orient_books_nothing(core: Core) -> None:
    slot = await typed(core)
    stranger = replace(core.regulator, identifier=replace(core.regulator.identifier, value="899999999999"))
    with pytest.raises(RequestError) as refused:
        await core.sas.booking.book(stranger, SlotRequest(slot.id))
    assert refused.value.status == 403
    assert core.sas.booking.left(slot) == 1


# ---- the day of the practitioner


async def test_the_practitioner_sees_his_patients_of_the_day(core: Core) -> None:
    early, late = await typed(core), await typed(core, start=datetime(2026, 11, 24, 21, 30, tzinfo=PARIS))
    second = await core.sas.booking.book(core.regulator, SlotRequest(late.id))
    first = await core.sas.booking.book(core.regulator, SlotRequest(early.id, PATIENT))
    day = core.sas.booking.day(person(core), date(2026, 11, 24))
    assert [(each.record.id, each.patient) for each in day] == [(first.id, PATIENT), (second.id, None)]
    assert core.sas.booking.day(person(core), date(2026, 11, 25)) == []
    await core.sas.booking.act(person(core), first.id, Action.CANCEL)
    assert core.sas.booking.day(person(core), date(2026, 11, 24))[0].record.status == "cancelled"


async def test_only_his_own_appointments_are_his(core: Core) -> None:
    slot = await typed(core)
    record = await core.sas.booking.book(core.regulator, SlotRequest(slot.id))
    for act in (
        lambda: core.sas.booking.act(person(core, MARCILHAC), record.id, Action.CANCEL),
        lambda: core.sas.booking.act(person(core), "unknown", Action.CANCEL),
    ):
        with pytest.raises(RequestError) as refused:
            await act()
        assert refused.value.status == 404
    await core.sas.booking.act(person(core), record.id, Action.NOSHOW)
    with pytest.raises(RequestError) as refused:
        await core.sas.booking.act(person(core), record.id, Action.FULFIL)
    assert refused.value.status == 409


# ---- the patient's data


async def test_the_patient_is_nowhere_but_with_the_appointment(
    core: Core, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    slot = await typed(core)
    token = await core.token()
    wanted = {"kind": "sas-agenda", "slot": slot.id, "patient": {**given(PATIENT), "reason": PATIENT.reason}}
    async with core.browser() as browser:
        made = await browser.post("/api/orientations", json=wanted, headers=token)
        assert made.status_code == 201
        id = made.json()["id"]
        answers = [made.text]
        for path in (f"appointments/{id}", "appointments", "search?town=Bordeaux"):
            answers.append((await browser.get(f"/api/{path}", headers=token)).text)
        bad = {**wanted, "patient": {**wanted["patient"], "phone": f"{MARK}", "family": f"{MARK}1"}}
        refused = await browser.post("/api/orientations", json=bad, headers=token)
        assert refused.status_code == 422
        assert {each["pointer"] for each in refused.json()["errors"]} == {"patient.phone", "patient.family"}
        answers.append(refused.text)
    await core.sas.booking.act(person(core), id, Action.CANCEL)
    messages = [repr(message) for message in await core.l02_messages()]
    journal = [repr(exchange) for exchange in core.context.journal.take()]
    assert messages
    assert journal
    assert not [text for text in (*answers, *messages, *journal, caplog.text) if MARK in text]
    assert core.sas.booking.patient(id) == PATIENT
    rows = [(table, key) for table in core.sas.store.tables() for key, row in core.sas.store.items(table) if mark(row)]  # type: ignore[attr-defined]
    assert rows == [("patients", id)]


def given(patient: Patient) -> dict[str, Any]:
    return {
        "family": patient.family,
        "given": patient.given,
        "birth_date": patient.birth_date.isoformat(),
        "phone": patient.phone,
    }


def mark(row: bytes) -> bool:
    return MARK.encode() in row


# ---- crashes


async def test_what_was_booked_is_there_after_a_restart(context: Context) -> None:
    core = await core_on(context, open_store(context.store_dir("sas")))
    slot = await typed(core)
    kept = await core.sas.booking.book(core.regulator, SlotRequest(slot.id, PATIENT))
    over = await typed(core, start=datetime(2026, 11, 24, 21, 30, tzinfo=PARIS))
    cancelled = await core.sas.booking.book(core.regulator, SlotRequest(over.id))
    await core.sas.own.act(cancelled.id, Action.CANCEL)
    await core.sas.stop()
    core = await core_on(context, open_store(context.store_dir("sas")))
    assert core.sas.booking.left(slot) == 0
    assert core.sas.booking.left(over) == 1
    assert core.sas.booking.patient(kept.id) == PATIENT
    assert len(core.sas.booking.day(person(core), date(2026, 11, 24))) == 2
    with pytest.raises(SlotGone):
        await core.sas.booking.book(core.regulator, SlotRequest(slot.id))
    assert (await core.sas.agenda_changes.remove(person(core), over.id, Scope.ALL)) == []
    await core.sas.stop()


async def test_the_appointment_its_patient_and_its_message_are_one_commit(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    slot = await typed(core)
    await core.l02_messages()
    commits: list[set[str]] = []
    commit = core.sas.store.commit

    def noted(*writes: Any) -> Any:
        commits.append({write.table for write in writes})
        return commit(*writes)

    monkeypatch.setattr(core.sas.store, "commit", noted)
    record = await core.sas.booking.book(core.regulator, SlotRequest(slot.id, PATIENT))
    assert {"appointments", "patients"} < commits[0]
    assert any("l02" in table for table in commits[0])
    row = core.sas.store.get("appointments", record.id)
    assert row is not None
    assert MARK not in orjson.loads(row)
