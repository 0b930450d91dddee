"""A vendor's LRM in the place of ours: the programs of docs/integrators-lrm.md, run as they stand there."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from sandbox.cli import main
from sandbox.faults.kinds import kinds_at
from tests.support.sandboxes import Command, command, endpoints

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "integrators-lrm.md").read_text("utf-8")
SAMU, NEW = "fr.health.samu330", "fr.health.samu750"
JARS = [Path("/usr/share/java") / name for name in ("amqp-client.jar", "slf4j-api.jar")]
CASES = ("create", "update", "cancel", "unknown-update", "duplicate", "invalid")


def program(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    directory = tmp_path_factory.mktemp("vendor")
    (example,) = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    config = directory / "config.yaml"
    config.write_text(example + f"  - client_id: {NEW}\n", "utf-8")
    with command(directory / "data", "--preset", "minimal", "--config", str(config)) as running:
        yield running


@pytest.fixture(scope="module")
def document(sandbox: Command) -> dict[str, Any]:
    return endpoints(sandbox.data)


@contextlib.contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A vendor's program, ended whatever happens; what it prints can be read."""
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def where(document: dict[str, Any]) -> list[str]:
    found = re.fullmatch(r"amqps://(.+):(\d+)/(.+)", document["hub"]["amqp"])
    assert found is not None
    return [*found.groups()]


def send(sandbox: Command, to: str, case: str) -> int:
    return main(["l02", "send", "--data-dir", str(sandbox.data), "--to", to, "--case", case, "--timeout", "60"])


def test_python_program_is_short_and_acknowledges_every_case(
    sandbox: Command, document: dict[str, Any], tmp_path: Path
) -> None:
    source = program("python")
    assert len([line for line in source.splitlines() if line.strip()]) <= 42
    (tmp_path / "lrm.py").write_text(source, "utf-8")
    files = document["tls"]["clients"][SAMU]
    arguments = [SAMU, *where(document), document["tls"]["ca"], files["cert"], files["key"]]
    with running(sys.executable, str(tmp_path / "lrm.py"), *arguments) as vendor:
        assert [send(sandbox, SAMU, case) for case in CASES] == [0] * len(CASES)
        assert send(sandbox, SAMU, "conflict") == 1
        assert vendor.stdout is not None
        assert vendor.stdout.readline().startswith("CreateAppointment booked 20")


def test_java_program_acknowledges_every_case(sandbox: Command, document: dict[str, Any], tmp_path: Path) -> None:
    missing = [str(jar) for jar in JARS if not jar.exists()] + ([] if shutil.which("javac") else ["javac"])
    if missing:
        pytest.skip(
            f"not installed: {', '.join(missing)} (librabbitmq-client-java, libslf4j-java, default-jdk-headless)"
        )
    (tmp_path / "Lrm.java").write_text(program("java"), "utf-8")
    path = os.pathsep.join(map(str, [*JARS, tmp_path]))
    subprocess.run(["javac", "-cp", path, "-d", str(tmp_path), str(tmp_path / "Lrm.java")], check=True, timeout=90)
    files = document["tls"]["clients"][NEW]
    arguments = [NEW, *where(document), document["tls"]["ca"], files["p12"]]
    with running("java", "-cp", path, "Lrm", *arguments) as vendor:
        assert [send(sandbox, NEW, case) for case in CASES] == [0] * len(CASES)
        assert vendor.stdout is not None
        assert vendor.stdout.readline().startswith("CreateAppointment 20")


def test_the_sandbox_runs_no_lrm_under_that_id(sandbox: Command, document: dict[str, Any]) -> None:
    assert [lrm["client_id"] for lrm in document["lrms"] if lrm["external"]] == [SAMU]
    with urlopen(f"{document['control']['api']}/health", timeout=10) as answer:
        health = json.load(answer)
    assert SAMU not in health["roles"]["lrm"]
    assert "fr.health.samu350" in health["roles"]["lrm"]
    assert not (sandbox.data / "lrm" / SAMU).exists()
    assert {SAMU, NEW} <= set(document["tls"]["clients"])


def test_the_table_of_behaviours_has_each_with_its_sentence_and_its_parameters() -> None:
    rows = re.findall(r"^\| `((?:ack|lrm)-[a-z-]+)` \| (.+?) \| (.*?) ?\|$", PAGE, re.MULTILINE)
    assert {name: text for name, text, _ in rows} == {name: kind.sentence for name, kind in kinds_at("lrm").items()}
    named = {name: set(re.findall(r"`(\w+)`", params)) for name, _, params in rows}
    assert named == {name: set(kind.texts()) - {*kind.filters} for name, kind in kinds_at("lrm").items()}
