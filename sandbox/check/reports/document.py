"""The report of an examination as JSON, for programs. Members are added, never renamed."""

from __future__ import annotations

from typing import Any

import orjson

from sandbox.check.evidence import as_data
from sandbox.check.verdicts import Fault, Outcome, Report, Text, Verdict

FORMAT = 1


def render(report: Report) -> bytes:
    """UTF-8 JSON: `target`, `summary` (number of requirements by outcome), `exit_code`, `requirements`."""
    return orjson.dumps(_writable(data(report)), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def data(report: Report) -> dict[str, Any]:
    """The document as plain values."""
    return {
        "format": FORMAT,
        "kind": report.kind,
        "target": {"name": report.name, "url": report.url, "ig": report.ig},
        "began": report.began,
        "seconds": report.seconds,
        "requests": report.requests,
        "summary": {str(outcome): report.count(outcome) for outcome in Outcome},
        "exit_code": report.exit_code,
        "requirements": [_verdict(verdict) for verdict in report.verdicts],
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    about = verdict.requirement
    return {
        "id": about.id,
        "group": about.group,
        "title": {"fr": about.fr, "en": about.en},
        "source": about.source,
        "outcome": str(verdict.outcome),
        "findings": [_fault(fault) for fault in verdict.faults],
        "reasons": [_text(text) for text in verdict.reasons],
        "notes": [_text(text) for text in verdict.notes],
        "evidence": [] if verdict.faults else [as_data(each) for each in verdict.exchanges],
    }


def _fault(fault: Fault) -> dict[str, Any]:
    return {
        "path": fault.path,
        "text": _text(fault.text),
        "found": fault.found or None,
        "expected": fault.expected or None,
        "count": fault.count,
        "tolerated": fault.tolerated,
        "exchange": None if fault.exchange is None else as_data(fault.exchange, fault.place),
    }


def _text(text: Text) -> dict[str, str]:
    return {"fr": text.fr, "en": text.en}


def _writable(value: Any) -> Any:
    """The same values; what is no character of UTF-8 (half a surrogate pair) becomes a question mark."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_writable(key): _writable(each) for key, each in value.items()}
    return [_writable(each) for each in value] if isinstance(value, list) else value
