"""Plays a scenario and reports the result. Exit codes: 0 pass, 1 failed, 2 usage (UsageError), 3 unreachable."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from sandbox.kernel.errors import PeerError, UsageError
from sandbox.runner.loader import Scenario, find
from sandbox.runner.report import Report
from sandbox.runner.stage import Failed, Stage, Unreachable, read_endpoints, reason

JOURNAL_SETTLES_S = 0.15
START_WITHIN_S = 60.0
STOP_WITHIN_S = 8.0
# Windows interrupts whole groups of processes, and by Ctrl-Break only those that are not our own.
OWN_GROUP: int = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
INTERRUPT: int = getattr(signal, "CTRL_BREAK_EVENT", signal.SIGINT)


def play(name: str, endpoints: Path, *, out: TextIO, start: tuple[str, ...] | None = None) -> int:
    """Play scenario `name` on the sandbox of `endpoints`, or on one of its own started with the flags `start`."""
    scenario, report = find(name), Report(out)
    try:
        if start is None:
            return asyncio.run(play_on(scenario, endpoints, report))
        with own_sandbox(start) as ready:
            return asyncio.run(play_on(scenario, ready, report))
    except Unreachable as error:
        report.line(f"injoignable : {error}")
        return 3


async def play_on(scenario: Scenario, endpoints: Path, report: Report) -> int:
    """Play a scenario on the sandbox of `endpoints`; the exit code, 0 or 1. Raises Unreachable."""
    report.line(scenario.title)
    async with Stage(read_endpoints(endpoints)) as stage:
        await stage.skip_exchanges()
        for number, step in enumerate(scenario.steps, 1):
            report.step(number, step.title())
            try:
                facts = await step.play(stage)
            except (Failed, PeerError) as error:
                await _show_exchanges(stage, report)
                report.bad(reason(error))
                report.line("\nÉCHEC : les étapes suivantes n'ont pas été jouées")
                return 1
            await _show_exchanges(stage, report)
            for fact in facts:
                report.good(fact)
    report.line(f"\nRÉUSSI : {len(scenario.steps)} étapes")
    return 0


async def _show_exchanges(stage: Stage, report: Report) -> None:
    """The journal arrives in batches: wait for the last one."""
    await asyncio.sleep(JOURNAL_SETTLES_S)
    with contextlib.suppress(PeerError):
        for exchange in await stage.new_exchanges():
            report.exchange(exchange)


@contextlib.contextmanager
def own_sandbox(flags: tuple[str, ...]) -> Iterator[Path]:
    """A sandbox in a temporary directory; yields its endpoints.json. Raises UsageError."""
    directory = Path(tempfile.mkdtemp(prefix="sas-sandbox-"))
    ready = directory / "ready.json"
    command = [sys.executable, "-m", "sandbox.cli", "up", "--data-dir", str(directory / "data")]
    command += ["--ready-file", str(ready), *flags]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, creationflags=OWN_GROUP)
    try:
        _wait(process, ready)
        yield ready
    finally:
        _end(process)
        shutil.rmtree(directory, ignore_errors=True)


def _wait(process: subprocess.Popen[bytes], ready: Path) -> None:
    deadline = time.monotonic() + START_WITHIN_S
    while not ready.exists():
        if process.poll() is not None:
            raise UsageError("the sandbox of the scenario did not start (see the line above)")
        if time.monotonic() > deadline:
            raise UsageError(f"the sandbox of the scenario was not ready within {START_WITHIN_S:.0f} s")
        time.sleep(0.05)


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(INTERRUPT)
    try:
        process.wait(STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
