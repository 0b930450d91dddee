"""Reads an inbound FHIR resource and reports all its problems at once, each with its FHIRPath.

`Problems` collects them; `shaped` is true for a document that has only elements which our own rules read. Any other
document is also validated by the FHIR model (`fhir.models`); the bodies that the guide describes never are.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from sandbox.fhir.models import check_model
from sandbox.fhir.nos import CORE_TYPES
from sandbox.fhir.rules import Finding
from sandbox.kernel.errors import Issue, JsonError, RequestError, malformed
from sandbox.kernel.identifiers import TYPES
from sandbox.kernel.text.json_input import Limits, quoted, read_json, shortened

Node: TypeAlias = Mapping[str, Any]
Shape: TypeAlias = "type | list[type] | Mapping[str, Shape]"
Check: TypeAlias = Callable[[str, dict[str, Any]], list[Issue]]

# The type codes of identifiers; the second system is that of the French core profiles in guide 1.2.0.
TYPE_SYSTEMS = frozenset({TYPES, CORE_TYPES})

CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")  # characters that no FHIR string may contain
# Elements that may change the meaning of the element around them: a reader that does not support them must refuse them.
_DECISIVE = frozenset({"modifierExtension", "implicitRules"})

IDENTIFIER_SHAPE: Shape = {
    "type": {"coding": {"system": str, "code": str, "display": str}},
    "system": str,
    "value": str,
}


BODY = Limits()  # of INT_R02 and INT_R03: a hundred times the size of the guide's largest example
MOST_PROBLEMS = 50  # problems reported for one body; the check then ends
LONGEST_DETAIL = 400  # characters of one problem


class Problems:
    """What is wrong with one body. A malformed element (400) takes precedence over a refusal by a rule (422).

    `findings`: deviations from a requirement that are accepted. The check ends with RequestError at the problem
    numbered MOST_PROBLEMS.
    """

    def __init__(self) -> None:
        self.issues: list[Issue] = []
        self.findings: list[Finding] = []
        self._status = 422

    def malformed(self, detail: str, path: str, code: str = "invalid") -> None:
        """Something mandatory is missing or unreadable."""
        self._status = 400
        self._note(Issue(code, shortened(detail, LONGEST_DETAIL), path))

    def refused(self, detail: str, path: str, code: str = "business-rule") -> None:
        """A readable value that a rule refuses."""
        self._note(Issue(code, shortened(detail, LONGEST_DETAIL), path))

    def _note(self, issue: Issue) -> None:
        self.issues.append(issue)
        if len(self.issues) == MOST_PROBLEMS:
            self.issues.append(Issue("too-costly", f"judging ended after {MOST_PROBLEMS} problems"))
            self.raise_any()

    def finding(self, requirement: str, detail: str, path: str) -> None:
        """A deviation that is accepted; the first MOST_PROBLEMS are kept."""
        if len(self.findings) < MOST_PROBLEMS:
            self.findings.append(Finding(requirement, path, shortened(detail, LONGEST_DETAIL)))

    def raise_any(self) -> None:
        """Raise one RequestError with everything found so far, if there is anything."""
        if self.issues:
            raise RequestError(self._status, *self.issues)

    def text(self, node: Node, key: str, path: str) -> str:
        """A mandatory string; "" after a problem was noted (missing, empty, blank, not a string)."""
        value = node.get(key)
        if isinstance(value, str) and value.strip():
            return value.strip()
        if value is None or isinstance(value, str):
            self.malformed(f"{key} is missing or empty", f"{path}.{key}", "required")
        else:
            self.malformed(f"{key} is not a string", f"{path}.{key}", "structure")
        return ""

    def child(self, node: Node, key: str, path: str) -> Node:
        """A mandatory object; an empty one after a problem was noted."""
        value = node.get(key)
        if isinstance(value, dict) and value:
            return value
        if value is None or value == {}:
            self.malformed(f"{key} is missing or empty", f"{path}.{key}", "required")
        else:
            self.malformed(f"{key} is not an object", f"{path}.{key}", "structure")
        return {}

    def rows(self, node: Node, key: str, path: str) -> list[tuple[Node, str]]:
        """A mandatory list of objects with the path of each; empty after a problem was noted."""
        value = node.get(key)
        where = f"{path}.{key}"
        if value is None or value == []:
            self.malformed(f"{key} is missing or empty", where, "required")
            return []
        if not isinstance(value, list):
            self.malformed(f"{key} is not a list", where, "structure")
            return []
        found: list[tuple[Node, str]] = []
        for index, row in enumerate(value):
            if isinstance(row, dict) and row:
                found.append((row, f"{where}[{index}]"))
            else:
                self.malformed(f"{key}[{index}] is empty or not an object", f"{where}[{index}]", "structure")
        return found

    def type_code(self, identifier: Node, path: str) -> str:
        """Code of `identifier.type.coding` (1..1 in the profiles); the coding system may be absent."""
        kind = self.child(identifier, "type", path)
        if not kind:
            return ""
        codings = self.rows(kind, "coding", f"{path}.type")
        if not codings:
            return ""
        if len(codings) > 1:
            self.refused("an identifier type has exactly one coding here", f"{path}.type.coding", "structure")
        coding, where = codings[0]
        system = coding.get("system")
        if system is not None and system not in TYPE_SYSTEMS:
            self.refused(f"identifier types are of {TYPES}, not of '{system}'", f"{where}.system", "code-invalid")
        return self.text(coding, "code", where)


def load_resource(body: bytes, resource_type: str) -> dict[str, Any]:
    """The JSON object in `body`, of that `resourceType`. Raises RequestError 400."""
    try:
        document = read_json(body, BODY)
    except JsonError as error:
        raise malformed(
            f"the body cannot be read: {error}", error.expression(resource_type), code="structure"
        ) from None
    if not isinstance(document, dict):
        raise malformed("the body is not a JSON object", code="structure")
    found = document.get("resourceType")
    if found != resource_type:
        raise malformed(f"resourceType is {quoted(found)}, expected '{resource_type}'", "resourceType", code="value")
    return document


def shaped(value: Any, shape: Shape) -> bool:
    """True when `value` holds only elements of `shape`, of its types, none of them empty.

    `shape`: a type for a primitive, `[type]` for a list of them, a mapping for an object or a list of objects.
    """
    if isinstance(shape, type):
        return isinstance(value, shape) and value != ""
    if isinstance(shape, list):
        return isinstance(value, list) and bool(value) and all(shaped(item, shape[0]) for item in value)
    if isinstance(value, list):
        return bool(value) and all(_object_shaped(row, shape) for row in value)
    return _object_shaped(value, shape)


def _object_shaped(row: Any, shape: Mapping[str, Shape]) -> bool:
    """The hot path of every inbound body: primitives are checked here, without one call for each."""
    if not isinstance(row, dict):
        return False
    for key, value in row.items():
        wanted = shape.get(key)
        if isinstance(wanted, type):
            if not isinstance(value, wanted) or value == "":
                return False
        elif wanted is None or not shaped(value, wanted):
            return False
    return True


def elements(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Every member of a resource, at any depth: its path, its name, its value (each value of a list)."""
    waiting: deque[tuple[str, Any]] = deque([(str(document["resourceType"]), document)])
    while waiting:
        path, node = waiting.popleft()
        for name, value in node.items():
            where = f"{path}.{name}"
            listed = [(f"{where}[{at}]", each) for at, each in enumerate(value)] if isinstance(value, list) else []
            for place, each in listed or [(where, value)]:
                yield place, name, each
                if isinstance(each, dict):
                    waiting.append((place, each))


def check_strings(problems: Problems, body: bytes, document: dict[str, Any]) -> None:
    """No string has a character below 32 but tab, line feed and carriage return (FHIR R4, « string »).

    JSON only has them as escapes, so a body without any is not looked through.
    """
    if b"\\" not in body:
        return
    for path, _, value in elements(document):
        if isinstance(value, str) and (found := CONTROL.search(value)):
            problems.malformed(f"control character U+{ord(found[0]):04X} in a string", path, "value")


def check_rest(problems: Problems, document: dict[str, Any], shape: Shape, check: Check = check_model) -> None:
    """Validate a document with elements outside `shape` by the FHIR model; problems already reported are not repeated.

    A `modifierExtension` or `implicitRules` is refused: none is understood here (FHIR R4, « Modifier Extensions »
    and « Resource.implicitRules »).
    """
    if shaped(document, shape):
        return
    for path, name, _ in elements(document):
        if name in _DECISIVE:
            problems.refused(f"{name} is not understood here", path, "not-supported")
    told = {issue.expression for issue in problems.issues}
    for issue in check(document["resourceType"], document):
        if issue.expression not in told:
            problems.malformed(issue.detail, issue.expression or document["resourceType"], issue.code)


class NeedsModel(Exception):
    """Signal raised by `postpone`, never sent as an answer: only the FHIR model can validate the document."""


def postpone(resource_type: str, document: dict[str, Any]) -> list[Issue]:
    """A `check` for event loops: instead of validating, which is slow, it raises NeedsModel, so that a thread can
    validate."""
    raise NeedsModel(resource_type)
