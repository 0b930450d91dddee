"""Scenarios: YAML files of typed steps. An invalid one is refused with file, line and reason."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from sandbox.kernel.errors import UsageError
from sandbox.package_data import directory
from sandbox.yaml_file import load_yaml


class _Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do"):
    """One step: its tag is the verb."""


class Login(_Step, frozen=True, tag="login"):
    """A regulator of `territory` logs in to the SAS through Pro Santé Connect."""

    territory: str


class Search(_Step, frozen=True, tag="search"):
    """Slots of `specialty` (TRE_R38 code) around `town` (INSEE code); at least so many cards from so many editors."""

    specialty: str
    town: str
    cards: int = 1
    editors: int = 1


class Book(_Step, frozen=True, tag="book"):
    """Choose a free slot of the last search with that orientation and book it on the editor's page."""

    appointment: str
    kind: Literal["PS", "CPTS", "SOS"] = "PS"


class Mark(_Step, frozen=True, tag="mark"):
    """Change a booked appointment on the editor's page « Mes rendez-vous »."""

    appointment: str
    status: Literal["fulfilled", "noshow", "cancelled"]


class Take(_Step, frozen=True, tag="take"):
    """On the editor's page, the doctor on duty takes over an appointment at SOS Médecins; nothing is to be done when
    the association was faster."""

    appointment: str


class Verify(_Step, frozen=True, tag="verify"):
    """Wait until the SAS core shows that status with its message acknowledged, and the LRM shows it too."""

    appointment: str
    status: Literal["pending", "booked", "fulfilled", "noshow", "cancelled"]
    within_s: float = 10.0


class Attach(_Step, frozen=True, tag="attach"):
    """On the LRM's page: open a case file and attach the orientation to it."""

    appointment: str


Step = Login | Search | Book | Mark | Take | Verify | Attach


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
