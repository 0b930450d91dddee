"""Reads a message of the hub, JSON or XML, into a Message, and converts it from one form to the other.

Either form is read into a document of the JSON form's shape, with which all other code works. Octets, values and issues
are bounded, so that no message takes long to read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NoReturn
from xml.sax.saxutils import unescape

import msgspec
import orjson

from sandbox.edxl import xml
from sandbox.edxl.codes import JSON, XML, HubCode
from sandbox.edxl.schemas import CONTENTS
from sandbox.edxl.validation import (
    ENVELOPE_ROOT,
    SchemaIssue,
    cause,
    instant,
    known_contents,
    messages_of,
    validate,
)
from sandbox.kernel.errors import JsonError, SandboxError
from sandbox.kernel.text.json_input import Limits, read_json

LARGEST = 4 * 1024 * 1024  # octets of a JSON message that is read
MOST_VALUES = 20_000  # values of one JSON message
_LIMITS = Limits(octets=LARGEST, elements=MOST_VALUES)
LONGEST_SUBJECT = 200  # characters; a longer text is not accepted as an id

_IN_JSON = re.compile(rb'"distributionID"\s*:\s*("(?:[^"\\]|\\.){1,1023}")')
_IN_XML = re.compile(rb"<(?:[\w.-]{1,40}:)?distributionID\s*>\s*([^<\s][^<]{0,1022})</")
_SEARCHED = 256 * 1024  # octets in which an id is searched


class MessageError(SandboxError):
    """A message cannot be used because of an error of its sender: `code` 102 (no document), 300 (against the model, or
    too large), 600 (no counterpart in the other form), and `cause`.

    `document` is what was parsed, None when nothing was; `distribution_id` the message's as far as there is one.
    """

    def __init__(self, code: HubCode, cause: str, document: object = None, distribution_id: str = "") -> None:
        super().__init__(cause)
        self.code, self.cause, self.document, self.distribution_id = code, cause, document, distribution_id


class Message(msgspec.Struct, frozen=True):
    """A valid message. `sender` and `recipient` are client ids; at most one of the three contents is not None.

    `content` names it: `appointment` (RS-SAS-RDV), `reference` (RC-REF), `error` (RS-ERROR), or a content of another
    use case, which is not read. `form`: the content type it was read from. `others`: the same envelope with each
    further content item.
    """

    distribution_id: str
    sender: str
    recipient: str
    kind: str
    status: str
    sent: datetime
    expires: datetime
    content: str
    document: Mapping[str, Any]
    appointment: Mapping[str, Any] | None = None
    reference: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None
    form: str = JSON
    others: tuple[Message, ...] = ()

    def each(self) -> Iterator[Message]:
        """The message once for each of its content items."""
        yield self
        yield from self.others

    @property
    def unread(self) -> str:
        """Names of its contents of other use cases; empty when it has none."""
        if not self.others and self.content in CONTENTS:
            return ""
        return ", ".join(each.content for each in self.each() if each.content not in CONTENTS)


def parse(body: bytes) -> object:
    """The JSON document in `body`; of a name that is used twice the last value counts.

    Raises MessageError (102, or 300 when it is too large).
    """
    if len(body) > MOST_VALUES:
        _bound(body)
    try:
        return read_json(body, _LIMITS, repeated=True)
    except JsonError as error:
        reason = f"The message cannot be read as JSON: {error}"
        raise MessageError(HubCode.UNRECOGNIZED_MESSAGE_FORMAT, reason) from None


def _bound(body: bytes) -> None:
    """Refuse too many octets or values before parsing: every value except the first follows a comma or a bracket."""
    if len(body) > LARGEST:
        what = f"has {len(body)} octets, {LARGEST} at most are read"
    elif body.count(b",") + body.count(b"[") + body.count(b"{") > MOST_VALUES:
        what = f"has over {MOST_VALUES} values"
    else:
        return
    raise MessageError(HubCode.INVALID_MESSAGE, f"The message {what}")


def document_of(body: bytes, form: str | None = JSON) -> object:
    """The document in `body`, not validated, by its content type (any but XML's is taken for JSON).

    Raises MessageError (102, or 300 when it is too large), whose id is the first in the text.
    """
    try:
        return _xml(body).document if form == XML else parse(body)
    except MessageError as error:
        error.distribution_id = id_in_text(body)
        raise


def _xml(body: bytes) -> xml.Reading:
    try:
        return xml.read(body)
    except xml.XmlError as error:
        raise MessageError(error.code, error.cause) from None


def check(body: bytes, form: str | None = JSON) -> Message:
    """The message in `body`, for a program that passes it on, such as the hub: valid by the model of its own form.

    Raises MessageError (102, 300): the cause lists the issues with their paths; the id is taken from the text when
    there is no envelope.
    """
    try:
        if form == XML:
            document, issues = _xml(body)
        else:
            document = parse(body)  # type: ignore[assignment]
            issues = validate(document)  # type: ignore[assignment]
    except MessageError as error:
        error.distribution_id = id_in_text(body)
        raise
    if issues:
        _refuse(body, document, issues)
    messages = messages_of(document)
    first = _message(document, messages[0], XML if form == XML else JSON)
    if len(messages) == 1:
        return first
    others = tuple(_message(document, each, first.form) for each in messages[1:])
    return msgspec.structs.replace(first, others=others)


def _refuse(body: bytes, document: object, issues: Sequence[SchemaIssue]) -> NoReturn:
    of_envelope = any(issue.root in (ENVELOPE_ROOT, xml.ROOT) for issue in issues)
    found = id_in_text(body) if of_envelope else text_at(document, "distributionID")
    raise MessageError(HubCode.INVALID_MESSAGE, cause(issues), document, found)


def _message(document: Mapping[str, Any], message: dict[str, Any], form: str) -> Message:
    return Message(
        distribution_id=document["distributionID"],
        sender=document["senderID"],
        recipient=document["descriptor"]["explicitAddress"]["explicitAddressValue"],
        kind=document["distributionKind"],
        status=document["distributionStatus"],
        sent=instant(document["dateTimeSent"]),
        expires=instant(document["dateTimeExpires"]),
        content=known_contents(message)[0],
        document=document,
        appointment=message.get("appointment"),
        reference=message.get("reference"),
        error=message.get("error"),
        form=form,
    )


def read(body: bytes, form: str | None = JSON) -> Message:
    """The message in `body`, for its recipient: one in XML must be valid by the JSON form's model too.

    Raises MessageError (102 or 300).
    """
    message = check(body, form)
    if message.form == XML and (issues := validate(message.document)):
        _refuse(body, message.document, issues)
    return message


def converted(message: Message, body: bytes, form: str) -> bytes:
    """The message that was read from `body` in another form; in its own it is the same octets.

    Raises MessageError (600) when something in it has no counterpart there.
    """
    if form == message.form:
        return body
    try:
        written = xml.write(message.document) if form == XML else _as_json(message)
        issues = xml.read(written).issues if form == XML else validate(message.document)
    except (xml.Inexpressible, xml.XmlError) as error:
        raise _inconvertible(message, form, str(error)) from None
    if issues:
        raise _inconvertible(message, form, cause(issues))
    return written


def _as_json(message: Message) -> bytes:
    if message.unread:
        what = f"{message.unread}: a content that is not read here cannot be converted between JSON and XML"
        raise xml.Inexpressible(what)
    return orjson.dumps(message.document)


def _inconvertible(message: Message, form: str, reason: str) -> MessageError:
    identifier = message.distribution_id
    what = f"Message {identifier} cannot be converted from {message.form} to {form}: {reason}"
    return MessageError(HubCode.MESSAGE_CONVERSION_ERROR, what, message.document, identifier)


def written(document_body: bytes, form: str) -> bytes:
    """A JSON message that the sandbox made, valid or not, in the given form. Raises xml.Inexpressible."""
    return xml.write(orjson.loads(document_body)) if form == XML else document_body


def id_in_text(body: bytes) -> str:
    """The distributionID that a text holds first, whatever else it is; empty when there is none."""
    head = body[:_SEARCHED]
    if found := _IN_JSON.search(head):
        try:
            return str(orjson.loads(found[1]))
        except orjson.JSONDecodeError:  # not a text, or one with an escape that JSON does not have
            return found[1][1:-1].decode(errors="replace")
    if found := _IN_XML.search(head):
        return unescape(found[1].decode(errors="replace").strip())
    return ""


_SUBJECTS = (("appointment", "appointmentId"), ("reference", "distributionID"), ("error", "referencedDistributionID"))


def subject(document: object) -> str:
    """What any document, however broken, is about: its appointmentId, or the distributionID that it answers; or ""."""
    try:
        message = document["content"][0]["jsonContent"]["embeddedJsonContent"]["message"]  # type: ignore[index]
        found = next((message[content][name] for content, name in _SUBJECTS if content in message), "")
    except (KeyError, IndexError, TypeError):
        return ""
    return found if isinstance(found, str) and len(found) <= LONGEST_SUBJECT else ""


def text_at(document: object, name: str) -> str:
    """A text property of the envelope of any document, however broken; empty when there is none."""
    value = document.get(name) if isinstance(document, dict) else None
    return value if isinstance(value, str) else ""
