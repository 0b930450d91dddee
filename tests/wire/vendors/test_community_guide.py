"""A vendor's own server serves a community, as docs/integrateurs-orientations.md tells it: its configuration, its
program and its calls are those of the page, and what goes over the wire is what the page shows."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from load.ports import free_base
from sandbox.runner.stage import Stage
from tests.support.orientations.guide import COMMANDS, CONFIG, PROGRAM, alike, command_with, shown
from tests.support.sandboxes import command, endpoints, eventually
from tests.wire.vendors.guide import PORT, as_run

pytestmark = pytest.mark.timeout(120)


class Wire:
    """A terminal in a directory, for a sandbox at `base` and the vendor's server on `port`."""

    def __init__(self, directory: Path, base: int, port: int) -> None:
        self.directory, self.base, self.port = directory, base, port

    def text(self, script: str) -> str:
        return as_run(script, self.base, self.port).replace(f" {PORT} ", f" {self.port} ")

    def run(self, script: str) -> str:
        """What a script prints; it must succeed."""
        told = subprocess.run(
            ["sh", "-ec", self.text(script.replace("curl ", "curl -sSf "))],
            capture_output=True, text=True, timeout=30, cwd=self.directory,
        )  # fmt: skip
        assert told.returncode == 0, script + told.stdout + told.stderr
        return told.stdout

    @contextmanager
    def running(self, script: str) -> Iterator[list[str]]:
        """A program of the page; yields the lines that it prints, as they come."""
        arguments = self.text(script).split()
        with subprocess.Popen(
            arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=self.directory
        ) as process:
            lines: list[str] = []
            assert process.stdout is not None
            reader = threading.Thread(target=lines.extend, args=[process.stdout], daemon=True)
            reader.start()
            try:
                yield lines
            finally:
                process.kill()


def documents(lines: list[str], flow: str) -> list[Any]:
    """The documents that the program printed of a flow."""
    return [json.loads(line.split(" ", 2)[2]) for line in lines if line.startswith(f"{flow} ")]


async def test_the_program_of_the_page_serves_its_community(tmp_path: Path) -> None:
    base = free_base()
    wire = Wire(tmp_path, base, base + 50)  # the sandbox uses none of its base but those of the table
    (tmp_path / "entraide.yaml").write_text(wire.text(CONFIG), "utf-8")
    (tmp_path / "communaute.py").write_text(PROGRAM, "utf-8")
    assert "entraide.yaml" in command_with("up --config")
    flags = ("--preset", "minimal", "--config", str(tmp_path / "entraide.yaml"))
    with command(tmp_path / ".sandbox", *flags, base=base):
        document = endpoints(tmp_path / ".sandbox")
        with wire.running(command_with("communaute.py")) as lines:
            made = json.loads(wire.run(command_with("entraide-dehors")))
            assert (made["status"], made["category"]) == ("pending", "PDM")
            await eventually(lambda: len(documents(lines, "INT_R03")) == 2, what="both reports")
            assert [alike(each) for each in documents(lines, "PDM")] == shown("ServiceRequest")
            assert [alike(each) for each in documents(lines, "INT_R03")] == shown("Appointment")
            async with Stage(document) as stage:
                url = f"{document['lrms'][0]['ui']}/api/orientations/{made['id']}"

                async def told() -> bool:
                    history = (await stage.call("GET", url))["history"]
                    return [each["status"] for each in history] == ["pending", "booked"]

                await eventually(told, what="the LRM's case")
                appointment = (await stage.call("GET", url))["appointment"]
                assert appointment["practitioner"]["rppsId"] == "819800000077"
                assert appointment["organization"]["organizationId"] == "1339900011"
        for script in COMMANDS:
            if " up --config" not in script and "communaute.py" not in script:
                assert wire.run(script)


def test_the_program_uses_nothing_of_the_sandbox() -> None:
    imported = re.findall(r"^(?:import|from) ([\w., ]+?)(?: import .*)?$", PROGRAM, re.MULTILINE)
    names = {name.strip().partition(".")[0] for line in imported for name in line.split(",")}
    assert names <= set(sys.stdlib_module_names)
