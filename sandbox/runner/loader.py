"""Scenarios: YAML files of typed steps. An invalid one is refused with file, line and reason."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from sandbox.kernel.errors import UsageError
from sandbox.package_data import directory
from sandbox.runner.steps.registry import Step
from sandbox.yaml_file import load_yaml


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A scripted day."""

    title: str
    steps: tuple[Step, ...]
    description: str = ""


def available() -> Iterator[tuple[str, str]]:
    """Name and title of each scenario of the package."""
    for path in sorted(directory("scenarios").glob("*.yaml")):
        yield path.stem, load_yaml(path, Scenario, lines=True).value.title


def find(name: str) -> Scenario:
    """A scenario by name or path. Raises UsageError, or ConfigError with file and line."""
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        path = directory("scenarios") / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(name for name, _ in available())
        raise UsageError(f"no scenario '{name}' (expected the path of a YAML file, or one of: {known})")
    return load_yaml(path, Scenario, lines=True).value
