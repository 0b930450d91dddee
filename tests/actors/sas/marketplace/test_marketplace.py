"""The marketplace from the request to the last message: both sides, joined without network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sandbox.editor.communities.requests import State, Step
from sandbox.kernel.calls import with_interface
from sandbox.kernel.errors import RequestError
from sandbox.kernel.flows import Flow
from sandbox.kernel.model import Practitioner
from sandbox.net.http.client import Reply
from sandbox.sas.orientations.marketplace import GRACE
from sandbox.sas.orientations.records import Ending
from sandbox.sas.orientations.steps import Action
from tests.actors.sas.sas_core import reply
from tests.support.marketplace import ASKED, MEMBERS, SLUG, Marketplace, both, place, until


@pytest.fixture
async def market(tmp_path: Path) -> AsyncIterator[Marketplace]:
    async with place(tmp_path) as here, both(here) as made:
        yield made


async def statuses(market: Marketplace) -> list[str]:
    return [(message.appointment or {})["status"] for message in await market.core.l02_messages()]


async def test_a_community_accepts_by_itself(market: Marketplace) -> None:
    record = await market.ask()
    assert (record.status, record.category, record.organization) == ("pending", "PDM", "1339900011")
    await until(lambda: market.reports.calls == [("POST", 200)])
    assert market.record(record.id).version == 1, "what the editor reports first is what the core knows"
    market.place.pass_(seconds=11)
    await until(lambda: market.record(record.id).status == "booked")
    booked = market.record(record.id)
    assert (booked.practitioner, booked.organization, booked.version) == (MEMBERS[0], "1339900011", 2)
    assert market.requests() == [("POST", "ServiceRequest")]
    assert await statuses(market) == ["pending", "booked"]
    last = (await market.core.l02_messages())[-1].appointment or {}
    assert (last["orientationCategory"], last["practitioner"]["rppsId"]) == ("PDM", MEMBERS[0])


async def test_the_request_carries_no_patient(market: Marketplace) -> None:
    await market.ask()
    await until(lambda: bool(market.requests()))
    body = next(body for _, flow, _, _, body in market.core.editors.calls if flow == Flow.PDM)
    document = msgspec.json.decode(body or b"")
    assert document["subject"] == {"display": "patient non transmis"}
    assert document["code"] == {"text": ASKED.need}
    assert document["locationCode"][0]["coding"][0]["code"] == "33063"


async def test_all_refuse(market: Marketplace) -> None:
    market.place.behave(answer="refuse", after_s=0)
    record = await market.ask()
    await until(lambda: market.record(record.id).status == "cancelled")
    assert market.record(record.id).details.ending is Ending.REFUSED
    assert await statuses(market) == ["pending", "cancelled"]


async def test_nobody_answers_until_the_time_is_over(market: Marketplace) -> None:
    market.place.behave(answer="nobody")
    record = await market.ask()
    await until(lambda: len(market.reports.calls) == 1)
    market.place.pass_(minutes=29)
    await asyncio.sleep(0.05)
    assert market.record(record.id).status == "pending"
    market.place.pass_(minutes=1)
    await until(lambda: market.record(record.id).status == "cancelled")
    assert market.record(record.id).details.ending is Ending.UNANSWERED
    assert market.request(record).state is State.UNANSWERED
    assert market.requests() == [("POST", "ServiceRequest")], "nothing is left to withdraw"


async def test_an_editor_that_cannot_be_reached_leaves_the_request_unanswered(tmp_path: Path) -> None:
    async with place(tmp_path) as here, both(here, editor_down=True) as market:
        record = await market.ask()
        here.pass_(minutes=30)
        await asyncio.sleep(0.05)
        assert market.record(record.id).status == "pending", "a report may be on its way"
        here.pass_(seconds=GRACE.total_seconds())
        await until(lambda: market.record(record.id).status == "cancelled")
        assert market.record(record.id).details.ending is Ending.UNANSWERED
        assert await statuses(market) == ["pending", "cancelled"]
    async with both(here) as market:
        await until(lambda: market.core.sas.marketplace.health()["calls_waiting"] == 0)
        assert market.requests() == [("PUT", "ServiceRequest")], "what has ended is not asked any more"
        assert len(market.editor.running.requests) == 0


@pytest.mark.parametrize("accepted", [False, True])
async def test_the_regulator_withdraws(market: Marketplace, accepted: bool) -> None:
    market.place.behave(after_s=0 if accepted else 600)
    record = await market.ask()
    await until(lambda: market.record(record.id).status == ("booked" if accepted else "pending"))
    await until(lambda: len(market.reports.calls) == 1 + accepted)
    withdrawn = await market.core.sas.marketplace.act(record.id, Action.WITHDRAW)
    assert (withdrawn.status, withdrawn.details.ending) == ("cancelled", Ending.WITHDRAWN)
    await until(lambda: market.request(record).state is State.WITHDRAWN)
    await until(lambda: len(market.reports.calls) == 2 + accepted)
    market.place.pass_(minutes=20)
    await asyncio.sleep(0.05)
    assert market.record(record.id) == withdrawn
    assert market.editor.running.emitter.health() == {"r03_waiting": 0, "r03_failed": 0}
    with pytest.raises(RequestError, match="no step 'withdraw'"):
        await market.core.sas.marketplace.act(record.id, Action.WITHDRAW)


async def test_a_withdrawal_before_the_first_report_wins(market: Marketplace) -> None:
    market.reports.down = True
    market.place.behave(after_s=0)
    record = await market.ask()
    await until(lambda: len(market.editor.running.requests) == 1)
    await until(lambda: market.request(record).state is State.ACCEPTED)
    await market.core.sas.marketplace.act(record.id, Action.WITHDRAW)
    await until(lambda: market.request(record).state is State.WITHDRAWN)
    market.reports.down = False
    market.editor.running.emitter.outbox.hurry()
    await until(lambda: market.reports.calls == [("POST", 409), ("PUT", 409), ("PUT", 200)])
    assert market.editor.running.emitter.health() == {"r03_waiting": 0, "r03_failed": 0}
    assert await statuses(market) == ["pending", "cancelled"]


async def test_only_what_the_regulator_may_do_is_done(market: Marketplace) -> None:
    record = await market.ask()
    for action in (Action.CANCEL, Action.EXPIRE, Action.REJECT):
        with pytest.raises(RequestError):
            await market.core.sas.marketplace.act(record.id, action)
    with pytest.raises(RequestError) as refusal:
        await market.core.sas.marketplace.act("unknown", Action.WITHDRAW)
    assert refusal.value.status == 404
    assert market.record(record.id).status == "pending"


async def test_an_editor_that_does_not_take_the_request_ends_it_with_its_reason(market: Marketplace) -> None:
    outcome = {"resourceType": "OperationOutcome", "issue": [{"details": {"text": "community closed"}}]}
    taken = market.core.editors.answers[SLUG]

    async def refuse(method: str, path: str, body: bytes | None) -> Reply:
        return reply(outcome, 422)

    market.core.editors.answers[SLUG] = refuse
    record = await market.ask()
    await until(lambda: market.record(record.id).status == "cancelled")
    details = market.record(record.id).details
    assert (details.ending, details.reason) == (Ending.REJECTED, "422 : community closed")
    assert await statuses(market) == ["pending", "cancelled"]
    market.core.editors.answers[SLUG] = taken
    assert market.core.sas.marketplace.health()["calls_waiting"] == 0


async def test_the_same_form_twice_is_one_request(market: Marketplace) -> None:
    first, second = await asyncio.gather(market.ask(key="form-1"), market.ask(key="form-1"))
    assert first == second
    assert (await market.ask(key="form-2")).id != first.id
    await until(lambda: len(market.editor.running.requests) == 2)


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"need": "  a  "}, ["need"]),
        ({"need": "x" * 201}, ["need"]),
        ({"need": "abc\u0007def"}, ["need"]),
        ({"within_minutes": 4}, ["within_minutes"]),
        ({"within_minutes": 1441, "need": "", "town": "75056"}, ["need", "within_minutes", "town"]),
        ({"town": "33000"}, ["town"]),
        ({"community": "nobody"}, ["community"]),
    ],
)
async def test_what_cannot_be_asked(market: Marketplace, changes: dict[str, Any], where: list[str]) -> None:
    with pytest.raises(RequestError) as refusal:
        await market.ask(msgspec.structs.replace(ASKED, **changes))
    assert refusal.value.status == 422
    assert [issue.expression for issue in refusal.value.issues] == where


async def test_a_disabled_editor_is_not_asked(market: Marketplace) -> None:
    world = market.place.context.world.world
    switches = with_interface(world.switches, SLUG, False)
    market.place.context.world.apply(msgspec.structs.replace(world, switches=switches))
    with pytest.raises(RequestError, match="not asked now"):
        await market.ask()


async def test_by_hand_with_the_member_who_takes_the_patient(market: Marketplace) -> None:
    market.place.behave(answer="by-hand")
    record = await market.ask()
    await until(lambda: len(market.editor.running.requests) == 1)
    requests = market.editor.running.requests
    for member in ("", "819800000010"):
        with pytest.raises(RequestError) as refusal:
            await requests.act(market.request(record), Step.ACCEPT, member)
        assert refusal.value.status == 422
    await requests.act(market.request(record), Step.ACCEPT, MEMBERS[1])
    await until(lambda: market.record(record.id).status == "booked")
    assert market.record(record.id).practitioner == MEMBERS[1]
    await requests.act(market.request(record), Step.HONOUR)
    await until(lambda: market.record(record.id).status == "fulfilled")
    assert market.record(record.id).practitioner == MEMBERS[1]
    assert await statuses(market) == ["pending", "booked", "fulfilled"]


async def test_the_json_api(market: Marketplace) -> None:
    token = await market.core.token()
    asked = {"kind": "marketplace", "community": ASKED.community, "need": ASKED.need, "within_minutes": 30}
    async with market.core.browser() as api:
        made = await api.post("/api/orientations", json=asked, headers=token)
        assert (made.status_code, made.json()["status"], made.json()["category"]) == (201, "pending", "PDM")
        assert made.json()["actions"] == ["withdraw"]
        id = made.json()["id"]
        gone = await api.post(f"/api/orientations/{id}/withdraw", headers=token)
        assert (gone.status_code, gone.json()["status"]) == (200, "cancelled")
        again = await api.post(f"/api/orientations/{id}/withdraw", headers=token)
        assert again.status_code == 409
        wrong = await api.post("/api/orientations", json={**asked, "within_minutes": 1, "need": ""}, headers=token)
        assert wrong.status_code == 422
    await until(lambda: market.core.sas.marketplace.health()["calls_waiting"] == 0)


async def test_members_are_asked_in_the_order_of_the_community(market: Marketplace) -> None:
    found: list[Practitioner] = market.editor.running.requests.members(ASKED.community)
    assert [member.id for member in found] == [*MEMBERS]
    assert market.editor.running.requests.members("unknown") == []
