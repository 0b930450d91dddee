"""Rules on JSON resources as data, and the functions that apply them; `profiles.py` has the rules. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sandbox.kernel.text.json_input import quoted

MOST_FINDINGS = 50  # causes that are reported for one answer; further places with the same causes are still counted
_PARTS = re.compile(r"\d+|\D+")


@dataclass(frozen=True, slots=True)
class Finding:
    """One deviation. `requirement`: id of the acceptance list, "" when none applies; `path`: FHIRPath with indexes, of
    the first place; `count`: number of places; `cause`: the common cause, "" where each place is a finding of its
    own."""

    requirement: str
    path: str
    text: str
    count: int = 1
    cause: str = field(default="", compare=False)

    def __str__(self) -> str:
        times = f" ({self.count} places)" if self.count > 1 else ""
        return f"{self.requirement} {self.path}: {self.text}{times}"


class Findings:
    """The findings of one answer: one for each cause, with the number of places."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Finding] = {}

    def __len__(self) -> int:
        return len(self._found)

    def wrong(self, requirement: str, path: str, cause: str, *values: object) -> None:
        """One place. `cause`: what is wrong, with `{}` for each of the values found there."""
        known = self._found.get((requirement, cause))
        if known is None:
            self.add(Finding(requirement, path, cause.format(*map(quoted, values)), cause=cause))
        else:
            self._found[requirement, cause] = replace(known, count=known.count + 1)

    def add(self, finding: Finding) -> None:
        """Add a finding about a part of the answer; it is counted together with findings of the same cause."""
        key = finding.requirement, finding.cause or finding.text
        known = self._found.get(key)
        if known is not None:
            self._found[key] = replace(known, count=known.count + finding.count)
        elif len(self._found) < MOST_FINDINGS:
            self._found[key] = finding

    def all(self) -> list[Finding]:
        """All findings, in the order of their requirements."""
        if not self._found:
            return []
        return sorted(self._found.values(), key=lambda each: natural(each.requirement))


def natural(id: str) -> tuple[tuple[int, int | str], ...]:
    """Sort key of a requirement's id: R01-5 before R01-49, numbers before letters."""
    return tuple((0, int(part)) if part.isdecimal() else (1, part) for part in _PARTS.findall(id))


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
    """No element is empty anywhere (guide: unknown values are left out)."""
    if value in (None, "", [], {}):
        yield Finding("", path, "empty element")
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from general(each, f"{path}.{key}")
    elif isinstance(value, list) and not path.endswith("Bundle.entry"):  # entries are checked one by one
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
