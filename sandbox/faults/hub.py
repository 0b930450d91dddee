"""Faults inside Hub Santé: those that affect messages, and those of the hub itself.

Faults of messages apply to what the dispatcher is about to route; `client` narrows them to messages from or to one
client, `message` to one kind of message. They are decided here; the hub carries them out (`MessageInHub`, `HubState`).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, ClassVar, Literal, Protocol, get_args

from msgspec import UNSET, Meta, UnsetType

from sandbox.faults.counter import HitCounter
from sandbox.faults.kinds import ActiveFault, FaultKind, Place, readable_faults, register
from sandbox.faults.parameters import Text, about
from sandbox.kernel.world import World

LONGEST = 600_000  # ms
MOST_COPIES = 20
MessageKind = Literal["create", "update", "ack", "error"]
ErrorCode = Literal[100, 101, 102, 200, 300, 301, 400, 409, 500, 501, 600, 700, 701, 702, 703, 704]
MESSAGES: tuple[str, ...] = get_args(MessageKind)

_MS = "milliseconds, 0 to " + str(LONGEST)
_Ms = Annotated[float, Meta(ge=0, le=LONGEST)]


class MessageInHub(Protocol):
    """A message that is about to be routed; its methods are what a fault can do to it."""

    def lose(self) -> None:
        """Do not deliver it."""

    def copy(self, times: int) -> None:
        """Deliver it `times` times."""

    def hold(self, seconds: float) -> None:
        """Delay it."""

    def let_overtake(self, seconds: float) -> None:
        """Hold it until the next message has passed it, or for so many seconds at most."""

    def corrupt(self) -> None:
        """Truncate its body."""

    def expire(self) -> None:
        """Send its sender the error 500, as if the message had waited in the recipient's queue until it expired."""

    def refuse(self, code: int, cause: str) -> None:
        """Send its sender this error. With an empty cause the hub writes its own."""

    def disconnect(self, client: str) -> None:
        """Close the connections of this client once the message has been routed."""


@dataclass(slots=True)
class HubState:
    """The effect of faults on the hub itself. `restarts`: by id of the fault, how many seconds the broker is away."""

    paused: bool = False
    restarts: dict[str, float] = field(default_factory=dict)


class MessageFault(FaultKind, kw_only=True):
    """A kind that applies to messages."""

    place: ClassVar[Place] = "hub"
    filters: ClassVar[tuple[str, ...]] = ("client", "message")

    client: Annotated[
        Text | UnsetType, about("only messages from or to this client id", "Seulement les messages de ou pour")
    ] = UNSET
    message: Annotated[
        MessageKind | UnsetType,
        about(
            f"only messages of this kind: {', '.join(MESSAGES)}",
            "Seulement les messages de cette sorte",
            choices={
                "create": "les créations",
                "update": "les mises à jour",
                "ack": "les acquittements",
                "error": "les erreurs",
            },
        ),
    ] = UNSET

    @abstractmethod
    def effect(self, message: MessageInHub) -> None:
        """Change what becomes of one message."""


class HubStateFault(FaultKind):
    """A kind that applies to the hub as a whole."""

    place: ClassVar[Place] = "hub"

    @abstractmethod
    def effect(self, state: HubState, fault_id: str) -> None:
        """Change the state of the hub for as long as the fault is there."""


@register
class Drop(MessageFault):
    """A message is lost, nobody is informed."""

    name: ClassVar[str] = "drop"
    sentence: ClassVar[str] = "Le message est perdu, personne n'en est averti."

    def effect(self, message: MessageInHub) -> None:
        """Lose it."""
        message.lose()


@register
class Delay(MessageFault):
    """A message is delivered later."""

    name: ClassVar[str] = "delay"
    sentence: ClassVar[str] = "Le message est distribué plus tard."

    ms: Annotated[_Ms, about(f"how long the message waits: {_MS}", "Retard, en ms", example="5000")]

    def effect(self, message: MessageInHub) -> None:
        """Hold it for `ms`."""
        message.hold(self.ms / 1000)


@register
class Duplicate(MessageFault):
    """A message is delivered several times."""

    name: ClassVar[str] = "duplicate"
    sentence: ClassVar[str] = "Le message est distribué plusieurs fois."

    times: Annotated[
        int,
        Meta(ge=2, le=MOST_COPIES),
        about(f"how often the message is delivered, 2 to {MOST_COPIES}; 2 when absent", "Nombre de fois", example="2"),
    ] = 2

    def effect(self, message: MessageInHub) -> None:
        """Deliver it `times` times."""
        message.copy(self.times)


@register
class Reorder(MessageFault):
    """The next message overtakes this one."""

    name: ClassVar[str] = "reorder"
    sentence: ClassVar[str] = "Le message suivant passe devant."

    ms: Annotated[
        _Ms,
        about(
            f"how long it waits at most for the next message to overtake it: {_MS}; 2000 when absent",
            "Attente au plus, en ms",
            example="2000",
        ),
    ] = 2_000.0

    def effect(self, message: MessageInHub) -> None:
        """Let the next one pass, or stop waiting after `ms`."""
        message.let_overtake(self.ms / 1000)


@register
class Corrupt(MessageFault):
    """The body of a message is cut short: neither JSON nor XML any more."""

    name: ClassVar[str] = "corrupt"
    sentence: ClassVar[str] = "Le message arrive abîmé, il n'est plus lisible."

    def effect(self, message: MessageInHub) -> None:
        """Cut it short."""
        message.corrupt()


@register
class Expire(MessageFault):
    """A message dies as if it had not been read in time."""

    name: ClassVar[str] = "expire"
    sentence: ClassVar[str] = "Le message périme en file, son expéditeur reçoit l'erreur 500."

    def effect(self, message: MessageInHub) -> None:
        """Answer 500 to its sender."""
        message.expire()


@register
class Refuse(MessageFault):
    """A message is refused with an error of the hub."""

    name: ClassVar[str] = "refuse"
    sentence: ClassVar[str] = "Le hub refuse le message par une erreur."

    code: Annotated[ErrorCode, about("error code of the hub, 100 to 704", "Code de l'erreur", example="300")]
    cause: Annotated[Text | UnsetType, about("errorCause; a sentence when absent", "Cause de l'erreur")] = UNSET

    def effect(self, message: MessageInHub) -> None:
        """Answer the error to its sender."""
        message.refuse(self.code, self.cause or "")


@register
class Disconnect(MessageFault):
    """The connections of a client are cut when a message passes."""

    name: ClassVar[str] = "disconnect"
    sentence: ClassVar[str] = "Les connexions d'un client sont coupées au passage d'un message."
    embedded_only: ClassVar[bool] = True

    who: Annotated[
        Text, about("client id whose connections are cut when a message passes", "Client dont on coupe les connexions")
    ]

    def effect(self, message: MessageInHub) -> None:
        """Cut them."""
        message.disconnect(self.who)


@register
class Pause(HubStateFault):
    """The hub takes messages and delivers none."""

    name: ClassVar[str] = "pause"
    sentence: ClassVar[str] = "Le hub ne distribue plus rien."

    def effect(self, state: HubState, fault_id: str) -> None:
        """Pause the hub."""
        state.paused = True


@register
class Restart(HubStateFault):
    """The broker goes away once and comes back."""

    name: ClassVar[str] = "restart"
    sentence: ClassVar[str] = "Le broker redémarre, une fois."
    embedded_only: ClassVar[bool] = True

    ms: Annotated[
        _Ms, about(f"how long the broker is away: {_MS}; 500 when absent", "Durée de l'absence, en ms", example="500")
    ] = 500.0

    def effect(self, state: HubState, fault_id: str) -> None:
        """Ask for a restart."""
        state.restarts[fault_id] = self.ms / 1000


@dataclass(frozen=True, slots=True)
class Route:
    """The sender and the recipient of a message (client ids), and its kind (one of MESSAGES)."""

    parties: frozenset[str]
    message: str


class HubFaults:
    """The faults of the present World that concern the hub."""

    def __init__(self, chance: Callable[[], float]) -> None:
        self.chance = chance
        self._hits = HitCounter(chance)
        self._messages: list[ActiveFault[MessageFault]] = []
        self._state = HubState()

    @property
    def paused(self) -> bool:
        """Whether nothing is to be delivered."""
        return self._state.paused

    @property
    def restarts(self) -> Mapping[str, float]:
        """By id of the fault: how many seconds the broker is to be away."""
        return self._state.restarts

    def update(self, world: World) -> None:
        """Take the faults of a World."""
        self._hits.update(world)
        self._messages, self._state = [], HubState()
        for fault, kind in readable_faults(world):
            if fault.target != "hub":
                continue
            if isinstance(kind, MessageFault):
                self._messages.append(ActiveFault(fault, kind))
            elif isinstance(kind, HubStateFault):
                kind.effect(self._state, fault.id)

    def __bool__(self) -> bool:
        """Is there any fault of messages?"""
        return bool(self._messages)

    def apply(self, route: Route) -> Sequence[ActiveFault[MessageFault]]:
        """The faults that apply to a message, in the order in which they were made."""
        return [each for each in self._messages if _matches(each.kind, route) and self._hits.applies(each.fault)]

    def hits(self) -> Mapping[str, int]:
        """How often each fault was applied."""
        return MappingProxyType(self._hits.counts)


def _matches(kind: MessageFault, route: Route) -> bool:
    if kind.client is not UNSET and kind.client not in route.parties:
        return False
    return kind.message is UNSET or kind.message == route.message
