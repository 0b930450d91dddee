"""kill -9 of the SAS core at each instant between an appointment and its acknowledgement: nothing lost or doubled."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.edxl.message import read
from sandbox.store.embedded.tables import open_store
from tests.support.hub_peer import FakeHubPeer
from tests.wire.crash.core_process import INSTANTS, booking, core_on

ROOT = Path(__file__).parents[3]


def crash(directory: Path, instant: str) -> str:
    """The id that the editor was told, empty when it was not answered."""
    command = [sys.executable, "-m", "tests.wire.crash.core_process", str(directory), instant]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    return ended.stdout


@pytest.mark.parametrize("instant", INSTANTS)
async def test_after_a_kill_the_appointment_is_there_once_and_acknowledged_once(tmp_path: Path, instant: str) -> None:
    told = crash(tmp_path, instant)
    assert bool(told) is (instant != "storing")
    store, hub = open_store(tmp_path / "sas"), FakeHubPeer()
    core, l02 = core_on(store, hub)
    assert core.read(told) is not None or not told, "what was answered is there"
    await l02.start()
    wanted, editor = booking()
    id = (await core.accept(wanted, editor, update=False)).record.id  # the editor, unanswered or not, tries again
    assert told in ("", id)
    (key,) = [message["distributionID"] for message in l02.of_appointment(id)]
    async with asyncio.timeout(10):
        while l02.statistics()["states"]["due"] or l02.waiting:
            await store.barrier()
            await asyncio.sleep(0)
    taken = tmp_path / "hub"
    bodies = [*(taken.read_bytes().splitlines() if taken.exists() else []), *hub.published]
    await hub.acknowledge(read(bodies[0]), step="INTEGRE")  # what the hub was not told of, it delivers again
    assert {read(body).distribution_id for body in bodies} == {key}
    assert len(bodies) <= 2, "at most the one that was under way goes twice, under the same id"
    assert core.count == 1
    assert [message["state"] for message in l02.of_appointment(id)] == ["acknowledged"]
    assert store.count("l02_outbox") == 0
    await l02.stop()
    await store.close()
