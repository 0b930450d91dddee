"""The dispatcher of the hub, pure: one message read from `dispatch` or `dispatch.dlq` -> what to publish.

Checks apply in the hub's order: 101, 102, 300 (model), 501 (nobody of the health domain), 200, 100, 300 (id), 400,
501 (no queue). A refused message yields one error report to `<AMQP routing key>.info`, even when `senderID` says
somebody else; a good one goes to the recipient's queue as it came, with the sender's name in `SENDER_HEADER`, by which
a later death is reported to him (500). The hub's own reports carry no such header: when they die, they are dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from sandbox.edxl import build
from sandbox.edxl.codes import HubCode
from sandbox.edxl.message import Message, MessageError, check, parse, subject, text_at
from sandbox.hub import checks
from sandbox.hub.checks import Refusal
from sandbox.kernel.hub_clients import HUB_ID as HUB_ID

DEAD_LETTERS = "dispatch.dlq"
SENDER_HEADER = "x-death-original-routing-key"
DAY_S = 86_400


class Arrival(msgspec.Struct, frozen=True):
    """A message as it was read. `queue`: `dispatch` or `dispatch.dlq`; `routing_key`: that of the publication."""

    routing_key: str
    body: bytes
    content_type: str | None
    delivery_mode: int | None
    headers: Mapping[str, Any]
    queue: str


class Publication(msgspec.Struct, frozen=True):
    """To publish to exchange `distribution`: persistent, `application/json`; `expiration_ms` None: the queue's TTL."""

    routing_key: str
    body: bytes
    headers: Mapping[str, Any]
    expiration_ms: int | None


class Dispatched(msgspec.Struct, frozen=True):
    """What became of an arrival. `code` 0: routed; else the Hub error code, and `reason` its cause.

    `sender`, `distribution_id` and what the message is `about` as far as they could be read (for the journal).
    """

    publications: tuple[Publication, ...]
    code: int
    reason: str
    sender: str
    distribution_id: str
    about: str = ""


def dispatch(
    arrival: Arrival,
    *,
    exists: Callable[[str], bool],
    now: datetime,
    new_id: Callable[[], str],
    message_ttl_s: int = DAY_S,
    strict: bool = False,
) -> Dispatched:
    """Decide on one message; never raises, whatever the body.

    `exists(queue)`: is there such a client queue; `now` aware; `new_id()` a fresh unique id (UUID);
    `message_ttl_s`: TTL of the client queues, a message that expires earlier gets its own expiration; `strict`: a
    409 from an LRM, which the published model does not know, is refused (102).
    """
    try:
        document, unreadable = parse(arrival.body), None
    except MessageError as error:
        document, unreadable = None, Refusal(error.code, error.cause)
    if arrival.queue == DEAD_LETTERS:
        return _bury(arrival, document, now, new_id)
    outcome = _judge(arrival, document, unreadable, exists, now, strict=strict)
    if isinstance(outcome, Refusal):
        report = _report(arrival.routing_key, outcome, document, now, new_id)
        return _dispatched((report,), outcome, arrival.routing_key, document)
    routed = Publication(
        checks.queue_of(outcome),
        arrival.body,
        {**_kept(arrival.headers), SENDER_HEADER: outcome.sender},
        _expiration_ms(outcome.expires - now, message_ttl_s),
    )
    return Dispatched((routed,), 0, "", outcome.sender, outcome.distribution_id, subject(outcome.document))


def refuse(arrival: Arrival, refusal: Refusal, *, now: datetime, new_id: Callable[[], str]) -> Dispatched:
    """The report to the sender of a message that is not to be routed, whatever it holds; never raises."""
    try:
        document = parse(arrival.body)
    except MessageError:
        document = None
    report = _report(arrival.routing_key, refusal, document, now, new_id)
    return _dispatched((report,), refusal, arrival.routing_key, document)


def _judge(
    arrival: Arrival,
    document: object,
    unreadable: Refusal | None,
    exists: Callable[[str], bool],
    now: datetime,
    *,
    strict: bool,
) -> Message | Refusal:
    refusal = checks.content_type(arrival.content_type) or unreadable
    if refusal is not None:
        return refusal
    try:
        message = check(document)
    except MessageError as error:
        return Refusal(error.code, error.cause)
    return (
        checks.published_code(message, strict=strict)
        or checks.health_party(message)
        or checks.consistent_sender(message, arrival.routing_key)
        or checks.persistent(arrival.delivery_mode)
        or checks.own_distribution_id(message)
        or checks.alive(message, now)
        or checks.routable(message, exists)
        or message
    )


def _bury(arrival: Arrival, document: object, now: datetime, new_id: Callable[[], str]) -> Dispatched:
    """A message that died in a client's queue: tell its sender, if it had one other than the hub."""
    death = str(arrival.headers.get("x-first-death-reason") or "expired or rejected")
    place = str(arrival.headers.get("x-first-death-queue") or arrival.routing_key)
    refusal = Refusal(
        HubCode.DEAD_LETTER_QUEUED,
        f"Message {text_at(document, 'distributionID')} was dead-lettered from queue '{place}' ({death})",
    )
    sender = arrival.headers.get(SENDER_HEADER)
    if not isinstance(sender, str) or not sender:
        return _dispatched((), refusal, HUB_ID, document)
    return _dispatched((_report(sender, refusal, document, now, new_id),), refusal, sender, document)


def _report(
    recipient: str, refusal: Refusal, document: object, now: datetime, new_id: Callable[[], str]
) -> Publication:
    body = build.error(
        build.error_address(HUB_ID, new_id(), _utf8(recipient), now),
        refusal.code,
        _utf8(refusal.cause),
        source=document,
        referenced=text_at(document, "distributionID"),
    )
    return Publication(f"{recipient}.info", body, {}, None)


def _dispatched(publications: tuple[Publication, ...], refusal: Refusal, sender: str, document: object) -> Dispatched:
    identifier = text_at(document, "distributionID")
    return Dispatched(publications, int(refusal.code), refusal.cause, sender, identifier, subject(document))


def _kept(headers: Mapping[str, Any]) -> dict[str, Any]:
    """A sender's own headers, less those that a broker acts on or writes itself."""
    if not headers:
        return {}
    return {name: value for name, value in headers.items() if not name.startswith("x-") and name not in ("CC", "BCC")}


def _expiration_ms(left: timedelta, ttl_s: int) -> int | None:
    ms = left.days * 86_400_000 + left.seconds * 1000 + left.microseconds // 1000
    return max(1, ms) if ms < ttl_s * 1000 else None


def _utf8(text: str) -> str:
    """Text that JSON can carry: short strings of AMQP may hold anything."""
    return text.encode("utf-8", "replace").decode()
