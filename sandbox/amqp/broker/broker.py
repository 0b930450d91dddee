"""The broker: virtual hosts, their exchanges and queues, and the data that must survive a crash, without I/O.

The topology is fixed when the broker is built (`hub/topology.py`); clients declare nothing. Sessions call the broker,
and it calls the channels of its consumers; its owner writes `records` to disk and calls `tick` regularly.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sandbox.amqp.broker.deadletters import dead_letter, in_cycle
from sandbox.amqp.broker.limits import Limits, Unfinished
from sandbox.amqp.broker.load import Load
from sandbox.amqp.broker.message import Message
from sandbox.amqp.broker.queue import PLAIN, Queue, QueueArguments
from sandbox.amqp.broker.records import Put, Records
from sandbox.amqp.broker.routing import Exchange, ExchangeKind
from sandbox.amqp.errors import ProtocolError

log = logging.getLogger(__name__)

_PREDECLARED: Mapping[str, ExchangeKind] = {
    "amq.direct": "direct",
    "amq.fanout": "fanout",
    "amq.headers": "headers",
    "amq.match": "headers",
    "amq.rabbitmq.trace": "topic",
    "amq.topic": "topic",
}


class VirtualHost:
    """A name space of exchanges and queues, under one name or several (`alias`)."""

    def __init__(self, name: str, records: Records, load: Load) -> None:
        self.name = name
        self.exchanges = {exchange: Exchange(exchange, kind) for exchange, kind in _PREDECLARED.items()}
        self.queues: dict[str, Queue] = {}
        self._records, self._load = records, load

    def alias(self, name: str) -> VirtualHost:
        """The same exchanges and queues under another name."""
        same = VirtualHost(name, self._records, self._load)
        same.exchanges, same.queues = self.exchanges, self.queues
        return same

    def exchange(self, name: str, kind: ExchangeKind) -> Exchange:
        """Add an exchange."""
        self.exchanges[name] = made = Exchange(name, kind)
        return made

    def queue(self, name: str, arguments: QueueArguments = PLAIN) -> Queue:
        """Add a durable queue."""
        made = Queue(self.name, name, arguments, self._records, self._load, self._dead_letter)
        self.queues[name] = made
        return made

    def delete(self, name: str) -> tuple[int, int]:
        """Delete a queue with its messages. Returns how many were ready and how many unacknowledged (0 when there is no
        such queue).

        Nothing of it is dead-lettered, as with RabbitMQ's `queue.delete`."""
        queue = self.queues.pop(name, None)
        if queue is None:
            return 0, 0
        for exchange in self.exchanges.values():
            exchange.unbind(queue)
        return queue.delete()

    def publish(self, message: Message, now: float) -> tuple[int, int]:
        """Put a message into every queue that its exchange and key reach. Returns how many it reached, and how many of
        them were full and did not take it.

        Raises KeyError for an exchange that does not exist.
        """
        queues = _targets(self.exchanges[message.exchange], message)
        if queues:
            message = self._load.settle(message)
        full = 0
        for queue in queues:
            if queue.refuses(message):
                full += 1
            else:
                queue.push(message, now)
        return len(queues), full

    def _dead_letter(self, queue: Queue, message: Message, reason: str, now: float) -> None:
        """Publish a message that died in `queue` to the dead-letter exchange, if there is one."""
        exchange = self.exchanges.get(queue.dead_letter_exchange or "")
        if exchange is None:
            return
        try:
            letter = dead_letter(message, exchange=exchange.name, queue=queue.name, reason=reason, now=now)
        except OSError as error:
            log.error("a message that died in queue '%s' is lost: %s", queue.name, error)
            return
        letter = self._load.settle(letter)
        for target in _targets(exchange, letter):
            if (reason == "rejected" or not in_cycle(letter, target.name)) and not target.refuses(letter):
                target.push(letter, now)


def _targets(exchange: Exchange, message: Message) -> tuple[Queue, ...]:
    """The queues that a message's routing keys reach, each once."""
    if not message.copies:
        return exchange.route(message.routing_key)
    found = (queue for key in (message.routing_key, *message.copies) for queue in exchange.route(key))
    return tuple(dict.fromkeys(found))


@dataclass
class Broker:
    """`octets`: source of randomness for the names that a server makes; `elapsed`: seconds of a monotonic clock, for
    clients' time limits; `on_refusal` is called with the user and the error of every channel or connection that the
    broker closes; `present`, `channels`: open connections and channels by user.
    """

    octets: Callable[[int], bytes]
    records: Records = field(default_factory=Records)
    load: Load = field(default_factory=Load)
    limits: Limits = field(default_factory=Limits)
    elapsed: Callable[[], float] = time.monotonic
    on_refusal: Callable[[str, ProtocolError], None] = lambda user, error: None
    vhosts: dict[str, VirtualHost] = field(default_factory=dict)
    aliases: dict[str, VirtualHost] = field(default_factory=dict)  # further names of virtual hosts
    present: Counter[str] = field(default_factory=Counter)
    channels: Counter[str] = field(default_factory=Counter)
    reply_addresses: set[str] = field(default_factory=set)  # addresses of the existing reply consumers
    _held_off: dict[Callable[[], None], None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.unfinished = Unfinished(self.limits)

    def vhost(self, name: str) -> VirtualHost:
        """Add a virtual host."""
        self.vhosts[name] = made = VirtualHost(name, self.records, self.load)
        return made

    def alias(self, name: str, of: VirtualHost) -> None:
        """Give a virtual host a further name."""
        self.aliases[name] = of.alias(name)

    def find_vhost(self, name: str) -> VirtualHost | None:
        """The virtual host of that name, None when there is none."""
        return self.vhosts.get(name) or self.aliases.get(name)

    def enter(self, user: str) -> None:
        """Count a connection of a user; `leave` undoes it. Raises ProtocolError 530 when there are too many."""
        if self.present[user] >= self.limits.connections:
            reason = f"user connection limit ({self.limits.connections}) is reached"
            raise ProtocolError(530, f"connection refused for user '{user}': {reason}")
        self.present[user] += 1

    def open_channel(self, user: str) -> None:
        """Count a channel of a user; `close_channels` undoes it. Raises ProtocolError 530 when there are too many."""
        if self.channels[user] >= self.limits.channels:
            reason = f"has reached the maximum allowed user limit of ({self.limits.channels})"
            raise ProtocolError(530, f"number of channels opened for user '{user}' {reason}", (0, 0))
        self.channels[user] += 1

    def close_channels(self, user: str, count: int) -> None:
        """Subtract that many channels from the count of a user."""
        self.channels[user] -= count
        if not self.channels[user]:
            del self.channels[user]

    def leave(self, user: str) -> None:
        """Subtract a connection from the count of a user."""
        self.present[user] -= 1
        if not self.present[user]:
            del self.present[user]

    def restore(self, alive: dict[int, Put]) -> int:
        """Fill the queues with the messages of a log. Returns the number of messages whose queue does not exist any
        more.

        Those are kept on disk: a later start with their client configured again finds them.
        """
        self.records.restore(alive)
        orphans = 0
        for put in alive.values():
            vhost = self.find_vhost(put.vhost)
            queue = vhost.queues.get(put.queue) if vhost is not None else None
            if queue is None:
                orphans += 1
            else:
                queue.restore(put)
        return orphans

    def tick(self, now: float) -> None:
        """Expire the due messages at the head of each queue, and notify those who wait until publishes are accepted."""
        if self._held_off and self.can_accept:
            held_off, self._held_off = self._held_off, {}
            for notify in held_off:
                notify()
        for vhost in self.vhosts.values():
            for queue in vhost.queues.values():
                if queue.ready:
                    queue.expire(now)

    def when_clear(self, notify: Callable[[], None]) -> None:
        """Call `notify` once publishes are accepted again."""
        self._held_off[notify] = None

    def forget(self, notify: Callable[[], None]) -> None:
        """Undo `when_clear`."""
        self._held_off.pop(notify, None)

    @property
    def alarm(self) -> str:
        """The reason why nothing is accepted, in RabbitMQ's words."""
        return "low on memory" if self.records.accepting else "low on disk"

    @property
    def can_accept(self) -> bool:
        """False while the disk refuses or memory is full: publishes are nacked."""
        return self.records.accepting and not self.load.full
