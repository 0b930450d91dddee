"""The types of slots and of consultations that a practitioner's slots have, as the acceptance kit will find them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sandbox.check.run import time_of
from sandbox.check.target import Target
from sandbox.check.wire import Wire
from sandbox.fhir.nos import CONSULTATION, VISIBILITY
from sandbox.fhir.queries.search import slot_query
from sandbox.kernel.clock import PARIS

SLOT_TYPES = ("PUBLIC", "PRO", "SNP")  # that the kit knows
CONSULTATION_TYPES = ("AMB", "VR", "HH")


@dataclass(frozen=True, slots=True)
class Seen:
    """Codes in the kit's order; `why`, French: why there are none."""

    slots: tuple[str, ...] = ()
    consultations: tuple[str, ...] = ()
    why: str = ""


async def server_time(target: Target, now: datetime) -> datetime:
    """The time of the sandbox that the file describes, which may be shifted; `now` when it does not answer."""
    async with Wire(target) as wire:
        return await time_of(wire, now)


async def see(target: Target, person: str, now: datetime, *, cpts: bool) -> Seen:
    """Search this practitioner's slots until the end of the day after tomorrow, as the kit does. Never raises for what
    the server does."""
    end = (now.astimezone(PARIS) + timedelta(days=2)).replace(hour=23, minute=59, second=59, microsecond=0)
    async with Wire(target) as wire:
        exchange = await wire.get("Slot?" + slot_query([person], now.replace(microsecond=0), end, cpts=cpts))
    if exchange.failure or exchange.status != 200:
        return Seen(why=f"la recherche n'a pas abouti ({exchange.why or f'statut {exchange.status}'})")
    try:
        slots = list(_slots(json.loads(exchange.body)))
        seen = {(code.get("system"), code.get("code")) for slot in slots for code in _codings(slot)}
    except (ValueError, TypeError, AttributeError, KeyError):
        return Seen(why="la réponse à la recherche n'est pas lisible")
    if not slots:
        return Seen(why="la recherche n'a trouvé aucun créneau")
    return Seen(
        tuple(each for each in SLOT_TYPES if (VISIBILITY, each) in seen),
        tuple(each for each in CONSULTATION_TYPES if (CONSULTATION, each) in seen),
    )


def _slots(bundle: Any) -> Iterable[dict[str, Any]]:
    resources = (entry.get("resource", {}) for entry in bundle.get("entry", []))
    return (each for each in resources if each.get("resourceType") == "Slot")


def _codings(slot: dict[str, Any]) -> Iterable[dict[str, Any]]:
    yield from slot.get("meta", {}).get("security", [])
    for concept in slot.get("serviceType", []):
        yield from concept.get("coding", [])
