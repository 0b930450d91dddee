"""Loads the Population of the settings from the persona files; every error has the file and the line."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from sandbox.config import Settings
from sandbox.kernel.errors import UsageError
from sandbox.population.country import territories, whole_country
from sandbox.population.external import with_external
from sandbox.population.geography.gazetteer import french_towns
from sandbox.population.people import Population
from sandbox.population.personas.personas import read_personas

_PACKAGE = Path(__file__).resolve().parents[1]


def personas_directory(settings: Settings) -> Path:
    """The directory of the setting `personas`; else the wheel's package data, else the checkout's `personas/`."""
    if settings.personas is not None:
        return Path(settings.personas)
    packaged = _PACKAGE / "_data" / "personas"
    return packaged if packaged.is_dir() else _PACKAGE.parent / "personas"


def kept_personas(settings: Settings, name: str) -> Path:
    """The directory of the persona files that a World names, while the sandbox runs; without a name: its parent."""
    return settings.data / "control" / "personas" / name


@lru_cache(maxsize=2)
def kept_population(settings: Settings, name: str) -> Population:
    """The population of kept persona files, the same for all roles of a process. Raises ConfigError, UsageError."""
    return load_population(settings, kept_personas(settings, name))


def load_population(settings: Settings, directory: Path | None = None) -> Population:
    """The population of these settings (of the persona files in `directory`, if given).

    Raises ConfigError (file, line, reason), UsageError without a directory.
    """
    directory = directory or personas_directory(settings)
    if not directory.is_dir():
        raise UsageError(f"personas: {directory} is no directory")
    if settings.scope == "france":
        towns = {town.insee: town for town, _ in french_towns()}
        personas, recipe = whole_country(*read_personas(directory, towns=towns, territories=territories()))
    else:
        personas, recipe = read_personas(directory)
    if settings.practitioners and not (recipe.editors and recipe.towns and recipe.agendas):
        raise UsageError(
            f"personas: {directory} has no editor of INT_R01, town or agenda with `procedural` for "
            f"{settings.practitioners} procedural practitioners"
        )
    return Population(settings.seed, with_external(personas, settings), recipe, settings.practitioners)
