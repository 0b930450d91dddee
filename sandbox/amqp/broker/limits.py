"""How much of the broker's resources clients may use, and the octets of unfinished messages by connection. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Protocol

from sandbox.amqp.errors import ProtocolError

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """What one broker allows.

    `message`: octets of a body (RabbitMQ's max_message_size); `ack_s`: seconds that a delivery may wait for its
    acknowledgement (consumer_timeout); `connections`, `channels`: open ones of one user (the user limits
    max-connections and max-channels); `consumers`: of one queue; `unfinished`: octets of contents that have begun to
    arrive and are not complete, on all connections together.
    """

    message: int = 16 * MIB
    ack_s: float = 1800.0
    connections: int = 200
    unfinished: int = 256 * MIB
    channels: int = 10_000
    consumers: int = 1000

    @property
    def unfinished_of_one(self) -> int:
        """The part of `unfinished` that one connection may use: two messages of the largest size."""
        return 2 * self.message


class Holder(Protocol):
    """A connection. `user`: the client's."""

    user: str

    def end(self, error: ProtocolError, now: float) -> None:
        """Close the connection with connection.close."""
        ...


class Unfinished:
    """Octets of contents that have begun to arrive and are not complete, by connection."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._held: Counter[Holder] = Counter()
        self.octets = 0

    def add(self, holder: Holder, octets: int) -> Holder | None:
        """Add octets of a connection. Returns the connection that must be closed for it, None when there is room.

        That is this one when it holds too much. When all together hold too much, it is the largest connection of the
        user who holds most.
        """
        self._held[holder] += octets
        self.octets += octets
        if self._held[holder] > self._limits.unfinished_of_one:
            return holder
        return self._largest() if self.octets > self._limits.unfinished else None

    def remove(self, holder: Holder, octets: int) -> None:
        """Remove octets that are complete, or that will never become complete."""
        self.octets -= octets
        self._held[holder] -= octets
        if not self._held[holder]:
            del self._held[holder]

    def _largest(self) -> Holder:
        users: Counter[str] = Counter()
        for holder, octets in self._held.items():
            users[holder.user] += octets
        ((user, _),) = users.most_common(1)
        return max((each for each in self._held if each.user == user), key=self._held.__getitem__)
