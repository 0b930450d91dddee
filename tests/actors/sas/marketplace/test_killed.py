"""The marketplace, ended between each pair of durable steps: nothing is lost, and nothing happens twice.

A process that is killed leaves what its store has on disk; that is what a second process finds here, since neither side
keeps anything else.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.editor.communities.requests import State
from sandbox.net.http.client import Reply
from sandbox.sas.orientations.records import Ending
from sandbox.sas.orientations.steps import Action
from tests.support.marketplace import SLUG, Marketplace, Place, both, place, until


async def versions(market: Marketplace) -> list[str]:
    return [(message.appointment or {})["status"] for message in await market.core.l02_messages()]


async def settled(market: Marketplace) -> None:
    """Nothing is under way any more."""
    await until(lambda: market.core.sas.marketplace.health()["calls_waiting"] == 0)
    await until(lambda: market.editor.running.emitter.health()["r03_waiting"] == 0)


async def asked_while(here: Place, **how: bool) -> str:
    async with both(here, **how) as market:
        return (await market.ask()).id


async def test_between_the_request_and_the_call(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        here.behave(after_s=0)
        id = await asked_while(here, editor_down=True)
        async with both(here) as market:
            await until(lambda: market.record(id).status == "booked")
            await settled(market)
            assert market.requests() == [("POST", "ServiceRequest")]
            assert await versions(market) == ["pending", "booked"] or await versions(market) == ["booked"]


async def test_between_the_editors_answer_and_its_note(tmp_path: Path) -> None:
    """The editor took the request and the core does not know it: it asks again, and the editor recognises it."""
    async with place(tmp_path) as here:
        here.behave(after_s=600)
        async with both(here) as market:
            taken = market.core.editors.answers[SLUG]

            async def lost(method: str, path: str, body: bytes | None) -> Reply:
                await taken(method, path, body)
                return Reply(503, {}, b"")

            market.core.editors.answers[SLUG] = lost
            id = (await market.ask()).id
            await until(lambda: len(market.editor.running.requests) == 1)
        async with both(here) as market:
            await settled(market)
            assert market.requests() == [("POST", "ServiceRequest")]
            assert len(market.editor.running.requests) == 1
            assert market.record(id).version == 1


async def test_between_the_request_and_its_first_report(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        here.behave(after_s=60)
        async with both(here) as market:
            market.reports.down = True
            id = (await market.ask()).id
            await until(lambda: len(market.editor.running.requests) == 1)
        here.pass_(seconds=90)  # what was due while nothing ran happens after the start
        async with both(here) as market:
            await until(lambda: market.record(id).status == "booked")
            await settled(market)
            assert market.reports.calls == [("POST", 200), ("PUT", 200)]
            assert market.record(id).version == 2


async def test_between_the_answer_and_its_report(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        here.behave(answer="refuse", after_s=0)
        async with both(here) as market:
            market.reports.down = True
            record = await market.ask()
            await until(lambda: len(market.editor.running.requests) == 1)
            await until(lambda: market.request(record).state is State.REFUSED)
        async with both(here) as market:
            await until(lambda: market.record(record.id).status == "cancelled")
            await settled(market)
            assert market.record(record.id).details.ending is Ending.REFUSED
            assert market.record(record.id).version == 2


@pytest.mark.parametrize("accepted", [False, True])
async def test_between_the_withdrawal_and_its_call(tmp_path: Path, accepted: bool) -> None:
    async with place(tmp_path) as here:
        here.behave(after_s=0 if accepted else 600)
        async with both(here) as market:
            record = await market.ask()
            await until(lambda: market.record(record.id).status == ("booked" if accepted else "pending"))
            await settled(market)
        async with both(here, editor_down=True) as market:
            await market.core.sas.marketplace.act(record.id, Action.WITHDRAW)
        async with both(here) as market:
            await until(lambda: market.request(record).state is State.WITHDRAWN)
            await settled(market)
            assert market.record(record.id).details.ending is Ending.WITHDRAWN
            assert market.record(record.id).version == 2 + accepted


async def test_the_end_of_the_time_while_nothing_runs(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        here.behave(answer="nobody")
        async with both(here) as market:
            record = await market.ask()
            await until(lambda: len(market.editor.running.requests) == 1)
            await settled(market)
        here.pass_(hours=2)
        async with both(here) as market:
            await until(lambda: market.record(record.id).status == "cancelled")
            await settled(market)
            assert market.record(record.id).details.ending is Ending.UNANSWERED
            assert market.record(record.id).version == 2
            assert market.request(record).state in (State.UNANSWERED, State.WITHDRAWN)
            assert market.editor.running.emitter.health()["r03_failed"] == 0


async def test_numbers_go_on_after_a_restart(tmp_path: Path) -> None:
    """The same seed gives the same answers to the same sequence of requests, however often the editor is started."""

    async def members(where: Path, restarts: bool) -> list[str | None]:
        found: list[str | None] = []
        async with place(where) as here:
            here.behave(after_s=600, practitioner="any")
            for rounds in ([1] * 6) if restarts else [6]:
                async with both(here) as market:
                    for _ in range(rounds):
                        record = await market.ask()
                        await until(lambda: len(market.editor.running.requests) == len(found) + 1)
                        found.append(market.request(record).member)
        return found

    once = await members(tmp_path / "a", False)
    assert once == await members(tmp_path / "b", True)
    assert len({*once}) > 1
