"""The checks of the hub's dispatcher, one function per error code. Each returns why a message is refused, or None.
Pure.

The dispatcher determines their order. Causes are written for the person who reads the error report.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sandbox.edxl.codes import JSON, XML, HubCode
from sandbox.edxl.message import Message

HEALTH = "fr.health"
PERSISTENT = 2
SUFFIXES = {"Ack": ".ack", "Error": ".info"}  # suffix of the recipient's queue; for all other kinds `.message`


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a message is not routed. `cause`: of the error report."""

    code: HubCode
    cause: str


def content_type(value: str | None) -> Refusal | None:
    """101: compared exactly, so that `application/json; charset=utf-8` is refused too."""
    if value in (JSON, XML):
        return None
    cause = f"Content type '{value or ''}' is neither '{JSON}' nor '{XML}'"
    return Refusal(HubCode.NOT_ALLOWED_CONTENT_TYPE, cause)


def published_code(message: Message, *, strict: bool) -> Refusal | None:
    """102, with `strict` only: the guide asks LRMs for 409, which the published model does not know."""
    if not strict or not any(map(_is_conflict, message.each())):
        return None
    cause = f"statusCode {HubCode.CONFLICT:d} of message {message.distribution_id} is not in the published model"
    return Refusal(HubCode.UNRECOGNIZED_MESSAGE_FORMAT, cause)


def _is_conflict(message: Message) -> bool:
    return message.error is not None and message.error["errorCode"]["statusCode"] == HubCode.CONFLICT


def health_party(message: Message) -> Refusal | None:
    """501: the sender or the recipient belongs to the health domain."""
    if message.sender.startswith(HEALTH) or message.recipient.startswith(HEALTH):
        return None
    return Refusal(
        HubCode.UNROUTABLE_MESSAGE,
        f"Neither sender '{message.sender}' nor recipient '{message.recipient}' of message {message.distribution_id} "
        f"starts with '{HEALTH}'",
    )


def consistent_sender(message: Message, routing_key: str) -> Refusal | None:
    """200: a client of the health domain sends in its own name."""
    if not message.sender.startswith(HEALTH) or message.sender == routing_key:
        return None
    return Refusal(
        HubCode.SENDER_INCONSISTENCY,
        f"senderID '{message.sender}' is not the routing key '{routing_key}' of message {message.distribution_id}",
    )


def persistent(delivery_mode: int | None) -> Refusal | None:
    """100: messages must be persistent."""
    if delivery_mode == PERSISTENT:
        return None
    return Refusal(
        HubCode.DELIVERY_MODE_INCONSISTENCY, f"Delivery mode {delivery_mode} is not {PERSISTENT} (persistent)"
    )


def own_distribution_id(message: Message) -> Refusal | None:
    """300: `distributionID` = `<senderID>_<unique>`."""
    prefix = message.distribution_id.partition("_")[0]
    if prefix == message.sender:
        return None
    return Refusal(
        HubCode.INVALID_MESSAGE,
        f"distributionID '{message.distribution_id}' must be '{message.sender}' then '_' then a unique id",
    )


def alive(message: Message, now: datetime) -> Refusal | None:
    """400: a message whose expiry has passed is not distributed."""
    if message.expires > now:
        return None
    return Refusal(
        HubCode.EXPIRED_MESSAGE_BEFORE_ROUTING,
        f"Message {message.distribution_id} expired at {message.expires.isoformat(timespec='seconds')}",
    )


def routable(message: Message, exists: Callable[[str], bool]) -> Refusal | None:
    """501: the recipient has a queue for that kind of message."""
    queue = queue_of(message)
    if exists(queue):
        return None
    return Refusal(HubCode.UNROUTABLE_MESSAGE, f"No queue '{queue}' for message {message.distribution_id}")


def queue_of(message: Message) -> str:
    """Name of the recipient's queue: its client id, and a suffix by the kind of message."""
    return message.recipient + SUFFIXES.get(message.kind, ".message")
