"""Where procedural people live: number `i` has the draw `i·STEP + seed` modulo 2^32, a Kronecker sequence. Pure.

The draws are spread so evenly that every town has its share of any count of people. Unlike hashes they can be searched
backwards: the three-distance theorem gives the numbers whose draws lie in an interval, at a cost proportional to how
many there are. So no list of who lives where is kept, and the start takes as long for a million people as for a few.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache

DRAWS = 1 << 32
_STEP = 2654435769  # 2^32 divided by the golden ratio, odd: no other step spreads the draws more evenly


@lru_cache(maxsize=256)
def _origin(seed: int) -> int:
    return int.from_bytes(hashlib.blake2b(b"settling/%d" % seed, digest_size=4).digest(), "big")


def draw(seed: int, number: int) -> int:
    """The draw of `number`, from 0 to 2^32 - 1."""
    return (number * _STEP + _origin(seed)) % DRAWS


def numbers_in(seed: int, low: int, high: int, numbers: range) -> Iterator[int]:
    """Those of the numbers whose draw lies in [low, high[, in ascending order. `numbers`: without a step."""
    width = high - low
    number = next((number for number in numbers if low <= draw(seed, number) < high), numbers.stop)
    upwards, rise = _return(width, len(numbers), 1)
    downwards, fall = _return(width, len(numbers), -1)
    at = draw(seed, number) - low
    while number < numbers.stop:
        yield number
        climbs, falls = at + rise < width, at >= fall
        if climbs and (upwards < downwards or not falls):
            number, at = number + upwards, at + rise
        elif falls:
            number, at = number + downwards, at - fall
        else:
            number, at = number + upwards + downwards, at + rise - fall


def _return(width: int, count: int, way: int) -> tuple[int, int]:
    """The least number of steps (at most `count`) that move a draw by less than `width` in the direction `way`, and by
    how much."""
    for steps in range(1, count):
        moved = way * steps * _STEP % DRAWS
        if moved < width:
            return steps, moved
    return count, 0
