"""The store in real processes: killed, before a file that may not grow, and what its rows cost in memory."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.kernel.errors import StoreLocked
from sandbox.store.embedded.tables import open_store

ROOT = Path(__file__).parents[3]

# Commits from 32 tasks at once, and says so on standard output once a commit is acknowledged.
WRITER = """
import asyncio, sys
from pathlib import Path
from sandbox.store.embedded import tables
from sandbox.store.protocol import Put
tables.LOG_LIMIT = 200_000
out = sys.stdout

async def write(store, task):
    for number in range(100_000):
        key = f"{task}-{number}"
        row = b'{"n":%d,"filling":"%s"}' % (number, b"x" * 100)
        await store.commit(Put("left", key, row), Put("right", key, row), Put("last", str(task), row))
        out.write(key + "\\n")
        out.flush()

async def main():
    store = tables.open_tables(Path(sys.argv[1]))
    async with asyncio.TaskGroup() as group:
        for task in range(32):
            group.create_task(write(store, task))

asyncio.run(main())
"""

# Lets its files grow to 64 KiB, then commits until it is told that the disk is full.
FILLER = """
import asyncio, resource, sys
from pathlib import Path
from sandbox.kernel.errors import StoreError
from sandbox.store.protocol import Put
from sandbox.store.embedded.tables import open_store
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, most))

async def main():
    store = open_store(Path(sys.argv[1]))
    acknowledged = 0
    try:
        while True:
            await store.commit(Put("t", str(acknowledged), b'{"filling":"%s"}' % (b"x" * 1000)))
            acknowledged += 1
    except StoreError:
        pass
    await store.close()
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    print(acknowledged)

asyncio.run(main())
"""

# Says by how many octets 20,000 rows of a kilobyte make the process grow.
GROWER = """
import asyncio, sys
from pathlib import Path
import orjson
from sandbox.store.protocol import Put
from sandbox.store.embedded.tables import open_store

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

async def main():
    store = open_store(Path(sys.argv[1]))
    before = resident()
    for number in range(0, 20_000, 100):
        rows = [orjson.dumps({"n": number + i, "filling": "x" * 1000}) for i in range(100)]
        await asyncio.gather(*(store.commit(Put("t", str(number + i), row)) for i, row in enumerate(rows)))
    print(resident() - before)
    await store.close()

asyncio.run(main())
"""


@pytest.mark.parametrize("acknowledgements", [1, 400, 6_000])
def test_every_acknowledged_commit_is_there_after_kill_9(tmp_path: Path, acknowledgements: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path / "store")], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        keys = [process.stdout.readline().strip() for _ in range(acknowledgements)]
        with pytest.raises(StoreLocked, match=f"process {process.pid}"):
            open_store(tmp_path / "store")
        os.kill(process.pid, signal.SIGKILL)
        keys += [line.strip() for line in process.stdout if line.endswith("\n")]
    assert process.returncode == -signal.SIGKILL
    store = open_store(tmp_path / "store")
    left, right = dict(store.items("left")), dict(store.items("right"))
    assert set(keys) <= left.keys()
    assert left == right  # no commit is there in part
    asyncio.run(store.close())


def test_what_was_acknowledged_before_the_disk_was_full_is_there_and_nothing_else(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FILLER, str(tmp_path / "store")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    acknowledged = int(done.stdout)
    assert 50 <= acknowledged <= 65
    store = open_store(tmp_path / "store")
    assert [key for key, _ in store.items("t")] == [str(number) for number in range(acknowledged)]
    asyncio.run(store.close())


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads the process's size from /proc")
def test_rows_cost_little_more_memory_than_their_octets(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", GROWER, str(tmp_path / "store")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert int(done.stdout) < 20_000 * 1_500  # the bound of 300 MiB for 200,000 rows, in proportion
