"""The switches of who may call whom."""

from __future__ import annotations

from sandbox.kernel.calls import disabled_editors, may_call, with_calls, with_interface


def test_an_lrm_may_call_until_it_is_switched_off_and_again_when_it_is_switched_on() -> None:
    world = {"other": "x"}
    assert may_call("fr.health.samu330", world)
    off = with_calls(world, "fr.health.samu330", False)
    assert not may_call("fr.health.samu330", off)
    assert may_call("fr.health.samu350", off)
    assert with_calls(off, "fr.health.samu330", True) == world


def test_an_editor_is_asked_until_it_is_switched_off_and_again_when_it_is_switched_on() -> None:
    world = {"other": "off"}
    assert disabled_editors(world) == frozenset()
    off = with_interface(world, "agenda-azur", False)
    assert disabled_editors(off) == {"agenda-azur"}
    assert with_interface(off, "agenda-azur", True) == world
