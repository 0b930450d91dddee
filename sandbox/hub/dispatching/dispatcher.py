"""The dispatcher of the hub: decides what is published for one message read from `dispatch` or `dispatch.dlq`. Pure.

Checks apply in the hub's order: 101, 102, 300 (model), 501 (neither side is of the health domain), 200, 100, 300 (id),
400, 501 (no queue), 600 (cannot be expressed in the recipient's form). A refused message yields one error report to
`<AMQP routing key>.info`, even when `senderID` names somebody else. Any other message goes to the recipient's queue,
with the sender's name in `SENDER_HEADER`, so that the sender gets an error (500) when the message is dead-lettered
later. The hub's own reports carry no such header: they are dropped when they are dead-lettered.

Messages may be JSON or XML. Clients that are registered for XML receive everything as XML, all others as JSON. A
message whose sender and recipient use the same form passes unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec
import orjson

from sandbox.edxl import build
from sandbox.edxl.codes import JSON, XML, HubCode
from sandbox.edxl.message import (
    Message,
    MessageError,
    check,
    converted,
    document_of,
    id_in_text,
    parse,
    subject,
    text_at,
)
from sandbox.edxl.validation import messages_of
from sandbox.edxl.xml import Inexpressible, expressible
from sandbox.edxl.xml import write as write_xml
from sandbox.hub.dispatching import checks
from sandbox.hub.dispatching.checks import Refusal
from sandbox.kernel.hub.clients import HUB_ID

DEAD_LETTERS = "dispatch.dlq"
SENDER_HEADER = "x-death-original-routing-key"
DAY_S = 86_400
NOBODY: frozenset[str] = frozenset()


class Arrival(msgspec.Struct, frozen=True):
    """A message as it was read from a queue. `queue`: `dispatch` or `dispatch.dlq`; `routing_key`: that of the
    publication."""

    routing_key: str
    body: bytes
    content_type: str | None
    delivery_mode: int | None
    headers: Mapping[str, Any]
    queue: str


class Publication(msgspec.Struct, frozen=True):
    """A message to be published to exchange `distribution`, persistent; `expiration_ms` None: the queue's TTL
    applies."""

    routing_key: str
    body: bytes
    headers: Mapping[str, Any]
    expiration_ms: int | None
    content_type: str = JSON


class Dispatched(msgspec.Struct, frozen=True):
    """The decision about an arrival. `code` 0: routed; else the Hub error code, and `reason` its cause.

    `sender`, `distribution_id` and `about` (what the message is about) as far as they could be read; `noted`: what the
    journal says of a routed message.
    """

    publications: tuple[Publication, ...]
    code: int
    reason: str
    sender: str
    distribution_id: str
    about: str = ""
    noted: str = ""


class DispatchContext(NamedTuple):
    """What a decision depends on beside the message. `now`: sandbox time, aware; `new_id()`: a fresh unique id (UUID);
    `xml_clients`: those that receive XML."""

    now: datetime
    new_id: Callable[[], str]
    xml_clients: Container[str] = NOBODY


class _Refused(NamedTuple):
    """The reason why a message is refused, with its document and id as far as they are known."""

    refusal: Refusal
    document: object
    distribution_id: str


def dispatch(
    arrival: Arrival,
    context: DispatchContext,
    *,
    exists: Callable[[str], bool],
    message_ttl_s: int = DAY_S,
    strict: bool = False,
) -> Dispatched:
    """Decide on one message; never raises, whatever the body.

    `exists(queue)`: whether there is such a client queue; `message_ttl_s`: TTL of the client queues, a message that
    expires earlier gets its own expiration; `strict`: a 409 from an LRM, which the published model does not know, is
    refused (102).
    """
    if arrival.queue == DEAD_LETTERS:
        return _report_death(arrival, context)
    now = context.now
    message = _judge(arrival, exists, now, strict=strict)
    if isinstance(message, Message):
        form = XML if message.recipient in context.xml_clients else JSON
        try:
            return _routed(arrival, message, converted(message, arrival.body, form), form, now, message_ttl_s)
        except MessageError as error:
            message = _Refused(Refusal(error.code, error.cause), error.document, error.distribution_id)
    return _reported(arrival.routing_key, message, context)


def refuse(arrival: Arrival, refusal: Refusal, context: DispatchContext) -> Dispatched:
    """The report to the sender of a message that is not routed, whatever it contains; never raises."""
    return _reported(arrival.routing_key, _refused(arrival, refusal), context)


def _routed(arrival: Arrival, message: Message, body: bytes, form: str, now: datetime, ttl_s: int) -> Dispatched:
    publication = Publication(
        checks.queue_of(message),
        body,
        {**_kept(arrival.headers), SENDER_HEADER: message.sender},
        _expiration_ms(message.expires - now, ttl_s),
        form,
    )
    about, noted = subject(message.document), message.unread
    return Dispatched((publication,), 0, "", message.sender, message.distribution_id, about, noted)


def _judge(arrival: Arrival, exists: Callable[[str], bool], now: datetime, *, strict: bool) -> Message | _Refused:
    refusal = checks.content_type(arrival.content_type)
    if refusal is not None:
        return _refused(arrival, refusal)
    try:
        message = check(arrival.body, arrival.content_type)
    except MessageError as error:
        return _Refused(Refusal(error.code, error.cause), error.document, error.distribution_id)
    refusal = (
        checks.published_code(message, strict=strict)
        or checks.health_party(message)
        or checks.consistent_sender(message, arrival.routing_key)
        or checks.persistent(arrival.delivery_mode)
        or checks.own_distribution_id(message)
        or checks.alive(message, now)
        or checks.routable(message, exists)
    )
    return message if refusal is None else _Refused(refusal, message.document, message.distribution_id)


def _refused(arrival: Arrival, refusal: Refusal) -> _Refused:
    """The refusal of a message without any check, with its document if it has one."""
    try:
        document = document_of(arrival.body, arrival.content_type)
    except MessageError as error:
        return _Refused(refusal, None, error.distribution_id)
    return _Refused(refusal, document, text_at(document, "distributionID") or id_in_text(arrival.body))


def _report_death(arrival: Arrival, context: DispatchContext) -> Dispatched:
    """A message was dead-lettered from a client's queue: report this to its sender, unless the sender is the hub."""
    death = str(arrival.headers.get("x-first-death-reason") or "expired or rejected")
    place = str(arrival.headers.get("x-first-death-queue") or arrival.routing_key)
    _, document, identifier = _refused(arrival, Refusal(HubCode.DEAD_LETTER_QUEUED, ""))
    cause = f"Message {identifier} was dead-lettered from queue '{place}' ({death})"
    dead = _Refused(Refusal(HubCode.DEAD_LETTER_QUEUED, cause), document, identifier)
    sender = arrival.headers.get(SENDER_HEADER)
    if not isinstance(sender, str) or not sender:
        return _dispatched((), dead, HUB_ID)
    return _reported(sender, dead, context)


def _reported(recipient: str, refused: _Refused, context: DispatchContext) -> Dispatched:
    """The refusal as a report to a client, in the form that it receives."""
    body, form = _report(recipient, refused, context), JSON
    if recipient in context.xml_clients:
        body, form = _as_xml(body), XML
    return _dispatched((Publication(f"{recipient}.info", body, {}, None, form),), refused, recipient)


def _report(recipient: str, refused: _Refused, context: DispatchContext) -> bytes:
    """An error report in JSON. It quotes the refused message, unless no valid report can."""
    address = build.error_address(HUB_ID, context.new_id(), _utf8(recipient), context.now)
    code, cause = refused.refusal.code, _utf8(refused.refusal.cause)
    referenced = _utf8(refused.distribution_id)
    body = build.error(address, code, cause, source=refused.document, referenced=referenced)
    try:
        parse(body)
    except MessageError:
        return build.error(address, code, cause, source=None, referenced=referenced)
    return body


def _as_xml(report: bytes) -> bytes:
    """An error report in XML. What it quotes of the refused message is left out when XML cannot express it."""
    document = orjson.loads(report)
    error = messages_of(document)[0]["error"]
    for name in ("errorCause", "referencedDistributionID"):
        error[name] = expressible(error[name])
    try:
        return write_xml(document)
    except Inexpressible:
        del error["sourceMessage"]
        return write_xml(document)


def _kept(headers: Mapping[str, Any]) -> dict[str, Any]:
    """A sender's own headers, without those that brokers interpret or write themselves."""
    if not headers:
        return {}
    return {name: value for name, value in headers.items() if not name.startswith("x-") and name not in ("CC", "BCC")}


def _expiration_ms(left: timedelta, ttl_s: int) -> int | None:
    ms = left.days * 86_400_000 + left.seconds * 1000 + left.microseconds // 1000
    return max(1, ms) if ms < ttl_s * 1000 else None


def _dispatched(publications: tuple[Publication, ...], refused: _Refused, sender: str) -> Dispatched:
    refusal = refused.refusal
    about = subject(refused.document)
    return Dispatched(publications, int(refusal.code), refusal.cause, sender, refused.distribution_id, about)


def _utf8(text: str) -> str:
    """The text with replacements for what JSON cannot carry: short strings of AMQP may hold any octets."""
    return text.encode("utf-8", "replace").decode()
