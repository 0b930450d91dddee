"""What an LRM can get wrong, or do slowly, with the messages that it is sent: behaviours that are switched on and off.

Each is a fault of the World whose target is `lrm:<client id>`; `message` narrows it to one kind of message. They are
decided here and carried out by the LRM (`lrm.manners` says what each means for one message).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from sandbox.faults.base import Params, Place, number, text, whole
from sandbox.faults.hits import Hits
from sandbox.faults.hub import CODES
from sandbox.kernel.errors import refused
from sandbox.kernel.world import Fault, World

LONGEST_MS = 600_000
MESSAGES = ("create", "update", "cancel")
STEPS = ("RECU", "INTEGRE", "CONSULTE")
BEFORE, DURING, AFTER = MOMENTS = ("before", "during", "after")
DEAF = "lrm-deaf"

_FILTER = {"message": f"only messages of this kind: {', '.join(MESSAGES)}"}


@dataclass(frozen=True)
class LrmKind:
    """One kind. `sentence`: what it does, for people; `check` raises RequestError for what is wrong with the
    parameters beside the filter."""

    name: str
    sentence: str
    own: Mapping[str, str] = field(default_factory=dict)
    check: Callable[[Params], object] = lambda params: None
    filters: Mapping[str, str] = field(default_factory=lambda: _FILTER)
    place: Place = "lrm"

    @property
    def params(self) -> Mapping[str, str]:
        """What each parameter means, for people."""
        return {**self.own, **self.filters}

    def validate(self, params: Params) -> None:
        """Raise RequestError when `params` cannot be used."""
        self.check(params)
        if params.get("message", MESSAGES[0]) not in MESSAGES:
            wanted = ", ".join(MESSAGES)
            raise refused(f"'message' must be one of {wanted}", "faults.params.message", code="value")


def _delay(params: Params) -> None:
    median = number(params, "median_ms", 1, LONGEST_MS)
    number(params, "p95_ms", median, LONGEST_MS)


def _code(params: Params) -> None:
    if whole(params, "code", CODES[0], CODES[-1]) not in CODES:
        raise refused(f"'code' must be one of {', '.join(map(str, CODES))}", "faults.params.code", code="value")
    if "cause" in params:
        text(params, "cause")
    if not isinstance(params.get("ack", False), bool):
        raise refused("'ack' must be true or false", "faults.params.ack", code="value")


def _steps(params: Params) -> None:
    unknown = [step for step in steps_of(params) if step not in STEPS]
    if unknown:
        raise refused(f"'steps' must be among {', '.join(STEPS)} or none", "faults.params.steps", code="value")


def steps_of(params: Params) -> tuple[str, ...]:
    """The steps of an `ack-steps`; none: one acknowledgement that has no step.

    >>> steps_of({"steps": "RECU,INTEGRE"}), steps_of({"steps": "none"})
    (('RECU', 'INTEGRE'), ())
    """
    words = tuple(word.strip() for word in text(params, "steps").split(","))
    return () if words == ("none",) else words


def _when(params: Params) -> None:
    if text(params, "when") not in MOMENTS:
        raise refused(f"'when' must be one of {', '.join(MOMENTS)}", "faults.params.when", code="value")


_MS = f"milliseconds, 1 to {LONGEST_MS}"
LRM_KINDS: tuple[LrmKind, ...] = (
    LrmKind(
        "ack-delay",
        "L'acquittement part après un délai (loi log-normale).",
        {"median_ms": f"half of the delays are shorter: {_MS}", "p95_ms": "19 of 20 delays are shorter"},
        _delay,
    ),
    LrmKind("ack-by-hand", "L'acquittement attend qu'une personne l'envoie depuis la page du LRM."),
    LrmKind("ack-never", "Le message est enregistré, aucun acquittement ne part."),
    LrmKind(
        "ack-refused",
        "Le message est refusé par une erreur, rien n'est enregistré.",
        {
            "code": "error code, 100 to 704",
            "cause": "errorCause; a sentence when absent",
            "ack": "true: a final acknowledgement with refused=true follows the error",
        },
        _code,
    ),
    LrmKind("ack-conflict", "Le message est enregistré, mais la réponse est l'erreur 409 CONFLICT, à tort."),
    LrmKind("ack-wrong-reference", "L'acquittement désigne un distributionID que personne n'a envoyé."),
    LrmKind("ack-twice", "L'acquittement part deux fois."),
    LrmKind("ack-invalid", "L'acquittement ne respecte pas le schéma RC-REF."),
    LrmKind(
        "ack-steps",
        "Un acquittement part par étape choisie ; CONSULTE quand un régulateur ouvre l'orientation.",
        {"steps": f"{', '.join(STEPS)}, comma-separated; none: an acknowledgement without step"},
        _steps,
    ),
    LrmKind(
        "lrm-disconnect",
        "La connexion au Hub est coupée avant, pendant ou après l'enregistrement.",
        {"when": "before, during, after: in relation to storing"},
        _when,
    ),
    LrmKind(DEAF, "Le LRM ne lit plus sa file de messages : ils y expirent.", filters={}),
)


class LrmFaults:
    """The behaviours of one LRM in the present World."""

    def __init__(self, client_id: str, chance: Callable[[], float]) -> None:
        self.target, self.chance = f"lrm:{client_id}", chance
        self._hits = Hits(chance)
        self._messages: tuple[Fault, ...] = ()
        self.deaf = False

    def update(self, world: World) -> None:
        """Take the faults of a World."""
        known = frozenset(kind.name for kind in LRM_KINDS)
        own = tuple(fault for fault in world.faults if fault.target == self.target and fault.kind in known)
        self._hits.update(world)
        self._messages = tuple(fault for fault in own if fault.kind != DEAF)
        self.deaf = len(own) > len(self._messages)

    def strike(self, message: str) -> Sequence[Fault]:
        """Those that strike a message of this kind, in the order in which they were made."""
        return [fault for fault in self._messages if _concerns(fault, message) and self._hits.strikes(fault)]

    def wants_step(self, step: str) -> bool:
        """Does any behaviour send acknowledgements of this step?"""
        return any(fault.kind == "ack-steps" and step in steps_of(fault.params) for fault in self._messages)

    def hits(self) -> Mapping[str, int]:
        """How often each fault struck."""
        return MappingProxyType(self._hits.counts)


def _concerns(fault: Fault, message: str) -> bool:
    return fault.params.get("message") in (None, message)
