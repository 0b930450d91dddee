"""From what the groups of checks observe to one verdict for each requirement, and to the exit code. Pure.

A group yields `Passed`, `Fault` and `Skipped`. One Fault that is not tolerated fails its requirement; a requirement
with tolerated ones only is tolerated; it is passed when something was examined and nothing was wrong; else it is
skipped, with the reason. A requirement that no group mentions is skipped too: nothing is passed that was not examined.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from sandbox.check.evidence import Exchange
from sandbox.check.requirements import Requirement

MOST_FAULTS = 50  # causes of one requirement that are kept


class Text(NamedTuple):
    """A sentence in both languages."""

    fr: str
    en: str


class Outcome(StrEnum):
    """What became of a requirement."""

    PASSED = "passed"
    FAILED = "failed"
    TOLERATED = "tolerated"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that a requirement forbids, in one or several places.

    `path`: of the first place, where the fault is (`Slot/abc.start`, `Bundle.link`, `HTTP Content-Type`); `found`,
    `expected`: values; `cause`: what places of one fault have in common ("": the English sentence); `count`: of places;
    `tolerated`: it does not fail the acceptance; `place`: text of the answer near which the fault is, for the excerpt.
    """

    requirement: str
    path: str
    text: Text
    found: str = ""
    expected: str = ""
    exchange: Exchange | None = None
    cause: str = ""
    count: int = 1
    tolerated: bool = False
    place: str = ""


@dataclass(frozen=True, slots=True)
class Passed:
    """A requirement was examined and met. `note`: what a reader should know all the same."""

    requirement: str
    exchange: Exchange | None = None
    note: Text | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """A requirement could not be examined, or only in part, and why."""

    requirement: str
    reason: Text


Observed: TypeAlias = Passed | Fault | Skipped


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one requirement, with the evidence. `exchanges`: of the faults, or of what passed."""

    requirement: Requirement
    outcome: Outcome
    faults: tuple[Fault, ...] = ()
    reasons: tuple[Text, ...] = ()
    notes: tuple[Text, ...] = ()
    exchanges: tuple[Exchange, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """A finished examination. `kind`: `editor` or `lrm`; `name`, `url`: of the server; `began`: ISO 8601;
    `seconds`: it took."""

    kind: str
    name: str
    url: str
    began: str
    seconds: float
    verdicts: tuple[Verdict, ...]
    ig: str | None = None
    requests: int = 0

    def count(self, outcome: Outcome) -> int:
        """Number of verdicts with this outcome."""
        return sum(verdict.outcome is outcome for verdict in self.verdicts)

    @property
    def exit_code(self) -> int:
        """1 when a requirement is not met, else 0."""
        return 1 if self.count(Outcome.FAILED) else 0


NOT_EXAMINED = Text("aucun contrôle de cette exigence n'a pu être joué", "no check of this requirement could be run")
EVIDENCE = 3  # exchanges that a passed verdict keeps


@dataclass(slots=True)
class Verdicts:
    """Collects what is observed. Repeated faults are counted: one cause is one Fault."""

    _faults: dict[str, dict[str, Fault]] = field(default_factory=dict)
    _passed: dict[str, list[Passed]] = field(default_factory=dict)
    _skipped: dict[str, dict[Text, None]] = field(default_factory=dict)

    def add(self, observed: Observed) -> None:
        """Take one observation."""
        if isinstance(observed, Fault):
            self._fault(observed)
        elif isinstance(observed, Passed):
            self._passed.setdefault(observed.requirement, []).append(observed)
        else:
            self._skipped.setdefault(observed.requirement, {})[observed.reason] = None

    def absent(self, requirement: str, reason: Text) -> None:
        """A group that would examine a requirement cannot run: the reason counts unless another group does."""
        if requirement not in self._faults and requirement not in self._passed:
            self._skipped.setdefault(requirement, {})[reason] = None

    def _fault(self, fault: Fault) -> None:
        known = self._faults.setdefault(fault.requirement, {})
        key = f"{fault.tolerated} {fault.cause or fault.text.en}"
        if key in known:
            known[key] = replace(known[key], count=known[key].count + fault.count)
        elif len(known) < MOST_FAULTS:
            known[key] = fault

    def verdict(self, requirement: Requirement) -> Verdict:
        """The verdict so far."""
        key = requirement.id
        faults = tuple(self._faults.get(key, {}).values())
        passed, reasons = self._passed.get(key, []), tuple(self._skipped.get(key, ()))
        notes = tuple(dict.fromkeys(one.note for one in passed if one.note is not None))
        if faults:
            outcome = Outcome.TOLERATED if all(each.tolerated for each in faults) else Outcome.FAILED
            evidence = [each.exchange for each in faults]
        elif passed:
            outcome, evidence = Outcome.PASSED, [each.exchange for each in passed][:EVIDENCE]
        else:
            return Verdict(requirement, Outcome.SKIPPED, reasons=reasons or (NOT_EXAMINED,))
        exchanges = tuple({id(each): each for each in evidence if each is not None}.values())
        return Verdict(requirement, outcome, faults, reasons, notes, exchanges)

    def all(self, requirements: Iterable[Requirement]) -> tuple[Verdict, ...]:
        """One verdict for each requirement, in their order."""
        return tuple(self.verdict(each) for each in requirements)


def by_group(verdicts: Iterable[Verdict]) -> Mapping[str, list[Verdict]]:
    """The verdicts of each group of requirements, in order."""
    found: dict[str, list[Verdict]] = {}
    for each in verdicts:
        found.setdefault(each.requirement.group, []).append(each)
    return found
