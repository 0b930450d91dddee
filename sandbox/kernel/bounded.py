"""Bounded caches as plain dictionaries: a hit costs nothing, the oldest entries go."""

from __future__ import annotations

from itertools import islice
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


def make_room(cache: dict[K, V], most: int) -> None:
    """Before an entry is added: the oldest eighth of a full cache goes.

    Many at once, as a dictionary finds its first entry only after the gaps of those that were deleted before it.
    """
    if len(cache) >= most:
        for key in list(islice(cache, max(1, most // 8))):
            del cache[key]
