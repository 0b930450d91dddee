"""Which test shows which requirement: the list, the marks of the tests, and docs/conformite.md made from both.

`python -m tests.requirements` writes the page again.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

TESTS = Path(__file__).resolve().parent
PAGE = TESTS.parent / "docs" / "conformite.md"
LIST = TESTS / "requirements.toml"


class Place(NamedTuple):
    """A test: its file below the project, and its name."""

    file: str
    test: str


def families() -> Mapping[str, tuple[str, Mapping[str, str]]]:
    """Family -> (title, id -> wording), in the order of the list."""
    found = {}
    for family, rows in tomllib.loads(LIST.read_text("utf-8")).items():
        wordings = {f"{family}-{number}": text for number, text in rows.items() if number != "title"}
        found[family] = (rows["title"], wordings)
    return found


def requirements() -> dict[str, str]:
    """Every id -> its wording."""
    return {id: text for _, wordings in families().values() for id, text in wordings.items()}


@cache
def marks() -> dict[str, list[Place]]:
    """Id -> the tests that are marked with it, by file and name."""
    found: dict[str, list[Place]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for id in _marked(node):
                    found.setdefault(id, []).append(Place(path.relative_to(TESTS.parent).as_posix(), node.name))
    return found


def _marked(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.requirement":
            yield from (ast.literal_eval(argument) for argument in decorator.args)


_HEAD = """# Conformité : chaque exigence et ses tests

Les exigences du kit de recette du SAS pour les éditeurs, et celles qui leur manquent pour le reste de l'écosystème,
dans nos mots. Chaque ligne nomme les tests qui la montrent sur les éditeurs, la plateforme et les LRM du bac à sable :
un éditeur peut y lire ce que sa propre recette devra montrer. La page est écrite par `make conformite` à partir des
marques des tests ; la suite échoue quand une exigence n'a pas de test.
"""


def page() -> str:
    """The page as the marks have it now."""
    marked, parts = marks(), [_HEAD]
    for title, wordings in families().values():
        parts.append(f"\n## {title}\n\n| id | exigence | tests |\n| --- | --- | --- |\n")
        parts += [f"| {id} | {text} | {_places(marked.get(id, []))} |\n" for id, text in wordings.items()]
    return "".join(parts)


def _places(places: list[Place]) -> str:
    by_file: dict[str, list[str]] = {}
    for file, test in places:
        by_file.setdefault(file, []).append(f"`{test}`")
    return " ; ".join(f"[{Path(file).name}](../{file}) {', '.join(tests)}" for file, tests in by_file.items())


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
