"""The marketplace when the disk refuses, or when what is due has been overtaken: it goes on by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.kernel.errors import StoreError
from sandbox.net.http.client import Reply
from sandbox.sas.orientations.marketplace import GRACE
from sandbox.sas.orientations.records import Ending
from sandbox.sas.orientations.steps import Action
from tests.actors.sas.sas_core import Gate, reply
from tests.support.marketplace import SLUG, Marketplace, both, place, until


@pytest.fixture
async def market(tmp_path: Path) -> AsyncIterator[Marketplace]:
    async with place(tmp_path) as here, both(here) as made:
        yield made


def refusing_once(owner: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The disk refuses what this method does the first time."""
    refused: list[str] = []
    method = getattr(owner, name)

    async def failing(*arguments: Any, **options: Any) -> Any:
        if not refused:
            refused.append(name)
            raise StoreError("disk: No space left on device")
        return await method(*arguments, **options)

    monkeypatch.setattr(owner, name, failing)
    return refused


async def test_an_answer_waits_for_the_disk(market: Marketplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.editor.communities.answering.POLL_S", 0.01)
    refused = refusing_once(market.editor.running.requests, "act", monkeypatch)
    market.place.behave(after_s=0)
    record = await market.ask()
    await until(lambda: market.record(record.id).status == "booked")
    assert refused == ["act"]


async def test_the_end_of_a_request_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.sas.orientations.marketplace.POLL_S", 0.01)
    async with place(tmp_path) as here, both(here, editor_down=True) as market:
        record = await market.ask()
        refused = refusing_once(market.core.sas.own, "act", monkeypatch)
        here.pass_(seconds=1800 + GRACE.total_seconds())
        await until(lambda: market.record(record.id).status == "cancelled")
        assert refused == ["act"]


async def test_an_answer_after_the_end_of_the_request_changes_nothing(market: Marketplace) -> None:
    """The editor does not take the request, and says so only when the regulator has withdrawn it."""
    gate = Gate(reply({"resourceType": "OperationOutcome", "issue": []}, 422))
    taken = market.core.editors.answers[SLUG]
    market.core.editors.answers[SLUG] = gate
    record = await market.ask()
    await gate.reached.wait()
    await market.core.sas.marketplace.act(record.id, Action.WITHDRAW)
    market.core.editors.answers[SLUG] = taken
    gate.opened.set()
    await until(lambda: market.requests() == [("POST", "ServiceRequest"), ("PUT", "ServiceRequest")])
    await until(lambda: market.core.sas.marketplace.health()["calls_waiting"] == 0)
    assert market.record(record.id).details.ending is Ending.WITHDRAWN
    assert market.record(record.id).version == 2


@pytest.mark.parametrize("status", [408, 429, 500, 302])
async def test_an_answer_that_may_change_is_waited_for(market: Marketplace, status: int) -> None:
    taken = market.core.editors.answers[SLUG]
    answers = [status]

    async def called(method: str, path: str, body: bytes | None) -> Reply:
        return Reply(answers.pop(), {}, b"") if answers else await taken(method, path, body)

    market.core.editors.answers[SLUG] = called
    record = await market.ask()
    await until(lambda: len(market.editor.running.requests) == 1)
    assert market.record(record.id).status == "pending"
    assert len(market.requests()) == 2


async def test_an_editor_that_is_no_more_is_called_no_more(
    market: Marketplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = await market.ask()
    await until(lambda: len(market.editor.running.requests) == 1)
    population = market.core.population
    others = {slug: each for slug, each in population.editors.items() if slug != SLUG}
    monkeypatch.setattr(population, "editors", others)
    await market.core.sas.marketplace.act(record.id, Action.WITHDRAW)
    await until(lambda: market.core.sas.store.count("pdm.failed") == 1)
    assert market.record(record.id).status == "cancelled"
    await asyncio.sleep(0)
