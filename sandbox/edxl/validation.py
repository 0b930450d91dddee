"""Does a document obey the message model, and if not, where and why — in the words the real hub uses.

Schemas are compiled once (4 µs per message); an invalid message is walked a second time to list its issues.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from jsonschema_rs import Draft7Validator, ValidationError

from sandbox.edxl.schemas import ENVELOPE, MESSAGES
from sandbox.kernel.clock import within_calendar

MESSAGE = "$.content[0].jsonContent.embeddedJsonContent.message"
MOST_ISSUES = 50
_SHOWN = ("created", "start", "end")  # dates of an appointment

_ENVELOPE = Draft7Validator(dict(ENVELOPE))
_MESSAGES = {name: Draft7Validator(dict(schema)) for name, schema in MESSAGES.items()}


@dataclass(frozen=True, slots=True)
class SchemaIssue:
    """One violation: `path` from `root` (`appointment.regulator`; empty: the root itself), `text` what is wrong.

    `root` is `$` for the envelope and `MESSAGE` for what is in it.
    """

    path: str
    text: str
    root: str = MESSAGE


def validate(document: object) -> list[SchemaIssue]:
    """The violations of a parsed message, at most `MOST_ISSUES`; an empty list means that it is valid.

    Valid is: an EDXL-DE envelope around exactly one message that holds exactly one known content (`appointment`,
    `reference` or `error`), with the RC-DE header beside it unless it is an error.
    """
    try:
        return _validate(document)
    except ValueError:  # the validator gives up on a wrong value that is nested deeper than 255 levels
        return [SchemaIssue("", "holds a value that is nested too deep to be judged", "$")]


def _validate(document: object) -> list[SchemaIssue]:
    if not _ENVELOPE.is_valid(document):
        return list(islice(_issues(_ENVELOPE, document, "$"), MOST_ISSUES))
    assert isinstance(document, dict)
    message = message_of(document)
    found = known_contents(message)
    if len(found) != 1:
        return [SchemaIssue("", _not_exactly_one(found))]
    validator = _MESSAGES[found[0]]
    if not validator.is_valid(message):
        return list(islice(_issues(validator, message, MESSAGE), MOST_ISSUES))
    return [] if _dates_are_readable(document, message) else list(_unreadable_dates(document, message))


def message_of(document: dict[str, Any]) -> dict[str, Any]:
    """The `message` of a document whose envelope is valid."""
    message: dict[str, Any] = document["content"][0]["jsonContent"]["embeddedJsonContent"]["message"]
    return message


def known_contents(message: dict[str, Any]) -> list[str]:
    """Names of the contents of the model that the message holds."""
    return [name for name in MESSAGES if name in message]


def instant(text: str) -> datetime:
    """A valid date-time as an aware datetime. Raises ValueError (a leap second, year 0)."""
    return datetime.fromisoformat(text.upper())


def cause(issues: Sequence[SchemaIssue]) -> str:
    """`errorCause` of a 300, as the hub writes it: where it looked, then each issue with its path."""
    root = issues[0].root if issues else MESSAGE
    lines = "".join(f" - {issue.path or root}: {issue.text}" for issue in issues)
    return f"Issues found on the {root} content:{lines}"


def _not_exactly_one(found: list[str]) -> str:
    names = ", ".join(MESSAGES)
    if not found:
        return f"holds no known content (one of {names} is expected)"
    return f"holds {len(found)} known contents ({', '.join(found)}), exactly one of {names} is expected"


def _dates_are_readable(document: dict[str, Any], message: dict[str, Any]) -> bool:
    """Has `_unreadable_dates` nothing to say? It is slower."""
    try:
        instant(document["dateTimeSent"])
        instant(document["dateTimeExpires"])
        appointment = message.get("appointment", {})
        for name in _SHOWN:
            if name in appointment:
                within_calendar(instant(appointment[name]))
    except ValueError:
        return False
    return True


def _unreadable_dates(document: dict[str, Any], message: dict[str, Any]) -> Iterator[SchemaIssue]:
    """Date-times that RFC 3339 admits but no calendar holds: they could be neither judged nor shown.

    Those of an appointment lie within the sandbox's calendar, as in every other flow; an expiry in 9999 is fine.
    """
    for name in ("dateTimeSent", "dateTimeExpires"):
        try:
            instant(document[name])
        except ValueError as error:
            yield SchemaIssue(name, f"is not a date and time ({error})", "$")
    appointment = message.get("appointment", {})
    for name in _SHOWN:
        try:
            if name in appointment:
                within_calendar(instant(appointment[name]), appointment[name])
        except ValueError as error:
            yield SchemaIssue(f"appointment.{name}", f"is no date and time that can be shown ({error})")


def _issues(validator: Draft7Validator, document: object, root: str) -> Iterator[SchemaIssue]:
    for error in validator.iter_errors(document):
        path = _path(error.instance_path)
        kind, detail = error.kind.name, error.kind.as_dict()
        if kind == "additionalProperties":
            for name in detail["unexpected"]:
                yield SchemaIssue(_join(path, name), _TEXTS[kind], root)
        elif kind == "required":
            yield SchemaIssue(_join(path, detail["property"]), _TEXTS[kind], root)
        else:
            yield SchemaIssue(path, _text(error), root)


_TEXTS = {
    "required": "is missing but it is required",
    "additionalProperties": "is not defined in the schema and the schema does not allow additional properties",
    "enum": "does not have a value in the enumeration [{}]",
    "type": "is not of the expected type {}",
    "pattern": "does not match the regex pattern {}",
    "format": "does not match the {} format",
    "minItems": "must have a minimum of {} items in the array",
    "maxItems": "must have a maximum of {} items in the array",
}


def _text(error: ValidationError) -> str:
    value = error.kind.value
    if isinstance(value, list):
        value = ", ".join(map(str, value))
    return _TEXTS[error.kind.name].format(value)


def _path(steps: Sequence[str | int]) -> str:
    path = ""
    for step in steps:
        path = f"{path}[{step}]" if isinstance(step, int) else _join(path, step)
    return path


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
