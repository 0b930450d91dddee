"""The random numbers of faults follow from the seed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from sandbox.net.context import Context


def draws(seed: int, purpose: str) -> list[float]:
    context: Any = SimpleNamespace(settings=SimpleNamespace(seed=seed))
    chance = Context.chance(context, purpose)
    return [chance() for _ in range(20)]


def test_the_same_seed_draws_the_same_and_each_purpose_its_own() -> None:
    assert draws(1, "faults:hub") == draws(1, "faults:hub")
    assert draws(1, "faults:hub") != draws(2, "faults:hub")
    assert draws(1, "faults:hub") != draws(1, "faults:fr.health.samu330")
    assert all(0 <= drawn < 1 for drawn in draws(3, "faults"))
