"""INT_R02 for one account and one editor: the call, and what the editor is known to have since (a row of the store).

Calls for the same account and editor are made one after the other, in the order in which they were begun.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote

import msgspec

from sandbox.fhir.practitioner import RegulatorAccount, render_regulator
from sandbox.kernel.errors import PeerError, PeerRefused, StoreError
from sandbox.kernel.flows import Flow
from sandbox.kernel.identifiers import Identifier
from sandbox.kernel.model import Editor
from sandbox.net.context import Context
from sandbox.net.http.client import Callee, HttpClient
from sandbox.pki.subjects import agreed_server
from sandbox.sas.regulators.accounts import Account
from sandbox.store.protocol import Put, Store

log = logging.getLogger(__name__)

TABLE = "accounts"
EXISTS = frozenset({400, 409, 412, 422})  # what editors answer to a POST of a person whom they already have


class AccountState(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one editor is known to have of one account. `known`: digest of the version that the editor has, "" for none;
    `identifier`: the identifier of the account at the editor; `error` of the last attempt, "" when it succeeded; `at`:
    sandbox time of the last attempt, ISO 8601.
    """

    editor: str
    known: str = ""
    identifier: Identifier | None = None
    attempts: int = 0
    error: str = ""
    at: str = ""


def _as_sent(account: Account) -> RegulatorAccount:
    """The account as INT_R02 carries it."""
    given = tuple(account.given.split())
    return RegulatorAccount((account.identifier,), account.orients, account.family, given, account.email)


def version_of(account: Account) -> str:
    """Digest of the account as INT_R02 carries it: an editor with another digest lacks a change."""
    return hashlib.blake2b(render_regulator(_as_sent(account)), digest_size=12).hexdigest()


class _Call(NamedTuple):
    """A running call, and the version that it carries."""

    task: asyncio.Task[None]
    version: str


class AccountCalls:
    """The calls of one SAS core. `context` gives the time and the editors' addresses."""

    def __init__(self, context: Context, store: Store, http: HttpClient) -> None:
        self._context, self._store, self._http = context, store, http
        self._in_flight: dict[str, _Call] = {}  # the last call that was started for each account and editor

    @property
    def count(self) -> int:
        """The number of accounts and editors that have a running call."""
        return len(self._in_flight)

    def tasks(self) -> Iterator[asyncio.Task[None]]:
        """The running calls: the last one for each account and editor."""
        return (call.task for call in self._in_flight.values())

    def running(self, account: Account, editor: Editor) -> asyncio.Task[None] | None:
        """The last call started for that account and editor, while it is running."""
        call = self._in_flight.get(_key(account, editor))
        return call.task if call is not None else None

    def state(self, account: Account, editor: Editor) -> AccountState:
        """What that editor is known to have of the account."""
        row = self._store.get(TABLE, _key(account, editor))
        return AccountState(editor.slug) if row is None else msgspec.json.decode(row, type=AccountState)

    def will_know(self, account: Account, editor: Editor) -> str:
        """The version that the editor has once the running call has succeeded."""
        running = self._in_flight.get(_key(account, editor))
        return running.version if running is not None else self.state(account, editor).known

    def begin(self, account: Account, editor: Editor) -> asyncio.Task[None]:
        """Start a call that brings the editor up to date, after the previous call has ended; the task never raises."""
        key = _key(account, editor)
        task = asyncio.create_task(self._bring_up_to_date(account, editor, self.running(account, editor)))
        call = self._in_flight[key] = _Call(task, version_of(account))
        task.add_done_callback(lambda _: self._ended(key, call))
        return task

    def _ended(self, key: str, call: _Call) -> None:
        if self._in_flight.get(key) is call:
            del self._in_flight[key]

    async def _bring_up_to_date(self, account: Account, editor: Editor, earlier: asyncio.Task[None] | None) -> None:
        """One creation, update or withdrawal, after the previous call; its outcome is stored, also a failure."""
        if earlier is not None:
            await asyncio.wait([earlier])
        before = self.state(account, editor)
        after = msgspec.structs.replace(before, attempts=before.attempts + 1, at=self._context.clock.now().isoformat())
        key = _key(account, editor)
        try:
            # The attempt is stored before the call: after a crash the editor may have the account.
            await self._store.commit(Put(TABLE, key, msgspec.json.encode(after)))
            await self._send(_as_sent(account), before, editor)
        except PeerError as error:
            after = msgspec.structs.replace(after, error=error.detail)
        except StoreError as error:
            log.error("that %s is called could not be stored: it is not called: %s", editor.slug, error)
            return
        else:
            after = msgspec.structs.replace(after, known=version_of(account), identifier=account.identifier, error="")
        try:
            await self._store.commit(Put(TABLE, key, msgspec.json.encode(after)))
        except StoreError as error:
            log.error("the state of an account at %s could not be stored; it stays due: %s", editor.slug, error)

    async def _send(self, account: RegulatorAccount, held: AccountState, editor: Editor) -> None:
        """POST an account that the editor lacks; PUT one that it has, with the identifier that it has there; a
        withdrawal is a PUT.

        By the guide, a POST of an existing person is refused with any 4xx: a PUT follows, and its answer decides.
        Raises PeerError.
        """
        body = render_regulator(account)
        if held.identifier is None and account.active:
            status, answer = await self._call("POST", "Practitioner", body, editor)
            if status not in EXISTS:
                return _check(editor, status, answer)
        wanted = quote((held.identifier or account.identifiers[0]).key, safe="")
        status, answer = await self._call("PUT", f"Practitioner?identifier={wanted}", body, editor)
        return _check(editor, status, answer)

    async def _call(self, method: str, path: str, body: bytes, editor: Editor) -> tuple[int, bytes]:
        settings = self._context.settings
        reply = await self._http.request(
            method,
            f"{settings.editor_fhir(editor)}/{path}",
            callee=Callee(editor.slug, Flow.INT_R02, expected=agreed_server(editor)),
            headers={"Content-Type": "application/fhir+json", "Accept": "application/json+fhir"},
            body=body,
            timeout=settings.editor_timeout_s,
        )
        return reply.status, reply.body


def _check(editor: Editor, status: int, answer: bytes) -> None:
    if not 200 <= status < 300:
        raise PeerRefused(editor.slug, status, answer)


def _key(account: Account, editor: Editor) -> str:
    return f"{account.id}|{editor.slug}"
