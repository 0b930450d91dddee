"""Which LRMs may open a search by a contextual call (INT_L01) while the sandbox runs.

ANS's LRM simulator is one of them, though it is no client of the hub and has no territory ("").
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from sandbox.control.world.worlds import Worlds
from sandbox.kernel.calls import SIMULATOR, may_call, with_calls
from sandbox.kernel.errors import Issue, RequestError
from sandbox.kernel.model import Territory
from sandbox.kernel.world import World
from sandbox.population.people import Population


class LrmRequest(msgspec.Struct, forbid_unknown_fields=True):
    """`contextual_call`: may this LRM open a search (INT_L01)."""

    contextual_call: bool


class Lrm(msgspec.Struct):
    """An LRM. `territory`: its code, empty for ANS's simulator; `origin`: how contextual calls name the LRM."""

    client_id: str
    territory: str
    origin: str
    contextual_call: bool


def lrm(population: Population, client_id: str) -> Territory:
    """The territory whose LRM has that client id of the hub; ANS's simulator by its origin. Raises RequestError 404."""
    known = {territory.samu: territory for territory in _callers(population)}
    if client_id not in known:
        raise RequestError(404, Issue("not-found", f"no LRM '{client_id}' (known: {', '.join(known)})", "client_id"))
    return known[client_id]


def document(territory: Territory, worlds: Worlds) -> Lrm:
    """One LRM as the API answers it."""
    allowed = may_call(territory.samu, worlds.world.switches)
    return Lrm(territory.samu, territory.code, territory.origin, allowed)


def documents(population: Population, worlds: Worlds) -> Iterator[Lrm]:
    """All LRMs, ANS's simulator last."""
    return (document(territory, worlds) for territory in _callers(population))


def _callers(population: Population) -> Iterator[Territory]:
    yield from population.territories.values()
    yield SIMULATOR


async def put(worlds: Worlds, territory: Territory, wanted: LrmRequest) -> None:
    """Allow or forbid an LRM to open searches. Raises Laggards."""

    def revised(world: World) -> World:
        switches = with_calls(world.switches, territory.samu, wanted.contextual_call)
        return msgspec.structs.replace(world, switches=switches)

    await worlds.revise(revised)
