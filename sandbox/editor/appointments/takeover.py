"""How an SOS association names the doctor of a pending appointment by itself, once its `due` time has come.

The clock is that of the sandbox, which may stand still or jump. Nothing is durable here: the ledger stores which
appointments wait and until when, so a take-over that a crash interrupted happens after the restart.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

from sandbox.editor.accounts.accounts import Accounts
from sandbox.editor.appointments.booking import Action
from sandbox.editor.appointments.ledger import Ledger
from sandbox.kernel.clock import Clock
from sandbox.kernel.errors import RequestError, StoreError
from sandbox.kernel.seldom import Seldom
from sandbox.tasks import keep

_log = logging.getLogger(__name__)

POLL_S = 1.0  # the longest pause between two reads of the clock while an appointment waits
_SHORTEST_S = 0.01


class TakeOver:
    """Takes over the pending appointments of one editor; call `wake` when the clock may have jumped."""

    def __init__(self, ledger: Ledger, accounts: Accounts, clock: Clock) -> None:
        self._ledger, self._accounts, self._clock = ledger, accounts, clock
        self._woken, self._refused = asyncio.Event(), Seldom(_log)
        self._task: asyncio.Task[None] | None = None
        ledger.awaited.on_first = self.wake

    def wake(self) -> None:
        """Check now which doctors are to be named."""
        self._woken.set()

    async def start(self) -> None:
        """Begin, also with appointments that wait since before the start."""
        if self._task is None:
            self._task = keep(self._run, "take over")

    async def stop(self) -> None:
        """Stop; appointments that wait are taken over after the next start."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            self._woken.clear()
            pause = await self._name_due()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._woken.wait()

    async def _name_due(self) -> float | None:
        """Name the doctors that are due. Returns the seconds until the next check; None: no appointment waits."""
        for id in self._ledger.awaited.due(self._clock.now()):
            try:
                await self._take(id)
            except StoreError as error:
                self._refused.error("the doctor of appointment %s could not be named yet: %s", id, error)
                return POLL_S
        due = self._ledger.awaited.next_due
        if due is None:
            return None
        return min(max((due - self._clock.now()).total_seconds(), _SHORTEST_S), POLL_S)

    async def _take(self, id: str) -> None:
        """Take it over in the name of the regulator, as his account is now."""
        booking = self._ledger.get(id)
        if booking is None:
            self._ledger.awaited.give_up(id)
            return
        account = self._accounts.get(booking.account)
        operator = account.regulator().operator if account is not None else booking.operator
        try:
            await self._ledger.act(booking, Action.TAKE, operator)
        except RequestError as refusal:  # taken over or cancelled meanwhile, or the site does not exist any more
            _log.warning("appointment %s: %s", id, refusal)
            self._ledger.awaited.give_up(id)
