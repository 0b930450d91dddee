"""What a group of checks is: an async generator over a target and a wire, and what all of them have in common.

    async def check(subject: Subject) -> AsyncIterator[Observed]: ...

It yields `Passed`, `Fault` and `Skipped` (`verdicts`), for the requirements that it names in `IDS`. It raises nothing
for what the server does, and leaves nothing behind at the server.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from sandbox.check.target import Target
from sandbox.check.verdicts import Observed, Skipped, Text
from sandbox.check.wire import Wire


@dataclass(frozen=True, slots=True)
class Subject:
    """What a group works on. `now`: the server's time, aware, in Europe/Paris; `wanted`: ids that are examined;
    `seed`: of made-up values that must be new at each run."""

    target: Target
    wire: Wire
    now: datetime
    wanted: frozenset[str]
    seed: int


Group = Callable[[Subject], AsyncIterator[Observed]]


def skipped(ids: Iterable[str], fr: str, en: str) -> Iterable[Skipped]:
    """The same reason for several requirements."""
    return (Skipped(each, Text(fr, en)) for each in ids)
