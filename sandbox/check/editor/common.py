"""What the groups of slot searches observe alike: an empty answer, spellings that are the same search."""

from __future__ import annotations

from collections.abc import Iterator

from sandbox.check.editor.searching import Made
from sandbox.check.judging.judge import faults_of
from sandbox.check.verdicts import Fault, Observed, Passed, Text


def empty(made: Made, requirement: str) -> Iterator[Observed]:
    """A search that finds nothing: 200 and an empty Bundle."""
    exchange, answer = made.exchange, made.answer
    if answer is None:
        if exchange.answered:
            text = Text("une erreur au lieu d'un Bundle vide", "an error instead of an empty Bundle")
            yield Fault(requirement, "HTTP", text, str(exchange.status), "200, total 0", exchange)
        else:
            yield from faults_of(made.observed)
        return
    faults = [each for each in faults_of(made.observed) if answer.slots or each.requirement != "R01-P"]
    if "entry" in answer.bundle and not answer.resources:
        text = Text("entry est vide : il ne doit pas être envoyé", "entry is empty: it must not be sent")
        yield Fault(requirement, "Bundle.entry", text, "[]", "—", exchange)
        faults = [each for each in faults if each.path != "Bundle.entry"]
    elif answer.resources:
        text = Text("des ressources alors que rien n'est libre", "resources although nothing is free")
        found = f"{len(answer.resources)}"
        yield Fault(requirement, "Bundle.entry", text, found, "0", exchange)
        return
    elif answer.total != 0:
        text = Text("total n'est pas 0", "total is not 0")
        yield Fault(requirement, "Bundle.total", text, str(answer.bundle.get("total")), "0", exchange)
        return
    else:
        yield Passed(requirement, exchange)
    yield from faults


def same_slots(
    made: Made, expected: set[str], requirement: str, text: Text, *, tolerated: bool = False
) -> Iterator[Observed]:
    """A search that must find exactly these slots. (Slots that began meanwhile are not missed.)"""
    found = made.slot_ids
    if made.answer is None or found != expected:
        if made.answer is not None and _few(expected, found):
            yield Passed(requirement, made.exchange)
            return
        seen = f"{len(found)}" if made.answer is not None else str(made.exchange.status or made.exchange.failure)
        yield Fault(requirement, "Bundle.entry", text, seen, str(len(expected)), made.exchange, tolerated=tolerated)
    else:
        yield Passed(requirement, made.exchange)


def _few(expected: set[str], found: set[str]) -> bool:
    """True when the two differ as they do at a live server: a slot began, was taken or became free."""
    return bool(expected & found) and len(expected ^ found) <= max(1, len(expected) // 20)
