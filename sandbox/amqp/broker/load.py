"""How many octets of message bodies a broker holds, and where their contents are kept when there are many."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sandbox.amqp.broker.message import Message, Page


@dataclass(slots=True)
class Load:
    """Octets of message bodies that a broker holds, and the most that it may hold. Of these, `resident` are in memory;
    above `page_above` of them `write` puts a message's content elsewhere (None: it cannot, and the message stays)."""

    octets: int = 0
    most: int = 8 * 1024**3
    resident: int = 0
    resident_most: int = 512 * 1024**2
    page_above: int = 32 * 1024**2
    write: Callable[[bytes, bytes], Page | None] = lambda properties, body: None

    @property
    def full(self) -> bool:
        """Whether there is no room for another message."""
        return self.octets >= self.most or self.resident >= self.resident_most

    def settle(self, message: Message) -> Message:
        """The message as it is to be kept: itself, or with its content elsewhere when much is in memory."""
        if self.resident < self.page_above or message.page is not None:
            return message
        return message.paged(self.write(message.properties, message.body))

    def add(self, message: Message) -> None:
        """Count a message that a queue holds from now on."""
        here = len(message.body)
        self.octets += here or message.size
        self.resident += here

    def remove(self, message: Message) -> None:
        """Count a message that a queue no longer holds."""
        here = len(message.body)
        self.octets -= here or message.size
        self.resident -= here
