"""Finds the package's YAML files: inside an installed wheel, else at the top of the checkout."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).resolve().parent


def directory(name: str) -> Path:
    """The directory `personas` or `scenarios`, wherever this installation keeps it."""
    installed = _HERE / "_data" / name
    return installed if installed.is_dir() else _HERE.parent / name
