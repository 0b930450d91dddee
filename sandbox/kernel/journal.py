"""The journal of a role: one Exchange per request and answer, or per message, good or bad.

`ActorJournal` writes the exchanges of one actor into the `Journal` of its role.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TypedDict, Unpack

import msgspec

from sandbox.kernel.clock import Clock


class Exchange(msgspec.Struct, frozen=True, omit_defaults=True):
    """One exchange as the edge of one actor saw it. Never carries a body, a secret or a patient.

    `at`: sandbox time, epoch seconds; `actor`: who journalled it (`sas`, `editor:agenda-azur`, `hub`, …);
    `peer`: the other side, as far as known; `direction`: `in` (we served) or `out` (we called);
    `action`: e.g. `GET /agenda-azur/fhir/Slot` or `publish hubsante`; `status`: HTTP status, Hub error code or 0;
    `ms`: duration; `size`: octets of the answer or message; `note`: what a reader should know;
    `fault`: id of the fault that touched it; `ref`: correlation (distributionID, appointment identifier); `about`: what
    a message of the hub is about (appointmentId; for an acknowledgement or error: the distributionID that it answers).
    """

    at: float
    actor: str
    flow: str
    direction: str
    action: str
    peer: str = ""
    status: int = 0
    ms: float = 0.0
    size: int = 0
    note: str = ""
    fault: str = ""
    ref: str = ""
    about: str = ""


class Journal:
    """Bounded buffer between the actors of a role and its link: `put` never blocks, overflow is counted."""

    def __init__(self, capacity: int = 10_000) -> None:
        self._waiting: deque[Exchange] = deque()
        self._capacity = capacity
        self.dropped = 0
        self.on_put: Callable[[], None] | None = None

    def put(self, exchange: Exchange) -> None:
        """Take one exchange; when the buffer is full it is counted in `dropped` instead."""
        if len(self._waiting) >= self._capacity:
            self.dropped += 1
            return
        self._waiting.append(exchange)
        if self.on_put is not None:
            self.on_put()

    @property
    def waiting(self) -> int:
        """How many exchanges wait to be taken."""
        return len(self._waiting)

    def take(self, most: int = 500) -> list[Exchange]:
        """At most `most` waiting exchanges, oldest first; they are the caller's now."""
        count = min(most, len(self._waiting))
        return [self._waiting.popleft() for _ in range(count)]


class Details(TypedDict, total=False):
    """What an exchange has besides the facts that each has; the names are those of `Exchange`."""

    status: int
    ms: float
    size: int
    note: str
    fault: str
    ref: str
    about: str


class ActorJournal:
    """Journals the exchanges of one actor at the present sandbox time.

    The edge of an HTTP port makes its exchanges itself: it serves several actors, and each call counts there.
    """

    def __init__(self, journal: Journal, clock: Clock, actor: str) -> None:
        self._journal, self._clock, self._actor = journal, clock, actor

    def received(self, flow: str, action: str, peer: str, **details: Unpack[Details]) -> None:
        """Journal what came in from `peer`."""
        self._journal.put(Exchange(self._clock.time(), self._actor, flow, "in", action, peer, **details))

    def sent(self, flow: str, action: str, peer: str, **details: Unpack[Details]) -> None:
        """Journal what went out to `peer`, or should have."""
        self._journal.put(Exchange(self._clock.time(), self._actor, flow, "out", action, peer, **details))
