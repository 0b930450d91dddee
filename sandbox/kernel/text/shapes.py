"""Explains a validation error of msgspec to the person who wrote the YAML file or the setting. Pure.

Where msgspec says "Expected `str` matching regex '^3[0-9]{14}$' - at `$.editors[0].ou`", the message
is "editors[0].ou: '999' is not usable (expected 3 and …)". The words of a pattern are the `description` of its type.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import inspect

SECRETS = ("secret", "password")  # fields whose value is not shown
LONGEST_TOLD = 80  # characters of a wrong value
MOST_MEANT, MOST_LISTED = 3, 40

_ANY = "..."  # the index that msgspec gives for any value of a mapping
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
_KEY = re.compile(r"(?:Invalid enum value|Expected) (.*) - at `key` in `(.*)`", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`", re.DOTALL)
_PLAIN: Mapping[type, str] = {
    inspect.IntType: "a whole number",
    inspect.FloatType: "a number",
    inspect.StrType: "a text",
    inspect.BoolType: "true or false",
    inspect.ListType: "a list",
    inspect.VarTupleType: "a list",
    inspect.TupleType: "a list",
    inspect.DictType: "a mapping",
    inspect.StructType: "a mapping",
    inspect.NoneType: "nothing",
}


def explained(error: msgspec.ValidationError, kind: Any, value: Any) -> tuple[str, str]:
    """Where (`$.editors[0].ou`) `value` is not of `kind`, and the sentence about it."""
    whole = inspect.type_info(kind)
    if key := _KEY.fullmatch(str(error)):
        words = _words(next((each.key_type for each in _choices(_type_at(whole, key[2]))), None))
        return key[2], f"{_told(key[2])}{key[1]} is no usable key (expected {words})"
    message, at, where = str(error).rpartition(" - at ")
    message, path = (message, where.strip("`")) if at else (where, "$")
    found = _type_at(whole, path)
    if unknown := _UNKNOWN.fullmatch(message):
        return f"{path}.{unknown[1]}", f"{_told(path)}unknown field `{unknown[1]}`{_fields(found, unknown[1])}"
    if missing := _MISSING.fullmatch(message):
        words = _words(_type_at(found, f".{missing[1]}"))
        return path, f"{_told(path)}the field `{missing[1]}` is missing" + (f": {words}" if words else "")
    words = _words(found)
    if not words or not message.startswith(("Expected ", "Invalid ")):
        return path, f"{_told(path)}{message}"
    if (there := _value_at(value, path)) is None:
        return path, f"{_told(path)}not usable (expected {words})"
    quotes = ", in quotes" if _is_text(found) and not isinstance(there, str | list | dict) else ""
    return path, f"{_told(path)}{_shown(path, there)} is not usable (expected {words}{quotes})"


def meant(word: str, known: Mapping[str, str]) -> str:
    """The end of a sentence about an unknown word: which of `known` (key -> name, may be empty) are like it.

    >>> meant("Bordaux", {"33063": "Bordeaux", "69123": "Lyon"})
    ': did you mean 33063 (Bordeaux)?'
    >>> meant("sm54", {"SM54": "Médecine générale", "SM53": "Spécialiste en Médecine générale"})[:23]
    ': did you mean SM54 (Mé'
    >>> meant("x", {"a": "", "b": ""})
    ' (known: a, b)'
    """
    wanted, names = _folded(word), {key: _folded(name) for key, name in known.items()}
    close = {*difflib.get_close_matches(wanted, [name for name in names.values() if name], MOST_MEANT)}
    alike = [key for key, name in names.items() if name == wanted] or [key for key in known if names[key] in close]
    keys = {_folded(key): key for key in known}
    alike = alike or [keys[each] for each in difflib.get_close_matches(wanted, keys, MOST_MEANT)]
    if alike:
        return f": did you mean {' or '.join(_named(key, known[key]) for key in alike[:MOST_MEANT])}?"
    return f" (known: {', '.join(known)})" if 0 < len(known) <= MOST_LISTED else ""


def _named(key: str, name: str) -> str:
    return f"{key} ({name})" if name else key


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().casefold()


def _told(path: str) -> str:
    """A path at the beginning of a message: `editors[0].ou: `; empty for the whole value."""
    place = path.removeprefix("$").removeprefix(".")
    return f"{place}: " if place else ""


def _shown(path: str, value: Any) -> str:
    if path.rpartition(".")[2].partition("[")[0] in SECRETS:
        return "this value"
    text = repr(value)
    return text if len(text) <= LONGEST_TOLD else f"{text[:LONGEST_TOLD]}…"


def _fields(found: Any, unknown: str) -> str:
    return meant(unknown, {field.encode_name: "" for field in found.fields}) if _is_struct(found) else ""


def _is_struct(found: Any) -> bool:
    return isinstance(found, inspect.StructType)


def _value_at(value: Any, path: str) -> Any:
    for key, index in _STEP.findall(path):
        try:
            value = value[int(index)] if index else value[key]
        except (LookupError, TypeError, ValueError):  # `[...]` names no particular value of a mapping
            return None
    return value


def _type_at(found: Any, path: str) -> Any:
    """The type at a path; None where the path leads out of what is known."""
    for key, index in _STEP.findall(path):
        choices = [*_choices(found)]
        tags = [each.tag for each in choices if _is_struct(each) and key and key == each.tag_field]
        belows = [below for each in choices if (below := _below(each, key, index)) is not None]
        found = inspect.LiteralType(tuple(tags)) if tags else next(iter(belows), None)
    return found


def _choices(found: Any) -> Iterable[Any]:
    """The types that a value may have, without their annotations."""
    if isinstance(found, inspect.Metadata):
        return _choices(found.type)
    return found.types if isinstance(found, inspect.UnionType) else (found,)


def _below(found: Any, key: str, index: str) -> Any:
    if index == _ANY:
        return found.value_type if isinstance(found, inspect.DictType) else None
    if index:
        return found.item_type if isinstance(found, inspect.ListType | inspect.VarTupleType) else None
    if not _is_struct(found):
        return None
    return next((field.type for field in found.fields if field.encode_name == key), None)


def _words(found: Any) -> str:
    """A value of this type in words; empty for a type that has none."""
    if isinstance(found, inspect.Metadata):
        return str((found.extra_json_schema or {}).get("description", "")) or _words(found.type)
    if isinstance(found, inspect.UnionType):
        words = [_words(each) for each in found.types if not _is_none(each)]
        return " or ".join(filter(None, dict.fromkeys(words)))
    if isinstance(found, inspect.LiteralType):
        return " or ".join(map(str, found.values))
    if isinstance(found, inspect.EnumType):
        return " or ".join(str(each.value) for each in found.cls)
    plain = _PLAIN.get(type(found), "")
    return plain + _bounds(found) if plain else ""


def _is_text(found: Any) -> bool:
    """True for a text, which YAML reads as a number or a date unless it is quoted."""
    plain = (each.type if isinstance(each, inspect.Metadata) else each for each in _choices(found))
    return any(isinstance(each, inspect.StrType) for each in plain)


def _is_none(found: Any) -> bool:
    return isinstance(found, inspect.NoneType)


def _bounds(found: Any) -> str:
    if (least := getattr(found, "min_length", None)) is not None or getattr(found, "max_length", None) is not None:
        unit = "characters" if isinstance(found, inspect.StrType) else "entries"
        return f" of {_between(least, found.max_length)} {unit}"
    low, high = getattr(found, "ge", None), getattr(found, "le", None)
    return f" of {_between(low, high)}" if low is not None or high is not None else ""


def _between(least: Any, most: Any) -> str:
    if most is None:
        return f"at least {least}"
    return f"at most {most}" if least is None else f"{least} to {most}"
