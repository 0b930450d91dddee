"""Clients of the hub that are added and removed while the sandbox runs.

A client that was added persists across restarts, is a switch of the World while the sandbox runs, and is listed in
endpoints.json (`tls.clients` with its `files`, absolute paths). One that is removed loses its certificates first; then
it is a switch of another name, durably, until the hub has reported what became of its queues and connections.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from sandbox.control.observability import endpoints
from sandbox.control.world.worlds import Worlds
from sandbox.kernel.errors import Issue, RequestError, refused
from sandbox.kernel.hub.clients import (
    HUB_ID,
    LONGEST_NAME,
    added_clients,
    added_xml_clients,
    format_switch,
    leaving_clients,
    leaving_switch,
    switch_of,
    usable_client_id,
    why_not,
)
from sandbox.kernel.hub.removal import Lost, Removal, lost_messages, reported_removal
from sandbox.kernel.world import World
from sandbox.net.amqp.hub_clients import client_ids
from sandbox.net.amqp.hub_forms import xml_clients
from sandbox.net.context import Context
from sandbox.net.link import Switchboard
from sandbox.partners import Format
from sandbox.pki.certificate_service import CertificateService
from sandbox.pki.manifest import locked
from sandbox.store.protocol import Delete, Put, Store

MOST = 200
OWN = "sas-sandbox"
HUB_S = 8.0  # time-out for the hub's report
_TABLE, _LEAVING = "hub_clients", "hub_clients_leaving"


class Files(msgspec.Struct, forbid_unknown_fields=True):
    """Where a client's certificate is: absolute paths."""

    cert: str
    key: str
    p12: str


class ClientRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A client to add. `software`: its name, may be empty; `files`: where its certificate is."""

    id: str
    software: str = ""
    files: Files | None = None
    format: Format = "json"


class HubClient(msgspec.Struct):
    """A client. `software`: what is behind it; `added`: it was added while the sandbox ran; `format`: what it
    receives."""

    id: str
    software: str
    added: bool
    format: Format


class RemovedClient(msgspec.Struct):
    """What a removal led to. `messages`: how many its queues still held; `connections`: how many were closed, null
    when a RabbitMQ closes them; `certificates`: revoked; `told`: all of it for people, in French."""

    id: str
    queues: tuple[Lost, ...]
    messages: int
    connections: int | None
    certificates: list[str]
    told: list[str]


class Leaving(msgspec.Struct, frozen=True):
    """A row of the table of clients that are being removed. `word`: by which the hub's report names the removal;
    `certificates`: those that were revoked."""

    word: str
    certificates: list[str]


class HubClients:
    """The registry. `wall`: the time of the machine, by which certificates are valid."""

    def __init__(
        self, worlds: Worlds, store: Store, context: Context, switchboard: Switchboard, wall: Callable[[], float]
    ) -> None:
        self._worlds, self._store, self._context = worlds, store, context
        self._switchboard, self._wall = switchboard, wall
        self._removing = asyncio.Lock()
        self.configured = client_ids(context.settings, context.population)
        self._xml_clients = xml_clients(context.settings, context.population)

    def listed(self) -> list[HubClient]:
        """All clients: the configured ones, then those that were added."""
        added = added_clients(self._worlds.world.switches)
        vendors = {row.client_id: row.software for row in self._context.settings.external_lrms}
        rows = [self._client(each, vendors.get(each, OWN), added=False) for each in self.configured]
        return rows + [self._client(each, name, added=True) for each, name in added.items()]

    def _client(self, client_id: str, software: str, *, added: bool) -> HubClient:
        in_xml = client_id in self._xml_clients or client_id in added_xml_clients(self._worlds.world.switches)
        return HubClient(client_id, software, added, "xml" if in_xml else "json")

    def software(self) -> dict[str, str]:
        """Name of the software behind each client; the hub itself, which sends reports, is the sandbox's."""
        return {HUB_ID: OWN, **{each.id: each.software for each in self.listed()}}

    def files(self) -> dict[str, dict[str, str]]:
        """Certificate files of the added clients that have any."""
        rows = {row.id: row.files for row in stored(self._store)}
        return {each: msgspec.structs.asdict(files) for each, files in rows.items() if files is not None}

    async def add(self, request: ClientRequest) -> None:
        """Add a client: durable, known to the hub and in endpoints.json when it returns.

        Raises RequestError 409, 422, Laggards.
        """
        self._check(request)

        def revised(world: World) -> World:
            return msgspec.structs.replace(world, switches={**world.switches, **_switches(request)})

        await self._store.commit(Put(_TABLE, request.id, msgspec.json.encode(request)))
        try:
            await self._worlds.revise(revised)
        finally:
            endpoints.write(self._context, self.files())

    def _check(self, request: ClientRequest) -> None:
        """Raise RequestError 409 or 422 for a client that cannot be added."""
        if not usable_client_id(request.id):
            raise refused(why_not(request.id), "id", code="value")
        if len(request.software) > LONGEST_NAME:
            raise refused(f"'software' has over {LONGEST_NAME} characters", "software", code="value")
        known = {each.id.lower(): each.id for each in self.listed()}.get(request.id.lower())
        if known is not None:  # names that differ in case only are the same: a client's certificate files have its name
            raise RequestError(409, Issue("duplicate", f"'{known}' is a client of the hub already", "id"))
        if request.id in self._leaving():
            raise RequestError(
                409, Issue("conflict", f"'{request.id}' is still being taken away: DELETE it again", "id")
            )
        if self._store.count(_TABLE) >= MOST:
            raise refused(f"{MOST} clients were added: that is all there is room for", "id", code="too-costly")

    async def remove(self, client_id: str) -> RemovedClient:
        """Remove a client: durable, and carried out by the hub, when it returns.

        Raises RequestError 404, 409 (a configured client), 503 (its certificates cannot be revoked: nothing has
        changed), 504 (the hub has not reported yet: the removal goes on, and the same call asks again), Laggards.
        """
        if client_id in self.configured:
            detail = f"'{client_id}' is {self._why(client_id)}: only clients that were added can be taken away"
            raise RequestError(409, Issue("conflict", detail, "id"))
        async with self._removing:
            if client_id not in self._leaving():
                await self._begin_removal(client_id)
            removal = await self._reported(client_id, self._leaving()[client_id])
            certificates = self._row(client_id)
            await self._store.commit(Delete(_LEAVING, client_id))
            await self._worlds.revise(lambda world: _without(world, leaving_switch(client_id)))
        return _removed(client_id, removal, certificates)

    def _leaving(self) -> dict[str, str]:
        return leaving_clients(self._worlds.world.switches)

    def _row(self, client_id: str) -> list[str]:
        row = self._store.get(_LEAVING, client_id)
        return msgspec.json.decode(row, type=Leaving).certificates if row is not None else []

    async def _begin_removal(self, client_id: str) -> None:
        """Refuse logins of this client from now on, and make the hub delete its queues."""
        if client_id not in added_clients(self._worlds.world.switches):
            raise RequestError(404, Issue("not-found", f"'{client_id}' is no client of the hub", "id"))
        certificates = await asyncio.to_thread(self._revoked, client_id)
        row = Leaving(self._context.entropy.token(8), certificates)

        def revised(world: World) -> World:
            kept = _without(_without(world, switch_of(client_id)), format_switch(client_id))
            return msgspec.structs.replace(kept, switches={**kept.switches, leaving_switch(client_id): row.word})

        await self._store.commit(Delete(_TABLE, client_id), Put(_LEAVING, client_id, msgspec.json.encode(row)))
        try:
            await self._worlds.revise(revised)
        finally:
            endpoints.write(self._context, self.files())

    def _revoked(self, client_id: str) -> list[str]:
        pki = self._context.pki
        if pki is None:
            return []
        try:
            with locked(pki.directory):
                return CertificateService(pki.directory, datetime.fromtimestamp(self._wall(), UTC)).revoke_issued(
                    client_id
                )
        except OSError as error:
            detail = f"its certificates cannot be revoked, nothing has changed: {error.strerror or error}"
            raise RequestError(503, Issue("transient", detail)) from None

    async def _reported(self, client_id: str, word: str) -> Removal:
        """The hub's report about the removal. Raises RequestError 504."""
        found: list[Removal] = []

        def reported() -> bool:
            line = self._switchboard.lines.get("hub")
            found[:] = [
                each for each in (reported_removal(line.health, client_id, word) if line is not None else None,) if each
            ]
            return bool(found)

        try:
            await self._switchboard.until(reported, HUB_S)
        except TimeoutError:
            detail = f"'{client_id}' may log in no more; the hub has not deleted its queues yet, and will once it can"
            raise RequestError(504, Issue("timeout", detail)) from None
        return found[0]

    def _why(self, client_id: str) -> str:
        settings = self._context.settings
        if client_id == settings.platform_client_id:
            return "the SAS platform itself (hub.platform_client_id)"
        if client_id in settings.external_lrm_ids:
            return "configured (external_lrms)"
        if client_id in settings.spare_clients:
            return "configured (hub.spare_clients)"
        return "the LRM of a territory (persona files)"


def _switches(client: ClientRequest) -> dict[str, str]:
    """The switches of the World that make a client exist."""
    form = {format_switch(client.id): client.format} if client.format != "json" else {}
    return {switch_of(client.id): client.software, **form}


def _without(world: World, switch: str) -> World:
    kept = {key: value for key, value in world.switches.items() if key != switch}
    return msgspec.structs.replace(world, switches=kept)


def _removed(client_id: str, removal: Removal, certificates: list[str]) -> RemovedClient:
    return RemovedClient(
        id=client_id,
        queues=removal.queues,
        messages=lost_messages(removal.queues),
        connections=removal.connections,
        certificates=certificates,
        told=_sentences(client_id, removal, certificates),
    )


def _sentences(client_id: str, removal: Removal, certificates: list[str]) -> list[str]:
    """What happened to the client, as French sentences."""
    held = [lost for lost in removal.queues if lost.ready or lost.unacked]
    found = [f"{_messages(lost.ready + (lost.unacked or 0))} de {lost.queue} ({lost.vhost})" for lost in held]
    if removal.kept:
        found.append("ses files restent : elles sont à votre RabbitMQ (--hub-topology=assume)")
    elif not held:
        found.append("ses files sont supprimées, elles étaient vides")
    if certificates:
        found.append(f"certificats révoqués : {', '.join(certificates)}")
    if removal.connections is None:
        found.append(f"son utilisateur reste dans votre RabbitMQ : rabbitmqctl delete_user {client_id}")
    elif removal.connections:
        found.append(f"connexions fermées : {removal.connections}")
    return found


def _messages(number: int) -> str:
    return "1 message perdu" if number == 1 else f"{number} messages perdus"


def stored(store: Store) -> list[ClientRequest]:
    """All clients that were ever added."""
    return [msgspec.json.decode(row, type=ClientRequest) for _, row in store.items(_TABLE)]


def first_clients(store: Store) -> dict[str, str]:
    """The switches of the added clients, and of those that are still being removed, for the World of a new run."""
    leaving = [(key, msgspec.json.decode(row, type=Leaving)) for key, row in store.items(_LEAVING)]
    return {
        **{key: value for row in stored(store) for key, value in _switches(row).items()},
        **{leaving_switch(client): row.word for client, row in leaving},
    }
