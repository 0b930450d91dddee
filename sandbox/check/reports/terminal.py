"""The report of an examination on a terminal, or in a file: French text, in colour where it is shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from textwrap import wrap
from types import MappingProxyType
from typing import TextIO

from sandbox.check.reports.words import effort, facts, gathered, group_name, label, summary, title, told
from sandbox.check.verdicts import Fault, Outcome, Report, Text, Verdict, by_group

MARKS: Mapping[Outcome, str] = MappingProxyType(
    {Outcome.PASSED: "✔", Outcome.FAILED: "✘", Outcome.TOLERATED: "≈", Outcome.SKIPPED: "–"}
)
_COLOURS: Mapping[Outcome, str] = MappingProxyType(
    {Outcome.PASSED: "32", Outcome.FAILED: "1;31", Outcome.TOLERATED: "33", Outcome.SKIPPED: "2"}
)
_INDENT = " " * 13
_LONGEST = 300  # characters of a value


def write(report: Report, out: TextIO) -> None:
    """Write the whole report; colours only where `out` is a terminal."""
    for line in lines(report, colour=out.isatty()):
        out.write(line + "\n")
    out.flush()


def lines(report: Report, *, colour: bool = False) -> Iterator[str]:
    """The lines of the report."""
    yield f"{title(report)} : {report.url}"
    for group, verdicts in by_group(report.verdicts).items():
        yield ""
        yield _styled(group_name(group), "1", colour)
        for some in gathered(verdicts):
            yield from _verdict(some[0], colour) if len(some) == 1 else _skipped(some, colour)
    yield ""
    yield f"{_styled(summary(report), '1', colour)} {effort(report)}"


def _verdict(verdict: Verdict, colour: bool) -> Iterator[str]:
    outcome, about = verdict.outcome, verdict.requirement
    word = "" if outcome is Outcome.PASSED else f" [{label(outcome)}]"
    yield _styled(f"  {MARKS[outcome]} {about.id:<8} {about.fr}{word}", _COLOURS[outcome], colour)
    for fault in verdict.faults:
        yield from _fault(fault)
    for text in (*verdict.reasons, *verdict.notes):
        yield from _remark(text)
    if verdict.faults:
        yield f"{_INDENT}source : {about.source}"


def _skipped(verdicts: list[Verdict], colour: bool) -> Iterator[str]:
    """Requirements that were skipped for the same reasons."""
    mark, count = MARKS[Outcome.SKIPPED], len(verdicts)
    head = f"  {mark} {count} exigences {label(Outcome.SKIPPED, count)}"
    yield _styled(head, _COLOURS[Outcome.SKIPPED], colour)
    ids = ", ".join(verdict.requirement.id for verdict in verdicts)
    yield from wrap(ids, 110, initial_indent=_INDENT, subsequent_indent=_INDENT, break_on_hyphens=False)
    for text in verdicts[0].reasons:
        yield from _remark(text)


def _fault(fault: Fault) -> Iterator[str]:
    mark = MARKS[Outcome.TOLERATED if fault.tolerated else Outcome.FAILED]
    yield f"{_INDENT[:-2]}{mark} {_clean(told(fault))}"
    for name, value in facts(fault):
        yield f"{_INDENT}{name} : {_cut(value)}"
    if fault.exchange is not None:
        yield f"{_INDENT}{_cut(fault.exchange.summary)}"


def _remark(text: Text) -> Iterator[str]:
    yield f"{_INDENT}{_clean(text.fr)}"


def _cut(value: str) -> str:
    """One line of bounded length."""
    clean = _clean(value)
    return clean if len(clean) <= _LONGEST else f"{clean[: _LONGEST - 1]}…"


def _clean(text: str) -> str:
    """The text without characters that would steer the terminal."""
    return "".join(char if char.isprintable() else " " for char in text)


def _styled(text: str, style: str, colour: bool) -> str:
    return f"\x1b[{style}m{text}\x1b[0m" if colour else text
