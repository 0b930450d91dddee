"""Validates a document against the message model and lists its issues, in the words that the real hub uses.

Schemas are compiled once (4 µs per message); the issues of an invalid message, at most fifty, are found in a second
pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, islice
from typing import Any

from jsonschema_rs import Draft7Validator

from sandbox.edxl.issues import issues_of
from sandbox.edxl.schemas import CONTENTS, ENVELOPE, HEADER, MOST_ITEMS, UNREAD, WITHOUT_HEADER, Schema
from sandbox.kernel.clock import within_calendar

MOST_ISSUES = 50
ENVELOPE_ROOT = "$"
_LONGEST = 400  # characters of a path, and of the description of an issue
_SHOWN = ("created", "start", "end")  # names of the dates of an appointment
_KNOWN = (*CONTENTS, *UNREAD)
_EXPECTED = f"{', '.join(CONTENTS)} or a content of another use case"
_HEADER: Schema = {"type": "object", "required": list(HEADER), "properties": HEADER}


def _whole(name: str) -> Draft7Validator:
    """The validator of a `message` with that content; a content of another use case may have any value."""
    header = {} if name in WITHOUT_HEADER else HEADER
    properties = {**header, name: CONTENTS.get(name, {})}
    return Draft7Validator({"type": "object", "required": list(properties), "properties": properties})


_ENVELOPE = Draft7Validator(dict(ENVELOPE))
_MESSAGES = {name: _whole(name) for name in _KNOWN}


def message_root(at: int) -> str:
    """The path of the message of a content item."""
    return f"$.content[{at}].jsonContent.embeddedJsonContent.message"


MESSAGE = message_root(0)


@dataclass(frozen=True, slots=True)
class SchemaIssue:
    """One violation: `path` from `root` (`appointment.regulator`; empty: the root itself), `text` what is wrong.

    `root` is that of the envelope or of the message of a content item; `part` of that: `header` (RC-DE) or `content`.
    """

    path: str
    text: str
    root: str = MESSAGE
    part: str = "content"


def validate(document: object) -> list[SchemaIssue]:
    """The violations of a parsed message, at most `MOST_ISSUES`; an empty list means that it is valid.

    Valid is: an EDXL-DE envelope around messages that hold exactly one known content each, with the RC-DE header
    beside it unless it is one that has none. Contents of other use cases are not looked into.
    """
    if _is_valid(document):
        return []
    return list(islice(_issues(document), MOST_ISSUES))


def messages_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The `message` of each content item of a document whose envelope is valid."""
    return [item["jsonContent"]["embeddedJsonContent"]["message"] for item in document["content"]]


def known_contents(message: dict[str, Any]) -> list[str]:
    """Names of the contents of the model that the message holds."""
    return [name for name in message if name in _MESSAGES]


def instant(text: str) -> datetime:
    """A valid date-time as an aware datetime. Raises ValueError (a leap second, year 0)."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return datetime.fromisoformat(text.upper())  # RFC 3339 admits `z`


def cause(issues: Sequence[SchemaIssue]) -> str:
    """`errorCause` of a 300, as the hub writes it: a line for each place that was looked at, with its issues."""
    lines = [
        f"Issues found on the {root} {part}:" + "".join(_told(issue) for issue in group)
        for (root, part), group in groupby(issues, lambda issue: (issue.root, issue.part))
    ]
    if len(issues) >= MOST_ISSUES:
        lines.append(f"These are the first {MOST_ISSUES} issues: nothing was judged beyond them.")
    return "\n".join(lines)


def _told(issue: SchemaIssue) -> str:
    """The name is cut, because senders may use names of any length."""
    return f" - {issue.path[:_LONGEST] or issue.root}: {issue.text[:_LONGEST]}"


def not_exactly_one(found: Sequence[str]) -> str:
    """What is wrong with a message that holds none or several of the known contents."""
    if not found:
        return f"holds no known content (one of {_EXPECTED} is expected)"
    return f"holds {len(found)} known contents ({', '.join(found)}), exactly one of {_EXPECTED} is expected"


def unreadable(text: str) -> str:
    """The reason why a date and time of the right form does not exist in the calendar; empty when it exists."""
    try:
        instant(text)
    except ValueError as error:
        return f"is not a date and time ({error})"
    return ""


def _is_valid(document: object) -> bool:
    if not _ENVELOPE.is_valid(document):
        return False
    assert isinstance(document, dict)
    for message in messages_of(document):
        found = known_contents(message)
        if len(found) != 1 or not _MESSAGES[found[0]].is_valid(message) or not _dates_are_readable(document, message):
            return False
    return True


def _dates_are_readable(document: dict[str, Any], message: dict[str, Any]) -> bool:
    """Whether `_envelope_dates` and `_appointment_dates` would find nothing. They are slower."""
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


def _issues(document: object) -> Iterator[SchemaIssue]:
    wrong = False
    for path, text in issues_of(ENVELOPE, document):
        wrong = True
        yield SchemaIssue(path, text, ENVELOPE_ROOT)
    if not wrong:
        assert isinstance(document, dict)
        yield from _envelope_dates(document)
    for at, message in _reachable(document):
        yield from _message_issues(message, message_root(at))


def _reachable(document: object) -> Iterator[tuple[int, dict[str, Any]]]:
    """The messages that can be found, whatever is wrong around them."""
    items = document.get("content") if isinstance(document, dict) else None
    for at, item in enumerate(items[:MOST_ITEMS] if isinstance(items, list) else ()):
        for name in ("jsonContent", "embeddedJsonContent", "message"):
            item = item.get(name) if isinstance(item, dict) else None
        if isinstance(item, dict):
            yield at, item


def _message_issues(message: dict[str, Any], root: str) -> Iterator[SchemaIssue]:
    found = known_contents(message)
    if not found or not WITHOUT_HEADER.issuperset(found):
        for path, text in issues_of(_HEADER, message):
            yield SchemaIssue(path, text, root, "header")
    if len(found) != 1:
        yield SchemaIssue("", not_exactly_one(found), root)
    elif found[0] in CONTENTS:
        yield from _content_issues(found[0], message[found[0]], root)


def _content_issues(name: str, content: object, root: str) -> Iterator[SchemaIssue]:
    wrong = False
    for path, text in issues_of(CONTENTS[name], content, name):
        wrong = True
        yield SchemaIssue(path, text, root)
    if name == "appointment" and not wrong:
        assert isinstance(content, dict)
        yield from _appointment_dates(content, root)


def _envelope_dates(document: dict[str, Any]) -> Iterator[SchemaIssue]:
    """Date-times that RFC 3339 admits but that do not exist in the calendar: they could not be checked."""
    for name in ("dateTimeSent", "dateTimeExpires"):
        if text := unreadable(document[name]):
            yield SchemaIssue(name, text, ENVELOPE_ROOT)


def _appointment_dates(appointment: dict[str, Any], root: str) -> Iterator[SchemaIssue]:
    """Those of an appointment lie within the sandbox's calendar, as in every other flow; an expiry in 9999 is fine."""
    for name in _SHOWN:
        try:
            if name in appointment:
                within_calendar(instant(appointment[name]), appointment[name])
        except ValueError as error:
            yield SchemaIssue(f"appointment.{name}", f"is no date and time that can be shown ({error})", root)
