"""Lists the issues of a value against one of our schemas, lazily.

A caller that takes the first fifty pays only for these, however long the value is. Only the keywords that `schemas`
uses are supported; to learn whether a value is valid at all, the compiled validators are faster.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from jsonschema_rs import Draft7Validator

Found = tuple[str, str]  # path from the value that is checked, and what is wrong there

MISSING = "is missing but it is required"
UNDEFINED = "is not defined in the schema and the schema does not allow additional properties"

_DATE_TIME = Draft7Validator({"type": "string", "format": "date-time"})


def issues_of(schema: Mapping[str, Any], value: object, path: str = "") -> Iterator[Found]:
    """(path, text) of each issue of a value; `path` is that of the value itself."""
    expected = schema["type"]
    if not _TYPES[expected](value):
        yield path, f"is not of the expected type {expected}"
    elif isinstance(value, dict):
        yield from _of_object(schema, value, path)
    elif isinstance(value, list):
        yield from _of_array(schema, value, path)
    elif isinstance(value, str):
        yield from _of_text(schema, value, path)


def join(path: str, name: str) -> str:
    """The path of a property.

    >>> join("", "a"), join("a", "b")
    ('a', 'a.b')
    """
    return f"{path}.{name}" if path else name


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_TYPES: Mapping[str, Callable[[object], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "number": _is_number,
}


def _of_object(schema: Mapping[str, Any], value: Mapping[str, object], path: str) -> Iterator[Found]:
    properties = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            yield join(path, name), MISSING
    for name, inner in value.items():
        if name in properties:
            yield from issues_of(properties[name], inner, join(path, name))
        elif not schema.get("additionalProperties", True):
            yield join(path, name), UNDEFINED


def _of_array(schema: Mapping[str, Any], value: list[object], path: str) -> Iterator[Found]:
    if len(value) < schema["minItems"]:
        yield path, f"must have a minimum of {schema['minItems']} items in the array"
    if len(value) > schema["maxItems"]:
        yield path, f"must have a maximum of {schema['maxItems']} items in the array"
        return
    for at, item in enumerate(value):
        yield from issues_of(schema["items"], item, f"{path}[{at}]")


def _of_text(schema: Mapping[str, Any], value: str, path: str) -> Iterator[Found]:
    if "enum" in schema and value not in schema["enum"]:
        yield path, f"does not have a value in the enumeration [{', '.join(schema['enum'])}]"
    if "pattern" in schema and not _pattern(schema["pattern"]).search(value):
        yield path, f"does not match the regex pattern {schema['pattern']}"
    if "format" in schema and not _DATE_TIME.is_valid(value):
        yield path, f"does not match the {schema['format']} format"


@lru_cache(maxsize=16)
def _pattern(text: str) -> re.Pattern[str]:
    """Compiled with the meaning of JSON Schema: `$` matches at the end of the value, not at the end of a line."""
    return re.compile(text.replace("$", r"\Z"))
