"""INT_R04: the search of slots that CPTS see, with one and with two CPTS."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from sandbox.check.editor.common import empty
from sandbox.check.editor.searching import Made, Searcher
from sandbox.check.group import Subject
from sandbox.check.judging.answer import is_for_cpts, services
from sandbox.check.judging.judge import faults_of
from sandbox.check.requirements import EDITOR
from sandbox.check.target import Target
from sandbox.check.verdicts import Fault, Observed, Passed, Skipped, Text

IDS = frozenset(id for id, each in EDITOR.items() if each.group == "INT_R04")
_EXAMPLES = ("practitioner_cpts", "practitioner_two_cpts_one_slot", "practitioner_two_cpts_two_slots")


def missing(target: Target) -> Text | None:
    """Why the group cannot run."""
    if not target.speaks("INT_R04"):
        return Text("l'éditeur ne déclare pas INT_R04", "the editor does not declare INT_R04")
    if not any(target.example(name) for name in _EXAMPLES):
        return Text(
            "aucun professionnel d'exemple en CPTS (examples.practitioner_cpts)",
            "no example of a practitioner in a CPTS (examples.practitioner_cpts)",
        )
    return None


async def check(subject: Subject) -> AsyncIterator[Observed]:
    """Everything about INT_R04."""
    searcher = Searcher(subject, "INT_R04")
    for name in _EXAMPLES:
        if ids := subject.target.example(name):
            made = await searcher.usual(ids)
            for observed in made.observed:
                yield observed
            for observed in _case(name, made):
                yield observed
        elif name != "practitioner_cpts":
            id = "R04-5" if name.endswith("one_slot") else "R04-6"
            text = Text(f"pas d'exemple `{name}` dans la cible", f"the target has no example `{name}`")
            yield Skipped(id, text)
    nobody = await searcher.usual(["819999999996"])
    for observed in empty(nobody, "R01-8"):
        yield observed


def _case(name: str, made: Made) -> Iterator[Observed]:
    answer = made.answer
    if answer is None or not answer.slots:
        return
    seen = [slot for slot in answer.slots if is_for_cpts(slot)]
    if any(fault.requirement == "R04-2" for fault in faults_of(made.observed)):
        return  # how many CPTS are named cannot be said
    if not seen:
        text = Text("aucun créneau visible par une CPTS", "no slot that a CPTS sees")
        yield Fault("R04-2", "Slot.meta.security", text, "—", "CPTS", made.exchange)
    elif name == "practitioner_two_cpts_one_slot":
        most = max(len(set(services(slot))) for slot in seen)
        yield from _counted(made, "R04-5", most, "un créneau dans deux CPTS doit nommer les deux", "a slot names both")
    elif name == "practitioner_two_cpts_two_slots":
        each = len({service for slot in seen for service in services(slot)})
        yield from _counted(made, "R04-6", each, "deux CPTS attendues parmi les créneaux", "two CPTS are expected")


def _counted(made: Made, requirement: str, found: int, fr: str, en: str) -> Iterator[Observed]:
    if found < 2:
        yield Fault(requirement, "Slot.serviceType", Text(fr, en), str(found), ">= 2", made.exchange)
    else:
        yield Passed(requirement, made.exchange)
