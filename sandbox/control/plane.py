"""The control plane without HTTP: the World and its changes, the journal of all roles, the health of each role."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from sandbox.config import EMBEDDED, ROLES
from sandbox.control.observability import endpoints
from sandbox.control.observability.journal import JournalView
from sandbox.control.observability.metrics import Metrics
from sandbox.control.world.behaviours import Behaviours
from sandbox.control.world.characters import Characters, first_switches
from sandbox.control.world.communities import Communities
from sandbox.control.world.hub_clients import HubClients, first_clients
from sandbox.control.world.outbox import Outboxes
from sandbox.control.world.reload import Reload
from sandbox.control.world.worlds import FaultRequest, Worlds, first_world
from sandbox.faults import KINDS
from sandbox.kernel.errors import refused
from sandbox.kernel.hub import report as hub_report
from sandbox.kernel.hub.report import HubReport
from sandbox.kernel.world import ClockSetting, Fault
from sandbox.net.context import Context
from sandbox.net.link import Line, Switchboard
from sandbox.store.embedded.tables import open_store
from sandbox.store.protocol import disk_state


class Health(msgspec.Struct):
    """Whether everything is ready. `missing`: roles that have no line to the control plane; `roles`: by name, `ready`,
    `pid`, `revision`, `dropped` (exchanges lost by overflow), `reason` when it is not ready, and its own figures."""

    ready: bool
    missing: list[str]
    revision: int
    epoch: int
    roles: dict[str, dict[str, Any]]


class ControlPlane:
    """State and queries. `wall`: the time of the machine, epoch seconds; `clock`: how a new run begins."""

    def __init__(self, context: Context, *, run_id: str, clock: ClockSetting, wall: Callable[[], float]) -> None:
        self.context = context
        self._store = open_store(context.store_dir("control"))
        self.journal = JournalView()
        switches = {**first_switches(context.population), **first_clients(self._store)}
        self.switchboard = Switchboard(first_world(self._store, run_id, clock, switches), self.journal.take)
        self.worlds = Worlds(self._store, self.switchboard, wall, context.entropy.uuid, run_id)
        self.characters = Characters(self.worlds, context.population)
        self.communities = Communities(self.worlds, context.population)
        self.hub_clients = HubClients(self.worlds, self._store, context, self.switchboard, wall)
        self.outboxes = Outboxes(self.switchboard, self.worlds, self.characters, context.entropy)
        self.reload = Reload(context, self.worlds, self.write_endpoints)
        self.metrics = Metrics(self.switchboard, self.journal, self.hub_report, self.hub_clients.software)
        self.behaviours = Behaviours(self.worlds, self.switchboard, context, context.entropy.uuid)

    async def close(self) -> None:
        """Close the connections to the roles and the store."""
        await self.switchboard.close()
        await self._store.close()

    @property
    def embedded(self) -> bool:
        """Whether the hub uses the embedded broker and not a RabbitMQ."""
        return self.context.settings.hub_broker == EMBEDDED

    def health(self) -> dict[str, object]:
        """State of the disk, the connections of the roles, and the journal of the role `control` itself."""
        return {"disk": disk_state(self._store), "lines": len(self.switchboard.lines), "exchanges": self.journal.last}

    def endpoints(self) -> dict[str, Any]:
        """The document of endpoints.json, with absolute paths."""
        return endpoints.document(self.context, self.hub_clients.files())

    def write_endpoints(self) -> None:
        """Write endpoints.json."""
        endpoints.write(self.context, self.hub_clients.files())

    def hub_report(self) -> HubReport | None:
        """The hub's last report; None while the hub is not connected."""
        line = self.switchboard.lines.get("hub")
        return hub_report.read(line.health) if line is not None else None

    def all_ready(self) -> bool:
        """Whether every role of the ecosystem is connected and ready."""
        return all(role in self.switchboard.lines and self.switchboard.lines[role].ready for role in ROLES)

    def targets(self) -> frozenset[str]:
        """The actors that a fault may name: those that the sandbox runs itself."""
        population = self.context.population
        return frozenset(
            {"sas", "psc", "hub"}
            | {f"editor:{slug}" for slug, editor in population.editors.items() if not editor.external}
            | {f"lrm:{client_id}" for client_id in self.behaviours.lrms}
        )

    async def add_fault(self, wanted: FaultRequest) -> Fault:
        """Start a fault. Raises RequestError 400 or 422 when it is not possible here, and Laggards."""
        kind = KINDS.get(wanted.kind)
        if kind is not None and kind.embedded_only and not self.embedded:
            raise refused(f"'{wanted.kind}' needs the embedded broker: a RabbitMQ is yours to disturb", "faults.kind")
        return await self.worlds.add_fault(wanted, self.targets())

    def status(self) -> Health:
        """The health of all roles."""
        roles = {role: _role(line) for role, line in sorted(self.switchboard.lines.items())}
        world = self.worlds.world
        return Health(
            ready=self.all_ready(),
            missing=[role for role in ROLES if role not in roles],
            revision=world.revision,
            epoch=world.epoch,
            roles=roles,
        )


def _role(line: Line) -> dict[str, Any]:
    return {
        "ready": line.ready,
        **({"reason": line.reason} if line.reason else {}),
        "pid": line.pid,
        "revision": line.revision,
        "dropped": line.dropped,
        **{key: value for key, value in line.health.items() if key != hub_report.KEY},
    }
