"""The search of SOS Médecins slots: one association with one site, with two, several associations."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta

from sandbox.check.editor.common import empty, same_slots
from sandbox.check.editor.searching import Made, Searcher, with_bounds, with_ids
from sandbox.check.group import Subject, skipped
from sandbox.check.judging.judge import SHELL, faults_of
from sandbox.check.judging.sites import kit_suite
from sandbox.check.judging.times import judge_window
from sandbox.check.requirements import EDITOR
from sandbox.check.target import Target
from sandbox.check.verdicts import Fault, Observed, Passed, Skipped, Text
from sandbox.kernel.identifiers import luhn_digit

SLOTS = frozenset({"R01-10", "R01-11", "R01-24", "R01-25", "R01-45", "R01-47", "R01-48", "R01-49"})
IDS = frozenset(id for id, each in EDITOR.items() if each.group == "SOS") | SHELL | SLOTS
_EXAMPLES = ("sos_one_site", "sos_two_sites", "sos_associations", "sos_home_visits")
_UNKNOWN = f"39999990000000{luhn_digit('9999990000000')}"


def missing(target: Target) -> Text | None:
    """Why the group cannot run."""
    if not target.speaks("SOS"):
        return Text("l'éditeur ne déclare pas SOS", "the editor does not declare SOS")
    if not any(target.example(name) for name in _EXAMPLES):
        return Text(
            "aucune association d'exemple (examples.sos_two_sites, sos_associations)",
            "no example of an association (examples.sos_two_sites, sos_associations)",
        )
    return None


async def check(subject: Subject) -> AsyncIterator[Observed]:
    """Everything about SOS Médecins."""
    searcher = Searcher(subject, "SOS")
    first: Made | None = None
    for name in _EXAMPLES:
        if not (ids := subject.target.example(name)):
            for observed in _absent(name):
                yield observed
            continue
        made = await searcher.usual(ids)
        for observed in [*made.observed, *_case(name, made)]:
            yield observed
        if first is None and made.answer is not None and made.answer.slots:
            first = made
    if first is None:
        for observed in skipped(IDS - SHELL - {"SOS-10"}, "aucun créneau dans la période", "no slot in the window"):
            yield observed
    else:
        async for observed in _variants(searcher, first):
            yield observed
    for observed in empty(await searcher.usual([_UNKNOWN]), "SOS-10"):
        yield observed


def _absent(name: str) -> Iterator[Observed]:
    id = {"sos_one_site": "SOS-11", "sos_two_sites": "SOS-8", "sos_associations": "SOS-9"}.get(name)
    if id is not None:
        text = Text(f"pas d'exemple `{name}` dans la cible", f"the target has no example `{name}`")
        yield Skipped(id, text)


def _case(name: str, made: Made) -> Iterator[Observed]:
    answer = made.answer
    if answer is None or not answer.slots:
        return
    yield Passed("SOS-1", made.exchange)
    wrong = {fault.requirement for fault in faults_of(made.observed)}
    if name in ("sos_one_site", "sos_two_sites"):
        faults = list(kit_suite(answer))
        yield from faults
        if not faults:
            yield Passed("SOS-11", made.exchange)
    for id, kind, where in (("SOS-8", "Schedule", "sos_two_sites"), ("SOS-9", "Organization", "sos_associations")):
        count = len(list(answer.of(kind)))
        if name == where and count < 2 and not wrong & {"SOS-4", "SOS-6"}:
            text = Text(f"plusieurs {kind} attendus", f"several {kind} are expected")
            yield Fault(id, "Bundle.entry", text, str(count), ">= 2", made.exchange)
        elif name == where and count >= 2:
            yield Passed(id, made.exchange)


async def _variants(searcher: Searcher, main: Made) -> AsyncIterator[Observed]:
    bare = await searcher.unjudged(with_ids(main.asked, [id[1:] for id in sorted(main.asked.ids)]))
    text = Text("sans préfixe, la recherche trouve autre chose", "without prefix the search finds something else")
    for observed in same_slots(bare, main.slot_ids, "SOS-1", text):
        yield observed
    plain = await searcher.unjudged(replace(main.asked, query=main.asked.query.replace("_has:Slot:schedule:", "")))
    text = Text("start et status sans _has : autre réponse", "start and status without _has: another answer")
    for observed in same_slots(plain, main.slot_ids, "SOS-1", text, tolerated=True):
        yield observed
    middle = main.asked.start + (main.asked.end - main.asked.start) / 2
    for start, end in (
        (middle, main.asked.end),
        (main.asked.start, middle),
        (main.asked.now - timedelta(days=3), main.asked.end),
    ):
        narrow = await searcher.unjudged(with_bounds(main.asked, start, end))
        for fault in () if narrow.answer is None else judge_window(narrow.answer, narrow.asked):
            yield fault
