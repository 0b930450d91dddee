"""Measures how long an event loop is blocked by some work, and keeps coverage away from what is measured."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
import threading
import time
from collections.abc import Awaitable, Iterator
from typing import NamedTuple

import pytest

TICK_S = 0.001


class Stall(NamedTuple):
    """The longest time between two turns of a loop, in seconds: by the clock, and of the processor that this process
    used (by all its threads: a busy machine makes it no longer)."""

    wall: float
    cpu: float


@contextlib.contextmanager
def untraced() -> Iterator[None]:
    """Run without line tracing (coverage), which makes the code several times slower than it is for users; so do the
    threads that begin meanwhile. What the tests before have left in memory is not looked through by the garbage
    collector."""
    tracer, of_threads = sys.gettrace(), threading.gettrace()
    gc.freeze()
    sys.settrace(None)
    threading.settrace(None)  # type: ignore[arg-type]
    try:
        yield
    finally:
        gc.unfreeze()
        sys.settrace(tracer)
        threading.settrace(of_threads)  # type: ignore[arg-type]


def untraced_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start processes without coverage until the test ends: their memory, start and end are then those of users."""
    for variable in ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START"):
        monkeypatch.delenv(variable, raising=False)


async def longest_stall(work: Awaitable[object]) -> Stall:
    """What it is until `work` is done."""
    longest, done = Stall(0.0, 0.0), asyncio.Event()

    async def watch() -> None:
        nonlocal longest
        before = _now()
        while not done.is_set():
            await asyncio.sleep(TICK_S)
            now = _now()
            longest = Stall(*map(max, longest, (now.wall - before.wall, now.cpu - before.cpu)))
            before = now

    watching = asyncio.create_task(watch())
    await asyncio.sleep(TICK_S)
    try:
        await work
    finally:
        done.set()
        await watching
    return longest


def _now() -> Stall:
    return Stall(time.perf_counter(), time.process_time())
