"""A deadline on a loop whose time the test sets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from sandbox.net.deadline import Deadline


class Timer:
    def __init__(self, when: float, call: Callable[[], None]) -> None:
        self.when, self.call, self.cancelled = when, call, False

    def cancel(self) -> None:
        self.cancelled = True


class Loop:
    """Time, and the timers that were asked for."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[Timer] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, call: Callable[[], None]) -> Timer:
        self.timers.append(Timer(when, call))
        return self.timers[-1]

    def until(self, now: float) -> None:
        """Let time pass."""
        self.now = now
        for timer in [*self.timers]:
            if timer.when <= now and not timer.cancelled:
                self.timers.remove(timer)
                timer.call()


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Loop:
    made = Loop()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: made)
    return made


@pytest.fixture
def rung() -> list[str]:
    return []


@pytest.fixture
def deadline(loop: Loop, rung: list[str]) -> Deadline:
    return Deadline(lambda: rung.append("rung"))


def test_rings_once_at_its_time(loop: Loop, deadline: Deadline, rung: list[str]) -> None:
    deadline.set(5)
    loop.until(4)
    assert rung == []
    loop.until(5)
    loop.until(50)
    assert rung == ["rung"]


def test_put_off_it_passes_later_with_one_timer_at_a_time(loop: Loop, deadline: Deadline, rung: list[str]) -> None:
    for when in (5, 6, 7, 8):
        deadline.set(when)
    assert [timer.when for timer in loop.timers] == [5]
    loop.until(5)
    assert [timer.when for timer in loop.timers] == [8]
    assert rung == []
    loop.until(8)
    assert rung == ["rung"]


def test_set_to_an_earlier_time_rings_then(loop: Loop, deadline: Deadline, rung: list[str]) -> None:
    deadline.set(9)
    deadline.set(2)
    loop.until(2)
    assert rung == ["rung"]
    loop.until(9)
    assert rung == ["rung"]


def test_timer_that_is_a_little_early_rings_all_the_same(loop: Loop, deadline: Deadline, rung: list[str]) -> None:
    deadline.set(5)
    deadline.set(5.0005)
    loop.until(5)
    assert rung == ["rung"]


def test_off_it_does_not_ring_and_may_be_set_again(loop: Loop, deadline: Deadline, rung: list[str]) -> None:
    deadline.set(5)
    deadline.off()
    loop.until(5)
    assert rung == []
    deadline.set(7)
    loop.until(7)
    assert rung == ["rung"]


def test_ended_nothing_of_it_waits(loop: Loop, deadline: Deadline, rung: list[str]) -> None:
    deadline.end()
    deadline.set(5)
    deadline.end()
    assert all(timer.cancelled for timer in loop.timers)
    loop.until(5)
    assert rung == []
