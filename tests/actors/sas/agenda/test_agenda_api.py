"""The SAS agenda in the API: login of a practitioner, slots, the day; as `openapi.json` describes it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from sandbox.net.context import Context
from sandbox.sas.agenda.series import split_id
from sandbox.store.embedded.tables import open_store
from tests.actors.sas.agenda.practitioners import EARLY, KERGUELEN, MARCILHAC, ROUVEYRAN, call, person, token
from tests.actors.sas.api.test_openapi import conforms
from tests.actors.sas.sas_core import Core, core_on

SLOT = {
    "start": "2026-11-24T08:00:00+01:00",
    "end": "2026-11-24T08:20:00+01:00",
    "place": "rouveyran-bordeaux",
    "visibility": ["PUBLIC", "SNP"],
}
PATIENT = {"family": "Fictif", "given": "Zoé", "birth_date": "1990-02-28", "phone": "06 39 98 01 02"}


async def made(core: Core, **changes: Any) -> dict[str, Any]:
    answer = await call(core, "POST", "agenda/slots", json={**SLOT, **changes})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def booked(core: Core, slot: str, **more: Any) -> str:
    async with core.browser() as browser:
        asked = {"kind": "sas-agenda", "slot": slot, **more}
        answer = await browser.post("/api/orientations", json=asked, headers=await core.token())
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


# ---- login


@pytest.mark.parametrize("identifier", [ROUVEYRAN, ROUVEYRAN[1:], f" {ROUVEYRAN} "])
async def test_a_practitioner_logs_in_and_out(core: Core, identifier: str) -> None:
    async with core.browser() as browser:
        login = {"identifier": identifier, "password": person(core).password}
        answer = await browser.post("/api/login", json=login)
        conforms(answer)
        assert answer.json()["practitioner"] == {"identifier": ROUVEYRAN, "family": "ROUVEYRAN", "given": "Aurore"}
        assert "regulator" not in answer.json()
        headers = {"Authorization": f"Bearer {answer.json()['token']}"}
        assert (await browser.get("/api/agenda/slots", headers=headers)).status_code == 200
        assert (await browser.post("/api/logout", headers=headers)).status_code == 204
        assert (await browser.get("/api/agenda/slots", headers=headers)).status_code == 401


async def test_a_procedural_practitioner_logs_in_too(core: Core) -> None:
    someone = next(each for each in core.population.practitioners() if each.password and each.id[1:4] == "199")
    assert (await call(core, "GET", "agenda/slots", someone.id)).status_code == 200


async def test_wrong_passwords_are_counted(core: Core) -> None:
    async with core.browser() as browser:
        login = {"identifier": ROUVEYRAN, "password": "x"}
        statuses = [(await browser.post("/api/login", json=login)).status_code for _ in range(6)]
    assert statuses == [401] * 5 + [429]


async def test_who_has_an_editor_has_no_account_here(core: Core) -> None:
    someone = core.population.of_editor("agenda-azur")[0]
    async with core.browser() as browser:
        answer = await browser.post("/api/login", json={"identifier": someone.id, "password": ""})
    assert answer.status_code == 401


async def test_tokens_are_for_their_own_part(core: Core) -> None:
    async with core.browser() as browser:
        for path, headers, words in (
            ("agenda/slots", await core.token(), "practitioner of the SAS agenda is needed"),
            ("appointments", await token(core), "a regulator's is needed"),
            ("search?town=Bordeaux", await token(core), "a regulator's is needed"),
        ):
            answer = await browser.get(f"/api/{path}", headers=headers)
            assert answer.status_code == 403
            assert words in answer.json()["detail"]
        assert (await browser.get("/api/agenda/slots")).status_code == 401


# ---- slots


async def test_slots_are_typed_listed_changed_and_deleted(core: Core) -> None:
    slot = await made(core, max_patients=2, reasons=["Certificat"], type="VR")
    assert slot == {
        "id": slot["id"],
        "start": "2026-11-24T08:00:00+01:00",
        "end": "2026-11-24T08:20:00+01:00",
        "place": "rouveyran-bordeaux",
        "visibility": ["PUBLIC", "SNP"],
        "type": "VR",
        "reasons": ["Certificat"],
        "max_patients": 2,
        "taken": 0,
        "weekly": None,
        "cancelled": [],
    }
    await booked(core, slot["id"])
    listed = await call(core, "GET", "agenda/slots?from=2026-11-24&to=2026-11-24")
    conforms(listed)
    (shown,) = [each for each in listed.json()["slots"] if each["id"] == slot["id"]]
    assert shown["taken"] == 1
    assert {each["start"][:10] for each in listed.json()["slots"]} == {"2026-11-24"}
    refused = await call(core, "DELETE", f"agenda/slots/{slot['id']}")
    conforms(refused)
    assert refused.status_code == 409
    moved = {**SLOT, "end": "2026-11-24T08:30:00+01:00"}
    changed = await call(core, "PUT", f"agenda/slots/{slot['id']}?cancel=true", json=moved)
    conforms(changed)
    assert len(changed.json()["cancelled"]) == 1
    assert changed.json()["taken"] == 0
    gone = await call(core, "DELETE", f"agenda/slots/{slot['id']}")
    conforms(gone)
    assert gone.json() == {"cancelled": []}
    assert (await call(core, "DELETE", f"agenda/slots/{slot['id']}")).status_code == 404


async def test_a_series_is_typed_and_cut(core: Core) -> None:
    slot = await made(core, weekly={"until": "2026-12-17"})
    assert slot["weekly"] == {"until": "2026-12-15"}
    parts = split_id(slot["id"])
    assert parts is not None
    third = f"{ROUVEYRAN}-{parts.series}.20261208"
    assert (await call(core, "DELETE", f"agenda/slots/{third}?scope=following")).status_code == 200
    listed = (await call(core, "GET", "agenda/slots?from=2026-11-24&to=2027-01-10")).json()["slots"]
    assert [each["start"][:10] for each in listed if split_id(each["id"])[1] == parts.series] == [  # type: ignore[index]
        "2026-11-24",
        "2026-12-01",
    ]
    endless = next(each for each in listed if "-w" in each["id"])
    assert endless["weekly"] == {"until": None}


async def test_times_without_an_offset_are_those_of_the_place(core: Core) -> None:
    slot = await made(core, start="2026-11-24T08:00", end="2026-11-24T08:20")
    assert slot["start"] == "2026-11-24T08:00:00+01:00"


@pytest.mark.parametrize(
    ("changes", "status", "pointer"),
    [
        ({"end": "2026-11-24T08:00:00+01:00"}, 422, "end"),
        ({"start": "2026-11-20T08:00:00+01:00"}, 422, "start"),
        ({"start": "2026-11-24T09:10:00+01:00", "end": "2026-11-24T09:30:00+01:00"}, 409, "start"),
        ({"start": "demain"}, 400, "start"),
        ({"place": ""}, 422, "place"),
        ({"visibility": ["CPTS"]}, 422, "visibility"),
        ({"weekly": {"until": "31/12/2026"}}, 400, "weekly.until"),
        ({"weekly": {"until": "2030-01-01"}}, 422, "weekly.until"),
        ({"max_patients": "two"}, 400, "max_patients"),
        ({"colour": "red"}, 400, None),
    ],
)
async def test_what_is_wrong_is_said_with_its_place(
    core: Core, changes: dict[str, Any], status: int, pointer: str | None
) -> None:
    answer = await call(core, "POST", "agenda/slots", json={**SLOT, **changes})
    conforms(answer)
    assert answer.status_code == status, answer.text
    assert pointer is None or answer.json()["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "agenda/slots?from=2026-11-24&to=2026-11-23", 400),
        ("GET", "agenda/slots?from=2026-11-24&to=2027-11-23", 400),
        ("GET", "agenda/slots?from=x", 400),
        ("GET", "agenda/appointments?day=x", 400),
        ("GET", "agenda/appointments?day=2026-02-30", 400),
        ("DELETE", "agenda/slots/x?scope=some", 400),
        ("DELETE", "agenda/slots/x?cancel=yes", 400),
        ("DELETE", "agenda/slots/x", 404),
        ("DELETE", "agenda/closures/x", 404),
        ("POST", "agenda/appointments/x/fulfil", 404),
        ("POST", "agenda/appointments/x/forget", 400),
    ],
)
async def test_parameters_that_cannot_be_understood(core: Core, method: str, path: str, status: int) -> None:
    answer = await call(core, method, path)
    conforms(answer)
    assert answer.status_code == status


# ---- closed periods


async def test_closed_periods(core: Core) -> None:
    slot = await made(core)
    answer = await call(
        core, "POST", "agenda/closures", json={"from": "2026-11-24", "to": "2026-11-25", "label": "Congés"}
    )
    conforms(answer)
    closure = answer.json()
    assert (closure["from"], closure["to"]) == ("2026-11-24T00:00:00+01:00", "2026-11-26T00:00:00+01:00")
    listed = await call(core, "GET", "agenda/closures")
    conforms(listed)
    assert [each["id"] for each in listed.json()["closures"]] == [closure["id"]]
    slots = (await call(core, "GET", "agenda/slots?from=2026-11-24&to=2026-11-26")).json()["slots"]
    assert {each["start"][:10]: each.get("closure") for each in slots} == {
        "2026-11-24": closure["id"],
        "2026-11-25": closure["id"],
        "2026-11-26": None,
    }
    async with core.browser() as browser:
        asked = {"kind": "sas-agenda", "slot": slot["id"]}
        refused = await browser.post("/api/orientations", json=asked, headers=await core.token())
    conforms(refused)
    assert refused.status_code == 409
    assert (await call(core, "DELETE", f"agenda/closures/{closure['id']}")).status_code == 204
    assert await booked(core, slot["id"])
    again = await call(core, "POST", "agenda/closures", json={"from": "2026-11-24T07:00", "to": "2026-11-24T09:00"})
    assert again.status_code == 409
    again = await call(
        core, "POST", "agenda/closures?cancel=true", json={"from": "2026-11-24T07:00", "to": "2026-11-24T09:00"}
    )
    assert len(again.json()["cancelled"]) == 1


# ---- the day


async def test_the_day_with_its_patients_and_what_he_says_of_them(core: Core) -> None:
    slot = await made(core, max_patients=3)
    ids = [await booked(core, slot["id"], patient=PATIENT) for _ in range(3)]
    for id, action, status in zip(
        ids, ("fulfil", "noshow", "cancel"), ("fulfilled", "noshow", "cancelled"), strict=True
    ):
        answer = await call(core, "POST", f"agenda/appointments/{id}/{action}")
        conforms(answer)
        assert answer.json()["status"] == status
        assert (await call(core, "POST", f"agenda/appointments/{id}/{action}")).status_code == 409
        assert (await call(core, "POST", f"agenda/appointments/{id}/{action}", MARCILHAC)).status_code == 404
    day = await call(core, "GET", "agenda/appointments?day=2026-11-24")
    conforms(day)
    visits = day.json()["appointments"]
    assert {each["id"]: each["status"] for each in visits} == dict(
        zip(ids, ("fulfilled", "noshow", "cancelled"), strict=True)
    )
    assert visits[0]["patient"]["family"] == "Fictif"
    assert visits[0]["patient"]["phone"] == "+33639980102"
    assert (await call(core, "GET", "agenda/appointments")).json() == {"day": "2026-11-23", "appointments": []}
    assert (await call(core, "GET", "agenda/appointments?day=2026-11-24", KERGUELEN)).json()["appointments"] == []


async def test_two_regulators_after_the_last_place(core: Core) -> None:
    slot = await made(core)
    tokens = [await core.token(each) for each in core.population.regulators[:2]]
    async with core.browser() as browser:
        asked = {"kind": "sas-agenda", "slot": slot["id"]}
        answers = await asyncio.gather(
            *(browser.post("/api/orientations", json=asked, headers=headers) for headers in tokens)
        )
        refused, taken = sorted(answers, key=lambda each: each.status_code, reverse=True)
        assert (taken.status_code, refused.status_code) == (201, 409)
        conforms(refused)
        first, *nearest = refused.json()["errors"]
        assert first["pointer"] == "slot"
        assert nearest[0]["detail"] == "free: 2026-11-24T09:00+01:00 to 2026-11-24T10:00+01:00"
        asked["slot"] = nearest[0]["pointer"]
        assert (await browser.post("/api/orientations", json=asked, headers=tokens[0])).status_code == 201


async def test_a_practitioner_books_nothing(core: Core) -> None:
    slot = await made(core)
    answer = await call(core, "POST", "orientations", json={"kind": "sas-agenda", "slot": slot["id"]})
    conforms(answer)
    assert answer.status_code == 403


async def test_a_regulator_marks_and_cancels_his_own(core: Core) -> None:
    slot = await made(core)
    id = await booked(core, slot["id"])
    async with core.browser() as browser:
        answer = await browser.post(f"/api/orientations/{id}/cancel", headers=await core.token())
        assert answer.json()["status"] == "cancelled"
    assert await booked(core, slot["id"])


async def test_what_was_typed_is_there_after_a_restart(context: Context) -> None:
    core = await core_on(context, open_store(context.store_dir("sas")))
    slot = await made(core, start=EARLY.isoformat(), end=(EARLY + timedelta(hours=1)).isoformat())
    await core.sas.stop()
    core = await core_on(context, open_store(context.store_dir("sas")))
    assert core.sas.booking.slot(slot["id"])[1].begins == EARLY
    await core.sas.stop()
