"""Given and family names: the word lists of Faker's fr_FR provider, read from its source.

Importing the package `faker` loads every provider and locale (a third of a second, most of a start-up). Its word lists
are literals of one file, so that file is parsed instead. If Faker builds them otherwise, it is imported.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

GIVEN = ("first_names_female", "first_names_male")
FAMILY = ("last_names",)


@cache
def given_names() -> tuple[str, ...]:
    """Given names, each once, women's first."""
    return words(GIVEN, _literals())


@cache
def family_names() -> tuple[str, ...]:
    """Family names, each once."""
    return words(FAMILY, _literals())


def words(lists: Sequence[str], found: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The words of these lists, each once. `found`: the parsed lists; if one is missing, Faker is imported."""
    if not all(name in found for name in lists):
        from faker.providers.person.fr_FR import Provider

        found = vars(Provider)
    return tuple(dict.fromkeys(word for name in lists for word in found[name]))


@cache
def _literals() -> Mapping[str, tuple[str, ...]]:
    spec = find_spec("faker")
    places = spec.submodule_search_locations if spec is not None else None
    return string_tuples(Path(places[0] if places else "") / "providers" / "person" / "fr_FR" / "__init__.py")


def string_tuples(source: Path) -> Mapping[str, tuple[str, ...]]:
    """The tuples of strings that a Python source assigns, by name; empty when there is no such file."""
    if not source.is_file():
        return {}
    found: dict[str, tuple[str, ...]] = {}
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and isinstance(node.value, ast.Tuple):
            words = [item.value for item in node.value.elts if isinstance(item, ast.Constant)]
            found[node.targets[0].id] = tuple(word for word in words if isinstance(word, str))
    return found
