"""Reading a message of the hub: octets -> Message, or a reason why not."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from sandbox.edxl.codes import HubCode
from sandbox.edxl.validation import SchemaIssue, cause, instant, known_contents, message_of, validate
from sandbox.kernel.errors import JsonError, SandboxError
from sandbox.kernel.json_input import Limits, read_json

MESSAGE = Limits(octets=64 << 20, elements=50_000)  # how large a message may be is the broker's to say
LONGEST_SUBJECT = 200  # characters; what is longer is nobody's id


class MessageError(SandboxError):
    """The sender's message cannot be used: `code` 102 (not JSON) or 300 (against the model), `cause` for him.

    `document` is what was parsed, None when it was no JSON.
    """

    def __init__(self, code: HubCode, cause: str, document: object = None) -> None:
        super().__init__(cause)
        self.code, self.cause, self.document = code, cause, document


class Message(msgspec.Struct, frozen=True):
    """A valid message. `sender` and `recipient` are client ids; exactly one of the three contents is not None.

    `content` names it: `appointment` (RS-SAS-RDV), `reference` (RC-REF) or `error` (RS-ERROR).
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


def parse(body: bytes) -> object:
    """The document in `body`; of a name that is used twice the last value counts. Raises MessageError (102)."""
    try:
        return read_json(body, MESSAGE, repeated=True)
    except JsonError as error:
        reason = f"The message cannot be read as JSON: {error}"
        raise MessageError(HubCode.UNRECOGNIZED_MESSAGE_FORMAT, reason) from None


def check(document: object) -> Message:
    """The message in a parsed document. Raises MessageError (300) whose cause lists every issue with its path."""
    issues: list[SchemaIssue] = validate(document)
    if issues:
        raise MessageError(HubCode.INVALID_MESSAGE, cause(issues), document)
    assert isinstance(document, dict)
    message = message_of(document)
    content = known_contents(message)[0]
    return Message(
        distribution_id=document["distributionID"],
        sender=document["senderID"],
        recipient=document["descriptor"]["explicitAddress"]["explicitAddressValue"],
        kind=document["distributionKind"],
        status=document["distributionStatus"],
        sent=instant(document["dateTimeSent"]),
        expires=instant(document["dateTimeExpires"]),
        content=content,
        document=document,
        appointment=message.get("appointment"),
        reference=message.get("reference"),
        error=message.get("error"),
    )


def read(body: bytes) -> Message:
    """The message in `body`. Raises MessageError (102 or 300)."""
    return check(parse(body))


_SUBJECTS = (("appointment", "appointmentId"), ("reference", "distributionID"), ("error", "referencedDistributionID"))


def subject(document: object) -> str:
    """What any document, however broken, is about: its appointmentId, or the distributionID that it answers; or ""."""
    try:
        message = message_of(document)  # type: ignore[arg-type]
        found = next((message[content][name] for content, name in _SUBJECTS if content in message), "")
    except (KeyError, IndexError, TypeError):
        return ""
    return found if isinstance(found, str) and len(found) <= LONGEST_SUBJECT else ""


def text_at(document: object, name: str) -> str:
    """A text property of the envelope of any document, however broken; empty when there is none."""
    value = document.get(name) if isinstance(document, dict) else None
    return value if isinstance(value, str) else ""
