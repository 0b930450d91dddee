"""The headers of dead-lettered messages, as RabbitMQ 3.10 writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

from sandbox.amqp.broker.message import Message, visible_copies
from sandbox.amqp.encoding import properties as props


def dead_letter(message: Message, *, exchange: str, queue: str, reason: str, now: float) -> Message:
    """The message as it is published to the dead-letter exchange: `x-death` counted, `x-first-death-*` set when it has
    no `x-death` yet, `expiration` removed (or it would expire again). `reason`: expired, rejected or maxlen."""
    properties, body = message.content()
    fields = props.split(properties)
    table = props.table_fields(fields.get(props.HEADERS, b"\0\0\0\0"))
    deaths = _deaths(table)
    known = next((death for death in deaths if (death.get("queue"), death.get("reason")) == (queue, reason)), None)
    if known is not None:
        deaths.remove(known)
        known["count"] = known["count"] + 1 if isinstance(known.get("count"), int) else 1
    else:
        known = {
            "count": 1,
            "reason": reason,
            "queue": queue,
            "time": datetime.fromtimestamp(int(now), UTC),
            "exchange": message.exchange,
            "routing-keys": [message.routing_key, *visible_copies(table)],
        }
        if (expiration := props.text(fields, props.EXPIRATION)) is not None:
            known["original-expiration"] = expiration
    if b"x-death" not in table:
        for name, value in (("queue", queue), ("reason", reason), ("exchange", message.exchange)):
            table[b"x-first-death-" + name.encode()] = props.encode_value(value)
    table[b"x-death"] = props.encode_value(cast(Any, [known, *deaths]))
    fields[props.HEADERS] = props.join_table(table)
    fields.pop(props.EXPIRATION, None)
    raw = props.join(fields)
    return Message(exchange, message.routing_key, raw, body, message.persistent, copies=message.copies)


def in_cycle(message: Message, queue: str) -> bool:
    """Whether the message died in `queue` before and was not rejected since: RabbitMQ drops it then."""
    fields = props.split(message.content()[0])
    deaths = _deaths(props.table_fields(fields.get(props.HEADERS, b"\0\0\0\0")))
    places = [death.get("queue") for death in deaths]
    if queue not in places:
        return False
    return all(death.get("reason") != "rejected" for death in deaths[: places.index(queue) + 1])


def _deaths(table: dict[bytes, bytes]) -> list[dict[str, Any]]:
    """The entries of x-death that are tables: a client may have sent anything under that name."""
    value = props.decode_value(table.get(b"x-death", b"V"))
    if not isinstance(value, list):
        return []
    return [cast(dict[str, Any], death) for death in value if isinstance(death, dict) and _writable(death)]


def _writable(death: dict[str, Any]) -> bool:
    try:
        props.encode_value(death)
    except (TypeError, ValueError, ArithmeticError, RecursionError):
        return False  # values that the codec can read but not write, e.g. octets that are not UTF-8
    return True
