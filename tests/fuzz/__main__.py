"""`python -m tests.fuzz SECONDS [SEED]`: exit code 1 when an input was found that fails."""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.fuzz.driver import Try, fuzz, write
from tests.support.inputs.entrances import town
from tests.support.inputs.seeds import seeds

PATIENCE_S = 20.0  # for one input: a longer time is a failure too


def main(seconds: float, first: int) -> int:
    """Fuzz for so long; the number of failures, at most 1."""
    logging.disable(logging.CRITICAL)  # log lines about a million bad inputs are of no use
    write(f"fuzzing for {seconds:g} s from seed {first}")
    with tempfile.TemporaryDirectory() as directory, asyncio.Runner() as runner:
        stack = town(Path(directory))
        made = runner.run(stack.__aenter__())
        try:
            tries = {name: _in(runner, entrance) for name, entrance in made.entrances.items()}
            failures = fuzz(tries, seeds(made), seconds=seconds, first=first)
        finally:
            runner.run(stack.__aexit__(None, None, None))
    write(f"{len(failures)} failures" if failures else "nothing failed")
    return min(1, len(failures))


def _in(runner: asyncio.Runner, entrance: Callable[[bytes], Awaitable[None]]) -> Try:
    async def bounded(sent: bytes) -> None:
        async with asyncio.timeout(PATIENCE_S):
            await entrance(sent)

    return lambda sent: runner.run(bounded(sent))


if __name__ == "__main__":
    given = iter(sys.argv[1:])
    sys.exit(main(float(next(given, 60)), int(next(given, time.time()))))
