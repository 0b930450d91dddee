"""Draws: the same for the same seed and number, evenly distributed, and invertible."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sandbox.population.geography.settling import DRAWS, draw, numbers_in

bounds = st.integers(0, DRAWS)


@given(st.integers(0, 10), bounds, bounds, st.sampled_from((0, 9_000_000)), st.integers(0, 3000))
@example(0, 0, DRAWS, 0, 100)  # everybody
@example(0, 5, 5, 0, 100)  # nobody
@example(1, 0, DRAWS // 2, 0, 1)
@settings(max_examples=150, deadline=None)
def test_numbers_of_an_interval_are_exactly_those_whose_draw_lies_in_it(seed, one, other, first, count):
    low, high, numbers = min(one, other), max(one, other), range(first, first + count)
    expected = [number for number in numbers if low <= draw(seed, number) < high]
    assert list(numbers_in(seed, low, high, numbers)) == expected


@given(st.integers(0, 10), bounds, st.integers(1, 40_000_000), st.integers(0, 3000))
@settings(max_examples=100, deadline=None)
def test_numbers_of_narrow_intervals_are_found_too(seed, low, width, count):
    high = min(DRAWS, low + width)
    expected = [number for number in range(count) if low <= draw(seed, number) < high]
    assert list(numbers_in(seed, low, high, range(count))) == expected


@pytest.mark.parametrize("count", [10, 1000, 20_000])
def test_every_tenth_of_the_draws_has_a_tenth_of_the_people(count):
    for tenth in range(10):
        low, high = tenth * DRAWS // 10, (tenth + 1) * DRAWS // 10
        assert abs(len(list(numbers_in(7, low, high, range(count)))) - count / 10) < 3


def test_other_seeds_settle_elsewhere():
    assert [draw(1, number) for number in range(5)] != [draw(2, number) for number in range(5)]
