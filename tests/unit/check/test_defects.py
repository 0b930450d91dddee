"""A correct agenda has no fault; each defect is found by the requirement meant for it, and by no other."""

from __future__ import annotations

import re

import pytest

from sandbox.check.editor import capability, cpts, practitioners, robustness, sos
from sandbox.check.group import Group, Subject
from sandbox.check.requirements import EDITOR
from sandbox.check.verdicts import Fault, Outcome, Verdict, Verdicts
from tests.support.checked.defects import COMMUNITIES, MANNERS, PRACTITIONERS, SITES, STATEMENT, Defect
from tests.support.checked.stand_in import NOW, StandIn, target

GROUPS: dict[str, tuple[Group, dict[str, Defect]]] = {
    "practitioners": (practitioners.check, dict(PRACTITIONERS)),
    "cpts": (cpts.check, dict(COMMUNITIES)),
    "sos": (sos.check, dict(SITES)),
    "robustness": (robustness.check, dict(MANNERS)),
    "capability": (capability.check, dict(STATEMENT)),
}
CASES = [(group, name) for group, (_, defects) in GROUPS.items() for name in defects]


async def examined(group: str, server: StandIn) -> list[Verdict]:
    """The verdicts that are not skipped."""
    verdicts, subject = Verdicts(), Subject(server.target, server, NOW, frozenset(EDITOR), 1)
    async for observed in GROUPS[group][0](subject):
        verdicts.add(observed)
    return [each for each in verdicts.all(EDITOR.values()) if each.outcome is not Outcome.SKIPPED]


def faults(verdicts: list[Verdict]) -> list[Fault]:
    return [fault for each in verdicts for fault in each.faults]


@pytest.mark.parametrize("group", GROUPS)
async def test_a_correct_agenda_passes(group: str) -> None:
    verdicts = await examined(group, StandIn(target()))
    assert [
        (each.requirement, each.path, str(each.text.fr), each.found, each.expected) for each in faults(verdicts)
    ] == []
    assert verdicts


@pytest.mark.parametrize(("group", "name"), CASES)
async def test_a_defect_is_found_by_its_requirement_and_no_other(group: str, name: str) -> None:
    defect = GROUPS[group][1][name]
    edits = [defect.edit] if defect.edit is not None else []
    verdicts = await examined(group, StandIn(target(), edits, [defect.behaviour]))
    found = faults(verdicts)
    assert {each.requirement for each in found} == {*defect.found}, [
        (each.requirement, each.path, each.text.en) for each in found
    ]
    assert all(each.tolerated == defect.tolerated for each in found)
    if defect.path:
        assert re.fullmatch(defect.path, found[0].path), found[0].path
    for fault in found:
        assert all(fault.text)
        assert fault.exchange is not None


@pytest.mark.parametrize("group", ["practitioners", "robustness"])
async def test_an_answer_may_come_in_pages(group: str) -> None:
    assert faults(await examined(group, StandIn(target(), (), ["pages"]))) == []


def test_there_are_at_least_forty_defects() -> None:
    assert len(CASES) > 100
