"""Quirks that answer a search without slots with an error instead of an empty Bundle. Pure."""

from __future__ import annotations

import orjson

from sandbox.editor.fhir.quirks.answers import Answer, Concerns, Quirk, Search
from sandbox.fhir.outcome import outcome
from sandbox.kernel.errors import Issue


def error_if_empty(status: int, code: str, detail: str) -> Quirk:
    """An answer without slots becomes an OperationOutcome with this issue."""

    def quirk(answer: Answer, search: Search, concerns: Concerns) -> Answer:
        if answer.document.get("total") or not any(concerns(key) for key in search.asked):
            return answer
        return Answer(status, orjson.loads(outcome(Issue(code, detail))))

    return quirk
