"""Limits on the shape of the code: modules in a folder, import circles, parameters of a function, methods of a class.

What exceeds a limit is listed here with its reason. An entry that no longer exceeds it must go, so that the lists only
become shorter.
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

FULL_FOLDERS = {
    "tests/wire/hub": "one module per property of the hub on the wire, with what they share",
}
CIRCLES = {
    "sandbox.control.admin.hub_clients sandbox.control.app sandbox.control.console.hub": "the pages name the role",
    "sandbox.web.errors sandbox.web.pages": "the error pages are pages",
}
DRAWN = "a property with each value that is drawn"
LONG_SIGNATURES = {
    "sandbox/amqp/broker/queue.py Queue.__init__": "the arguments of queue.declare",
    "sandbox/banner.py banner": "each is one line of the banner",
    "sandbox/editor/appointments/ledger.py Ledger.__init__": "the parts of an editor",
    "sandbox/fhir/reader/quick.py _free_slot": "called once per slot: a value object costs more than the slot",
    "sandbox/fhir/slots.py Renderer.slots": "called once per agenda and answer: a value object costs time",
    "sandbox/hub/dispatching/dispatcher.py dispatch": "a message with its envelope, called once per message",
    "sandbox/lrm/consumer.py Consumer._journal": "the fields of an exchange",
    "sandbox/lrm/ledger.py Ledger.received": "the fields of a message",
    "sandbox/net/http/client.py HttpClient.request": "a request, its journal entry and its limits",
    "sandbox/net/http/server.py Listener.__init__": "the options of a listener",
    "sandbox/net/tls.py TlsServer.__init__": "the options of a TLS server",
    "sandbox/psc/provider.py Provider._login_page": "the fields of the page",
    "sandbox/sas/api/app.py Api.__init__": "the parts of the SAS core that the API shows",
    "sandbox/sas/console/app.py Console.__init__": "the parts of the SAS core that the pages show",
    "sandbox/sas/orientations/l02/emitter.py L02._journal": "the fields of an exchange",
    "sandbox/sas/orientations/lifecycle.py first_version": "the fields of a record",
    "sandbox/store/outbox.py Outbox.__init__": "the parts of an outbox",
    "sandbox/web/pages.py console": "the parts of a console",
    "tests/actors/editor/slots/test_invariants.py test_any_search_of_practitioners_keeps_the_guides_invariants": DRAWN,
    "tests/actors/editor/slots/test_properties.py test_any_search_of_practitioners": DRAWN,
    "tests/actors/editor/slots/test_properties.py test_any_search_of_sos_sites": DRAWN,
    "tests/actors/editor/slots/test_reference.py test_any_search_finds_what_looking_at_every_slot_finds": DRAWN,
    "tests/actors/hub/test_feed.py dispatch": "a message with its envelope",
    "tests/support/lrm.py connected": "the options of a connection",
    "tests/unit/amqp/conftest.py Wire.publish": "the arguments of basic.publish",
}
LARGE_CLASSES = {
    "sandbox/amqp/broker/queue.py Queue": "the state of a queue, with a method per transition",
    "sandbox/amqp/session/session.py Session": "the state of a connection, with a method per transition",
    "sandbox/control/app.py _Desk": "a method per address of the control plane",
    "sandbox/editor/appointments/ledger.py Ledger": "the appointments of an editor, with a method per step",
    "sandbox/lrm/console.py Console": "a method per address of an LRM",
    "sandbox/lrm/consumer.py Consumer": "the steps of a message from the queue to its acknowledgement",
    "sandbox/lrm/ledger.py Ledger": "the tables of an LRM, with a method per change",
    "sandbox/net/amqp/client.py AmqpClient": "the state of a connection to the hub",
    "sandbox/net/http/connection.py Connection": "the state of a connection, with the methods that asyncio calls",
    "sandbox/net/tls.py TlsServer": "the state of a listener, with the methods that asyncio calls",
    "sandbox/population/people.py Population": "a method per question about the people",
    "sandbox/psc/provider.py Provider": "a method per address of the provider",
    "sandbox/sas/console/search_pages.py SearchPages": "a method per address of the search",
    "sandbox/sas/directory/directory.py Directory": "a method per question about who is there",
    "sandbox/sas/directory/places.py Places": "a method per question about places",
    "sandbox/sas/orientations/l02/emitter.py L02": "the steps of a message to the hub",
    "sandbox/sas/regulators/accounts.py RegulatorAccounts": "the accounts, with a method per change",
    "sandbox/sas/regulators/sync_to_editors.py AccountSync": "the steps of an account on its way to the editors",
    "sandbox/store/embedded/log.py Log": "the log of a store, with the steps of a commit",
    "sandbox/store/outbox.py Outbox": "the steps of a sending",
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
    """What is imported from a module on; the module itself only by a circle."""
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
    """How many it has; `self` and `cls` are none."""
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
