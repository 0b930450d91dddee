"""R02-1 to R02-13: regulators' accounts (INT_R02), with made-up people whose accounts are made inactive at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from types import MappingProxyType

from sandbox.check.editor.regulators import changes, creation, refusals
from sandbox.check.editor.regulators.desk import Desk, Unprepared
from sandbox.check.editor.regulators.people import Newcomers
from sandbox.check.group import Subject
from sandbox.check.target import Target
from sandbox.check.verdicts import Observed, Skipped, Text
from sandbox.kernel.entropy import seeded
from sandbox.kernel.flows import Flow

Rule = Callable[[Desk], AsyncIterator[Observed]]

# `settle` tells the others whether Locations can be compared: it always runs, and first.
RULES: Mapping[str, tuple[Rule, ...]] = MappingProxyType(
    {
        "R02-1": (creation.creation,),
        "R02-2": (creation.duplicates,),
        "R02-3": (refusals.refusals,),
        "R02-4": (changes.updates,),
        "R02-5": (changes.identifiers,),
        "R02-6": (changes.finding,),
        "R02-7": (changes.unknown,),
        "R02-8": (changes.released,),
        "R02-9": (changes.held,),
        "R02-10": (creation.pairs, creation.national_query),
        "R02-11": (creation.leniency,),
        "R02-12": (changes.withdrawal,),
        "R02-13": (creation.hints,),
    }
)
IDS = frozenset(RULES)


def missing(target: Target) -> Text | None:
    """Accounts are made only where the target says that it takes them."""
    if target.speaks(Flow.INT_R02):
        return None
    return Text("l'éditeur ne déclare pas le flux INT_R02", "the editor does not declare the flow INT_R02")


async def check(subject: Subject) -> AsyncIterator[Observed]:
    """The rules one after the other; what they leave is taken back whatever happens."""
    desk = Desk(subject.wire, Newcomers(seeded(subject.seed)))
    try:
        async for observed in _settled(desk):
            if observed.requirement in subject.wanted:
                yield observed
        for id in [id for id in RULES if id in subject.wanted]:
            async for observed in _examined(desk, id):
                yield observed
    finally:
        left = await desk.withdraw_all()
    for observed in _remarks(desk, left):
        if observed.requirement in subject.wanted:
            yield observed


def _remarks(desk: Desk, left: list[str]) -> Iterator[Skipped]:
    """What could not be examined or taken back."""
    if not desk.readable:
        fr = "les comptes ne se lisent pas à leur Location : leur contenu n'a pas été comparé à ce qui a été envoyé"
        en = "accounts cannot be read at their Location: their content was not compared with what was sent"
        yield Skipped("R02-4", Text(fr, en))
    if left:
        people = ", ".join(left[:10])
        fr = f"le retrait des comptes d'essai a échoué à la fin, ils restent actifs : {people}"
        yield Skipped("R02-12", Text(fr, f"trial accounts could not be withdrawn in the end and stay active: {people}"))


async def _settled(desk: Desk) -> AsyncIterator[Observed]:
    try:
        async for observed in changes.settle(desk):
            yield observed
    except Unprepared as stopped:
        yield Skipped("R02-4", stopped.reason)


async def _examined(desk: Desk, id: str) -> AsyncIterator[Observed]:
    for rule in RULES[id]:
        try:
            async for observed in rule(desk):
                yield observed
        except Unprepared as stopped:
            yield Skipped(id, stopped.reason)
