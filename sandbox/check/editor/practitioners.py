"""INT_R01: the search of practitioners' slots, in every case that the target's examples allow."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

from sandbox.check.editor.common import empty, same_slots
from sandbox.check.editor.searching import (
    Made,
    Searcher,
    main_example,
    with_bounds,
    with_ids,
    with_status,
    without_includes,
)
from sandbox.check.group import Subject, skipped
from sandbox.check.judging.answer import actors, instant_of, key_of
from sandbox.check.judging.judge import SHELL, faults_of
from sandbox.check.judging.times import judge_window
from sandbox.check.requirements import EDITOR
from sandbox.check.target import Target
from sandbox.check.verdicts import Fault, Observed, Passed, Skipped, Text
from sandbox.fhir.reader.nodes import reference_of
from sandbox.kernel.identifiers import luhn_digit

_MTLS = {"R01-1", "R01-2", "R01-3"}  # of the group `tls`
IDS = frozenset(id for id, each in EDITOR.items() if each.group == "INT_R01") - _MTLS | SHELL
_INCLUDE_SCHEDULE = "_include=Slot:schedule"


def missing(target: Target) -> Text | None:
    """Why the group cannot run."""
    if not target.speaks("INT_R01"):
        return Text("l'éditeur ne déclare pas INT_R01", "the editor does not declare INT_R01")
    if main_example(target) is None:
        return Text(
            "aucun professionnel d'exemple (examples.practitioner_one_site)",
            "no example of a practitioner (examples.practitioner_one_site)",
        )
    return None


async def check(subject: Subject) -> AsyncIterator[Observed]:
    """Everything about INT_R01."""
    searcher = Searcher(subject, "INT_R01")
    main = await _main(subject, searcher)
    for observed in main.observed:
        yield observed
    if main.answer is not None and main.answer.slots:
        yield Passed("R01-4", main.exchange)
        async for observed in _variants(searcher, main):
            yield observed
    elif main.answer is not None:
        for observed in skipped(
            IDS - SHELL - {"R01-8"}, "aucun créneau libre dans la période", "no free slot in the window"
        ):
            yield observed
    if not any(isinstance(each, Passed) and each.requirement == "R01-34" for each in main.observed):
        for id in ("R01-34", "R01-35"):
            yield Skipped(id, Text("aucun téléphone dans la réponse", "no phone in the answer"))
    async for observed in _cases(subject, searcher):
        yield observed
    async for observed in _nothing(subject, searcher):
        yield observed


async def _main(subject: Subject, searcher: Searcher) -> Made:
    """The usual search of the main example; in a longer window when the first has no slot."""
    id = main_example(subject.target)
    assert id is not None
    made = await searcher.usual([id])
    if made.answer is not None and not made.answer.slots:
        longer = await searcher.usual([id], searcher.window(14))
        if longer.slot_ids:
            return longer
        bare = await searcher.unjudged(with_ids(made.asked, [id[1:]]))
        if bare.slot_ids:
            text = Text("trouvé sans préfixe seulement", "found without its prefix only")
            made.observed.append(Fault("R01-29", "HTTP", text, "0", str(len(bare.slot_ids)), made.exchange))
    return made


async def _variants(searcher: Searcher, main: Made) -> AsyncIterator[Observed]:
    """The main search, written in other ways and made narrower."""
    async for observed in _identifiers(searcher, main):
        yield observed
    async for observed in _windows(searcher, main):
        yield observed
    async for observed in _includes(searcher, main):
        yield observed
    busy = await searcher.unjudged(with_status(main.asked, "busy"))
    if busy.answer is not None and any(slot.get("status") == "free" for slot in busy.answer.slots):
        text = Text("status=busy donne des créneaux libres : status est ignoré", "status=busy gives free slots")
        yield Fault("R01-27", "HTTP", text, "free", "400, ou aucun créneau", busy.exchange)
    else:
        yield Passed("R01-27", busy.exchange)


async def _identifiers(searcher: Searcher, main: Made) -> AsyncIterator[Observed]:
    (id,) = main.asked.ids
    bare = await searcher.unjudged(with_ids(main.asked, [id[1:]]))
    text = Text("sans préfixe, la recherche trouve autre chose", "without prefix the search finds something else")
    for observed in same_slots(bare, main.slot_ids, "R01-29", text):
        yield observed
    others = [_unknown(number) for number in range(24)]
    many = await searcher.unjudged(with_ids(main.asked, [*others, id]))
    text = Text("parmi 25 professionnels, la recherche trouve autre chose", "among 25 it finds something else")
    for observed in same_slots(many, main.slot_ids, "R01-29", text):
        yield observed


def _unknown(number: int) -> str:
    """An RPPS that nobody has."""
    digits = f"1999999{number:03}"
    return f"8{digits}{luhn_digit(digits)}"


async def _windows(searcher: Searcher, main: Made) -> AsyncIterator[Observed]:
    """A narrower window finds just those of its slots; one that begins in the past finds none there."""
    assert main.answer is not None
    starts = sorted(start for slot in main.answer.slots if (start := instant_of(slot, "start")) is not None)
    middle = main.asked.start + (main.asked.end - main.asked.start) / 2
    for start, end in ((middle, main.asked.end), (main.asked.start, middle)):
        narrow = await searcher.unjudged(with_bounds(main.asked, start, end))
        faults = [] if narrow.answer is None else list(judge_window(narrow.answer, narrow.asked))
        for fault in faults:
            yield fault
        expected = sum(start <= each <= end for each in starts)
        if not faults and (narrow.answer is None or abs(len(narrow.slot_ids) - expected) > max(1, expected // 20)):
            text = Text("une période plus courte donne autre chose", "a narrower window gives something else")
            seen = str(len(narrow.slot_ids)) if narrow.answer is not None else str(narrow.exchange.status)
            id = "R01-26" if narrow.answer is None else "R01-7"
            yield Fault(id, "Bundle.entry", text, seen, str(expected), narrow.exchange)
        elif not faults:
            yield Passed("R01-26", narrow.exchange)
            yield Passed("R01-7", narrow.exchange)
    past = await searcher.unjudged(with_bounds(main.asked, main.asked.now - timedelta(days=3), main.asked.end))
    if past.answer is not None:
        for fault in judge_window(past.answer, past.asked):
            yield fault


async def _includes(searcher: Searcher, main: Made) -> AsyncIterator[Observed]:
    """What is not asked for is not sent; what is asked for is."""
    alone = await searcher.unjudged(without_includes(main.asked))
    for observed in _only(alone, "R01-28", set()):
        yield observed
    schedules = await searcher.unjudged(without_includes(main.asked, _INCLUDE_SCHEDULE))
    for observed in _only(schedules, "R01-28", {"Schedule"}):
        yield observed
    if main.answer is not None:
        kinds = {str(resource.get("resourceType")) for _, resource in main.answer.resources}
        if "Schedule" in kinds and not {"Practitioner", "PractitionerRole"} & kinds:
            text = Text("l'_include:iterate n'est pas suivi", "the _include:iterate is not followed")
            expected = "Practitioner, PractitionerRole"
            yield Fault("R01-30", "Bundle.entry", text, "—", expected, main.exchange)
        else:
            yield Passed("R01-30", main.exchange)


def _only(made: Made, requirement: str, kinds: set[str]) -> Iterator[Observed]:
    if made.answer is None:
        text = Text("la recherche avec moins d'_include n'est pas servie", "the search with fewer includes fails")
        yield Fault(requirement, "HTTP", text, str(made.exchange.status), "200", made.exchange)
        return
    found = {str(resource.get("resourceType")) for _, resource in made.answer.resources} - {"Slot", "OperationOutcome"}
    if more := sorted(found - kinds):
        text = Text("des ressources que personne n'a demandées", "resources that nobody asked for")
        yield Fault("R01-30", "Bundle.entry", text, ", ".join(more), ", ".join(sorted({"Slot", *kinds})), made.exchange)
    elif kinds - found:
        text = Text("l'_include demandé manque", "what was asked to be included is missing")
        yield Fault(requirement, "Bundle.entry", text, "—", ", ".join(sorted(kinds)), made.exchange)
    else:
        yield Passed(requirement, made.exchange)


async def _cases(subject: Subject, searcher: Searcher) -> AsyncIterator[Observed]:
    """The examples that stand for a case of the kit."""
    target = subject.target
    for name in ("practitioner_adeli", "practitioner_no_phone", "practitioner_two_sites"):
        if ids := target.example(name):
            made = await searcher.usual(ids)
            own = list(_case(name, made))
            for observed in _unmerged([*made.observed, *own]):
                yield observed
        elif name != "practitioner_adeli":
            id = "R01-36" if name == "practitioner_no_phone" else "R01-42"
            yield Skipped(id, _no_example(name))
    pair = target.example("practitioner_pair")
    if len(pair) < 2:
        yield Skipped("R01-44", _no_example("practitioner_pair"))
        return
    async for observed in _pair(searcher, pair):
        yield observed


def _unmerged(observed: list[Observed]) -> Iterator[Observed]:
    """Without the overlaps of slots that only follow from merged places."""
    merged = any(isinstance(each, Fault) and each.requirement == "R01-42" for each in observed)
    return (each for each in observed if not merged or each.requirement != "R01-47")


def _no_example(name: str) -> Text:
    return Text(f"pas d'exemple `{name}` dans la cible", f"the target has no example `{name}`")


def _case(name: str, made: Made) -> Iterator[Observed]:
    answer = made.answer
    if answer is None or not answer.slots:
        return
    if name == "practitioner_no_phone":
        shown = [each for kind in ("Practitioner", "PractitionerRole") for each in answer.of(kind) if "telecom" in each]
        for each in shown:
            text = Text("telecom alors qu'aucun téléphone n'est connu", "a telecom although no phone is known")
            yield Fault("R01-36", f"{key_of(each)}.telecom", text, str(each["telecom"]), "—", made.exchange)
        if not shown:
            yield Passed("R01-36", made.exchange)
    wrong = {fault.requirement for fault in faults_of(made.observed)}
    if name == "practitioner_two_sites" and not wrong & {"R01-12", "R01-15", "R01-19", "R01-42", "R01-43"}:
        schedules, roles = (len(list(answer.of(kind))) for kind in ("Schedule", "PractitionerRole"))
        if min(schedules, roles) < 2:
            text = Text(
                "deux lieux de consultation attendus : un Schedule et un PractitionerRole chacun",
                "two places are expected: one Schedule and one PractitionerRole each",
            )
            found = f"{schedules} Schedule, {roles} PractitionerRole"
            yield Fault("R01-42", "Bundle.entry", text, found, ">= 2", made.exchange)
        else:
            yield Passed("R01-42", made.exchange)


async def _pair(searcher: Searcher, pair: tuple[str, ...]) -> AsyncIterator[Observed]:
    """Several practitioners in one search: the same slots, each with the same owner, as one by one."""
    together = await searcher.usual(pair)
    for observed in together.observed:
        yield observed
    if together.answer is None:
        return
    owners = _owners(together)
    wrong: list[str] = []
    alone: dict[str, str] = {}
    for id in pair:
        single = await searcher.usual([id])
        for fault in faults_of(single.observed):
            yield fault
        alone |= _owners(single)
    wrong = [slot for slot, owner in owners.items() if alone.get(slot, owner) != owner]
    if wrong:
        text = Text("créneaux rattachés au mauvais professionnel", "slots attached to the wrong practitioner")
        yield Fault(
            "R01-44", f"Slot/{wrong[0]}.schedule.reference", text, owners[wrong[0]], alone[wrong[0]],
            together.exchange, count=len(wrong), place=wrong[0],
        )  # fmt: skip
    elif alone and abs(len(owners) - len(alone)) > max(2, len(alone) // 20):
        text = Text("ensemble, autre chose que l'un après l'autre", "together something else than one by one")
        yield Fault("R01-44", "Bundle.entry", text, str(len(owners)), str(len(alone)), together.exchange)
    elif alone:
        yield Passed("R01-44", together.exchange)


def _owners(made: Made) -> dict[str, str]:
    """Slot -> its Practitioner, by the Schedule."""
    if made.answer is None:
        return {}
    owner = {
        key_of(schedule): next((each for each in actors(schedule) if each.startswith("Practitioner/")), "")
        for schedule in made.answer.of("Schedule")
    }
    return {str(slot.get("id")): owner.get(reference_of(slot.get("schedule")), "") for slot in made.answer.slots}


async def _nothing(subject: Subject, searcher: Searcher) -> AsyncIterator[Observed]:
    """Unknown practitioners, one without slots, a window without any: an empty Bundle."""
    cases = [await searcher.usual([_unknown(999)])]
    if ids := subject.target.example("practitioner_no_slots"):
        cases.append(await searcher.usual(ids))
    else:
        yield Skipped("R01-8", _no_example("practitioner_no_slots"))
    for made in cases:
        for observed in empty(made, "R01-8"):
            yield observed
