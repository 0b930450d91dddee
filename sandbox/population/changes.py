"""Which changes of the persona files need a restart: those of editors and territories.

Editors and territories have ports, certificates, stores and queues that are made once, at the start. An editor's
character and the form in which it stores ids may change while it runs; any other change of it needs a restart, and so
does any change of a territory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sandbox.kernel.character import PLAIN
from sandbox.kernel.errors import ConfigError
from sandbox.kernel.model import Editor
from sandbox.population.people import Population
from sandbox.population.personas.schema import EditorRow, RegulatorRow, TerritoryRow
from sandbox.yaml_file import YamlFile, load_yaml

_Where = tuple[str, Any, str]  # a file, the type of its rows, and the field that names what is looked for
_EDITORS: tuple[_Where, ...] = (("editors", EditorRow, "slug"),)
_TERRITORIES: tuple[_Where, ...] = (("territories", TerritoryRow, "code"), ("regulators", RegulatorRow, "territory"))


def needing_restart(before: Population, after: Population, directory: Path) -> list[ConfigError]:
    """Every change that needs a restart, as an error with file and line in `directory` (removals: the first line)."""
    editors = _changes(_fixed_part(before.editors), _fixed_part(after.editors))
    territories = _changes(before.territories, after.territories)
    return [
        *(
            _error_at(directory, _EDITORS, key, f"editor '{key}' {what}: restart to have it so")
            for key, what in editors
        ),
        *(
            _error_at(directory, _TERRITORIES, key, f"territory '{key}' {what}: restart to have it so")
            for key, what in territories
        ),
    ]


def _fixed_part(editors: Mapping[str, Editor]) -> dict[str, Editor]:
    return {slug: replace(editor, character=PLAIN, stores="prefixed") for slug, editor in editors.items()}


def _changes(before: Mapping[str, object], after: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for key in {**after, **before}:
        if key not in before:
            yield key, "is new"
        elif key not in after:
            yield key, "is gone"
        elif before[key] != after[key]:
            yield key, "has changed"


def _error_at(directory: Path, places: tuple[_Where, ...], key: str, problem: str) -> ConfigError:
    """An error at the first row that names the key, else at the first line of the first file."""
    for name, kind, field in places:
        file: YamlFile[Any] = load_yaml(directory / f"{name}.yaml", list[kind])  # type: ignore[valid-type]
        for at, row in enumerate(file.value):
            if getattr(row, field) == key:
                return file.error(f"$[{at}]", problem)
    return ConfigError(str(directory / f"{places[0][0]}.yaml"), 1, problem)
