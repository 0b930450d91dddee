"""How each LRM behaves towards the messages it is sent.

A rule is a fault of the World whose target is `lrm:<client id>`, of a kind that the LRM carries out (`faults.lrm`);
`__admin/faults` lists the same ones. `hits` are part of the health of the role `lrm`, at most a second old.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec

from sandbox.control.world.worlds import MOST_FAULTS, Worlds
from sandbox.faults import validate_fault
from sandbox.faults.kinds import FaultKind, kinds_at
from sandbox.kernel.errors import Issue, RequestError, refused
from sandbox.kernel.model import Territory
from sandbox.kernel.world import Fault, World
from sandbox.net.context import Context
from sandbox.net.link import Switchboard


def kinds() -> dict[str, type[FaultKind]]:
    """The kinds of faults that a rule may name."""
    return kinds_at("lrm")


class Rule(msgspec.Struct):
    """A rule that is in force. `hits`: how often it was applied."""

    id: str
    kind: str
    probability: float
    count: int | None
    params: dict[str, float | int | str | bool]
    hits: int


class Kind(msgspec.Struct):
    """What a kind of rule does, in French, and what its parameters mean."""

    effect: str
    params: Mapping[str, str]


class Behaviour(msgspec.Struct):
    """The rules of one LRM, the oldest first, and the kinds that there are."""

    client_id: str
    rules: list[Rule]
    kinds: dict[str, Kind]


class RuleRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A rule to add; its members are those of a fault."""

    kind: str
    probability: float = 1.0
    count: int | None = None
    params: dict[str, float | int | str | bool] = {}


class BehaviourRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The rules that an LRM is to follow, and no others."""

    rules: list[RuleRequest]


class Behaviours:
    """The rules in the World. Every change is durable and known to all roles when the call returns."""

    def __init__(self, worlds: Worlds, switchboard: Switchboard, context: Context, new_id: Callable[[], str]) -> None:
        self._worlds, self._switchboard, self._new_id = worlds, switchboard, new_id
        self._context = context

    @property
    def lrms(self) -> dict[str, Territory]:
        """The LRMs that the sandbox runs itself, by client id."""
        external = self._context.settings.external_lrm_ids
        territories = self._context.population.territories.values()
        return {each.samu: each for each in territories if each.samu not in external}

    def lrm(self, client_id: str) -> Territory:
        """The territory of an LRM that the sandbox runs itself. Raises RequestError 404."""
        found = self.lrms.get(client_id)
        if found is None:
            known = ", ".join(self.lrms)
            raise RequestError(404, Issue("not-found", f"no LRM '{client_id}' here (known: {known})", "client_id"))
        return found

    def rules(self, client_id: str) -> list[Fault]:
        """The rules of an LRM, the oldest first."""
        return [fault for fault in self._worlds.world.faults if _is_of(fault, client_id)]

    def document(self, client_id: str) -> Behaviour:
        """The rules as the API returns them; a PUT may send them back without `id` and `hits`."""
        hits = self._hits(client_id)
        rules = [
            Rule(rule.id, rule.kind, rule.probability, rule.count, rule.params, hits.get(rule.id, 0))
            for rule in self.rules(client_id)
        ]
        return Behaviour(client_id, rules, {name: Kind(each.sentence, each.texts()) for name, each in kinds().items()})

    async def put(self, client_id: str, wanted: Iterable[RuleRequest]) -> None:
        """Replace the rules of an LRM. Raises RequestError 400 or 422, Laggards."""
        fresh = tuple(self._checked(client_id, rule) for rule in wanted)
        await self._revise(client_id, lambda before: fresh)

    async def add(self, client_id: str, wanted: RuleRequest) -> None:
        """Add a rule. Raises RequestError 400 or 422, Laggards."""
        fresh = self._checked(client_id, wanted)
        await self._revise(client_id, lambda before: (*before, fresh))

    async def remove(self, client_id: str, rule_id: str) -> None:
        """Remove a rule, if it is still there. Raises Laggards."""
        await self._revise(client_id, lambda before: tuple(rule for rule in before if rule.id != rule_id))

    async def _revise(self, client_id: str, change: Callable[[tuple[Fault, ...]], tuple[Fault, ...]]) -> None:
        def revised(world: World) -> World:
            others = tuple(fault for fault in world.faults if not _is_of(fault, client_id))
            own = change(tuple(fault for fault in world.faults if _is_of(fault, client_id)))
            if len(others) + len(own) > MOST_FAULTS:
                raise refused(f"at most {MOST_FAULTS} faults can be active", "rules", code="too-costly")
            return msgspec.structs.replace(world, faults=(*others, *own))

        await self._worlds.revise(revised)

    def _checked(self, client_id: str, wanted: RuleRequest) -> Fault:
        if wanted.kind not in kinds():
            known = ", ".join(kinds())
            raise refused(f"unknown kind '{wanted.kind}' (known: {known})", "rules.kind", code="not-supported")
        fault = Fault(id=self._new_id()[:8], target=f"lrm:{client_id}", **msgspec.structs.asdict(wanted))
        validate_fault(fault)
        return fault

    def _hits(self, client_id: str) -> Mapping[str, int]:
        line = self._switchboard.lines.get("lrm")
        own = line.health.get(client_id) if line is not None else None
        hits = own.get("hits") if isinstance(own, dict) else None
        return hits if isinstance(hits, dict) else {}


def _is_of(fault: Fault, client_id: str) -> bool:
    return fault.kind in kinds() and fault.target == f"lrm:{client_id}"
