"""The population of the package's own personas, with procedural practitioners, made once."""

from __future__ import annotations

import pytest

from sandbox.config import Settings, load_settings
from sandbox.population.load import load_population
from sandbox.population.people import Population
from sandbox.sas.directory.directory import Directory


@pytest.fixture(scope="session")
def population() -> Population:
    return load_population(Settings(practitioners=300))


@pytest.fixture(scope="session")
def directory(population: Population) -> Directory:
    return Directory(population)


@pytest.fixture(scope="session")
def france() -> Population:
    return load_population(load_settings({"preset": "national"}, {}))


@pytest.fixture(scope="session")
def national(france: Population) -> Directory:
    return Directory(france)
