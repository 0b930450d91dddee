"""Failed background tasks are reported and restarted; roles that do not report are not ready."""

from __future__ import annotations

import asyncio
import logging

import pytest

from sandbox import tasks
from sandbox.kernel.journal import Journal
from sandbox.kernel.world import World, WorldView
from sandbox.net import link as link_module
from sandbox.net.link import MemoryLink, Switchboard
from sandbox.tasks import Keeper, keep, kept_by


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "PAUSES_S", (0.01, 0.02))
    monkeypatch.setattr(link_module, "REPORT_EVERY_S", 0.01)
    monkeypatch.setattr(link_module, "BATCH_AFTER_S", 0.0)


class Failing:
    """Work that raises in the first `times` runs and then runs for ever."""

    def __init__(self, times: int) -> None:
        self.left = times
        self.running = asyncio.Event()

    async def __call__(self) -> None:
        if self.left:
            self.left -= 1
            raise KeyError("gone")
        self.running.set()
        await asyncio.Event().wait()


async def test_a_task_that_fails_is_reported_and_started_again(caplog: pytest.LogCaptureFixture) -> None:
    work, keeper = Failing(3), Keeper()
    with kept_by(keeper):
        task = keep(work, "sweeper")
    await asyncio.wait_for(work.running.wait(), 5)
    assert (keeper.health(), keeper.trouble) == ({"restarted": {"sweeper": 3}}, "")
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR] == [
        "the task 'sweeper' failed; it is started again"
    ] * 3
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()


async def test_work_that_ends_by_itself_is_not_repeated() -> None:
    done: list[int] = []

    async def once() -> None:
        done.append(1)

    await keep(once, "once")
    assert done == [1]


async def test_a_role_whose_task_does_not_run_says_so_and_is_ready_again_afterwards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tasks, "PAUSES_S", (0.2, 0.2))
    board = Switchboard(World(), lambda role, batch: None)
    link = MemoryLink("sas", 1, board, WorldView(), Journal(), dict)
    await link.start()
    link.ready()
    await board.until(lambda: board.lines["sas"].ready, 5)
    work = Failing(1)
    with kept_by(link.keeper):
        task = keep(work, "L02 expiry")
    await board.until(lambda: not board.lines["sas"].ready, 5)
    assert board.lines["sas"].reason == "L02 expiry: KeyError: 'gone'"
    await board.until(lambda: board.lines["sas"].ready, 5)
    assert board.lines["sas"].health["restarted"] == {"L02 expiry": 1}
    task.cancel()
    await link.stop()


async def test_a_role_that_gives_no_sign_of_life_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    board = Switchboard(World(), lambda role, batch: None)
    link = MemoryLink("hub", 1, board, WorldView(), Journal(), dict)
    await link.start()
    link.ready()
    await board.until(lambda: board.lines["hub"].ready, 5)
    line = board.lines["hub"]
    assert line.reason == ""
    monkeypatch.setattr(link_module, "SILENT_S", -1.0)  # as if that time had passed
    assert not line.ready
    assert line.reason.startswith("no sign of life for ")
    await link.stop()


async def test_a_link_outlives_a_health_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    board = Switchboard(World(), lambda role, batch: None)
    failures = [ValueError("once")]

    def health() -> dict[str, object]:
        if failures:
            raise failures.pop()
        return {}

    link = MemoryLink("lrm", 1, board, WorldView(), Journal(), health)
    await link.start()
    link.ready()
    await board.until(lambda: board.lines["lrm"].ready, 5)
    assert board.lines["lrm"].health["restarted"] == {"link": 1}
    await link.stop()
