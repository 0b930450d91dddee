"""The switch of the contextual call."""

from __future__ import annotations

from sandbox.kernel.calls import may_call, with_calls


def test_an_lrm_may_call_until_it_is_switched_off_and_again_when_it_is_switched_on() -> None:
    world = {"other": "x"}
    assert may_call("fr.health.samu330", world)
    off = with_calls(world, "fr.health.samu330", False)
    assert not may_call("fr.health.samu330", off)
    assert may_call("fr.health.samu350", off)
    assert with_calls(off, "fr.health.samu330", True) == world
