"""Rules on JSON resources as data, and what applies them: the engine under `profiles.py`. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Finding:
    """One deviation. `requirement`: id of the acceptance list, "" when none applies; `path`: FHIRPath with indexes."""

    requirement: str
    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule on every element at `path` (relative, through all lists).

    `least`, `most`: how many of the last step each parent has; `values`: the values allowed; `form`: a regular
    expression for the whole value; `target`: resource types that a reference may name.
    """

    path: str
    requirement: str = ""
    least: int = 0
    most: int | None = None
    values: tuple[object, ...] = ()
    form: str = ""
    target: tuple[str, ...] = ()


def one(path: str, requirement: str = "", **more: Any) -> Rule:
    """Exactly one."""
    return Rule(path, requirement, 1, 1, **more)


def some(path: str, requirement: str = "", **more: Any) -> Rule:
    """At least one."""
    return Rule(path, requirement, 1, None, **more)


def general(value: Any, path: str) -> Iterator[Finding]:
    """No empty element anywhere (guide: unknown values are left out)."""
    if value in (None, "", [], {}):
        yield Finding("", path, "empty element")
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from general(each, f"{path}.{key}")
    elif isinstance(value, list) and not path.endswith("Bundle.entry"):  # entries are judged one by one
        for index, each in enumerate(value):
            yield from general(each, f"{path}[{index}]")


def apply(resource: Any, kind: str, rule: Rule) -> Iterator[Finding]:
    """What one rule finds in a resource, whose paths start with `kind`."""
    parent, _, last = rule.path.rpartition(".")
    for path, node in walk(resource, kind, parent):
        if not isinstance(node, Mapping):
            yield Finding(rule.requirement, path, "not an object")
            continue
        found = list(walk(node, path, last))
        where = f"{path}.{last}"
        if len(found) < rule.least:
            yield Finding(rule.requirement, where, f"missing (at least {rule.least})")
        if rule.most is not None and len(found) > rule.most:
            yield Finding(rule.requirement, where, f"{len(found)} of them (at most {rule.most})")
        for each_path, value in found:
            yield from _judge(rule, each_path, value)


def _judge(rule: Rule, path: str, value: Any) -> Iterator[Finding]:
    if rule.values and value not in rule.values:
        yield Finding(rule.requirement, path, f"'{value}' is not {' or '.join(map(str, rule.values))}")
    if rule.form and not (isinstance(value, str) and re.fullmatch(rule.form, value)):
        yield Finding(rule.requirement, path, f"'{value}' has not the form {rule.form}")
    if rule.target and not (isinstance(value, str) and value.split("/")[-2:-1] in [[each] for each in rule.target]):
        yield Finding(rule.requirement, path, f"'{value}' does not refer to {' or '.join(rule.target)}")


def walk(node: Any, path: str, steps: str) -> Iterator[tuple[str, Any]]:
    """Every value at `steps` (dotted; "" is the node itself) below `node`, with its path; lists are gone through."""
    if not steps:
        yield path, node
        return
    step, _, rest = steps.partition(".")
    value = node.get(step) if isinstance(node, Mapping) else None
    if value is None:
        return
    if not isinstance(value, list):
        yield from walk(value, f"{path}.{step}", rest)
        return
    for index, each in enumerate(value):
        yield from walk(each, f"{path}.{step}[{index}]", rest)
