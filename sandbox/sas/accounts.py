"""Regulator accounts at the editors: the emitter of INT_R02 (guide, « Comptes régulateurs », trigger rules).

At a regulator's login the editors that lack the account, or have an older version of it, are called, and only
those. What each editor is known to have is durable, per regulator and editor; a call that failed stays due until
the next login. The login waits a short while so that the first click on a slot finds the account; slower editors
go on in the background, bounded.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Iterator
from urllib.parse import quote

import msgspec

from sandbox.fhir.practitioner import RegulatorAccount, render_regulator
from sandbox.kernel.errors import PeerError, PeerRefused, StoreError
from sandbox.kernel.flows import Flow
from sandbox.kernel.identifiers import Identifier
from sandbox.kernel.model import Editor, Regulator
from sandbox.net.context import Context
from sandbox.net.http_client import HttpClient
from sandbox.pki.subjects import agreed_server
from sandbox.store.protocol import Put, Store

log = logging.getLogger(__name__)

TABLE = "accounts"
PATIENCE_S = 2.0  # how long a login waits for the editors
MOST_IN_FLIGHT = 256
EXISTS = frozenset({400, 409, 412, 422})  # how editors say on POST that they have the person already


class AccountState(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one editor knows of one regulator. `known`: digest of the version it has, "" for none;
    `identifier`: the one that this version is filed under; `error` of the last attempt, "" when it succeeded;
    `at`: sandbox time of the last attempt, ISO 8601."""

    editor: str
    email: str
    known: str = ""
    identifier: Identifier | None = None
    attempts: int = 0
    error: str = ""
    at: str = ""


def account_of(regulator: Regulator) -> RegulatorAccount:
    """The account as INT_R02 carries it."""
    return RegulatorAccount(
        (regulator.identifier,), True, regulator.family, tuple(regulator.given.split()), regulator.email
    )


def version_of(account: RegulatorAccount) -> str:
    """Digest of what an editor is told: another one means that there is something to send."""
    return hashlib.blake2b(render_regulator(account), digest_size=12).hexdigest()


class Accounts:
    """The accounts of all regulators at all editors that speak INT_R02."""

    def __init__(self, context: Context, store: Store, http: HttpClient, patience_s: float = PATIENCE_S) -> None:
        self._context, self._store, self._http, self._patience = context, store, http, patience_s
        self._editors = [editor for editor in context.population.editors.values() if editor.speaks(Flow.INT_R02)]
        self._in_flight: dict[str, asyncio.Task[None]] = {}

    async def login(self, regulator: Regulator) -> None:
        """The regulator has logged in: call the editors that are behind; wait for them at most 2 s."""
        version = version_of(account_of(regulator))
        behind = [editor for editor in self._editors if self.state(regulator, editor).known != version]
        tasks = [task for editor in behind if (task := self._task(regulator, editor)) is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=self._patience)

    def state(self, regulator: Regulator, editor: Editor) -> AccountState:
        """What that editor is known to have."""
        row = self._store.get(TABLE, _key(regulator, editor))
        if row is None:
            return AccountState(editor.slug, regulator.email)
        return msgspec.json.decode(row, type=AccountState)

    def states(self, regulator: Regulator) -> Iterator[dict[str, object]]:
        """Per editor: {editor, name, state: known|due|failed, attempts, error?, at?}; `failed` is due too."""
        version = version_of(account_of(regulator))
        for editor in self._editors:
            held = self.state(regulator, editor)
            word = "known" if held.known == version else "failed" if held.error else "due"
            line: dict[str, object] = {"editor": editor.slug, "name": editor.name, "state": word}
            line["attempts"] = held.attempts
            line |= {key: text for key, text in (("error", held.error), ("at", held.at)) if text}
            yield line

    async def stop(self) -> None:
        """Give up what is still running: it stays due."""
        tasks = list(self._in_flight.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _task(self, regulator: Regulator, editor: Editor) -> asyncio.Task[None] | None:
        key = _key(regulator, editor)
        running = self._in_flight.get(key)
        if running is not None:
            return running
        if len(self._in_flight) >= MOST_IN_FLIGHT:
            log.warning("INT_R02 to %s is put off to the next login: too many calls at once", editor.slug)
            return None
        task = asyncio.create_task(self._bring_up_to_date(regulator, editor))
        self._in_flight[key] = task
        task.add_done_callback(lambda _: self._in_flight.pop(key, None))
        return task

    async def _bring_up_to_date(self, regulator: Regulator, editor: Editor) -> None:
        """One creation or update; its outcome is written down whatever it is."""
        account, before = account_of(regulator), self.state(regulator, editor)
        after = msgspec.structs.replace(before, attempts=before.attempts + 1, at=self._context.clock.now().isoformat())
        try:
            await self._send(account, before, editor)
        except PeerError as error:
            after = msgspec.structs.replace(after, error=error.detail)
        else:
            after = msgspec.structs.replace(after, known=version_of(account), identifier=regulator.identifier, error="")
        try:
            await self._store.commit(Put(TABLE, _key(regulator, editor), msgspec.json.encode(after)))
        except StoreError:
            log.exception("the state of an account at %s could not be stored; it stays due", editor.slug)

    async def _send(self, account: RegulatorAccount, held: AccountState, editor: Editor) -> None:
        """POST what the editor lacks, PUT what it has under the identifier that it knows.

        The guide has a POST of an existing person refused with 4xx, of whatever number: then PUT decides.
        Raises PeerError.
        """
        body = render_regulator(account)
        if held.identifier is None:
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
            peer=editor.slug,
            flow=Flow.INT_R02,
            headers={"Content-Type": "application/fhir+json", "Accept": "application/json+fhir"},
            body=body,
            timeout=settings.editor_timeout_s,
            agreed=agreed_server(editor),
        )
        return reply.status, reply.body


def _check(editor: Editor, status: int, answer: bytes) -> None:
    if not 200 <= status < 300:
        raise PeerRefused(editor.slug, status, answer)


def _key(regulator: Regulator, editor: Editor) -> str:
    """By e-mail: an account's identifier may change (technical to national), its e-mail does not at the same time."""
    return f"{regulator.email.lower()}|{editor.slug}"
