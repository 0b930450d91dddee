"""Background tasks that are meant to run as long as their role: when one of them fails, it is reported and restarted.

A role's `Keeper` holds what is known of its tasks; `keep` starts one under the keeper in force. A task that raises is
reported in the log and started again after a pause that grows while it goes on failing; until then its role says that
it is not ready, and why (`Keeper.trouble`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextvars import ContextVar
from typing import Any

log = logging.getLogger(__name__)

PAUSES_S = (0.5, 30.0)  # before the first restart, and the longest
CALM_S = 60.0  # a task that ran so long begins with the first pause again


class Keeper:
    """The tasks of one role. `restarts`: how often each was started again, by name."""

    def __init__(self) -> None:
        self.restarts: Counter[str] = Counter()
        self._down: dict[str, str] = {}

    @property
    def trouble(self) -> str:
        """The tasks that do not run now, each with its last error; "" when all run."""
        return "; ".join(f"{name}: {reason}" for name, reason in self._down.items())

    def health(self) -> dict[str, object]:
        """The failed tasks for a role's report; empty when none ever failed."""
        return {"restarted": dict(self.restarts)} if self.restarts else {}

    async def run(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run `work`, again whenever it raises; returns when it returns."""
        loop, pause = asyncio.get_running_loop(), PAUSES_S[0]
        while True:
            began = loop.time()
            try:
                await work()
                return
            except Exception as error:
                log.exception("the task '%s' failed; it is started again", name)
                self._down[name] = f"{type(error).__name__}: {error}"
            pause = PAUSES_S[0] if loop.time() - began > CALM_S else min(pause, PAUSES_S[1])
            try:
                await asyncio.sleep(pause)
            finally:
                del self._down[name]
            self.restarts[name] += 1
            pause *= 2


_keeper: ContextVar[Keeper] = ContextVar("keeper")


@contextlib.contextmanager
def kept_by(keeper: Keeper) -> Iterator[None]:
    """Tasks that are started in this context, and tasks that those start, belong to `keeper`."""
    token = _keeper.set(keeper)
    try:
        yield
    finally:
        _keeper.reset(token)


def keep(work: Callable[[], Coroutine[Any, Any, None]], name: str) -> asyncio.Task[None]:
    """Start a background task under the keeper in force; cancel the task to end it."""
    keeper = _keeper.get(None) or Keeper()
    return asyncio.create_task(keeper.run(name, work), name=name)
