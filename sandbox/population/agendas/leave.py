"""Paid leave: the weeks of a year in which a practitioner is away. Pure, derived from the seed, never stored.

Everybody follows one of 64 patterns: two weeks in summer first, then one at the end of the year, one in spring, one in
winter and one in autumn. A practitioner is away from all his places at once: the id of a schedule, up to its last
hyphen, says who holds it.
"""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from zlib import crc32

PATTERNS = 64


def pattern_of(seed: int, schedule_id: str) -> int:
    """Which pattern the holder of a schedule follows."""
    return crc32(b"%d/%b" % (seed, schedule_id.rpartition("-")[0].encode())) % PATTERNS


@lru_cache(maxsize=4096)
def absent(weeks: int, day: int) -> frozenset[int]:
    """The patterns that are away on a day (proleptic ordinal), for people with `weeks` weeks of leave a year."""
    week = date.fromordinal(day).isocalendar().week
    return frozenset(pattern for pattern in range(PATTERNS) if week in _weeks(pattern)[:weeks])


def _weeks(pattern: int) -> tuple[int, ...]:
    """The ISO weeks of leave of a pattern; people with fewer weeks take the first ones of the list."""
    summer = 28 + pattern % 6
    return summer, summer + 1, 51 + pattern // 2 % 2, 15 + pattern % 4, 7 + pattern // 4 % 4, 43 + pattern // 8 % 2
