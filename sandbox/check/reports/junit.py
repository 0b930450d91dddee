"""The report of an examination as JUnit XML, for build servers: one test case per requirement.

A requirement that is not met is a failure, one that could not be examined is skipped with its reason; a tolerated one
passes, its findings stand in `system-out`.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from sandbox.check.reports.words import facts, group_name, summary, title, told
from sandbox.check.verdicts import Fault, Outcome, Report, Verdict, by_group

_ILLEGAL = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, production 2


def render(report: Report) -> bytes:
    """UTF-8 XML with its declaration."""
    root = ET.Element("testsuites", name=_clean(f"sas-sandbox check {report.kind} : {title(report)}"))
    _count(root, report.verdicts)
    root.set("time", f"{report.seconds:.3f}")
    for group, verdicts in by_group(report.verdicts).items():
        suite = ET.SubElement(root, "testsuite", name=_clean(group_name(group)), timestamp=_clean(report.began[:19]))
        _count(suite, verdicts)
        suite.set("time", "0.000")
        for verdict in verdicts:
            _case(suite, f"sas.{report.kind}.{group}", verdict)
    ET.SubElement(root[-1] if len(root) else root, "system-out").text = _clean(f"{report.url}\n{summary(report)}")
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _count(element: ET.Element, verdicts: list[Verdict] | tuple[Verdict, ...]) -> None:
    outcomes = [verdict.outcome for verdict in verdicts]
    element.set("tests", str(len(outcomes)))
    element.set("failures", str(outcomes.count(Outcome.FAILED)))
    element.set("errors", "0")
    element.set("skipped", str(outcomes.count(Outcome.SKIPPED)))


def _case(suite: ET.Element, group: str, verdict: Verdict) -> None:
    about = verdict.requirement
    case = ET.SubElement(suite, "testcase", classname=_clean(group), name=_clean(f"{about.id} {about.fr}"), time="0")
    remarks = "\n".join(text.fr for text in (*verdict.reasons, *verdict.notes))
    faults = "\n\n".join(_told(fault) for fault in verdict.faults)
    if verdict.outcome is Outcome.FAILED:
        first = next(fault for fault in verdict.faults if not fault.tolerated)
        failure = ET.SubElement(case, "failure", type=about.id, message=_clean(f"{first.path} : {told(first)}"))
        failure.text = _clean(f"{faults}\n\n{about.source}")
    elif verdict.outcome is Outcome.SKIPPED:
        ET.SubElement(case, "skipped", message=_clean(remarks))
    written = "\n\n".join(filter(None, (faults if verdict.outcome is Outcome.TOLERATED else "", remarks)))
    if written and verdict.outcome is not Outcome.SKIPPED:
        ET.SubElement(case, "system-out").text = _clean(written)


def _told(fault: Fault) -> str:
    """Both languages, since build servers are read by everybody."""
    rows = [told(fault), fault.text.en, *(f"{name} : {value}" for name, value in facts(fault))]
    if fault.exchange is not None:
        rows.append(fault.exchange.summary)
    return "\n".join(rows)


def _clean(text: str) -> str:
    """The text without characters that XML cannot hold."""
    return _ILLEGAL.sub("\N{REPLACEMENT CHARACTER}", text)
