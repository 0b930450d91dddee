"""Regulator accounts at the editors: the sender of INT_R02 (guide, « Comptes régulateurs », trigger rules).

Creation and update: when a regulator logs in, a call goes to each editor that lacks the account or has an older version
of it, and to no other; a call that failed stays due until the next login. The login waits up to PATIENCE_S, so that the
editor has the account when the regulator opens the first slot; slower calls continue in the background, at most
MOST_IN_FLIGHT of them.

Withdrawal (deletion, `active: false`, or removal of the right to orient): a call goes at once to every editor that may
have the account; a call that failed is repeated with back-off until it is accepted, also after restarts.

What each editor is known to have is stored per account and editor (`account_calls`), and shown to people (`states`).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import Iterator

from sandbox.kernel.errors import Issue, RequestError
from sandbox.kernel.flows import Flow
from sandbox.kernel.model import Editor, Regulator
from sandbox.net.context import Context
from sandbox.net.http.client import HttpClient
from sandbox.sas.regulators.account_calls import AccountCalls, AccountState, version_of
from sandbox.sas.regulators.accounts import Account, RegulatorAccounts, Right
from sandbox.store.protocol import Store
from sandbox.tasks import keep

log = logging.getLogger(__name__)

PATIENCE_S = 2.0  # how long a login waits for the editors
BACKOFF_S = (1.0, 60.0)  # first and longest pause between two attempts of an editor's withdrawals
MOST_IN_FLIGHT = 256


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
        self._calls = AccountCalls(context, store, http)
        self.regulators = regulators
        self._patience, self._backoff = patience_s, backoff_s
        self._editors = [editor for editor in context.population.editors.values() if editor.speaks(Flow.INT_R02)]
        self._withdrawing: dict[str, asyncio.Task[None]] = {}  # by editor
        self._nudges = {editor.slug: asyncio.Event() for editor in self._editors}
        regulators.watch(self._changed)

    # ---- rights

    def regulator(self, login: str) -> Regulator | None:
        """The regulator who may log in by `system|value`, value or e-mail; None for an unknown or a withdrawn
        account."""
        account = self.regulators.entering(login)
        return account.regulator if account is not None else None

    def holder(self, id: str) -> Regulator | None:
        """The regulator of a session or token, by the account's id (identifiers pass from one account to another); None
        when the account may no longer log in."""
        account = self.regulators.get(id)
        return account.regulator if account is not None and account.active else None

    def id_of(self, regulator: Regulator) -> str:
        """The id of the regulator's account, which sessions and tokens hold."""
        account = self.regulators.entering(regulator.identifier.key)
        return account.id if account is not None else ""

    def may(self, regulator: Regulator | None, right: Right) -> bool:
        """True when the regulator's account has that right."""
        account = self.regulators.entering(regulator.identifier.key) if regulator is not None else None
        return account is not None and right in account.rights

    def require(self, regulator: Regulator, right: Right) -> None:
        """Raises RequestError 403 unless the regulator has that right."""
        if not self.may(regulator, right):
            names = {Right.ORIENTATION: "d'orienter", Right.ADMINISTRATION: "de gérer les comptes"}
            raise RequestError(403, Issue("forbidden", f"Votre compte n'a pas le droit {names[right]}."))

    # ---- creation, update and states

    async def start(self) -> None:
        """Resume the withdrawals that an earlier process left."""
        for account in self.regulators.all():
            self._changed(account)

    async def login(self, regulator: Regulator) -> None:
        """Record that the regulator has logged in: call the editors that lack the present version; wait for them at
        most 2 s."""
        account = self.regulators.named(regulator.identifier)
        if account is None or not account.orients:
            return
        version = version_of(account)
        behind = [editor for editor in self._editors if self._calls.will_know(account, editor) != version]
        waited = [call for editor in self._editors if (call := self._calls.running(account, editor)) is not None]
        tasks = [task for editor in behind if (task := self._task(account, editor)) is not None]
        if tasks or waited:
            await asyncio.wait([*tasks, *waited], timeout=self._patience)

    def states(self, regulator: Regulator) -> Iterator[dict[str, object]]:
        """Per editor: {editor, name, state, attempts, error?, at?}. `state`: known, due, or failed (due too); of a
        withdrawn account: withdrawn, withdrawing, or unknown (the editor never received it)."""
        account = self.regulators.named(regulator.identifier)
        return self.states_of(account) if account is not None else iter(())

    def states_of(self, account: Account) -> Iterator[dict[str, object]]:
        """The states of one account; see `states`."""
        for editor in self._editors:
            held = self._calls.state(account, editor)
            line: dict[str, object] = {"editor": editor.slug, "name": editor.name, "state": _word(account, held)}
            line["attempts"] = held.attempts
            line |= {key: text for key, text in (("error", held.error), ("at", held.at)) if text}
            yield line

    async def stop(self) -> None:
        """Cancel the running calls: they stay due."""
        tasks = [*self._withdrawing.values(), *self._calls.tasks()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # ---- creation and update

    def _task(self, account: Account, editor: Editor) -> asyncio.Task[None] | None:
        if self._calls.count >= MOST_IN_FLIGHT:
            log.warning("INT_R02 to %s is put off to the next login: too many calls at once", editor.slug)
            return None
        return self._calls.begin(account, editor)

    # ---- withdrawal

    def _changed(self, account: Account) -> None:
        """Start the withdrawals that a changed account requires."""
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
        """Whether that editor may still have an account that must be withdrawn; a running call is assumed to
        succeed."""
        if account.orients:
            return False
        held = self._calls.state(account, editor)
        told = held.attempts > 0 or self._calls.running(account, editor) is not None
        return told and held.known != version_of(account)

    async def _withdraw_all(self, editor: Editor) -> None:
        """Try all withdrawals of one editor, then repeat the failed ones, until none is left."""
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
        """Withdraw after the running call has ended, because that call may create the account."""
        running = self._calls.running(account, editor)
        if running is not None:
            await asyncio.wait([running])
        latest = self.regulators.latest(account)
        if self._to_withdraw(latest, editor):
            await asyncio.wait([self._calls.begin(latest, editor)])


def _word(account: Account, held: AccountState) -> str:
    up_to_date = held.known == version_of(account)
    if account.orients:
        return "known" if up_to_date else "failed" if held.error else "due"
    return "unknown" if not held.attempts else "withdrawn" if up_to_date else "withdrawing"
