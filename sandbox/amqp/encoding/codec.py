"""Octets to frames and back (AMQP 0-9-1, § 4.2). Incremental, bounded by frame_max; methods by pamqp.

The two methods that every message needs, basic.publish and basic.ack, and what is sent per message are read and written
by own code, which takes a third of the time of the generic codec.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import lru_cache
from typing import cast

from pamqp import base, commands

from sandbox.amqp.errors import ProtocolError, malformed_frame, undecodable

METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
_LEAST = {METHOD: 4, HEADER: 12, BODY: 0, HEARTBEAT: 0}  # octets of payload
_NEVER = 1 << 32
FRAME_END = b"\xce"
FRAME_OVERHEAD = 8  # octets before the payload (type, channel, size), and the end octet after it
PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
HEARTBEAT_FRAME = b"\x08\x00\x00\x00\x00\x00\x00\xce"
CONNECTION_CLOSE_OK = b"\x01\x00\x00\x00\x00\x00\x04\x00\x0a\x00\x33\xce"
FRAME_MIN_SIZE = 4096  # largest frame before tune; smallest frame_max after it

_FRAME = struct.Struct(">BHI")
_TAG = struct.Struct(">Q?")
_ACK = struct.Struct(">BHIIQBB")
_CONTENT = struct.Struct(">IQ")
_HEADER = struct.Struct(">BHIIQ")
_BETWEEN = struct.Struct(">BBHI")
_CLASS_BASIC = b"\x00\x3c"

Frame = tuple[int, int, bytes]  # type, channel, payload


class FrameReader:
    """Cuts a stream into frames. An incomplete frame is kept; this is never more than one frame."""

    __slots__ = ("_need", "_rest", "frame_max")

    def __init__(self, frame_max: int = FRAME_MIN_SIZE) -> None:
        self.frame_max = frame_max
        self._rest = bytearray()
        self._need = 0

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that `data` completes; raises FrameError at the first octet that cannot be one."""
        if self._rest:
            self._rest += data
            if len(self._rest) < self._need:
                return
            data = bytes(self._rest)
            self._rest.clear()
        at, end = 0, len(data)
        while end - at >= 7:
            kind, channel, size = _FRAME.unpack_from(data, at)
            last = at + 7 + size
            if last >= end or size > self.frame_max:
                self._check_head(kind, size)
                break
            payload = data[at + 7 : last]
            if data[last] != 0xCE:
                raise malformed_frame(kind, payload, f"{{invalid_frame_end_marker,{data[last]}}}")
            if size < _LEAST.get(kind, _NEVER) or (kind == HEARTBEAT and size):
                raise malformed_frame(kind, payload, "unknown_frame")
            at = last + 1
            yield kind, channel, payload
        self._keep(data, at)

    def _check_head(self, kind: int, size: int) -> None:
        # RabbitMQ lets a payload be as large as frame_max, i.e. the frame 8 octets larger.
        if size > self.frame_max:
            limit = self.frame_max - FRAME_OVERHEAD
            raise malformed_frame(kind, b"", f"{{frame_too_large,{size},{limit}}}")

    def _keep(self, data: bytes, at: int) -> None:
        self._rest += memoryview(data)[at:]
        have = len(self._rest)
        self._need = 7 if have < 7 else FRAME_OVERHEAD + int.from_bytes(self._rest[3:7], "big")


def frame(kind: int, channel: int, payload: bytes) -> bytes:
    """The octets of one frame."""
    return _FRAME.pack(kind, channel, len(payload)) + payload + FRAME_END


def method(channel: int, value: base.Frame) -> bytes:
    """The frame of a method given as pamqp's value."""
    return frame(METHOD, channel, value.index.to_bytes(4, "big") + value.marshal())


def decode_method(payload: bytes) -> base.Frame:
    """pamqp's value of a method payload.

    Raises FrameError 501 when arguments are cut short or unreadable, ProtocolError 540 for an unknown method (RabbitMQ
    closes the connection without giving a reason; this broker gives one).
    """
    index = int.from_bytes(payload[:4], "big")
    culprit = (index >> 16, index & 0xFFFF)
    kind = commands.INDEX_MAPPING.get(index)
    if kind is None:
        raise ProtocolError(540, f"unknown method {culprit[0]}/{culprit[1]}", culprit)
    value = cast(base.Frame, object.__new__(kind))  # its __init__ checks defaults, and warns about deprecated methods
    try:
        value.unmarshal(payload[4:])
    except (ValueError, TypeError, IndexError, struct.error, ArithmeticError, OSError, RecursionError):
        # pamqp raises any of these on hostile field tables (depth, timestamps, decimals).
        raise undecodable(payload[4:]) from None
    return value


@lru_cache(maxsize=1024)
def decode_publish(payload: bytes) -> tuple[str, str, bool, bool]:
    """(exchange, routing key, mandatory, immediate) of a basic.publish; raises FrameError.

    Cached: a publisher sends the same few addresses again and again (at most 520 octets each).
    """
    try:
        at = 7 + payload[6]
        exchange = payload[7:at].decode()
        end = at + 1 + payload[at]
        (bits,) = payload[end:]
        return exchange, payload[at + 1 : end].decode(), bool(bits & 1), bool(bits & 2)
    except (IndexError, ValueError):  # UnicodeDecodeError is a ValueError
        raise undecodable(payload[4:]) from None


def decode_ack(payload: bytes) -> tuple[int, bool]:
    """(delivery tag, multiple) of a basic.ack; raises FrameError."""
    if len(payload) != 13:
        raise undecodable(payload[4:])
    return int.from_bytes(payload[4:12], "big"), bool(payload[12] & 1)


def decode_content_header(payload: bytes) -> tuple[int, int, bytes]:
    """(class id and weight in one number, body size, property flags and values as they came)."""
    kind, size = _CONTENT.unpack_from(payload)
    return kind, size, payload[12:]


@lru_cache(maxsize=1024)
def short_string(text: str) -> bytes:
    """A short string (shortstr), truncated to 255 octets."""
    octets = text.encode()[:255]
    return bytes((len(octets),)) + octets


def cut_text(text: str) -> str:
    """A reply text, truncated so that it fits into a short string."""
    return text.encode()[:255].decode(errors="ignore")


def ack(channel: int, tag: int, *, multiple: bool) -> bytes:
    """basic.ack, the publisher's confirm."""
    return _ACK.pack(METHOD, channel, 13, 0x003C0050, tag, multiple, 0xCE)


def nack(channel: int, tag: int, *, multiple: bool) -> bytes:
    """basic.nack, the publisher's refusal."""
    return _ACK.pack(METHOD, channel, 13, 0x003C0078, tag, multiple, 0xCE)


def deliver_head(consumer_tag: str) -> bytes:
    """The first octets, which are the same for all deliveries to one consumer."""
    return b"\x00\x3c\x00\x3c" + short_string(consumer_tag)


@lru_cache(maxsize=1024)
def address(exchange: str, routing_key: str) -> bytes:
    """Exchange and routing key in the form in which deliveries end with them."""
    return short_string(exchange) + short_string(routing_key)


def deliver(head: bytes, channel: int, tag: int, redelivered: bool, place: bytes) -> bytes:
    """basic.deliver. `head` comes from `deliver_head`, `place` from `address`."""
    size = len(head) + 9 + len(place)
    return b"".join((_FRAME.pack(METHOD, channel, size), head, _TAG.pack(tag, redelivered), place, FRAME_END))


def get_ok(channel: int, tag: int, redelivered: bool, place: bytes, remaining: int) -> bytes:
    """basic.get-ok; `remaining`: ready messages left in the queue."""
    payload = b"\x00\x3c\x00\x47" + _TAG.pack(tag, redelivered) + place + remaining.to_bytes(4, "big")
    return frame(METHOD, channel, payload)


def returned(channel: int, place: bytes) -> bytes:
    """basic.return 312 for a mandatory message that no queue took."""
    return frame(METHOD, channel, b"\x00\x3c\x00\x32\x01\x38" + short_string("NO_ROUTE") + place)


def content(channel: int, properties: bytes, body: bytes, frame_max: int) -> bytes:
    """Header frame and body frames, each at most `frame_max` octets in all."""
    size, most = len(body), frame_max - FRAME_OVERHEAD
    if 0 < size <= most:
        head = _HEADER.pack(HEADER, channel, 12 + len(properties), 0x003C0000, size)
        return b"".join((head, properties, _BETWEEN.pack(0xCE, BODY, channel, size), body, FRAME_END))
    head = _CLASS_BASIC + b"\x00\x00" + size.to_bytes(8, "big") + properties
    pieces = [frame(BODY, channel, body[at : at + most]) for at in range(0, len(body), most)]
    return frame(HEADER, channel, head) + b"".join(pieces)
