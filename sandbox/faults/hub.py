"""What can go wrong inside Hub Santé: faults of messages on their way, and of the hub itself.

Those of messages strike what the dispatcher was about to route; `client` narrows them to messages from or to one
client, `message` to one kind of message. They are decided here and carried out by the hub.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from sandbox.faults.base import Params, Place, number, text, whole
from sandbox.faults.hits import Hits
from sandbox.kernel.errors import refused
from sandbox.kernel.world import Fault, World

LONGEST = 600_000  # ms
MOST_COPIES = 20
SWAP_MS, DOWN_MS = 2_000, 500  # defaults
MESSAGES = ("create", "update", "ack", "error")
CODES = (100, 101, 102, 200, 300, 301, 400, 409, 500, 501, 600, 700, 701, 702, 703, 704)

_CLIENT = {"client": "only messages from or to this client id"}
_FILTERS = {**_CLIENT, "message": f"only messages of this kind: {', '.join(MESSAGES)}"}


@dataclass(frozen=True)
class HubKind:
    """One kind. `check` raises RequestError for what is wrong with the parameters beside the filters."""

    name: str
    own: Mapping[str, str] = field(default_factory=dict)
    check: Callable[[Params], object] = lambda params: None
    filters: Mapping[str, str] = field(default_factory=lambda: _FILTERS)
    place: Place = "hub"

    @property
    def params(self) -> Mapping[str, str]:
        """What each parameter means, for people."""
        return {**self.own, **self.filters}

    def validate(self, params: Params) -> None:
        """Raise RequestError when `params` cannot be used."""
        self.check(params)
        for name in self.filters:
            if name in params:
                text(params, name)
        if params.get("message", MESSAGES[0]) not in MESSAGES:
            wanted = ", ".join(MESSAGES)
            raise refused(f"'message' must be one of {wanted}", "faults.params.message", code="value")


def _code(params: Params) -> None:
    if whole(params, "code", CODES[0], CODES[-1]) not in CODES:
        raise refused(f"'code' must be one of {', '.join(map(str, CODES))}", "faults.params.code", code="value")
    if "cause" in params:
        text(params, "cause")


_MS = "milliseconds, 0 to " + str(LONGEST)
HUB_KINDS: tuple[HubKind, ...] = (
    HubKind("drop"),
    HubKind("delay", {"ms": f"how long the message waits: {_MS}"}, lambda params: number(params, "ms", 0, LONGEST)),
    HubKind(
        "duplicate",
        {"times": f"how often the message is delivered, 2 to {MOST_COPIES}; 2 when absent"},
        lambda params: whole(params, "times", 2, MOST_COPIES, 2),
    ),
    HubKind(
        "reorder",
        {"ms": f"how long it waits at most for the next message to overtake it: {_MS}; {SWAP_MS} when absent"},
        lambda params: number(params, "ms", 0, LONGEST, SWAP_MS),
    ),
    HubKind("corrupt"),
    HubKind("expire"),
    HubKind(
        "refuse", {"code": "error code of the hub, 100 to 704", "cause": "errorCause; a sentence when absent"}, _code
    ),
    HubKind(
        "disconnect",
        {"who": "client id whose connections are cut when a message passes"},
        lambda params: text(params, "who"),
    ),
    HubKind("pause", filters={}),
    HubKind(
        "restart",
        {"ms": f"how long the broker is away: {_MS}; {DOWN_MS} when absent"},
        lambda params: number(params, "ms", 0, LONGEST, DOWN_MS),
        filters={},
    ),
)
EMBEDDED_ONLY = frozenset(("disconnect", "restart"))  # no AMQP client can do that to a broker
_STATES = frozenset(("pause", "restart"))  # of the hub, not of a message


@dataclass(frozen=True, slots=True)
class Passing:
    """A message on its way: the client ids of both sides, and its kind (one of MESSAGES)."""

    parties: frozenset[str]
    message: str


class HubFaults:
    """The faults of the present World that concern the hub."""

    def __init__(self, chance: Callable[[], float]) -> None:
        self.chance = chance
        self._hits = Hits(chance)
        self._messages: tuple[Fault, ...] = ()
        self.paused = False
        self.restarts: tuple[Fault, ...] = ()

    def update(self, world: World) -> None:
        """Take the faults of a World."""
        own = tuple(fault for fault in world.faults if fault.target == "hub")
        known = frozenset(kind.name for kind in HUB_KINDS) - _STATES
        self._hits.update(world)
        self._messages = tuple(fault for fault in own if fault.kind in known)
        self.paused = any(fault.kind == "pause" for fault in own)
        self.restarts = tuple(fault for fault in own if fault.kind == "restart")

    def __bool__(self) -> bool:
        """Is there any fault of messages?"""
        return bool(self._messages)

    def strike(self, passing: Passing) -> Sequence[Fault]:
        """Those that strike a message, in the order in which they were made."""
        return [fault for fault in self._messages if _concerns(fault.params, passing) and self._hits.strikes(fault)]

    def hits(self) -> Mapping[str, int]:
        """How often each fault struck."""
        return MappingProxyType(self._hits.counts)


def _concerns(params: Params, passing: Passing) -> bool:
    return params.get("client", None) in (None, *passing.parties) and params.get("message") in (None, passing.message)
