"""The memory that a long-running process has freed goes back to the system.

glibc keeps freed memory for later, and what it keeps between live objects is never given back by itself: a role under
steady traffic holds several times what it uses. `malloc_trim` gives whole free pages back wherever they lie. Other C
libraries (musl, macOS, Windows) have no such call; there nothing is done.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
from collections.abc import AsyncIterator, Callable

TRIM_EVERY_S = 30.0
_ARENA_MAX, _TRIM_THRESHOLD, _MMAP_THRESHOLD = -8, -1, -3  # of <malloc.h>
_LARGE = 1 << 20  # octets: larger blocks get pages of their own, which go back as soon as they are freed


def tune() -> None:
    """Set how this process allocates memory; call it before the process has threads."""
    mallopt = _function("mallopt")
    if mallopt is not None:
        mallopt(_ARENA_MAX, 2)
        mallopt(_MMAP_THRESHOLD, _LARGE)
        mallopt(_TRIM_THRESHOLD, 8 * _LARGE)


@contextlib.asynccontextmanager
async def trimmed(every_s: float = TRIM_EVERY_S) -> AsyncIterator[None]:
    """While the body runs, give freed pages back every so many seconds, in a thread."""
    trim = _function("malloc_trim")
    trimming = asyncio.create_task(_repeat(trim, every_s), name="trim") if trim is not None else None
    try:
        yield
    finally:
        if trimming is not None:
            trimming.cancel()
            await asyncio.wait([trimming])


async def _repeat(trim: Callable[[int], int], every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        await asyncio.to_thread(trim, 0)


def _function(name: str) -> Callable[..., int] | None:
    """A function of the C library; None where it has none of that name."""
    try:
        found: Callable[..., int] | None = getattr(ctypes.CDLL(None), name, None)
    except (OSError, TypeError):  # Windows cannot load a library without a name
        return None
    return found
