"""Message properties and header tables as octets (AMQP 0-9-1, § 4.2.6.1).

A message's properties are kept and sent in the octets in which they were published; only the few that a broker needs
are read. The rest is neither copied nor read recursively, whatever the octets: the code steps through a table without
decoding it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from functools import lru_cache

from pamqp import common, decode, encode

from sandbox.amqp.encoding.codec import short_string
from sandbox.amqp.errors import FrameError

CONTENT_TYPE, HEADERS, DELIVERY_MODE = 0x8000, 0x2000, 0x1000
REPLY_TO, EXPIRATION, USER_ID = 0x0200, 0x0100, 0x0010

_UNTIMED = (CONTENT_TYPE | HEADERS | DELIVERY_MODE).to_bytes(2, "big")
_TIMED = (CONTENT_TYPE | HEADERS | DELIVERY_MODE | EXPIRATION).to_bytes(2, "big")

_SHORT, _TABLE = -1, -2  # length of a field: a number of octets, or given by its own length prefix
_LENGTHS = (
    (0x8000, _SHORT),  # content_type
    (0x4000, _SHORT),  # content_encoding
    (0x2000, _TABLE),  # headers
    (0x1000, 1),  # delivery_mode
    (0x0800, 1),  # priority
    (0x0400, _SHORT),  # correlation_id
    (0x0200, _SHORT),  # reply_to
    (0x0100, _SHORT),  # expiration
    (0x0080, _SHORT),  # message_id
    (0x0040, 8),  # timestamp
    (0x0020, _SHORT),  # type
    (0x0010, _SHORT),  # user_id
    (0x0008, _SHORT),  # app_id
    (0x0004, _SHORT),  # cluster_id
)

# Octets of a table value after its type octet (RabbitMQ's types); -1: a 4-octet length precedes the value.
_VALUE_LENGTHS = dict(
    zip(b"tbBsuIilLfdDTVSAFx", (1, 1, 1, 2, 2, 4, 4, 8, 8, 4, 8, 5, 8, 0, -1, -1, -1, -1), strict=True)
)

# RabbitMQ's names for them in its error texts.
TYPE_NAMES = dict(
    zip(
        b"tbBsuIilLfdDTVSAFx",
        (
            *("bool", "byte", "unsignedbyte", "short", "unsignedshort", "signedint", "unsignedint", "long", "long"),
            *("float", "double", "decimal", "timestamp", "void", "longstr", "array", "table", "binary"),
        ),
        strict=True,
    )
)

Fields = dict[int, bytes]  # flag -> the field's octets

_REMEMBERED = 256  # longest property list that is cached, in octets; most are shorter


@lru_cache(maxsize=512)
def _layout(flags: int) -> tuple[tuple[int, int], ...]:
    if flags & 1:
        raise FrameError("property flags that go on")
    return tuple(entry for entry in _LENGTHS if flags & entry[0])  # flag 0x0002 has no meaning


def split(raw: bytes) -> Fields:
    """The fields of a property list (flags, then values), in order. Raises FrameError when it is invalid."""
    fields: Fields = {}
    at, end = 2, len(raw)
    if end < 2:
        raise FrameError("content header without property flags")
    for flag, length in _layout(int.from_bytes(raw[:2], "big")):
        if length == _SHORT:
            stop = at + 1 + (raw[at] if at < end else 0)
        elif length == _TABLE:
            stop = at + 4 + int.from_bytes(raw[at : at + 4], "big")
        else:
            stop = at + length
        if stop > end or at >= end:
            raise FrameError("content header cut short")
        fields[flag] = raw[at:stop]
        at = stop
    if at != end:
        raise FrameError("content header with more than its properties")
    return fields


def read(raw: bytes) -> Mapping[int, bytes]:
    """`split` with a cache, for callers that do not change the result: a message is read on arrival and again when it
    is dispatched, and most messages of a client have the same properties."""
    return _remembered(raw) if len(raw) <= _REMEMBERED else split(raw)


@lru_cache(maxsize=1024)
def _remembered(raw: bytes) -> Mapping[int, bytes]:
    return split(raw)


def join(fields: Mapping[int, bytes]) -> bytes:
    """The property list of these fields."""
    return sum(fields).to_bytes(2, "big") + b"".join(fields[flag] for flag in sorted(fields, reverse=True))


def text(fields: Mapping[int, bytes], flag: int) -> str | None:
    """A short string among the fields; octets that are not UTF-8 are shown as replacement characters."""
    value = fields.get(flag)
    return None if value is None else value[1:].decode(errors="replace")


def table_fields(table: bytes) -> dict[bytes, bytes]:
    """Key -> value (type octet first) of an encoded table, top level only. Raises FrameError."""
    end = len(table)
    at, found = 4, {}
    if end != 4 + int.from_bytes(table[:4], "big"):
        raise FrameError("header table cut short")
    try:
        while at < end:
            value = at + 1 + table[at]
            stop = value + 1 + _VALUE_LENGTHS[table[value]]
            if stop == value:
                stop = value + 5 + int.from_bytes(table[value + 1 : value + 5], "big")
            if stop > end:
                raise FrameError("header table cut short")
            found[table[at + 1 : value]] = table[value:stop]
            at = stop
    except (IndexError, KeyError):
        raise FrameError("header table cannot be read") from None
    return found


def join_table(fields: Mapping[bytes, bytes]) -> bytes:
    """The encoded table of these keys and values."""
    octets = b"".join(bytes((len(key),)) + key + value for key, value in fields.items())
    return len(octets).to_bytes(4, "big") + octets


def decode_value(octets: bytes) -> common.FieldValue:
    """One table value; None when it cannot be read (a value is decoded only when it is needed)."""
    try:
        return decode.embedded_value(octets)[1]
    except (ValueError, TypeError, IndexError, struct.error, ArithmeticError, OSError, RecursionError):
        return None


def encode_value(value: common.FieldValue) -> bytes:
    """One table value, type octet first."""
    return encode.encode_table_value(value)


def headers(fields: Mapping[int, bytes]) -> dict[str, common.FieldValue]:
    """The headers as Python values; {} when there are none."""
    table = fields.get(HEADERS)
    if table is None or len(table) == 4:
        return {}
    return {key.decode(errors="replace"): decode_value(value) for key, value in table_fields(table).items()}


def build(*, content_type: str, headers: Mapping[str, common.FieldValue], expiration_ms: int | None = None) -> bytes:
    """The property list of a persistent message that the hub itself publishes.

    A header that cannot be written (a client sent octets that are no text, say) is left out.
    """
    octets = short_string(content_type) + _table(headers) + b"\x02"
    if expiration_ms is None:
        return _UNTIMED + octets
    return _TIMED + octets + short_string(str(expiration_ms))


def _table(headers: Mapping[str, common.FieldValue]) -> bytes:
    if len(headers) == 1:  # the usual case
        ((name, value),) = headers.items()
        if type(value) is str and len(name) + len(value) <= _REMEMBERED:
            return _table_of_one(name, value)
    return join_table(dict(_encoded(headers)))


@lru_cache(maxsize=1024)
def _table_of_one(name: str, value: str) -> bytes:
    return join_table(dict(_encoded({name: value})))


def _encoded(headers: Mapping[str, common.FieldValue]) -> Iterator[tuple[bytes, bytes]]:
    for name, value in headers.items():
        key = name.encode(errors="replace")
        if len(key) > 255:
            continue
        try:
            yield key, encode_value(value)
        except (TypeError, ValueError, struct.error, ArithmeticError, RecursionError):
            continue
