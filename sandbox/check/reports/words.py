"""The words that every report of an examination shares. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from sandbox.check.requirements import GROUPS
from sandbox.check.verdicts import Fault, Outcome, Report, Verdict

# Of the outcome of one requirement, and of several.
LABELS: Mapping[Outcome, tuple[str, str]] = MappingProxyType(
    {
        Outcome.PASSED: ("satisfaite", "satisfaites"),
        Outcome.FAILED: ("non satisfaite", "non satisfaites"),
        Outcome.TOLERATED: ("tolérée", "tolérées"),
        Outcome.SKIPPED: ("non vérifiée", "non vérifiées"),
    }
)


def label(outcome: Outcome, count: int = 1) -> str:
    """`non satisfaites`."""
    one, several = LABELS[outcome]
    return one if count < 2 else several


def group_name(group: str) -> str:
    """The French name of a group; an unknown one is shown as it is."""
    return GROUPS.get(group, (group, group))[0]


def title(report: Report) -> str:
    """`agenda-azur, guide 1.2.0`."""
    return report.name + (f", guide {report.ig}" if report.ig else "")


def summary(report: Report) -> str:
    """`85 exigences : 80 satisfaites, 2 non satisfaites, 3 non vérifiées.` Outcomes that nothing has are left out."""
    total = len(report.verdicts)
    counts = [(report.count(outcome), outcome) for outcome in Outcome]
    parts = [f"{count} {label(outcome, count)}" for count, outcome in counts if count]
    return f"{total} exigence{'s' * (total > 1)} : {', '.join(parts) or 'aucune'}."


def effort(report: Report) -> str:
    """`214 requêtes en 12,3 s.` (of an LRM, messages)"""
    seconds = f"{report.seconds:.1f}".replace(".", ",")
    what = "message" if report.kind == "lrm" else "requête"
    return f"{report.requests} {what}{'s' * (report.requests > 1)} en {seconds} s."


def told(fault: Fault) -> str:
    """The French sentence of a fault, with the number of its places when there are several."""
    return f"{fault.text.fr} ({fault.count} fois, la première ci-dessous)" if fault.count > 1 else fault.text.fr


def facts(fault: Fault) -> list[tuple[str, str]]:
    """What is known about a fault: (French name, value); what is not known is left out."""
    rows = [("où", fault.path), ("trouvé", fault.found), ("attendu", fault.expected)]
    return [(name, value) for name, value in rows if value]


def gathered(verdicts: Iterable[Verdict]) -> list[list[Verdict]]:
    """The verdicts in order, those that were skipped for the same reasons together at the place of the first."""
    found: list[list[Verdict]] = []
    skipped: dict[tuple[object, ...], list[Verdict]] = {}
    for verdict in verdicts:
        same = skipped.get(verdict.reasons) if verdict.outcome is Outcome.SKIPPED else None
        if same is not None:
            same.append(verdict)
            continue
        found.append([verdict])
        if verdict.outcome is Outcome.SKIPPED:
            skipped[verdict.reasons] = found[-1]
    return found
