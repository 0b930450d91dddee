"""`sas-sandbox up` as its user sees it: the banner, errors in one clear line, no process left behind, recovery at the
next start."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from load.ports import free_base
from tests.support.sandboxes import Command, command
from tests.support.watchdog import untraced_children

ROOT = Path(__file__).resolve().parents[3]


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def gone(pids: list[int], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while any(alive(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.parametrize("flags", [(), ("--processes",), ("--no-mtls", "--preset", "minimal")])
def test_up_prints_who_listens_and_ctrl_c_ends_it_cleanly(tmp_path: Path, flags: tuple[str, ...]) -> None:
    data = tmp_path / "data"
    with command(data, *flags) as running:
        document = json.loads((data / "endpoints.json").read_text("utf-8"))
        code, out, err = running.end(signal.SIGINT, seconds=5)
    assert (code, err) == (0, "")
    assert re.search(r"prêt en \d+\.\d s, \d+ Mio \(Pss\)", out)
    for url in (document["sas"]["ui"], document["hub"]["amqp"], document["control"]["api"], document["psc"]["issuer"]):
        assert url in out
    accounts = [*document["examples"]["regulators"], *document["examples"]["practitioners_sas_agenda"]]
    for account in accounts:
        assert account["identifier"] in out
        assert account["password"] in out
    assert "curl " in out
    assert "scenario run nominal" in out
    assert not (data / "endpoints.json").exists()


def test_the_printed_commands_work_as_they_are(tmp_path: Path) -> None:
    with command(tmp_path / "data", "--preset", "minimal", "--ready-file", str(tmp_path / "ready.json")) as running:
        assert running.process is not None
        assert running.process.stdout is not None
        lines = []
        while "Ctrl-C" not in (lines or [""])[-1]:
            lines.append(running.process.stdout.readline())
        assert json.loads((tmp_path / "ready.json").read_text("utf-8"))["tls"]["ca"].startswith("/")
        curl = next(line for line in lines if line.strip().startswith("curl "))
        assert "'" not in curl  # no quotation to Windows
        done = subprocess.run(["sh", "-c", curl.strip() + " -s -f"], capture_output=True, text=True, timeout=10)
        scenario = next(line for line in lines if "scenario run" in line)
        played = subprocess.run(["sh", "-c", scenario], capture_output=True, text=True, timeout=60, cwd=ROOT)
        assert running.end()[0] == 0
    assert played.returncode == 0, played.stdout[-2000:]
    assert done.returncode == 0, done.stderr
    bundle = json.loads(done.stdout)
    assert bundle["resourceType"] == "Bundle"
    assert bundle["total"] > 0
    assert not (tmp_path / "ready.json").exists()


def run_up(*flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sandbox.cli", "up", *flags], capture_output=True, text=True, timeout=20
    )


def test_a_taken_port_is_one_clear_line_and_nothing_is_half_started(tmp_path: Path) -> None:
    base = free_base()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", base + 43))
        taken.listen()
        done = run_up("--port-base", str(base), "--data-dir", str(tmp_path / "d"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert f"port {base + 43} (editors' FHIR) on 127.0.0.1 is already taken" in done.stderr
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", base))
    with command(tmp_path / "d", "--preset", "minimal", base=base) as running:
        assert running.end()[0] == 0


def test_a_data_directory_in_use_or_unwritable_is_one_clear_line(tmp_path: Path) -> None:
    with command(tmp_path / "data", "--preset", "minimal") as running:
        done = run_up("--port-base", str(free_base()), "--data-dir", str(tmp_path / "data"))
        running.end()
    assert done.returncode == 2
    assert f"in use by process {running.pid}" in done.stderr
    (tmp_path / "file").write_text("")
    done = run_up("--port-base", str(free_base()), "--data-dir", str(tmp_path / "file" / "data"))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "cannot be used" in done.stderr


@pytest.mark.parametrize(
    ("text", "line"), [("seed: 1\npreset: nope\n", 2), ("port_base: 8000\nseed: [\n", 3), ("host: 3\n", 1)]
)
def test_a_broken_configuration_file_is_named_with_its_line(tmp_path: Path, text: str, line: int) -> None:
    file = tmp_path / "sandbox.yaml"
    file.write_text(text)
    done = run_up("--config", str(file))
    assert done.returncode == 2
    assert done.stderr.startswith(f"sas-sandbox: {file}:{line}: ")
    assert done.stderr.count("\n") == 1


def test_a_broken_persona_file_is_named_with_its_line(tmp_path: Path) -> None:
    from sandbox.package_data import directory

    personas = tmp_path / "personas"
    personas.mkdir()
    for source in directory("personas").glob("*.yaml"):
        (personas / source.name).write_text(source.read_text("utf-8"), "utf-8")
    broken = personas / "editors.yaml"
    broken.write_text(broken.read_text("utf-8") + "\n  - slug: 3\n", "utf-8")
    config = tmp_path / "c.yaml"
    config.write_text(f"personas: {personas}\n")
    done = run_up("--config", str(config), "--data-dir", str(tmp_path / "d"))
    assert done.returncode == 2
    assert re.match(rf"sas-sandbox: {re.escape(str(broken))}:\d+: ", done.stderr)
    assert done.stderr.count("\n") == 1


def test_a_wrong_flag_is_a_usage_error() -> None:
    done = run_up("--port-base", "abc")
    assert done.returncode == 2
    assert "invalid int value" in done.stderr


def test_kill_9_of_the_supervisor_leaves_no_orphan_and_the_next_start_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    untraced_children(monkeypatch)
    data = tmp_path / "data"
    with command(data, "--processes", "--preset", "minimal") as running:
        roles = children(running.pid)
        assert len(roles) == 6
        os.kill(running.pid, signal.SIGKILL)
        again = Command(data, "--processes", "--preset", "minimal", base=running.base)
        try:
            assert gone(roles, 2.0)
            again.start()
            assert len(children(again.pid)) == 6
            assert again.end()[0] == 0
        finally:
            again.kill_all()


def test_a_role_that_dies_is_started_again_on_the_same_ports(tmp_path: Path) -> None:
    with command(tmp_path / "data", "--processes", "--preset", "minimal") as running:
        before = set(children(running.pid))
        victim = min(before)
        os.kill(victim, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while len(after := set(children(running.pid))) < 6 or victim in after:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        code, _, err = running.end()
    assert code == 0, err
    assert "ended (signal 9)" in err


@pytest.mark.parametrize("flags", [(), ("--processes",)], ids=["one-process", "processes"])
@pytest.mark.parametrize("after", [0.0, 0.15, 0.3, 0.6])
def test_ctrl_c_while_everything_starts_ends_it_too(tmp_path: Path, flags: tuple[str, ...], after: float) -> None:
    with command(tmp_path / "data", "--preset", "minimal", *flags, ready=False) as running:
        deadline = time.monotonic() + 10
        while not (tmp_path / "data" / "lock").exists():  # before that Python itself is starting
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(after)  # any instant of the start will do
        code, _, err = running.end(seconds=5.5)
    assert code in (0, 130, -signal.SIGINT)
    assert "Traceback" not in err


def test_kill_9_of_the_one_process_loses_nothing_and_leaves_no_false_endpoints(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with command(data, "--preset", "minimal") as running:
        os.kill(running.pid, signal.SIGKILL)
        assert running.process is not None
        running.process.wait(5)
        assert (data / "endpoints.json").exists()
        busy = socket.socket()
        busy.bind(("127.0.0.1", running.base + 3))
        busy.listen()
        assert run_up("--port-base", str(running.base), "--data-dir", str(data)).returncode == 2
        assert not (data / "endpoints.json").exists()
        busy.close()
        again = Command(data, "--preset", "minimal", base=running.base)
        try:
            again.start()
            assert again.end()[0] == 0
        finally:
            again.kill_all()
