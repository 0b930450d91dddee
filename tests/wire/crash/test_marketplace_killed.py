"""kill -9 of both sides of the marketplace at each instant between their durable steps: nothing lost or doubled."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.editor.communities.requests import State
from sandbox.sas.orientations.records import Ending
from tests.support.marketplace import both, place, until
from tests.wire.crash.marketplace_process import INSTANTS

ROOT = Path(__file__).parents[3]
ENDED = ("withdrawn", "revoked")


def crash(directory: Path, instant: str) -> str:
    """The id that the regulator was told."""
    command = [sys.executable, "-m", "tests.wire.crash.marketplace_process", str(directory), instant]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    return ended.stdout


@pytest.mark.parametrize("instant", INSTANTS)
async def test_after_a_kill_both_sides_agree_and_the_lrm_is_told_once(tmp_path: Path, instant: str) -> None:
    id = await asyncio.to_thread(crash, tmp_path, instant)
    async with place(tmp_path) as here, both(here) as market:
        here.behave(after_s=0)
        await until(lambda: len(market.editor.running.requests) == 1)
        here.pass_(seconds=11)  # a community that had not decided yet answers as it does by default
        status, state = ("cancelled", State.WITHDRAWN) if instant in ENDED else ("booked", State.ACCEPTED)
        await until(lambda: market.record(id).status == status)
        await until(lambda: market.request(market.record(id)).state is state)
        await until(lambda: market.editor.running.emitter.health() == {"r03_waiting": 0, "r03_failed": 0})
        await until(lambda: market.core.sas.marketplace.health()["calls_waiting"] == 0)
        record = market.record(id)
        assert record.details.ending is (Ending.WITHDRAWN if instant in ENDED else None)
        assert record.version == (3 if instant in ENDED else 2)
        assert market.core.sas.appointments.count == 1
        told = [message["distributionID"] for message in market.core.sas.l02.of_appointment(id)]
        assert len(told) == len({*told}) == record.version
