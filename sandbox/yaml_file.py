"""YAML files of people (configuration, personas, scenarios): typed, and every refusal with file and line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec
import yaml

from sandbox.kernel.errors import ConfigError

T = TypeVar("T")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class YamlFile(Generic[T]):
    """A loaded file: its typed value, and the tree of nodes that knows the lines."""

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
        root, raw = _parse(text)
    except yaml.MarkedYAMLError as error:
        mark = error.context_mark or error.problem_mark  # where the broken construct begins
        raise ConfigError(name, mark.line + 1 if mark else 1, f"not YAML: {error.problem}") from None
    except RecursionError:
        raise ConfigError(name, 1, "not YAML: far too many levels") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date or number that is none
        raise ConfigError(name, 1, f"not YAML: {error}") from None
    if (strange := _strange(root, lines)) is not None:
        line, text = strange
        raise ConfigError(name, line, f"{text[:60]!r} has control characters")
    try:
        value = msgspec.convert({} if raw is None else raw, kind, strict=True)
    except msgspec.ValidationError as error:
        problem, _, where = str(error).partition(" - at ")
        raise ConfigError(name, line_of(root, where.strip("`") or "$"), f"{problem} (at {where or '$'})") from None
    return YamlFile(name, value, root)


def _parse(text: str) -> tuple[yaml.Node | None, Any]:
    """The tree of nodes and the plain values, from one pass (by libyaml where PyYAML has it: ten times faster)."""
    loader = _LOADER(text)
    try:
        root = loader.get_single_node()
        return root, None if root is None else loader.construct_document(root)
    finally:
        loader.dispose()


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
