"""The present World, and the changes that make its next revision."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from sandbox.faults import validate_fault
from sandbox.kernel.clock import as_of, parse_datetime
from sandbox.kernel.errors import Issue, RequestError, malformed, refused
from sandbox.kernel.world import ClockSetting, Fault, World
from sandbox.net.link import Switchboard
from sandbox.store.protocol import Put, Store

MOST_FAULTS = 200


class FaultRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A fault to start. `target`: the actor; `flow`: only this flow; `probability`: over 0, at most 1; `count`: it ends
    after so many hits."""

    kind: str
    target: str
    flow: str | None = None
    probability: float = 1.0
    count: int | None = None
    params: dict[str, float | int | str | bool] = {}


class ClockRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Sandbox time. `as_of`: dateTime, without offset in Europe/Paris, null: the time of the machine; `freeze`: time
    stands still."""

    as_of: str | None = None
    freeze: bool = False


class Laggards(RequestError):
    """504: these roles have not taken the change within 2 s; it is stored all the same."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(504, Issue("timeout", f"not applied within 2 s by: {', '.join(names)}"))


class Worlds:
    """The owner of the World. A call that changes it returns after the change is durable and pushed to all roles."""

    def __init__(
        self, store: Store, switchboard: Switchboard, wall: Callable[[], float], new_id: Callable[[], str], run_id: str
    ) -> None:
        self._store, self._switchboard, self._wall, self._new_id, self._run_id = (
            store,
            switchboard,
            wall,
            new_id,
            run_id,
        )
        self._changing = asyncio.Lock()

    @property
    def world(self) -> World:
        """The present World."""
        return self._switchboard.world

    async def change(self, **fields: object) -> World:
        """Make, store and push the next revision. Raises Laggards."""
        return await self.revise(lambda world: msgspec.structs.replace(world, **fields))

    async def revise(self, revised: Callable[[World], World]) -> World:
        """Like `change`, but based on the World at the moment when this change has its turn. Raises Laggards."""
        async with self._changing:
            before = self.world
            world = msgspec.structs.replace(revised(before), revision=before.revision + 1)
            await self._store.commit(Put("world", self._run_id, msgspec.json.encode(world)))
            laggards = await self._switchboard.push(world)
        if laggards:
            raise Laggards(laggards)
        return world

    async def set_clock(self, request: ClockRequest) -> World:
        """Shift, stop or release sandbox time. Raises RequestError 400 for a bad `as_of`."""
        if request.as_of is None:
            if request.freeze:
                stopped = self._wall() + self.world.clock.offset
                return await self.change(clock=ClockSetting(offset=self.world.clock.offset, frozen=stopped))
            return await self.change(clock=ClockSetting())
        try:
            setting = as_of(parse_datetime(request.as_of), self._wall(), freeze=request.freeze)
        except ValueError as error:
            raise malformed(str(error), "as_of", code="value") from None
        return await self.change(clock=setting)

    async def add_fault(self, request: FaultRequest, targets: frozenset[str]) -> Fault:
        """Start a fault. Raises RequestError when its kind, target or parameters are not usable."""
        if request.target not in targets:
            raise refused(f"no actor '{request.target}' (expected one of: {', '.join(sorted(targets))})", "target")
        if len(self.world.faults) >= MOST_FAULTS:
            raise refused(f"{MOST_FAULTS} faults are active: remove some first", "faults", code="too-costly")
        fault = Fault(id=self._new_id()[:8], **msgspec.structs.asdict(request))
        validate_fault(fault)
        await self.revise(lambda world: msgspec.structs.replace(world, faults=(*world.faults, fault)))
        return fault

    async def remove_faults(self, fault_id: str | None = None) -> None:
        """End one fault, or all. Raises RequestError 404."""
        if fault_id is not None and all(fault.id != fault_id for fault in self.world.faults):
            raise RequestError(404, Issue("not-found", f"no fault '{fault_id}'", "id"))

        def revised(world: World) -> World:
            kept = tuple(fault for fault in world.faults if fault_id is not None and fault.id != fault_id)
            return msgspec.structs.replace(world, faults=kept)

        await self.revise(revised)


def first_world(store: Store, run_id: str, clock: ClockSetting, switches: dict[str, str]) -> World:
    """The World at a start: the last World of this run, else a new one with these switches."""
    stored = store.get("world", run_id)
    return msgspec.json.decode(stored, type=World) if stored is not None else World(clock=clock, switches=switches)
