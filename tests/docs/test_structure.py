"""Limits on the shape of the code: modules in a folder, import circles, parameters of a function, methods of a class.

Everything that exceeds a limit is listed here with the reason. An entry that no longer exceeds it must go, so that the
lists only become shorter.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("sandbox", "load", "tests", "tools")
MOST_MODULES, MOST_PARAMETERS, MOST_METHODS = 15, 6, 20

Function = ast.FunctionDef | ast.AsyncFunctionDef

FULL_FOLDERS: dict[str, str] = {}
CIRCLES: dict[str, str] = {}
DRAWN = "a property with each value that is drawn"
LONG_SIGNATURES = {
    "sandbox/fhir/reader/quick.py _free_slot": "called once per slot: a value object costs more than the slot",
    "sandbox/fhir/slots.py Renderer.slots": "called once per agenda and answer: a value object costs time",
    "tests/actors/editor/slots/test_invariants.py test_any_search_of_practitioners_keeps_the_guides_invariants": DRAWN,
    "tests/actors/editor/slots/test_properties.py test_any_search_of_practitioners": DRAWN,
    "tests/actors/editor/slots/test_properties.py test_any_search_of_sos_sites": DRAWN,
    "tests/actors/editor/slots/test_reference.py test_any_search_finds_what_looking_at_every_slot_finds": DRAWN,
    "tests/support/vendors/lrm.py connected": "the options of a connection",
    "tests/unit/amqp/conftest.py Wire.publish": "the arguments of basic.publish",
}
LARGE_CLASSES = {
    "sandbox/net/tls.py TlsServer": "the state of a TLS connection, with the methods that asyncio calls",
}


def folders_below(folder: str) -> Iterator[Path]:
    """The folders below one, itself included."""
    for each in [ROOT / folder, *sorted((ROOT / folder).rglob("*"))]:
        if each.is_dir() and each.name != "__pycache__":
            yield each


@cache
def trees() -> dict[Path, ast.Module]:
    """Each module of the repository, by its path from the root."""
    files = [file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]
    return {file.relative_to(ROOT): ast.parse(file.read_text("utf-8")) for file in files}


def dotted(path: Path) -> str:
    """The name by which a module is imported."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(tree: ast.Module, modules: set[str]) -> set[str]:
    """The modules among `modules` that a module imports, wherever in it the import stands."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.add(whole if whole in modules else str(node.module))
    return found & modules


def circles(graph: dict[str, set[str]]) -> set[str]:
    """The groups of modules that import each other, directly or by others: sorted names, joined by a space."""
    reached = {name: reachable(graph, name) for name in graph}
    groups = {frozenset(other for other in reached[name] if name in reached[other]) for name in graph}
    return {" ".join(sorted(group)) for group in groups if group}


def reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    """The modules that are reachable by imports from a module; the module itself only if it is in a circle."""
    seen: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += graph[name]
    return seen


def functions(node: ast.AST, within: str = "") -> Iterator[tuple[str, Function]]:
    """Each function with its name, that of its class before it."""
    for each in ast.iter_child_nodes(node):
        if isinstance(each, Function):
            yield within + each.name, each
        yield from functions(each, f"{each.name}." if isinstance(each, ast.ClassDef) else within)


def parameters(function: Function) -> int:
    """The number of parameters; `self` and `cls` do not count."""
    positional = [each.arg for each in (*function.args.posonlyargs, *function.args.args)]
    return len(positional) + len(function.args.kwonlyargs) - (positional[:1] in (["self"], ["cls"]))


def methods(node: ast.ClassDef) -> int:
    """How many methods and properties it defines."""
    return sum(isinstance(each, Function) for each in node.body)


def test_no_folder_has_more_modules_than_a_reader_looks_through() -> None:
    folders = [each for package in PACKAGES for each in folders_below(package)]
    counts = {each: len([file for file in each.glob("*.py") if file.name != "__init__.py"]) for each in folders}
    full = {str(each.relative_to(ROOT)) for each, count in counts.items() if count > MOST_MODULES}
    assert full == FULL_FOLDERS.keys()


def test_no_modules_import_each_other() -> None:
    names = {dotted(path): tree for path, tree in trees().items()}
    graph = {name: imports_of(tree, {*names}) - {name} for name, tree in names.items()}
    assert len(graph) > 300
    assert circles(graph) == CIRCLES.keys()


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": set()}, set()),
        ({"a": {"b"}, "b": {"c"}, "c": {"b"}}, {"b c"}),
        ({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}, {"a b c"}),
    ],
)
def test_circles_are_found(graph: dict[str, set[str]], expected: set[str]) -> None:
    assert circles(graph) == expected


def test_an_import_under_type_checking_counts() -> None:
    tree = ast.parse("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from a import b\nimport c.d")
    assert imports_of(tree, {"a", "a.b", "c.d"}) == {"a.b", "c.d"}


def test_no_function_has_more_parameters_than_a_caller_remembers() -> None:
    found = {
        f"{path.as_posix()} {name}"
        for path, tree in trees().items()
        for name, function in functions(tree)
        if parameters(function) > MOST_PARAMETERS
    }
    assert found == LONG_SIGNATURES.keys()


def test_no_class_has_more_methods_than_a_reader_remembers() -> None:
    found = {
        f"{path.as_posix()} {node.name}"
        for path, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and methods(node) > MOST_METHODS
    }
    assert found == LARGE_CLASSES.keys()
