"""What a process has freed goes back to the system while it runs."""

from __future__ import annotations

import asyncio
import platform
import subprocess
import sys

import pytest

from sandbox import allocator

PROGRAM = """
import asyncio
from pathlib import Path
from sandbox import allocator

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4 // 1024

async def main():
    held = [bytearray(60_000) for _ in range(3_000)]
    kept = held[::50]  # live blocks all over the heap: its end cannot be cut off
    del held
    before = resident()
    async with allocator.trimmed(0.05):
        for _ in range(100):
            await asyncio.sleep(0.05)
            if resident() < before / 2:
                break
    print(before, resident(), len(kept))

allocator.tune()
asyncio.run(main())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="this C library gives memory back by itself, or never")
def test_freed_pages_between_live_blocks_are_given_back() -> None:
    out = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60).stdout
    before, after, _ = map(int, out.split())
    assert before > 150
    assert after < before / 2


async def test_without_that_call_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda name: object())
    allocator.tune()
    async with allocator.trimmed(0.01):
        assert "trim" not in {task.get_name() for task in asyncio.all_tasks()}
