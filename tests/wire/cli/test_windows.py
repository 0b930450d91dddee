"""`sas-sandbox up` in one process on a Python that has only what Windows has (`tests/support/windows.py`)."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.runner.run import play
from tests.support.sandboxes import Command

ROOT = Path(__file__).resolve().parents[3]
AS_ON_WINDOWS = ["-m", "tests.support.windows"]

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="reads from /proc which files are open")


@pytest.fixture
def windows(tmp_path: Path) -> Iterator[Command]:
    running = Command(tmp_path / "data")
    running.arguments[1:3] = AS_ON_WINDOWS
    try:
        yield running
    finally:
        running.kill_all()


def refused(*arguments: str) -> str:
    """The one line with which a command of it gives up."""
    command = [sys.executable, *AS_ON_WINDOWS, "up", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    (line,) = ended.stderr.splitlines()
    return line


def test_it_starts_plays_the_main_job_locks_its_directory_stops_and_finds_everything_again(windows: Command) -> None:
    windows.start()
    told = io.StringIO()
    assert play("nominal", windows.data / "endpoints.json", out=told) == 0, told.getvalue()
    assert f"in use by process {windows.pid}:" in refused("--data-dir", str(windows.data), "--port-base", "9900")
    code, _, err = windows.end()
    assert (code, err) == (0, "")
    assert [path.name for path in windows.data.rglob("*") if set(path.name) & set('<>:"|?*\\')] == []
    kept = json.loads((windows.data / "sas" / "db.json").read_bytes())
    windows.start()
    code, _, err = windows.end()
    assert (code, err) == (0, "")
    assert json.loads((windows.data / "sas" / "db.json").read_bytes()) == kept


def test_one_process_per_role_needs_posix(tmp_path: Path) -> None:
    assert refused("--processes", "--data-dir", str(tmp_path / "data")) == (
        "sas-sandbox: --processes needs a POSIX system (Linux, macOS): start without it, all roles in one process"
    )
    assert not (tmp_path / "data").exists()
