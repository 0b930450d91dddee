"""Caches that stay within their bound."""

from __future__ import annotations

import pytest

from sandbox.kernel.bounded import Kept, make_room


@pytest.mark.parametrize(("most", "left"), [(1, [99]), (3, [97, 98, 99]), (64, list(range(40, 100)))])
def test_the_oldest_entries_go(most, left):
    cache: dict[int, int] = {}
    for number in range(100):
        make_room(cache, most)
        cache[number] = number
        assert len(cache) <= most
    assert list(cache) == left


def test_what_is_kept_is_bounded_by_what_it_takes() -> None:
    kept = Kept[int](most=100, largest=40)
    kept.keep(b"too large", 0, 41)
    for at in range(5):
        kept.keep(b"%d" % at, at, 30)
        assert kept.octets <= 100
    kept.keep(b"4", 9, 30)  # known
    assert {**kept} == {b"2": 2, b"3": 3, b"4": 4} or {**kept} == {b"3": 3, b"4": 4}
    assert kept.octets == 30 * len(kept)
    whole = Kept[int](most=100, largest=100)
    whole.keep(b"a", 1, 100)
    whole.keep(b"b", 2, 100)
    assert {**whole} == {b"b": 2}
    kept.clear()
    assert (len(kept), kept.octets) == (0, 0)
    kept.keep(b"again", 1, 10)
    assert kept[b"again"] == 1
