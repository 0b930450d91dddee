"""One answer to one search: everything that is wrong with it, and which requirements it met. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from sandbox.check.evidence import Exchange
from sandbox.check.judging.agendas import judge_agendas
from sandbox.check.judging.answer import Answer, Asked, codings, read_answer, visibilities
from sandbox.check.judging.resources import judge_resources
from sandbox.check.judging.shell import judge_shell
from sandbox.check.judging.sites import judge_sites
from sandbox.check.judging.times import judge_window
from sandbox.check.verdicts import Fault, Observed, Passed
from sandbox.fhir import nos

SHELL = frozenset({"R01-14", "R01-L", "R01-P", "ROB-6"})
_SLOTS = frozenset({"R01-10", "R01-11", "R01-24", "R01-25", "R01-45", "R01-47", "R01-48", "R01-49"})
_WINDOW = frozenset({"R01-5", "R01-6"})
_PEOPLE = frozenset(
    {
        "R01-9", "R01-12", "R01-15", "R01-16", "R01-17", "R01-18", "R01-19", "R01-20", "R01-21", "R01-22", "R01-23",
        "R01-31", "R01-32", "R01-33", "R01-37", "R01-38", "R01-39", "R01-40", "R01-41", "R01-43", "R01-46",
    }
)  # fmt: skip
_CPTS = frozenset({"R04-2", "R04-3", "R04-4"})
_SITES = frozenset({"SOS-2", "SOS-4", "SOS-5", "SOS-6", "SOS-7"})


def judge(exchange: Exchange, asked: Asked, ig: str | None) -> tuple[Answer | None, list[Observed]]:
    """The answer, if one could be read, and what was observed about it."""
    answer, faults = read_answer(exchange, asked.flow)
    return answer, judged(answer, faults, asked, ig)


def judged(answer: Answer | None, faults: list[Fault], asked: Asked, ig: str | None) -> list[Observed]:
    """What is observed about an answer; `faults`: how it came. All pages of one answer are judged together."""
    faults = list(faults)
    if answer is not None:
        faults += judge_shell(answer, asked)
        faults += judge_resources(answer, asked, ig)
        faults += judge_window(answer, asked)
        faults += judge_sites(answer, asked) if asked.flow == "SOS" else judge_agendas(answer, asked)
    wrong = {fault.requirement for fault in faults}
    if answer is None:
        return list(faults)
    return [*faults, *(Passed(each, answer.exchange) for each in sorted(_examined(answer, asked) - wrong))]


def faults_of(observed: list[Observed]) -> Iterator[Fault]:
    """The faults among observations."""
    return (each for each in observed if isinstance(each, Fault))


def _examined(answer: Answer, asked: Asked) -> frozenset[str]:
    """The requirements that this answer could have violated."""
    shell = SHELL | {asked.bundle_requirement}
    if not answer.slots:
        return shell
    if asked.flow == "SOS":
        return shell | _SLOTS | _SITES
    found = shell | _SLOTS | _WINDOW
    if "PractitionerRole" in asked.types:
        found |= _PEOPLE
        if any("telecom" in each for kind in ("Practitioner", "PractitionerRole") for each in answer.of(kind)):
            found |= {"R01-34", "R01-35"}
    if "HealthcareService" in asked.types and any("CPTS" in visibilities(slot) for slot in answer.slots):
        found |= _CPTS
    return found


def types_of(answer: Answer) -> set[str]:
    """The consultation types of an answer."""
    return {
        str(coding.get("code"))
        for slot in answer.slots
        for coding in codings(slot.get("serviceType"))
        if coding.get("system") == nos.CONSULTATION
    }
