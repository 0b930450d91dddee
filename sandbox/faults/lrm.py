"""Behaviours of an LRM that can be switched on and off: wrong or slow handling of the messages that it receives.

Each is a fault of the World whose target is `lrm:<client id>`; `message` narrows it to one kind of message. Their
effect on one message is a `Handling`, which the LRM carries out.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Annotated, ClassVar, Literal, get_args

from msgspec import UNSET, Meta, UnsetType

from sandbox.faults.counter import HitCounter
from sandbox.faults.hub import ErrorCode
from sandbox.faults.kinds import ActiveFault, FaultKind, Place, readable_faults, register
from sandbox.faults.parameters import Text, about, require_between
from sandbox.kernel.character import LONGEST_MS
from sandbox.kernel.character import Delay as LogNormalDelay
from sandbox.kernel.errors import refused
from sandbox.kernel.world import World

MessageKind = Literal["create", "update", "cancel"]
Moment = Literal["before", "during", "after"]
MESSAGES: tuple[str, ...] = get_args(MessageKind)
BEFORE, DURING, AFTER = ("before", "during", "after")
STEPS = ("RECU", "INTEGRE", "CONSULTE")
_, INTEGRATED, CONSULTED = STEPS
CONFLICT = 409

_MS = f"milliseconds, 1 to {LONGEST_MS}"
_Ms = Annotated[float, Meta(ge=1, le=LONGEST_MS)]


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error instead of the acknowledgement. `acknowledged`: an Ack with refused=true follows it."""

    code: int
    cause: str
    acknowledged: bool = False


@dataclass(frozen=True, slots=True)
class Handling:
    """How one message is dealt with. `steps`: of the acknowledgements, None: one without step; `delay` in seconds;
    `held`: a person sends the acknowledgement; `cut`: when the connection breaks (before, during, after storing),
    empty: it holds; `faults`: ids of the faults that apply, joined by commas.
    """

    stores: bool = True
    refusal: Refusal | None = None
    steps: tuple[str | None, ...] = (INTEGRATED,)
    delay: float = 0.0
    held: bool = False
    right_reference: bool = True
    valid: bool = True
    cut: str = ""
    faults: str = ""


PLAIN = Handling()
"""Without any behaviour a message is stored and acknowledged at once, with the step INTEGRE."""


class HandlingFault(FaultKind, kw_only=True):
    """A kind that changes how messages are dealt with."""

    place: ClassVar[Place] = "lrm"
    filters: ClassVar[tuple[str, ...]] = ("message",)

    message: Annotated[
        MessageKind | UnsetType,
        about(
            f"only messages of this kind: {', '.join(MESSAGES)}",
            "Pour quels messages",
            choices={"create": "les créations", "update": "les mises à jour", "cancel": "les annulations"},
        ),
    ] = UNSET

    @abstractmethod
    def effect(self, handling: Handling, chance: Callable[[], float]) -> Handling:
        """How a message is dealt with that would have been dealt with like that; `chance()` gives a number in
        [0, 1)."""


class LrmStateFault(FaultKind):
    """A kind that applies to the LRM as a whole."""

    place: ClassVar[Place] = "lrm"

    @abstractmethod
    def effect(self, state: LrmState) -> None:
        """Change the state of the LRM for as long as the fault is there."""


@dataclass(slots=True)
class LrmState:
    """The effect of faults on the LRM itself. `deaf`: it does not read its queue of messages."""

    deaf: bool = False


@register
class AckDelay(HandlingFault):
    """The acknowledgement is sent after a log-normal delay."""

    name: ClassVar[str] = "ack-delay"
    sentence: ClassVar[str] = "L'acquittement part après un délai (loi log-normale)."

    median_ms: Annotated[_Ms, about(f"half of the delays are shorter: {_MS}", "Délai médian, en ms", example="500")]
    p95_ms: Annotated[_Ms, about("19 of 20 delays are shorter", "Délai au 95ᵉ centile, en ms", example="2000")]

    def check(self) -> None:
        """Raise RequestError 422 when the 95th percentile is under the median."""
        require_between("p95_ms", self.p95_ms, self.median_ms, LONGEST_MS)

    def effect(self, handling: Handling, chance: Callable[[], float]) -> Handling:
        """Wait so much longer."""
        drawn = LogNormalDelay(self.median_ms, self.p95_ms).drawn(chance())
        return replace(handling, delay=handling.delay + drawn)


@register
class AckByHand(HandlingFault):
    """The acknowledgement waits until a person sends it."""

    name: ClassVar[str] = "ack-by-hand"
    sentence: ClassVar[str] = "L'acquittement attend qu'une personne l'envoie depuis la page du LRM."

    def effect(self, handling: Handling, chance: Callable[[], float]) -> Handling:
        """Hold it."""
        return replace(handling, held=True)


@register
class AckNever(HandlingFault):
    """No acknowledgement is sent."""

    name: ClassVar[str] = "ack-never"
    sentence: ClassVar[str] = "Le message est enregistré, aucun acquittement ne part."

    def effect(self, handling: Handling, chance: Callable[[], float]) -> Handling:
        """Answer nothing."""
        return replace(handling, steps=())


@register
class AckRefused(HandlingFault):
    """A message is answered with an error and not stored."""

    name: ClassVar[str] = "ack-refused"
    sentence: ClassVar[str] = "Le message est refusé par une erreur, rien n'est enregistré."

    code: Annotated[ErrorCode, about("error code, 100 to 704", "Code de refus", example="300")]
    cause: Annotated[Text | UnsetType, about("errorCause; a sentence when absent", "Cause du refus")] = UNSET
    ack: Annotated[
        bool,
        about(
            "true: a final acknowledgement with refused=true follows the error",
            "Un refus est suivi d'un acquittement « refused »",
        ),
    ] = False

    def effect(self, handling: Handling, chance: Callable[[], float]) -> Handling:
        """Refuse it."""
        cause = self.cause or "refused by the LRM (simulated behaviour)"
        return replace(handling, stores=False, refusal=Refusal(self.code, cause, self.ack))


@register
class AckConflict(HandlingFault):
    """A message is stored, and answered with 409 all the same."""

    name: ClassVar[str] = "ack-conflict"
    sentence: ClassVar[str] = "Le message est enregistré, mais la réponse est l'erreur 409 CONFLICT, à tort."

    def effect(self, handling: Handling, chance: Callable[[], float]) -> Handling:
        """Store it and answer 409."""
        refusal = Refusal(CONFLICT, "the appointment already exists (simulated behaviour)")
        return replace(handling, stores=True, refusal=refusal)


@register
class AckWrongReference(HandlingFault):
    """The acknowledgement names a message that does not exist."""

    name: ClassVar[str] = "ack-wrong-reference"
    sentence: ClassVar[str] = "L'acquittement désigne un distributionID que personne n'a envoyé."

    def effect(self, handling: Handling, chance: Callable[[], float]) -> Handling:
        """Name another message."""
        return replace(handling, right_reference=False)


@register
class AckTwice(HandlingFault):
    """The acknowledgement is sent twice."""

    name: ClassVar[str] = "ack-twice"
    sentence: ClassVar[str] = "L'acquittement part deux fois."

    def effect(self, handling: Handling, chance: Callable[[], float]) -> Handling:
        """Send it again."""
        return replace(handling, steps=handling.steps * 2)


@register
class AckInvalid(HandlingFault):
    """The acknowledgement violates its schema."""

    name: ClassVar[str] = "ack-invalid"
    sentence: ClassVar[str] = "L'acquittement ne respecte pas le schéma RC-REF."

    def effect(self, handling: Handling, chance: Callable[[], float]) -> Handling:
        """Make it invalid."""
        return replace(handling, valid=False)


@register
class AckSteps(HandlingFault):
    """An acknowledgement is sent for each of the chosen steps."""

    name: ClassVar[str] = "ack-steps"
    sentence: ClassVar[str] = (
        "Un acquittement part par étape choisie ; CONSULTE quand un régulateur ouvre l'orientation."
    )

    steps: Annotated[
        Text,
        about(
            f"{', '.join(STEPS)}, comma-separated; none: an acknowledgement without step",
            "Étapes acquittées",
            example=",".join(STEPS),
        ),
    ]

    def chosen(self) -> tuple[str, ...]:
        """The steps; none: one acknowledgement that has no step.

        >>> AckSteps(steps="RECU, INTEGRE").chosen(), AckSteps(steps="none").chosen()
        (('RECU', 'INTEGRE'), ())
        """
        words = tuple(word.strip() for word in self.steps.split(","))
        return () if words == ("none",) else words

    def check(self) -> None:
        """Raise RequestError 422 for a step that there is not."""
        if any(step not in STEPS for step in self.chosen()):
            detail = f"'steps' must be among {', '.join(STEPS)} or none"
            raise refused(detail, "faults.params.steps", code="value")

    def effect(self, handling: Handling, chance: Callable[[], float]) -> Handling:
        """Acknowledge the steps that are reached at once."""
        steps = self.chosen()
        at_once = tuple(step for step in steps if step != CONSULTED)
        return replace(handling, steps=at_once if steps else (None,))


@register
class LrmDisconnect(HandlingFault):
    """The connection to the hub breaks while a message is dealt with."""

    name: ClassVar[str] = "lrm-disconnect"
    sentence: ClassVar[str] = "La connexion au Hub est coupée avant, pendant ou après l'enregistrement."

    when: Annotated[
        Moment,
        about(
            "before, during, after: in relation to storing",
            "Moment de la coupure",
            choices={BEFORE: "avant l'enregistrement", DURING: "pendant", AFTER: "après"},
        ),
    ]

    def effect(self, handling: Handling, chance: Callable[[], float]) -> Handling:
        """Break it then."""
        return replace(handling, cut=self.when)


@register
class LrmDeaf(LrmStateFault):
    """The LRM does not read its messages: they expire in its queue."""

    name: ClassVar[str] = "lrm-deaf"
    sentence: ClassVar[str] = "Le LRM ne lit plus sa file de messages : ils y expirent."

    def effect(self, state: LrmState) -> None:
        """Stop reading."""
        state.deaf = True


class LrmFaults:
    """The behaviours of one LRM in the present World."""

    def __init__(self, client_id: str, chance: Callable[[], float]) -> None:
        self.target, self._chance = f"lrm:{client_id}", chance
        self._hits = HitCounter(chance)
        self._messages: list[ActiveFault[HandlingFault]] = []
        self._state = LrmState()

    @property
    def deaf(self) -> bool:
        """Whether the LRM leaves its queue of messages unread."""
        return self._state.deaf

    def update(self, world: World) -> None:
        """Take the faults of a World."""
        self._hits.update(world)
        self._messages, self._state = [], LrmState()
        for fault, kind in readable_faults(world):
            if fault.target != self.target:
                continue
            if isinstance(kind, HandlingFault):
                self._messages.append(ActiveFault(fault, kind))
            elif isinstance(kind, LrmStateFault):
                kind.effect(self._state)

    def handling(self, message: str) -> Handling:
        """How a message of this kind (one of MESSAGES) is dealt with; of two contradictory behaviours the later one
        applies."""
        applied = self._applied(message)
        handling = PLAIN
        for each in applied:
            handling = each.kind.effect(handling, self._chance)
        return replace(handling, faults=",".join(each.fault.id for each in applied)) if applied else handling

    def wants_step(self, step: str) -> bool:
        """Whether any behaviour sends acknowledgements of this step."""
        return any(isinstance(each.kind, AckSteps) and step in each.kind.chosen() for each in self._messages)

    def hits(self) -> Mapping[str, int]:
        """How often each fault was applied."""
        return MappingProxyType(self._hits.counts)

    def _applied(self, message: str) -> Sequence[ActiveFault[HandlingFault]]:
        return [
            each for each in self._messages if each.kind.message in (UNSET, message) and self._hits.applies(each.fault)
        ]
