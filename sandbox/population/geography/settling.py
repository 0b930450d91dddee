"""Where procedural people settle: number `i` gets the draw `i·STEP + seed` modulo 2^32, a Kronecker sequence. Pure.

Its draws are spread so evenly that every town has its share of any count of people; and, unlike hashes, they can be
searched backwards: whose draws lie in an interval follows from the three-distance theorem, at a cost of those found.
So nobody keeps a list of who lives where, and a country of a million costs no more to start than a village.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache

DRAWS = 1 << 32
_STEP = 2654435769  # 2^32 over the golden ratio, odd: the most even sequence there is


@lru_cache(maxsize=256)
def _origin(seed: int) -> int:
    return int.from_bytes(hashlib.blake2b(b"settling/%d" % seed, digest_size=4).digest(), "big")


def draw(seed: int, number: int) -> int:
    """The draw of `number`, from 0 to 2^32 - 1."""
    return (number * _STEP + _origin(seed)) % DRAWS


def numbers_in(seed: int, low: int, high: int, count: int) -> Iterator[int]:
    """The numbers below `count` whose draw lies in [low, high[, in ascending order."""
    width = high - low
    first = next((number for number in range(count) if low <= draw(seed, number) < high), count)
    upwards, rise = _return(width, count, 1)
    downwards, fall = _return(width, count, -1)
    number, at = first, draw(seed, first) - low
    while number < count:
        yield number
        climbs, falls = at + rise < width, at >= fall
        if climbs and (upwards < downwards or not falls):
            number, at = number + upwards, at + rise
        elif falls:
            number, at = number + downwards, at - fall
        else:
            number, at = number + upwards + downwards, at + rise - fall


def _return(width: int, count: int, way: int) -> tuple[int, int]:
    """The least number of steps (at most `count`) that displace a draw by less than `width` that way, and how far."""
    for steps in range(1, count):
        moved = way * steps * _STEP % DRAWS
        if moved < width:
            return steps, moved
    return count, 0
