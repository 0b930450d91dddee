"""YAML files of people (configuration, personas, scenarios): typed, and every refusal with file and line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec
import yaml

from sandbox.kernel.errors import ConfigError
from sandbox.kernel.text.shapes import explained

T = TypeVar("T")
_MERGE = "tag:yaml.org,2002:merge"  # `<<`, which may come several times
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class YamlFile(Generic[T]):
    """A loaded file: its typed value, and the tree of nodes, which has the line numbers."""

    file: str
    value: T
    root: yaml.Node | None

    def error(self, path: str, problem: str) -> ConfigError:
        """A ConfigError at `path` (`$.editors[0].name`, as msgspec writes it)."""
        return ConfigError(self.file, line_of(self.root, path), problem)


def load_yaml(path: Path, kind: type[T], *, lines: bool = False) -> YamlFile[T]:
    """Read one file as `kind` (a msgspec type). `lines`: its texts may have several lines.

    Raises ConfigError: unreadable, no YAML, a text with control characters, or not of that shape.
    """
    name = str(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ConfigError(name, 1, f"cannot be read ({reason})") from None
    try:
        root, raw, twice = _parse(text)
    except yaml.MarkedYAMLError as error:
        mark = error.context_mark or error.problem_mark  # where the broken construct begins
        raise ConfigError(name, mark.line + 1 if mark else 1, f"not YAML: {error.problem}") from None
    except RecursionError:
        raise ConfigError(name, 1, "not YAML: far too many levels") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: an impossible date or number
        raise ConfigError(name, 1, f"not YAML: {error}") from None
    if twice is not None:
        raise ConfigError(name, twice.start_mark.line + 1, f"`{twice.value}` is given twice")
    if (strange := _strange(root, lines)) is not None:
        line, text = strange
        raise ConfigError(name, line, f"{text[:60]!r} has control characters")
    try:
        value = msgspec.convert({} if raw is None else raw, kind, strict=True)
    except msgspec.ValidationError as error:
        where, problem = explained(error, kind, {} if raw is None else raw)
        raise ConfigError(name, line_of(root, where), problem) from None
    return YamlFile(name, value, root)


def _parse(text: str) -> tuple[yaml.Node | None, Any, yaml.Node | None]:
    """The tree of nodes, the plain values, and a key that is given twice, from one pass (by libyaml where PyYAML has
    it: ten times faster)."""
    loader = _LOADER(text)
    try:
        root = loader.get_single_node()
        twice = _repeated(root)  # before merges (`<<`) are made part of their mapping
        return root, None if root is None else loader.construct_document(root), twice
    finally:
        loader.dispose()


def _repeated(root: yaml.Node | None) -> yaml.Node | None:
    """A key that stands a second time in one mapping: YAML forbids it, and PyYAML would silently take the last."""
    waiting, met = [root], set[int]()
    while waiting:
        node = waiting.pop()
        if id(node) in met:  # an alias, perhaps of a node that contains it
            continue
        met.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif isinstance(node, yaml.MappingNode):
            if (twice := _second(key for key, _ in node.value)) is not None:
                return twice
            waiting += [value for _, value in node.value]
    return None


def _second(keys: Iterable[yaml.Node]) -> yaml.Node | None:
    """The first key that repeats an earlier one."""
    seen: set[str] = set()
    for key in keys:
        if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE:
            if key.value in seen:
                return key
            seen.add(key.value)
    return None


def _strange(root: yaml.Node | None, lines: bool) -> tuple[int, str] | None:
    """The first text with a control character, and its line. `lines`: the end of a line is none."""
    waiting, seen = [root] if root is not None else [], set()  # an alias is one node in several places
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.ScalarNode):
            text = node.value.replace("\n", "").replace("\t", "") if lines else node.value
            if _CONTROL.search(text):
                return node.start_mark.line + 1, node.value
        elif isinstance(node, yaml.MappingNode):
            waiting += [each for pair in reversed(node.value) for each in reversed(pair)]
        else:
            waiting += reversed(node.value)
    return None


def line_of(root: yaml.Node | None, path: str) -> int:
    """Line (from 1) of the node at `path`; of its nearest ancestor when it is absent."""
    node = root
    for key, index in re.findall(r"\.([^.\[]+)|\[(\d+)\]", path):
        below = _child(node, key, index)
        if below is None:
            break
        node = below
    return node.start_mark.line + 1 if node is not None else 1


def _child(node: yaml.Node | None, key: str, index: str) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode) and key:
        for name, value in node.value:
            if name.value == key:
                below: yaml.Node = name if isinstance(value, yaml.ScalarNode) else value
                return below
    if isinstance(node, yaml.SequenceNode) and index and int(index) < len(node.value):
        found: yaml.Node = node.value[int(index)]
        return found
    return None
