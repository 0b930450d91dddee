"""The vendor's walk-through of the guide, as files and as commands."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
GUIDE = (ROOT / "docs" / "integrateurs.md").read_text("utf-8")
PORT = 9443  # of the vendor's server, in the guide
PRACTITIONER, STRUCTURE = "819800007700", "1339907700"


def blocks(language: str) -> list[str]:
    """The code blocks in one language."""
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


def write_files(directory: Path, port: int) -> Path:
    """The configuration and the appointment of the guide, for a vendor's server on `port`; the configuration's path."""
    file = directory / "mon-agenda.yaml"
    settings = [block for block in blocks("yaml") if not block.startswith(" ")]  # an indented one is of a persona file
    file.write_text("".join(settings).replace(f":{PORT}", f":{port}"), "utf-8")
    (appointment,) = blocks("json")
    (directory / "rendez-vous.json").write_text(appointment, "utf-8")
    return file


def as_run(script: str, base: int, port: int) -> str:
    """A block of commands for a sandbox at `base` and a vendor's server on `port`."""
    script = re.sub(r"\b80(\d\d)\b", lambda match: str(base + int(match.group(1))), script)
    return script.replace(f":{PORT}", f":{port}").replace(".venv/bin/sas-sandbox", f"{sys.executable} -m sandbox.cli")
