import orjson
import pytest

from sandbox.fhir.outcome import explain, operation_outcome, outcome
from sandbox.kernel.errors import Issue, RequestError


def test_each_issue_carries_severity_code_text_and_its_expression():
    error = RequestError(
        422, Issue("required", "family is missing", "Practitioner.name[0].family", "R02-4"), Issue("value", "no")
    )
    assert orjson.loads(operation_outcome(error)) == {
        "resourceType": "OperationOutcome",
        "issue": [
            {
                "severity": "error",
                "code": "required",
                "details": {"text": "family is missing"},
                "diagnostics": "requirement R02-4",
                "expression": ["Practitioner.name[0].family"],
            },
            {"severity": "error", "code": "value", "details": {"text": "no"}},
        ],
    }


def test_an_outcome_without_issues_still_has_one():
    assert len(orjson.loads(outcome())["issue"]) == 1


def test_severity_is_stated():
    assert orjson.loads(outcome(Issue("informational", "done"), severity="information"))["issue"][0]["severity"] == (
        "information"
    )


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"<html>", "réponse sans OperationOutcome"),
        (b'{"issue":[3]}', "réponse sans OperationOutcome"),
        (b'{"issue":[{"diagnostics":"why"}]}', "why"),
        (b'{"issue":[]}', "OperationOutcome sans texte"),
    ],
)
def test_the_reason_of_a_refusal_is_read_from_any_body(body: bytes, text: str):
    assert explain(body) == text
