"""Regulator accounts at the editors: the emitter of INT_R02 (guide, « Comptes régulateurs », trigger rules).

Creation and update: at a regulator's login, to the editors that lack the account or have an older version of it, and
only to those; a call that failed stays due until the next login. The login waits a short while so that the first
click on a slot finds the account; slower editors go on in the background, bounded.

Withdrawal (deletion, `active: false`, or the right to orient taken away): at once, to every editor that may know the
account; a call that failed is repeated with back-off until it was taken, across restarts too.

What each editor is known to have is durable, per account and editor, and visible (`states`).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import logging
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote

import msgspec

from sandbox.fhir.practitioner import RegulatorAccount, render_regulator
from sandbox.kernel.errors import Issue, PeerError, PeerRefused, RequestError, StoreError
from sandbox.kernel.flows import Flow
from sandbox.kernel.identifiers import Identifier
from sandbox.kernel.model import Editor, Regulator
from sandbox.net.context import Context
from sandbox.net.http.client import Callee, HttpClient
from sandbox.pki.subjects import agreed_server
from sandbox.sas.regulators.accounts import Account, RegulatorAccounts, Right
from sandbox.store.protocol import Put, Store
from sandbox.tasks import keep

log = logging.getLogger(__name__)

TABLE = "accounts"
PATIENCE_S = 2.0  # how long a login waits for the editors
BACKOFF_S = (1.0, 60.0)  # first and longest pause between two attempts of an editor's withdrawals
MOST_IN_FLIGHT = 256
EXISTS = frozenset({400, 409, 412, 422})  # how editors say on POST that they have the person already


class AccountState(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one editor knows of one account. `known`: digest of the version it has, "" for none;
    `identifier`: the one that this version is filed under; `error` of the last attempt, "" when it succeeded;
    `at`: sandbox time of the last attempt, ISO 8601."""

    editor: str
    known: str = ""
    identifier: Identifier | None = None
    attempts: int = 0
    error: str = ""
    at: str = ""


def account_of(account: Account) -> RegulatorAccount:
    """The account as INT_R02 carries it."""
    given = tuple(account.given.split())
    return RegulatorAccount((account.identifier,), account.orients, account.family, given, account.email)


def version_of(account: Account) -> str:
    """Digest of what an editor is told: another one means that there is something to send."""
    return hashlib.blake2b(render_regulator(account_of(account)), digest_size=12).hexdigest()


class _Call(NamedTuple):
    """A call under way, and the version that it carries."""

    task: asyncio.Task[None]
    version: str


class AccountSync:
    """The accounts of all regulators at all editors that speak INT_R02."""

    def __init__(
        self,
        context: Context,
        store: Store,
        http: HttpClient,
        regulators: RegulatorAccounts,
        *,
        patience_s: float = PATIENCE_S,
        backoff_s: tuple[float, float] = BACKOFF_S,
    ) -> None:
        self._context, self._store, self._http = context, store, http
        self.regulators = regulators
        self._patience, self._backoff = patience_s, backoff_s
        self._editors = [editor for editor in context.population.editors.values() if editor.speaks(Flow.INT_R02)]
        self._in_flight: dict[str, _Call] = {}  # the last that was begun of each account and editor
        self._withdrawing: dict[str, asyncio.Task[None]] = {}  # by editor
        self._nudges = {editor.slug: asyncio.Event() for editor in self._editors}
        regulators.watch(self._changed)

    # ---- who may do what

    def regulator(self, login: str) -> Regulator | None:
        """Who may enter under that name (`system|value`, value, e-mail); None for a stranger or a withdrawn account."""
        account = self.regulators.entering(login)
        return account.regulator if account is not None else None

    def holder(self, id: str) -> Regulator | None:
        """Whose session or token it is, by the account's id (identifiers pass from one to another); None when he may
        enter no more."""
        account = self.regulators.get(id)
        return account.regulator if account is not None and account.active else None

    def id_of(self, regulator: Regulator) -> str:
        """The id of his account: what a session or token remembers of him."""
        account = self.regulators.entering(regulator.identifier.key)
        return account.id if account is not None else ""

    def may(self, regulator: Regulator | None, right: Right) -> bool:
        """Has the regulator that right."""
        account = self.regulators.entering(regulator.identifier.key) if regulator is not None else None
        return account is not None and right in account.rights

    def require(self, regulator: Regulator, right: Right) -> None:
        """Raises RequestError 403 unless the regulator has that right."""
        if not self.may(regulator, right):
            names = {Right.ORIENTATION: "d'orienter", Right.ADMINISTRATION: "de gérer les comptes"}
            raise RequestError(403, Issue("forbidden", f"Votre compte n'a pas le droit {names[right]}."))

    # ---- what the editors are told

    async def start(self) -> None:
        """Go on with the withdrawals that an earlier process left."""
        for account in self.regulators.all():
            self._changed(account)

    async def login(self, regulator: Regulator) -> None:
        """The regulator has logged in: call the editors that are behind; wait for them at most 2 s."""
        account = self.regulators.named(regulator.identifier)
        if account is None or not account.orients:
            return
        version = version_of(account)
        behind = [editor for editor in self._editors if self._will_know(account, editor) != version]
        waited = [call.task for editor in self._editors if (call := self._in_flight.get(_key(account, editor)))]
        tasks = [task for editor in behind if (task := self._task(account, editor)) is not None]
        if tasks or waited:
            await asyncio.wait([*tasks, *waited], timeout=self._patience)

    def state(self, account: Account, editor: Editor) -> AccountState:
        """What that editor is known to have."""
        row = self._store.get(TABLE, _key(account, editor))
        return AccountState(editor.slug) if row is None else msgspec.json.decode(row, type=AccountState)

    def states(self, regulator: Regulator) -> Iterator[dict[str, object]]:
        """Per editor: {editor, name, state, attempts, error?, at?}. `state`: known, due, or failed (due too); of a
        withdrawn account: withdrawn, withdrawing, or unknown (the editor was never told of it)."""
        account = self.regulators.named(regulator.identifier)
        return self.states_of(account) if account is not None else iter(())

    def states_of(self, account: Account) -> Iterator[dict[str, object]]:
        """The same of an account."""
        for editor in self._editors:
            held = self.state(account, editor)
            line: dict[str, object] = {"editor": editor.slug, "name": editor.name, "state": _word(account, held)}
            line["attempts"] = held.attempts
            line |= {key: text for key, text in (("error", held.error), ("at", held.at)) if text}
            yield line

    async def stop(self) -> None:
        """Give up what is still running: it stays due."""
        tasks = [*self._withdrawing.values(), *(call.task for call in self._in_flight.values())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # ---- creation and update

    def _task(self, account: Account, editor: Editor) -> asyncio.Task[None] | None:
        if len(self._in_flight) >= MOST_IN_FLIGHT:
            log.warning("INT_R02 to %s is put off to the next login: too many calls at once", editor.slug)
            return None
        return self._begin(account, editor)

    def _will_know(self, account: Account, editor: Editor) -> str:
        """The version that the editor has once the call under way has succeeded."""
        running = self._in_flight.get(_key(account, editor))
        return running.version if running is not None else self.state(account, editor).known

    def _begin(self, account: Account, editor: Editor) -> asyncio.Task[None]:
        key = _key(account, editor)
        running = self._in_flight.get(key)
        task = asyncio.create_task(self._bring_up_to_date(account, editor, running.task if running else None))
        call = self._in_flight[key] = _Call(task, version_of(account))
        task.add_done_callback(lambda _: self._ended(key, call))
        return task

    def _ended(self, key: str, call: _Call) -> None:
        if self._in_flight.get(key) is call:
            del self._in_flight[key]

    async def _bring_up_to_date(self, account: Account, editor: Editor, earlier: asyncio.Task[None] | None) -> None:
        """One creation, update or withdrawal, after the call before it; its outcome is written down whatever it is."""
        if earlier is not None:
            await asyncio.wait([earlier])
        before = self.state(account, editor)
        after = msgspec.structs.replace(before, attempts=before.attempts + 1, at=self._context.clock.now().isoformat())
        key = _key(account, editor)
        try:
            # That it was tried is known before the call: after a crash the editor may have the account.
            await self._store.commit(Put(TABLE, key, msgspec.json.encode(after)))
            await self._send(account_of(account), before, editor)
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

    # ---- withdrawal

    def _changed(self, account: Account) -> None:
        """An account was changed: what editors must know at once goes out now."""
        for editor in self._editors:
            if self._to_withdraw(account, editor):
                self._nudges[editor.slug].set()
                self._withdraw_soon(editor)

    def _withdraw_soon(self, editor: Editor) -> None:
        running = self._withdrawing.get(editor.slug)
        if running is None or running.done():
            task = keep(functools.partial(self._withdraw_all, editor), f"withdrawals at {editor.slug}")
            self._withdrawing[editor.slug] = task

    def _to_withdraw(self, account: Account, editor: Editor) -> bool:
        """Would that editor let him in, for all we know, though it should not. A call under way counts."""
        if account.orients:
            return False
        held = self.state(account, editor)
        told = held.attempts > 0 or _key(account, editor) in self._in_flight
        return told and held.known != version_of(account)

    async def _withdraw_all(self, editor: Editor) -> None:
        """One editor's withdrawals, each tried once before the first one is tried again."""
        first, longest = self._backoff
        pause, nudge = first, self._nudges[editor.slug]
        while True:
            nudge.clear()
            for account in self.regulators.all():
                if self._to_withdraw(account, editor):
                    await self._withdraw(account, editor)
            if not any(self._to_withdraw(account, editor) for account in self.regulators.all()):
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(nudge.wait(), pause)
            pause = min(longest, pause * 2)

    async def _withdraw(self, account: Account, editor: Editor) -> None:
        """After the call that is under way, if there is one: it may say the contrary."""
        running = self._in_flight.get(_key(account, editor))
        if running is not None:
            await asyncio.wait([running.task])
        latest = self.regulators.latest(account)
        if self._to_withdraw(latest, editor):
            await asyncio.wait([self._begin(latest, editor)])

    # ---- one call

    async def _send(self, account: RegulatorAccount, held: AccountState, editor: Editor) -> None:
        """POST what the editor lacks, PUT what it has under the identifier that it knows; a withdrawal is a PUT.

        The guide has a POST of an existing person refused with 4xx, of whatever number: then PUT decides.
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


def _word(account: Account, held: AccountState) -> str:
    up_to_date = held.known == version_of(account)
    if account.orients:
        return "known" if up_to_date else "failed" if held.error else "due"
    return "unknown" if not held.attempts else "withdrawn" if up_to_date else "withdrawing"


def _check(editor: Editor, status: int, answer: bytes) -> None:
    if not 200 <= status < 300:
        raise PeerRefused(editor.slug, status, answer)


def _key(account: Account, editor: Editor) -> str:
    return f"{account.id}|{editor.slug}"
