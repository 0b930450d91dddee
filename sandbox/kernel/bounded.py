"""Caches of bounded size on plain dictionaries: reading costs nothing more, the oldest entries are removed."""

from __future__ import annotations

from itertools import islice
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


def make_room(cache: dict[K, V], most: int) -> None:
    """Remove the oldest eighth of a full cache; called before an entry is added.

    Many are removed at once because a dictionary finds its first entry only by passing over the gaps that deleted
    entries left before it.
    """
    if len(cache) >= most:
        for key in list(islice(cache, max(1, most // 8))):
            del cache[key]


class Kept(dict[bytes, V], Generic[V]):
    """Values by octets, bounded by the memory they take: `most` octets for all of them, `largest` for one. Reading is
    that of a dictionary; `keep` adds a value."""

    def __init__(self, most: int, largest: int) -> None:
        super().__init__()
        self.most, self.largest, self.octets = most, largest, 0
        self._sizes: dict[bytes, int] = {}

    def keep(self, key: bytes, value: V, size: int) -> None:
        """Add a value that takes `size` octets with its key. Where there is no room the oldest are removed, an eighth
        or more at once (see `make_room`); a value larger than `largest` is not kept."""
        if size > self.largest or key in self:
            return
        if self.octets + size > self.most:
            self._make_room(min(self.most - size, self.most * 7 // 8))
        self[key], self._sizes[key] = value, size
        self.octets += size

    def _make_room(self, left: int) -> None:
        gone = []
        for key in self:
            if self.octets <= left:
                break
            self.octets -= self._sizes.pop(key)
            gone.append(key)
        for key in gone:
            del self[key]

    def clear(self) -> None:
        """Remove everything."""
        super().clear()
        self._sizes.clear()
        self.octets = 0
