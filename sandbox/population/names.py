"""Given and family names: the word lists of Faker's fr_FR provider, as data.

Importing the package `faker` loads every provider and locale (a third of a second, most of a start-up); its word
lists are literals of one file, so that file is parsed instead. Should Faker ever build them otherwise, it is imported.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

GIVEN = ("first_names_female", "first_names_male")
FAMILY = ("last_names",)


@cache
def given_names() -> tuple[str, ...]:
    """Given names, each once, women's first."""
    return _words(GIVEN)


@cache
def family_names() -> tuple[str, ...]:
    """Family names, each once."""
    return _words(FAMILY)


def _words(lists: tuple[str, ...]) -> tuple[str, ...]:
    found = _literals()
    if not all(name in found for name in lists):
        from faker.providers.person.fr_FR import Provider

        found = vars(Provider)
    return tuple(dict.fromkeys(word for name in lists for word in found[name]))


@cache
def _literals() -> Mapping[str, tuple[str, ...]]:
    """The tuples of strings that the provider's source assigns; empty when there is no such source."""
    spec = find_spec("faker")
    places = spec.submodule_search_locations if spec is not None else None
    source = Path(places[0] if places else "") / "providers" / "person" / "fr_FR" / "__init__.py"
    if not source.is_file():
        return {}
    found: dict[str, tuple[str, ...]] = {}
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and isinstance(node.value, ast.Tuple):
            words = [item.value for item in node.value.elts if isinstance(item, ast.Constant)]
            found[node.targets[0].id] = tuple(word for word in words if isinstance(word, str))
    return found
