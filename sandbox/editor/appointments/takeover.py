"""What an SOS association does by itself: once the time has come it names the doctor of a pending appointment.

Time is the sandbox's: it may stand still, or leap. Nothing is durable here: who waits, and until when, is in the
ledger, so a take-over that a crash interrupted goes on after it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

from sandbox.editor.accounts.accounts import Accounts
from sandbox.editor.appointments.ledger import Action, Ledger
from sandbox.kernel.clock import Clock
from sandbox.kernel.errors import RequestError, StoreError
from sandbox.kernel.seldom import Seldom
from sandbox.tasks import keep

_log = logging.getLogger(__name__)

LOOK_S = 1.0  # the longest pause between two looks at the clock while somebody waits
_SHORTEST_S = 0.01


class TakeOver:
    """Follows the ledger of one editor; `wake` it when time may have leapt."""

    def __init__(self, ledger: Ledger, accounts: Accounts, clock: Clock) -> None:
        self._ledger, self._accounts, self._clock = ledger, accounts, clock
        self._woken, self._refused = asyncio.Event(), Seldom(_log)
        self._task: asyncio.Task[None] | None = None
        ledger.on_awaited = self.wake

    def wake(self) -> None:
        """Look now."""
        self._woken.set()

    async def start(self) -> None:
        """Begin, with what waits since before."""
        if self._task is None:
            self._task = keep(self._run, "take over")

    async def stop(self) -> None:
        """Name nobody any more; who waits goes on waiting at the next start."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            self._woken.clear()
            pause = await self._look()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._woken.wait()

    async def _look(self) -> float | None:
        """Name the doctors that are due. Seconds until the next look; None: nobody waits."""
        for id in self._ledger.due(self._clock.now()):
            try:
                await self._take(id)
            except StoreError as error:
                self._refused.error("the doctor of appointment %s could not be named yet: %s", id, error)
                return LOOK_S
        due = self._ledger.next_due
        if due is None:
            return None
        return min(max((due - self._clock.now()).total_seconds(), _SHORTEST_S), LOOK_S)

    async def _take(self, id: str) -> None:
        """In the name of the regulator as the editor knows him now."""
        booking = self._ledger.get(id)
        if booking is None:
            self._ledger.give_up(id)
            return
        account = self._accounts.get(booking.account)
        operator = account.regulator().operator if account is not None else booking.operator
        try:
            await self._ledger.act(booking, Action.TAKE, operator)
        except RequestError as refusal:  # somebody was faster, or the site is gone
            _log.warning("appointment %s: %s", id, refusal)
            self._ledger.give_up(id)
