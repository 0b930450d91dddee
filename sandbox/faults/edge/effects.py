"""What a fault can do to an HTTP request and to its answer. Pure: `net.http.edge` carries it out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any, ClassVar

from sandbox.faults.kinds import FaultKind, Place

Message = MutableMapping[str, Any]  # an ASGI message of the answer: http.response.start or http.response.body


@dataclass(frozen=True, slots=True)
class Wait:
    """A pause of so many seconds, in which nothing is sent."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Cut:
    """Close the connection now. What was not sent before is never sent."""


Step = Message | Wait | Cut
Edit = Callable[[Message], Iterable[Step]]


@dataclass(frozen=True, slots=True)
class RequestEffect:
    """What happens to one request: wait `delay` seconds, then, with a `status`, answer it in the actor's place.

    `edit` gets each message of the answer as it is sent and says what takes its place: other messages, pauses, the end
    of the connection. A new one is made for each request, so it may keep state between the messages.
    """

    delay: float = 0.0
    status: int | None = None
    edit: Edit | None = None


class RequestFault(FaultKind):
    """A kind that the edge of an actor's HTTP ports carries out."""

    place: ClassVar[Place] = "edge"

    @abstractmethod
    def effect(self, chance: Callable[[], float]) -> RequestEffect:
        """What is done to one request; `chance()` gives a number in [0, 1)."""
