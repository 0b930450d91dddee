"""How the communities of an editor answer by themselves, once an answer is due or the time to answer is over.

The clock is that of the sandbox, which may stand still or jump. Nothing is durable here: the ledger stores what is due
when, so what was due while the editor did not run happens after its start.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

from sandbox.editor.communities.ledger import RequestLedger
from sandbox.kernel.clock import Clock
from sandbox.kernel.errors import StoreError
from sandbox.kernel.seldom import Seldom
from sandbox.tasks import keep

_log = logging.getLogger(__name__)

POLL_S = 1.0  # the longest pause between two reads of the clock while something is due
_SHORTEST_S = 0.01


class Answering:
    """Answers for the communities of one editor; call `wake` when the clock may have jumped."""

    def __init__(self, ledger: RequestLedger, clock: Clock) -> None:
        self._ledger, self._clock = ledger, clock
        self._woken, self._refused = asyncio.Event(), Seldom(_log)
        self._task: asyncio.Task[None] | None = None
        ledger.on_due = self.wake

    def wake(self) -> None:
        """Look now what is due."""
        self._woken.set()

    async def start(self) -> None:
        """Begin, also with what became due before the start."""
        if self._task is None:
            self._task = keep(self._run, "answers of communities")

    async def stop(self) -> None:
        """Stop; what is due then is done after the next start."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            self._woken.clear()
            pause = await self._answer_due()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._woken.wait()

    async def _answer_due(self) -> float | None:
        """Answer what is due. Returns the seconds until the next look; None: nothing waits."""
        for id in self._ledger.due(self._clock.now()):
            try:
                await self._ledger.proceed(id)
            except StoreError as error:
                self._refused.error("request %s could not be answered yet: %s", id, error)
                return POLL_S
        due = self._ledger.next_due
        if due is None:
            return None
        return min(max((due - self._clock.now()).total_seconds(), _SHORTEST_S), POLL_S)
