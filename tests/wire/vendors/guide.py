"""The vendors' guides, as files and as commands."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import yaml

from sandbox.cli import main

ROOT = Path(__file__).resolve().parents[3]
GUIDE = (ROOT / "docs" / "integrateurs.md").read_text("utf-8")
LRM_GUIDE = (ROOT / "docs" / "integrators-lrm.md").read_text("utf-8")
PORT = 9443  # of the vendor's server, in the guide
FHIR = f"https://127.0.0.1:{PORT}/fhir"


def blocks(language: str, page: str = GUIDE) -> list[str]:
    """The code blocks in one language."""
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def configuration(page: str = GUIDE) -> dict[str, object]:
    """The configuration that a guide shows, of all its passages; an indented one is of a persona file."""
    found: dict[str, object] = {}
    for block in blocks("yaml", page):
        found |= yaml.safe_load(block) if not block.startswith(" ") else {}
    return found


DECLARED: dict = configuration()["external_editors"][0]  # type: ignore[index,type-arg]
DOCTOR = DECLARED["practitioners"][0]
PRACTITIONER, STRUCTURE = DOCTOR["id"], DOCTOR["places"][0]["structure"]
OU = DECLARED["ou"]


def write_files(directory: Path, port: int) -> Path:
    """What `init editor mon-agenda` writes for a server on `port`: the configuration; certificates in `data`."""
    options = [
        "--fhir",
        FHIR.replace(str(PORT), str(port)),
        "--out",
        str(directory),
        "--data-dir",
        str(directory / "data"),
    ]
    assert main(["init", "editor", "mon-agenda", *options]) == 0
    return directory / "mon-agenda.yaml"


def as_run(script: str, base: int, port: int) -> str:
    """A block of commands for a sandbox at `base` and a vendor's server on `port`."""
    script = re.sub(r"\b80(\d\d)\b", lambda match: str(base + int(match.group(1))), script)
    script = script.replace(f":{PORT}", f":{port}")
    for written, called in (("python", sys.executable), ("sas-sandbox", f"{sys.executable} -m sandbox.cli")):
        script = re.sub(rf"(?<![\w/])\.venv/bin/{written}(?=\s)", called, script)
    return script
