"""Further clients of the hub, while the sandbox runs: what `__admin/hub/clients` reads and adds.

    GET   → {"clients": [{"id", "software", "added"}]}
    POST  {"id", "software"?, "files"?: {"cert", "key", "p12"}} → 201, its queues are there

A client that was added is kept over restarts, is a switch of the World while the sandbox runs, and stands in
endpoints.json (`tls.clients` with its `files`, absolute paths).
"""

from __future__ import annotations

from typing import Any

import msgspec

from sandbox.control import endpoints
from sandbox.control.worlds import Worlds
from sandbox.hub.clients import client_ids
from sandbox.hub.dispatcher import HUB_ID
from sandbox.kernel.errors import Issue, RequestError, refused
from sandbox.kernel.hub_clients import LONGEST_NAME, added_clients, switch_of, usable_client_id
from sandbox.kernel.world import World
from sandbox.net.context import Context
from sandbox.store.protocol import Put, Store

MOST = 200
OWN = "sas-sandbox"
_TABLE = "hub_clients"


class Files(msgspec.Struct, forbid_unknown_fields=True):
    """Where a client's certificate is: absolute paths."""

    cert: str
    key: str
    p12: str


class ClientRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Body of POST."""

    id: str
    software: str = ""
    files: Files | None = None


class HubClients:
    """The registry, as control keeps it."""

    def __init__(self, worlds: Worlds, store: Store, context: Context) -> None:
        self._worlds, self._store, self._context = worlds, store, context
        self.configured = client_ids(context.settings, context.population)

    def listed(self) -> list[dict[str, Any]]:
        """All clients: the configured ones, then those that were added."""
        added = added_clients(self._worlds.world.switches)
        vendors = {row.client_id: row.software for row in self._context.settings.external_lrms}
        rows: list[dict[str, Any]] = [
            {"id": each, "software": vendors.get(each, OWN), "added": False} for each in self.configured
        ]
        return rows + [{"id": each, "software": name, "added": True} for each, name in added.items()]

    def software(self) -> dict[str, str]:
        """Name of the software behind each client; the hub's own reports are ours too."""
        return {HUB_ID: OWN, **{row["id"]: row["software"] for row in self.listed()}}

    def files(self) -> dict[str, dict[str, str]]:
        """Certificate files of the added clients that have any."""
        rows = {row.id: row.files for row in stored(self._store)}
        return {each: msgspec.structs.asdict(files) for each, files in rows.items() if files is not None}

    async def add(self, request: ClientRequest) -> None:
        """Durable, known to the hub, in endpoints.json. Raises RequestError 409, 422, Laggards."""
        if not usable_client_id(request.id):
            raise refused(f"'{request.id}' is no client id (expected fr.health.<name>)", "id", code="value")
        if len(request.software) > LONGEST_NAME:
            raise refused(f"'software' has over {LONGEST_NAME} characters", "software", code="value")
        if any(row["id"] == request.id for row in self.listed()):
            raise RequestError(409, Issue("duplicate", f"'{request.id}' is a client of the hub already", "id"))
        if self._store.count(_TABLE) >= MOST:
            raise refused(f"{MOST} clients were added: that is all there is room for", "id", code="too-costly")

        def revised(world: World) -> World:
            switches = {**world.switches, switch_of(request.id): request.software}
            return msgspec.structs.replace(world, switches=switches)

        await self._store.commit(Put(_TABLE, request.id, msgspec.json.encode(request)))
        try:
            await self._worlds.revise(revised)
        finally:
            endpoints.write(self._context, self.files())


def stored(store: Store) -> list[ClientRequest]:
    """The clients that were ever added."""
    return [msgspec.json.decode(row, type=ClientRequest) for _, row in store.items(_TABLE)]


def first_clients(store: Store) -> dict[str, str]:
    """Their switches, for the World that a run begins with."""
    return {switch_of(row.id): row.software for row in stored(store)}
