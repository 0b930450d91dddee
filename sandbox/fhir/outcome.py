"""OperationOutcome: the FHIR form of the sandbox's errors (R4 4.0.1, « OperationOutcome »).

Every failure of a FHIR port carries one (guide, « Gestion des erreurs »): one issue per thing that is wrong, each
with the FHIRPath of the culprit when there is one.
"""

from __future__ import annotations

from typing import Literal

import orjson

from sandbox.kernel.errors import Issue, JsonError, RequestError
from sandbox.kernel.text.json_input import read_json

Severity = Literal["fatal", "error", "warning", "information"]


def operation_outcome(error: RequestError) -> bytes:
    """The OperationOutcome of a refused request: one issue of severity `error` per `error.issues`."""
    return outcome(*error.issues)


def outcome(*issues: Issue, severity: Severity = "error") -> bytes:
    """One OperationOutcome, UTF-8 JSON. `issue` is 1..*: without issues, a general one is added."""
    rows = [_issue(issue, severity) for issue in issues or (Issue("processing", "unexplained failure"),)]
    return orjson.dumps({"resourceType": "OperationOutcome", "issue": rows})


def explain(body: bytes) -> str:
    """The texts of an OperationOutcome in one line, at most 300 characters; for another body, a French sentence."""
    try:
        issues = read_json(body)["issue"]
        texts = [issue.get("details", {}).get("text") or issue.get("diagnostics", "") for issue in issues]
    except (JsonError, KeyError, TypeError, AttributeError):
        return "réponse sans OperationOutcome"
    return "; ".join(str(text) for text in texts if text)[:300] or "OperationOutcome sans texte"


def _issue(issue: Issue, severity: Severity) -> dict[str, object]:
    row: dict[str, object] = {
        "severity": severity,
        "code": issue.code,
        "details": {"text": issue.detail or issue.code},
    }
    if issue.requirement:
        row["diagnostics"] = f"requirement {issue.requirement}"
    if issue.expression:
        row["expression"] = [issue.expression]
    return row
