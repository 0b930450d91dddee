"""The common faults of the hub, which its page offers ready to start. The page « Pannes » has all kinds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sandbox.control.world.worlds import FaultRequest
from sandbox.faults.kinds import KINDS
from sandbox.faults.parameters import Value
from sandbox.kernel.errors import refused


@dataclass(frozen=True, slots=True)
class Offer:
    """A fault that is ready to start. `narrow`: it can be limited to the messages of one client."""

    name: str
    label: str
    kind: str
    params: Mapping[str, Value] = field(default_factory=dict)
    count: int | None = None
    narrow: bool = True


OFFERS: tuple[Offer, ...] = (
    Offer("pause", "Ne plus rien distribuer", "pause", narrow=False),
    Offer("delay", "Retarder chaque message de 5 s", "delay", {"ms": 5000}),
    Offer("drop", "Perdre le prochain message", "drop", count=1),
    Offer("duplicate", "Distribuer deux fois le prochain message", "duplicate", count=1),
    Offer("reorder", "Laisser le prochain message se faire doubler", "reorder", count=1),
    Offer("corrupt", "Abîmer le prochain message", "corrupt", count=1),
    Offer("expire", "Laisser périmer le prochain message (500)", "expire", count=1),
    Offer("refuse", "Refuser le prochain message (300)", "refuse", {"code": 300}, count=1),
    Offer("restart", "Redémarrer le broker", "restart", narrow=False),
)


def offers(embedded: bool) -> list[Offer]:
    """The offers that this hub supports."""
    return [offer for offer in OFFERS if embedded or not KINDS[offer.kind].embedded_only]


def request_of(name: str, client: str, embedded: bool) -> FaultRequest:
    """The request that starts the fault of an offer. Raises RequestError 422 for an unknown offer."""
    offer = next((offer for offer in offers(embedded) if offer.name == name), None)
    if offer is None:
        raise refused(f"« {name} » n'est pas une panne de cette page", "panne", code="value")
    params = dict(offer.params)
    if offer.narrow and client:
        params["client"] = client
    return FaultRequest(kind=offer.kind, target="hub", count=offer.count, params=params)
