"""Many messages through one LRM, over a real hub: none lost, none twice, in order, whatever breaks meanwhile."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from load.bench import lrm


@pytest.fixture(autouse=True)
def cores() -> Iterator[None]:
    """A measurement keeps this process on one core."""
    before = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    yield
    if before is not None:
        os.sched_setaffinity(0, before)


def test_messages_of_many_appointments_are_each_taken_once_in_order_and_acknowledged_once() -> None:
    """`load.bench.lrm` verifies it after its run; `make bench` does the same with 20,000."""
    by_the_clock, by_its_own_time = lrm.once("lrm", 2_000)
    assert by_the_clock > 0
    assert by_its_own_time > 0


def test_the_bare_consumer_that_the_lrm_is_compared_with_answers_all_too() -> None:
    assert lrm.once("bare", 500)[0] > 0
