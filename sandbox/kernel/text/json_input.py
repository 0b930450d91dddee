"""Reads JSON that comes from outside, within limits and with one error for everything that can go wrong.

What is refused: octets that are no UTF-8, text that is no JSON (RFC 8259), numbers beyond a double, strings with half a
surrogate pair, and whatever exceeds `Limits`. A name that is used twice in one object is refused unless `repeated`
admits it (then the last one counts). Pure.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import msgspec
import orjson

from sandbox.kernel.errors import JsonError

T = TypeVar("T")
Octets: TypeAlias = "bytes | msgspec.Raw"

SEARCHED = 1 << 16  # octets in which the place of a number is looked for
LONGEST_PLACE = 200  # characters of a path in an error
LONGEST_TEXT = 80  # characters of a foreign text that a message quotes
_ESCAPED_COLON = rb"\u003"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is read: octets, levels of objects and arrays, and elements, which are counted by the commas and the
    opening brackets of the text (those inside strings as well)."""

    octets: int = 1 << 20
    depth: int = 64
    elements: int = 5_000


REQUEST = Limits()


def read_json(body: Octets, limits: Limits = REQUEST, *, repeated: bool = False) -> Any:
    """The value in `body`. Raises JsonError."""
    octets = bytes(body)
    check_size(octets, limits)
    try:
        value = orjson.loads(octets)
    except orjson.JSONDecodeError as error:
        raise _unreadable(octets, error) from None
    if not _is_shallow(octets, value, limits.depth):
        raise JsonError(f"more than {limits.depth} levels of objects and arrays", _deep(value, limits.depth))
    if not repeated and _may_repeat(octets, value):
        _refuse_repeated(octets)
    return value


def read_as(body: Octets, kind: type[T], limits: Limits = REQUEST) -> T:
    """The value in `body` as `kind`, a type that msgspec knows. Raises JsonError."""
    try:
        return msgspec.convert(read_json(body, limits), kind, str_keys=True)
    except msgspec.ValidationError as error:
        problem, _, where = str(error).partition(" - at ")
        raise JsonError(shortened(problem), where.strip("`")) from None


def check_size(octets: bytes, limits: Limits) -> None:
    """Raise JsonError for more octets or elements than the limits admit: before it is parsed."""
    if len(octets) > limits.octets:
        raise JsonError(f"{len(octets)} octets (at most {limits.octets})")
    if len(octets) <= limits.elements:
        return
    elements = octets.count(b",") + octets.count(b"{") + octets.count(b"[")
    if elements > limits.elements:
        raise JsonError(f"about {elements} elements (at most {limits.elements})")


def check_utf8(octets: bytes) -> None:
    """Raise JsonError for octets that are no UTF-8."""
    if octets.isascii():
        return
    try:
        octets.decode()
    except UnicodeDecodeError as error:
        at = error.start
        raise JsonError(f"not UTF-8: octet 0x{octets[at]:02X} at position {at}, {_line(octets, at)}") from None


def shortened(text: str, most: int = LONGEST_TEXT) -> str:
    """A foreign text as a message quotes it: cut after `most` characters."""
    return text if len(text) <= most else f"{text[:most]}…"


def quoted(value: object) -> str:
    """A foreign value as a message quotes it; `nothing` for None."""
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return f"'{shortened(value)}'"
    if isinstance(value, dict):
        return "an object"
    return "a list" if isinstance(value, list) else shortened(str(value).lower())


def _unreadable(octets: bytes, error: orjson.JSONDecodeError) -> JsonError:
    check_utf8(octets)
    reason, where = error.msg, f"line {error.lineno}, column {error.colno}"
    if "infinity" in reason:
        return JsonError("a number that is out of range", _endless(octets) or where)
    for words, ours in _REASONS.items():
        if words in reason:
            return JsonError(ours, where)
    return JsonError(f"not JSON ({reason})", where)


_REASONS = {
    "depth limit": "far too many levels of objects and arrays",
    "allocate": "far too many levels of objects and arrays",  # orjson's words when they are not closed
    "surrogate": "a string with half a surrogate pair",
}


class _Endless:
    """Stands for a number that does not fit into a double."""


def _number(text: str) -> object:
    return _Endless() if math.isinf(float(text)) else 0


def _endless(octets: bytes) -> str:
    """The place of the first number that is out of range; "" when the text is too large to be searched, or is no JSON
    for another reason."""
    if len(octets) > SEARCHED:
        return ""
    try:
        value = json.loads(octets, parse_float=_number, parse_int=_number)
    except (ValueError, RecursionError):
        return ""
    return next((path for each, path in _nodes(value) if isinstance(each, _Endless)), "")


def _nodes(value: Any) -> Iterator[tuple[Any, str]]:
    """A value and all that is in it, in the order of the text, each with its place."""
    waiting: list[tuple[Any, str]] = [(value, "$")]
    while waiting:
        node, path = waiting.pop()
        yield node, path
        if isinstance(node, dict | list):
            waiting += [*_steps(node, path)][::-1]


def _line(octets: bytes, at: int) -> str:
    return f"line {octets.count(10, 0, at) + 1}"


def _is_shallow(octets: bytes, value: Any, depth: int) -> bool:
    if octets.count(b"{") + octets.count(b"[") <= depth:  # in the usual case the value need not be walked through
        return True
    level = [value]
    for _ in range(depth):
        level = [each for parent in level for each in _children(parent)]
        if not level:
            return True
    return False


def _children(value: Any) -> list[Any]:
    """The objects and arrays in an object or array; nothing is in anything else."""
    if type(value) is dict:
        return [each for each in value.values() if type(each) is dict or type(each) is list]
    if type(value) is list:
        return [each for each in value if type(each) is dict or type(each) is list]
    return []


def _deep(value: Any, depth: int) -> str:
    """The place of the first object or array that is nested deeper than that."""
    waiting: list[tuple[Any, str, int]] = [(value, "$", 1)]
    while True:
        node, path, level = waiting.pop()
        if level > depth:
            return path
        waiting += [(each, where, level + 1) for each, where in _steps(node, path) if type(each) in (dict, list)][::-1]


def _steps(node: Any, path: str) -> Iterator[tuple[Any, str]]:
    """What is in an object or array, with its place."""
    if len(path) > LONGEST_PLACE:
        path = f"{path[:LONGEST_PLACE]}…"
    if isinstance(node, dict):
        for key, each in node.items():
            yield each, f"{path}.{key}" if _NAME.fullmatch(key) else f"{path}[{shortened(key)!r}]"
    else:
        for at, each in enumerate(node):
            yield each, f"{path}[{at}]"


def _may_repeat(octets: bytes, value: Any) -> bool:
    """False when no name is repeated: the value, written again, has as many colons as the text. (A colon may be written
    as an escape; then the value is examined in detail.)"""
    return _ESCAPED_COLON in octets or octets.count(b":") != orjson.dumps(value).count(b":")


class _Repeated(dict[str, Any]):
    """An object in which a name is used twice."""

    name: str = ""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    uses = Counter(name for name, _ in pairs)
    marked = _Repeated(found)
    marked.name = next(name for name, count in uses.items() if count > 1)
    return marked


def _refuse_repeated(octets: bytes) -> None:
    """Raise JsonError for the first name that is used twice."""
    for node, path in _nodes(json.loads(octets, object_pairs_hook=_object)):
        if isinstance(node, _Repeated):
            raise JsonError(f"the name {quoted(node.name)} is used twice", path)
