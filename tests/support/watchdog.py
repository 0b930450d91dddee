"""How long an event loop stands still while something is done."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable

TICK_S = 0.001


async def longest_stall(work: Awaitable[object]) -> float:
    """Seconds between two turns of the loop, at most, until `work` is done."""
    longest, done = 0.0, asyncio.Event()

    async def watch() -> None:
        nonlocal longest
        before = time.perf_counter()
        while not done.is_set():
            await asyncio.sleep(TICK_S)
            now = time.perf_counter()
            longest, before = max(longest, now - before), now

    watching = asyncio.create_task(watch())
    await asyncio.sleep(TICK_S)
    try:
        await work
    finally:
        done.set()
        await watching
    return longest
