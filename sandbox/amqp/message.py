"""What queues hold: a message, and its place in one queue."""

from __future__ import annotations

import msgspec

from sandbox.amqp import properties as props
from sandbox.amqp.errors import ProtocolError

MAX_EXPIRATION = 4_294_967_295  # RabbitMQ's largest timer, in ms


class Message(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A published message. `properties`: as they came; `expiration`: its own TTL in ms, read from them."""

    exchange: str
    routing_key: str
    properties: bytes
    body: bytes
    persistent: bool
    expiration: int | None = None


class Entry(msgspec.Struct, gc=False):
    """A message in one queue. `position` orders the queue; `journalled` when its removal must be recorded too;
    `expires_at` in seconds of the broker's clock."""

    message: Message
    position: int
    journalled: bool
    expires_at: float | None
    redelivered: bool = False


def read_message(exchange: str, routing_key: str, raw: bytes, body: bytes, user: str) -> Message:
    """A client's publication as a message. Raises ProtocolError 406 (user_id, expiration), FrameError."""
    fields = props.split(raw)
    author = props.text(fields, props.USER_ID)
    if author is not None and author != user:
        raise ProtocolError(406, f"user_id property set to '{author}' but authenticated user was '{user}'")
    expiration = fields.get(props.EXPIRATION)
    if props.HEADERS in fields:
        props.table_fields(fields[props.HEADERS])
    return Message(
        exchange,
        routing_key,
        raw,
        body,
        fields.get(props.DELIVERY_MODE) == b"\x02",
        None if expiration is None else _milliseconds(expiration[1:]),
    )


def _milliseconds(octets: bytes) -> int:
    """The expiration property in ms; raises ProtocolError 406 in RabbitMQ's words."""
    text = octets.decode("latin-1")
    digits = text[1:] if text[:1] in ("-", "+") else text
    length = next((at for at, char in enumerate(digits) if char not in "0123456789"), len(digits))
    if not length:
        raise ProtocolError(406, f"invalid expiration '{text}': no_integer")
    rest = digits[length:]
    if rest:
        raise ProtocolError(406, f"invalid expiration '{text}': {{leftover_string,\"{rest}\"}}")
    value = int(text)
    if value < 0:
        raise ProtocolError(406, f"invalid expiration '{text}': {{value_negative,{value}}}")
    if value > MAX_EXPIRATION:
        raise ProtocolError(406, f"invalid expiration '{text}': {{value_too_big,{value}}}")
    return value
