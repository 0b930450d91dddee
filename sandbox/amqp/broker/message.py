"""Messages, and their entries in queues."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from sandbox.amqp.encoding import properties as props
from sandbox.amqp.errors import ProtocolError

MAX_EXPIRATION = 315_360_000_000  # RabbitMQ's largest TTL, in ms: ten years
_CC, _BCC = b"CC", b"BCC"


class Page(Protocol):
    """The place of a message's properties and body while they are not in memory; it is kept as long as something refers
    to it."""

    size: int  # octets of the body

    def read(self) -> tuple[bytes, bytes]:
        """Properties and body. Raises OSError."""
        ...


class Message(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A published message. `properties`: as they came, less BCC; `expiration`: its own TTL in ms, read from them;
    `copies`: further routing keys, those of its CC and BCC headers. `page`: where properties and body are when they
    are not in memory (`content` reads them); it is not logged."""

    exchange: str
    routing_key: str
    properties: bytes
    body: bytes
    persistent: bool
    expiration: int | None = None
    copies: tuple[str, ...] = ()
    page: Any = None  # a Page

    @property
    def size(self) -> int:
        """Octets of the body."""
        return len(self.body) if self.page is None else int(self.page.size)

    def content(self) -> tuple[bytes, bytes]:
        """Properties and body, from memory or from the page."""
        return (self.properties, self.body) if self.page is None else self.page.read()

    def paged(self, page: Page | None) -> Message:
        """The same message with its content in `page`; the message itself without a page."""
        if page is None:
            return self
        return Message(self.exchange, self.routing_key, b"", b"", self.persistent, self.expiration, self.copies, page)


class Entry(msgspec.Struct, gc=False):
    """A message in one queue. `position` orders the queue; `journalled` when its removal must be recorded too;
    `expires_at` in seconds of the broker's clock."""

    message: Message
    position: int
    journalled: bool
    expires_at: float | None
    redelivered: bool = False


def read_message(exchange: str, routing_key: str, raw: bytes, body: bytes, user: str) -> Message:
    """A client's publication as a message. Raises ProtocolError 406 (user_id, expiration, CC, BCC), FrameError."""
    fields = props.read(raw)
    author = props.text(fields, props.USER_ID)
    if author is not None and author != user:
        raise ProtocolError(406, f"user_id property set to '{author}' but authenticated user was '{user}'")
    expiration = fields.get(props.EXPIRATION)
    lifetime = None if expiration is None else _milliseconds(expiration[1:])
    copies: tuple[str, ...] = ()
    if props.HEADERS in fields:
        table = props.table_fields(fields[props.HEADERS])
        if _CC in table or _BCC in table:
            copies = (*_keys(table, _CC), *_keys(table, _BCC))
            raw = _without_bcc(raw, fields, table)
    return Message(exchange, routing_key, raw, body, fields.get(props.DELIVERY_MODE) == b"\x02", lifetime, copies)


def visible_copies(table: Mapping[bytes, bytes]) -> list[str]:
    """The routing keys of the CC header in a header table that `read_message` has accepted."""
    return _keys(table, _CC)


def _keys(table: Mapping[bytes, bytes], header: bytes) -> list[str]:
    """The routing keys of a CC or BCC header; raises ProtocolError 406 when it is not a list."""
    octets = table.get(header)
    if octets is None:
        return []
    if octets[:1] != b"A":
        kind = props.TYPE_NAMES.get(octets[0], "void")
        raise ProtocolError(406, f'invalid message: {{unacceptable_type_in_header,"{header.decode()}",{kind}}}')
    keys = props.decode_value(octets)
    return [key for key in keys if isinstance(key, str)] if isinstance(keys, list) else []


def _without_bcc(raw: bytes, fields: Mapping[int, bytes], table: dict[bytes, bytes]) -> bytes:
    if table.pop(_BCC, None) is None:
        return raw
    return props.join({**fields, props.HEADERS: props.join_table(table)})


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
        raise ProtocolError(406, f"invalid expiration '{text}': {{value_too_large,{value}}}")
    return value
