"""Direct reply-to, as RabbitMQ 3.10 does it: a channel consumes a pseudo-queue, and what it then publishes with that
name as `reply_to` carries an address of its own instead.

An answer is published to the default exchange with that address as key. None of the hub's users may do that (403),
neither here nor on a RabbitMQ with the hub's rights, so no answer ever reaches a reply consumer and none is delivered
here.
"""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.amqp.encoding import properties as props
from sandbox.amqp.encoding.codec import short_string
from sandbox.amqp.errors import ProtocolError

REPLY_TO = "amq.rabbitmq.reply-to"
MARK = REPLY_TO.encode()  # in the properties of every message that may concern this module
_WANTED = short_string(REPLY_TO)


@dataclass(frozen=True, slots=True)
class ReplyConsumer:
    """The reply consumer of a channel. `address`: what its messages carry as reply_to."""

    tag: str
    address: str


def exists(name: str, addresses: set[str]) -> bool:
    """Whether the name is the pseudo-queue, or the address of an existing reply consumer."""
    return name == REPLY_TO or name in addresses


def addressed(raw: bytes, consumer: ReplyConsumer | None) -> bytes:
    """A publication's properties, with the consumer's address in `reply_to` if it names the pseudo-queue; otherwise
    unchanged.

    Raises ProtocolError 406 without a consumer, FrameError.
    """
    fields = props.read(raw)
    if fields.get(props.REPLY_TO) != _WANTED:
        return raw
    if consumer is None:
        raise ProtocolError(406, "fast reply consumer does not exist")
    return props.join({**fields, props.REPLY_TO: short_string(consumer.address)})
