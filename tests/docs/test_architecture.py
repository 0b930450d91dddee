"""The picture of the architecture is the one that the imports make now."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PICTURE = ROOT / "docs" / "images" / "architecture.svg"


def test_the_picture_is_the_one_that_is_drawn_from_the_imports() -> None:
    command = [sys.executable, str(ROOT / "tools" / "draw_architecture.py")]
    drawn = subprocess.run(command, check=True, capture_output=True, text=True, encoding="utf-8").stdout
    assert PICTURE.read_text("utf-8") == drawn, "run make architecture"
