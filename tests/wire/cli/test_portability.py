"""What the README promises beyond this checkout: no uvloop, the wheel alone, the docs' commands, the limits."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import venv
from pathlib import Path

import pytest

from load.ports import free_base
from tests.support.sandboxes import command
from tests.support.watchdog import untraced_children

ROOT = Path(__file__).resolve().parents[3]
SCENARIO = (sys.executable, "-m", "sandbox.cli", "scenario", "run", "nominal")
LOCUST = (sys.executable, "-m", "locust", "-f", str(ROOT / "load" / "locustfile.py"), "--headless")


def test_everything_works_without_uvloop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / "uvloop.py").write_text("raise ImportError('not on this system')\n")
    monkeypatch.setenv("PYTHONPATH", str(blocked))
    with command(tmp_path / "data", "--preset", "minimal") as running:
        played = subprocess.run(
            [*SCENARIO, "--endpoints", str(tmp_path / "data" / "endpoints.json")],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=ROOT,
        )
        code, _, err = running.end()
    assert played.returncode == 0, played.stdout[-2000:]
    assert (code, err) == (0, "")


def test_the_wheel_alone_runs_the_sandbox_and_its_scenario(tmp_path: Path) -> None:
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "-q",
            "--no-deps",
            "--no-build-isolation",
            "-w",
            str(tmp_path),
            str(ROOT),
        ],
        check=True,
        timeout=120,
    )
    (wheel,) = tmp_path.glob("sas_sandbox-*.whl")
    home = tmp_path / "env"
    venv.create(home, with_pip=False)
    target = home / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    installed = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-compile", "--target", str(target)]
    subprocess.run([*installed, str(wheel)], check=True, timeout=120)
    libraries = next(path for path in sys.path if path.endswith("site-packages"))
    (target / "libraries.pth").write_text(libraries + "\n")  # the locked libraries, without this checkout
    program = "import sandbox.cli, sys; assert 'env' in sandbox.cli.__file__; sys.exit(sandbox.cli.main())"
    python = str(home / "bin" / "python")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV", "SAS_"))}
    done = subprocess.run(
        [python, "-c", program, "scenario", "run", "nominal", "--start", "--port-base", str(free_base())],
        capture_output=True,
        text=True,
        timeout=100,
        cwd=tmp_path,
        env=environ,
    )
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-1500:]


def test_the_load_profile_searches_without_a_failure(tmp_path: Path) -> None:
    with command(tmp_path / "data", "--preset", "demo") as running:
        environ = {**os.environ, "SANDBOX_ENDPOINTS": str(tmp_path / "data" / "endpoints.json")}
        done = subprocess.run(
            [*LOCUST, "-u", "4", "-r", "4", "-t", "4s", "--only-summary", "--json"],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=tmp_path,
            env={name: value for name, value in environ.items() if not name.startswith("COV")},
        )
        running.end()
    assert done.returncode == 0, done.stderr[-1500:]
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert rows["search"]["num_requests"] > 3
    assert rows["search"]["num_failures"] == rows["login"]["num_failures"] == 0


@pytest.mark.parametrize("flags", [(), ("--processes",)], ids=["one-process", "processes"])
def test_memory_and_the_second_start_stay_within_their_limits(
    tmp_path: Path, flags: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    untraced_children(monkeypatch)
    data = tmp_path / "data"
    with command(data, *flags) as first:
        assert first.end()[0] == 0
    with command(data, *flags) as second:
        began = time.monotonic()
        code, out, _ = second.end()
    assert code == 0
    assert time.monotonic() - began < 5
    memory = int(re.search(r"(\d+) Mio", out).group(1))  # type: ignore[union-attr]
    assert memory <= (450 if flags else 250)
