"""Caches that stay within their bound."""

from __future__ import annotations

import pytest

from sandbox.kernel.bounded import make_room


@pytest.mark.parametrize(("most", "left"), [(1, [99]), (3, [97, 98, 99]), (64, list(range(40, 100)))])
def test_the_oldest_entries_go(most, left):
    cache: dict[int, int] = {}
    for number in range(100):
        make_room(cache, most)
        cache[number] = number
        assert len(cache) <= most
    assert list(cache) == left
