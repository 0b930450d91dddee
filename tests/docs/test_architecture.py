"""The pages about the architecture: their picture, their table of packages, and the files that they name."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.config import ROLES, Settings
from sandbox.ground import PORT_NAMES

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "sandbox"
PICTURE = ROOT / "docs" / "images" / "architecture.svg"
ARCHITECTURE = ROOT / "docs" / "architecture.md"
JOURNEYS = sorted((ROOT / "docs" / "journeys").glob("*.md"))
MOST_LINES = 45  # of a journey: one screen
TOUCHED = ["fault", "flow", "scenario step", "quirk", "console page", "store", "source of slots"]


def section(title: str) -> str:
    """The part of the page below a heading."""
    return ARCHITECTURE.read_text("utf-8").partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def files_of(text: str) -> set[str]:
    """The files and folders that a text names: relative to `sandbox/` or to the top of the repository."""
    return {
        name
        for name in re.findall(r"`([\w.][\w./-]*)`", text)
        if (name.endswith((".py", ".md", ".toml", ".js", "/")) or "/" in name)
        and not name.startswith(("__admin", ".."))
    }


def is_there(name: str) -> bool:
    return (PACKAGE / name).exists() or (ROOT / name).exists()


def test_the_picture_is_the_one_that_is_drawn_from_the_imports() -> None:
    command = [sys.executable, str(ROOT / "tools" / "draw_architecture.py")]
    drawn = subprocess.run(command, check=True, capture_output=True, text=True, encoding="utf-8").stdout
    assert PICTURE.read_text("utf-8") == drawn, "run make architecture"


def test_the_table_has_each_package_and_module_once() -> None:
    rows = re.findall(r"^\| `([a-z_]+)(?:/|\.py)` \|", section("The packages"), re.MULTILINE)
    real = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert sorted(rows) == sorted(real - {"__init__"})


def test_the_table_of_roles_has_each_with_its_ports() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| `\w+/` \| (.+) \|$", section("What runs where"), re.MULTILINE))
    assert set(rows) == set(ROLES)
    ports = {int(port) for row in rows.values() for port in re.findall(r"\b8\d{3}\b", row)}
    assert ports == {Settings().port(offset) for offset in PORT_NAMES}


@pytest.mark.parametrize("page", [ARCHITECTURE, *JOURNEYS], ids=lambda page: page.stem)
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    named = files_of(page.read_text("utf-8"))
    assert len(named) > 5
    assert [name for name in sorted(named) if not is_there(name)] == []


@pytest.mark.parametrize("page", JOURNEYS, ids=lambda page: page.stem)
def test_a_journey_fits_on_a_screen_and_is_linked(page: Path) -> None:
    assert len(page.read_text("utf-8").splitlines()) <= MOST_LINES
    assert f"](journeys/{page.name})" in ARCHITECTURE.read_text("utf-8")


@pytest.mark.parametrize("added", TOUCHED)
def test_the_page_says_which_files_one_touches(added: str) -> None:
    (row,) = re.findall(rf"^\| (?:a|another) {added} \| (.+) \|$", section("What one touches"), re.MULTILINE)
    assert files_of(row)
