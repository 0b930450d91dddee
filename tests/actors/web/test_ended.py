"""Ended sessions: what is stored of them, for how long, and that they stay ended."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sandbox.kernel.clock import Clock
from sandbox.kernel.entropy import seeded
from sandbox.store.embedded.tables import open_store
from sandbox.web.ended_sessions import EndedSessions

HOUR = 3600.0


@pytest.fixture
def wall() -> list[float]:
    return [1_800_000_000.0]


@pytest.fixture
def context(wall: list[float]) -> Any:
    settings = SimpleNamespace(session_hours=12.0)
    return SimpleNamespace(settings=settings, clock=Clock(lambda: wall[0]), entropy=seeded(1))


async def test_what_was_ended_is_over_and_stays_so_after_a_restart(context: Any, tmp_path: Path) -> None:
    store = open_store(tmp_path / "role")
    ended = EndedSessions(context, store)
    one, other = ended.name(), ended.name()
    assert not ended.over(one)
    await ended.end(one)
    await ended.end(one)
    assert (ended.over(one), ended.over(other)) == (True, False)
    await store.close()
    again = EndedSessions(context, open_store(tmp_path / "role"))
    assert (again.over(one), again.over(other)) == (True, False)


async def test_a_session_ends_by_itself_and_is_then_kept_no_longer(context: Any, wall: list[float]) -> None:
    ended = EndedSessions(context)
    old = ended.name()
    await ended.end(old)
    wall[0] += 12 * HOUR
    assert ended.over(old)
    await ended.end(ended.name())
    assert len(ended) == 1


@pytest.mark.parametrize("name", ["", "x", "x.", "x.-1", "x.²", "x.1e9", f"x.{'9' * 13}", ".1"])
def test_a_name_that_is_none_of_ours_is_over(context: Any, name: str) -> None:
    assert EndedSessions(context).over(name)


async def test_the_table_is_bounded_and_what_is_forgotten_stays_over(
    context: Any, wall: list[float], tmp_path: Path
) -> None:
    store = open_store(tmp_path / "role")
    ended = EndedSessions(context, store, most=8)
    names = []
    for _ in range(40):
        names.append(ended.name())
        wall[0] += 1
        await ended.end(names[-1])
        assert len(ended) <= 8
    fresh = ended.name()
    assert all(ended.over(name) for name in names)
    assert not ended.over(fresh)
    assert store.count("ended") <= 9  # and the floor
    again = EndedSessions(context, store, most=8)
    assert all(again.over(name) for name in names)
    assert not again.over(fresh)
