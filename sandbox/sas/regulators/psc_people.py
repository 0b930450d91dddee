"""Sends created and changed accounts to Pro Santé Connect, so that their owners can log in.

Durable and in order per account: the outbox entry is committed together with the change, and sent until it was
accepted. Pro Santé Connect reads the people of the persona files by itself.
"""

from __future__ import annotations

import base64

import msgspec

from sandbox.config import PSC_UI
from sandbox.kernel.errors import PeerRefused
from sandbox.kernel.flows import Flow
from sandbox.net.context import Context
from sandbox.net.http.client import Callee, HttpClient
from sandbox.sas.regulators.accounts import Account
from sandbox.store.outbox import Abandon, Entry, Outbox
from sandbox.store.protocol import Put, Store

OUTBOX = "psc_people"
TIMEOUT_S = 7.0


class PscPeople:
    """The outbox towards Pro Santé Connect."""

    def __init__(self, context: Context, store: Store, http: HttpClient) -> None:
        self._context, self._http = context, http
        self._outbox = Outbox(store, OUTBOX, self._send, clock=context.clock, entropy=context.entropy)
        secret = context.secret("psc-client:sas")
        self._credentials = base64.b64encode(f"sas:{secret}".encode()).decode()

    def due(self, account: Account) -> tuple[Put, ...]:
        """The outbox entry to commit with a change of the account; a deleted account is deleted there too."""
        person = b"" if account.deleted else msgspec.json.encode(account.regulator)
        return self._outbox.put(account.id, person, ref=account.identifier.key)

    def wake(self, account: Account) -> None:
        """Send the due entries, now that the change is durable."""
        self._outbox.wake()

    async def start(self) -> None:
        """Start sending due entries."""
        await self._outbox.start()

    async def stop(self) -> None:
        """Stop sending; due entries are sent after the next start."""
        await self._outbox.stop()

    async def _send(self, entry: Entry) -> None:
        reply = await self._http.request(
            "PUT" if entry.payload else "DELETE",
            self._context.settings.http(PSC_UI, f"/psc/people/{entry.key}"),
            callee=Callee("psc", Flow.PSC),
            headers={"Content-Type": "application/json", "Authorization": f"Basic {self._credentials}"},
            body=entry.payload or None,
            timeout=TIMEOUT_S,
        )
        if reply.status in (400, 422):
            raise Abandon(f"Pro Santé Connect refuses the person: {reply.body[:200].decode(errors='replace')}")
        if not 200 <= reply.status < 300:
            raise PeerRefused("psc", reply.status, reply.body)
