"""What a kind of fault is, and the table of the kinds that exist.

A kind is a class: its fields are its parameters (`faults.parameters`), its method `effect` is what it does. `register`
takes no class without one. Three bases say where a fault is carried out and what `effect` gets: `faults.edge.effects`
(the HTTP ports of an actor), `faults.hub` and `faults.lrm`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Generic, Literal, TypeVar

import msgspec

from sandbox.faults.parameters import Params, parameters, read
from sandbox.kernel.errors import RequestError
from sandbox.kernel.world import Fault, World

Place = Literal["edge", "hub", "lrm"]  # who carries a fault out: the edge of an HTTP port, the hub, an LRM


class FaultKind(msgspec.Struct, forbid_unknown_fields=True):
    """A kind; an instance has the parameters of one fault.

    `name`: as the admin API calls it; `sentence`: what it does, in French, for pages; `filters`: those of the
    parameters that narrow the messages concerned; `embedded_only`: only the embedded broker can carry it out.
    """

    name: ClassVar[str]
    sentence: ClassVar[str]
    place: ClassVar[Place]
    filters: ClassVar[tuple[str, ...]] = ()
    embedded_only: ClassVar[bool] = False

    def check(self) -> None:
        """Raise RequestError 422 for parameters that do not fit each other."""

    @classmethod
    def texts(cls) -> Mapping[str, str]:
        """What each parameter means, in English, the filters last."""
        return {each.name: each.text for each in parameters(cls)}


K = TypeVar("K", bound=FaultKind)

KINDS: dict[str, type[FaultKind]] = {}
"""All kinds by name; `register` adds to it."""


def register(kind: type[K]) -> type[K]:
    """Add a kind to KINDS. Raises TypeError: it has no effect, no sentence, a name that is taken, or a parameter
    that `faults.parameters` does not accept."""
    effect = getattr(kind, "effect", None)
    if effect is None or getattr(effect, "__isabstractmethod__", False):
        raise TypeError(f"{kind.__name__} has no effect")
    if not getattr(kind, "sentence", ""):
        raise TypeError(f"{kind.__name__} has no sentence")
    if kind.name in KINDS:
        raise TypeError(f"the kind '{kind.name}' exists already")
    parameters(kind)
    KINDS[kind.name] = kind
    return kind


def kinds_at(place: Place) -> dict[str, type[FaultKind]]:
    """The kinds that are carried out there, by name."""
    return {name: kind for name, kind in KINDS.items() if kind.place == place}


def with_parameters(kind: type[K], params: Params) -> K:
    """A kind with the parameters of a fault. Raises RequestError (see `parameters.read`)."""
    made = read(kind, params)
    made.check()
    return made


@dataclass(frozen=True, slots=True)
class ActiveFault(Generic[K]):
    """A fault of the World with its typed parameters."""

    fault: Fault
    kind: K


def readable_faults(world: World) -> Iterator[tuple[Fault, FaultKind]]:
    """The faults of a World with their typed parameters, in the order in which they were made.

    What this process cannot read is left out: a control plane of a newer version may know more kinds and parameters.
    """
    for fault in world.faults:
        kind = KINDS.get(fault.kind)
        if kind is None:
            continue
        try:
            yield fault, with_parameters(kind, fault.params)
        except RequestError:
            continue
