"""Pro Santé Connect, the national OpenID provider for health professionals, as a role of the sandbox.

On the port PSC_UI, under `/psc`: discovery, JWKS, authorize, token, userinfo, logout, and the pages where people log in
with the password of a demonstration account; the same under `/realms/sas`, with the paths of the platform's own
identity provider. Durable: the signing key, the people whom the SAS core added, and which sessions were ended.
"""

from __future__ import annotations

import asyncio

from sandbox.config import PSC_UI
from sandbox.kernel.flows import ServedFlows
from sandbox.net.context import Context, Service
from sandbox.net.http.edge import Edge, identify_as
from sandbox.net.http.server import Listener
from sandbox.psc.people import People
from sandbox.psc.provider import Provider
from sandbox.psc.tokens import load_signer
from sandbox.store.embedded.tables import open_store
from sandbox.store.protocol import disk_state

ROLE = "psc"
_SERVED = ServedFlows("psc", "pages")


class PscService:
    """The running provider."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = open_store(context.store_dir(ROLE))
        self._provider: Provider | None = None
        self._listener: Listener | None = None

    async def start(self) -> None:
        """Load or make the signing key, then listen. Raises UsageError when the key file is broken."""
        directory = self._context.store_dir(ROLE)
        signer = await asyncio.to_thread(load_signer, directory, self._context.entropy)
        people = People(self._context.population, self._store)
        self._provider = Provider(self._context, signer, people, self._store)
        app = Edge(self._provider.application(), self._context, identify_as(ROLE, _SERVED))
        self._listener = Listener(app, self._context.sockets[PSC_UI])
        await self._listener.start()

    async def stop(self) -> None:
        """Let the requests in progress end, then close."""
        if self._listener is not None:
            await self._listener.stop()
        await self._store.close()

    def health(self) -> dict[str, object]:
        """Registered clients, demonstration accounts, codes not yet expired or pushed out."""
        if self._provider is None:
            return {"started": False}
        return {
            "disk": disk_state(self._store),
            "clients": len(self._provider.clients),
            "accounts": len(self._provider.people.identities.people),
            "codes": sum(len(realm.grants) for realm in self._provider.realms),
        }


def build(context: Context) -> Service:
    """The role `psc`. Raises StoreLocked or StoreError when its store cannot be opened."""
    return PscService(context)
