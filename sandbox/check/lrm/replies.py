"""What came back from the hub, as it came: read as far as it can be read. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.edxl.message import MessageError, document_of, read, text_at

_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Reply:
    """`queue`: `ack`, `info` or `message`, of the examination's client; `problem`: why it is no message of the model,
    "" when it is one; `document`: in the form of JSON, {} when it cannot be read."""

    queue: str
    body: bytes = field(repr=False)
    form: str
    at: float
    document: Mapping[str, Any] = field(repr=False)
    problem: str = ""

    @property
    def sender(self) -> str:
        """senderID."""
        return text_at(self.document, "senderID")

    @property
    def message(self) -> Mapping[str, Any]:
        """The RC-DE header with the content; {} when there is none."""
        try:
            found = self.document["content"][0]["jsonContent"]["embeddedJsonContent"]["message"]
        except (KeyError, IndexError, TypeError):
            return _NOTHING
        return found if isinstance(found, dict) else _NOTHING

    @property
    def reference(self) -> Mapping[str, Any] | None:
        """RC-REF of an acknowledgement."""
        found = self.message.get("reference")
        return found if isinstance(found, dict) else None

    @property
    def error(self) -> Mapping[str, Any] | None:
        """RS-ERROR of an error."""
        found = self.message.get("error")
        return found if isinstance(found, dict) else None

    @property
    def code(self) -> int:
        """The code of an error; 0 without one."""
        try:
            return int((self.error or _NOTHING)["errorCode"]["statusCode"])
        except (KeyError, TypeError, ValueError):
            return 0

    @property
    def refuses(self) -> bool:
        """An acknowledgement that says that its message was refused."""
        return self.reference is not None and bool(self.reference.get("refused"))

    @property
    def about(self) -> str:
        """The distributionID that it refers to; "" when there is none."""
        if self.reference is not None:
            return text_at(self.reference, "distributionID")
        if self.error is not None:
            return text_at(self.error, "referencedDistributionID")
        return ""

    @property
    def source(self) -> str:
        """The distributionID of the message that an error quotes; "" when there is none."""
        return text_at((self.error or _NOTHING).get("sourceMessage"), "distributionID")

    @property
    def word(self) -> str:
        """`Ack INTEGRE`, `Error 409 CONFLICT`."""
        if self.error is not None:
            code = self.error.get("errorCode")
            return f"Error {self.code} {code.get('statusString', '') if isinstance(code, dict) else ''}".rstrip()
        if self.reference is not None:
            refused = " refused" if self.refuses else ""
            return f"Ack {self.reference.get('step', '')}".rstrip() + refused
        return text_at(self.document, "distributionKind") or "?"


def reply(queue: str, body: bytes, form: str | None, at: float) -> Reply:
    """Read a delivery. `at`: monotonic seconds."""
    problem = ""
    try:
        read(body, form)
    except MessageError as error:
        problem = f"{int(error.code)} {error.cause}"
    try:
        document = document_of(body, form)
    except MessageError:
        document = None
    return Reply(queue, body, form or "", at, document if isinstance(document, dict) else {}, problem)
