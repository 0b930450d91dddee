"""The parameters of a fault, declared once as the fields of a msgspec Struct: reading them, and the texts that explain
them.

A field is a number or whole number with bounds, a text with a length, one of several values (`Literal`) or a bool, each
with `about(...)` in its annotation. From that come the errors of `read`, the JSON Schema (`msgspec.json`) and the
fields of the pages' forms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta
from msgspec.inspect import BoolType, FloatType, IntType, LiteralType, Metadata, StrType, StructType

from sandbox.kernel.errors import malformed, refused

Value = float | int | str | bool
Params = Mapping[str, Value]
LONGEST_TEXT = 200
Text = Annotated[str, Meta(min_length=1, max_length=LONGEST_TEXT)]

S = TypeVar("S", bound=msgspec.Struct)
_Type = FloatType | IntType | StrType | LiteralType | BoolType


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter. `text` explains it in English, `label` names it in French on a form, `choices` are the French
    words for the values of a `Literal`, `example` is shown in the empty field."""

    name: str
    type: _Type
    required: bool
    text: str
    label: str
    example: str = ""
    choices: Mapping[str, str] = field(default_factory=dict)

    @property
    def widget(self) -> str:
        """What a form shows: `number`, `text`, `select` or `checkbox`."""
        if isinstance(self.type, BoolType):
            return "checkbox"
        if self.choices:
            return "select"
        return "text" if isinstance(self.type, StrType) else "number"


def about(text: str, label: str, *, example: str = "", choices: Mapping[str, str] | None = None) -> Meta:
    """The description of a field, for its annotation; the arguments are those of `Parameter`."""
    return Meta(description=text, extra={"label": label, "example": example, "choices": choices or {}})


@lru_cache(maxsize=256)
def parameters(struct: type[msgspec.Struct]) -> tuple[Parameter, ...]:
    """The parameters that a Struct declares. Raises TypeError for one of another type, or without `about`."""
    info = msgspec.inspect.type_info(struct)
    assert isinstance(info, StructType)
    return tuple(_parameter(each.name, each.type, each.required) for each in info.fields)


def schema(struct: type[msgspec.Struct]) -> dict[str, Any]:
    """The JSON Schema of the parameters."""
    (found,) = msgspec.json.schema_components([struct])[1].values()
    return {name: value for name, value in found.items() if name != "title"}


def _parameter(name: str, declared: msgspec.inspect.Type, required: bool) -> Parameter:
    text = ""
    extra: dict[str, Any] = {}
    while isinstance(declared, Metadata):
        text = (declared.extra_json_schema or {}).get("description", text)
        extra = {**(declared.extra or {}), **extra}
        declared = declared.type
    if not isinstance(declared, _Type) or (isinstance(declared, FloatType | IntType) and _bounds(declared) is None):
        raise TypeError(f"'{name}' must be a number with bounds, a text, one of several values or a bool")
    if not text or not extra.get("label"):
        raise TypeError(f"'{name}' is not explained (add about(...) to its annotation)")
    choices = extra["choices"]
    if isinstance(declared, LiteralType) and not choices:
        choices = {each: each for each in declared.values if isinstance(each, str)}
    return Parameter(name, declared, required, text, extra["label"], extra["example"], choices)


def _bounds(declared: FloatType | IntType) -> tuple[float, float] | None:
    return None if declared.ge is None or declared.le is None else (declared.ge, declared.le)


def read(struct: type[S], params: Params) -> S:
    """The parameters as a value of `struct`; other names than its own are left out.

    Raises RequestError with `faults.params.<name>`: 400 when a parameter is missing or of the wrong type, 422 when a
    rule refuses its value.
    """
    found: dict[str, Any] = {}
    for each in parameters(struct):
        if each.name in params:
            found[each.name] = _value(each, params[each.name])
        elif each.required:
            raise malformed(f"'{each.name}' is required", _where(each.name), code="required")
    return struct(**found)


def _where(name: str) -> str:
    return f"faults.params.{name}"


def _value(parameter: Parameter, value: Value) -> Value:
    name, declared = parameter.name, parameter.type
    if isinstance(declared, BoolType):
        return _flag(name, value)
    if isinstance(declared, LiteralType):
        return _choice(name, value, [*parameter.choices] or declared.values)
    if isinstance(declared, StrType):
        return _text(name, value, declared.min_length or 0, declared.max_length or LONGEST_TEXT)
    bounds = _bounds(declared)
    assert bounds is not None  # `parameters` accepts no other type
    number = _number(name, value, *bounds)
    return _whole(name, number) if isinstance(declared, IntType) else number


def _number(name: str, value: Value, low: float, high: float) -> float:
    if isinstance(value, bool | str):
        raise malformed(f"'{name}' must be a number, not {value!r}", _where(name), code="value")
    require_between(name, value, low, high)
    return value


def require_between(name: str, value: float, low: float, high: float) -> None:
    """Raise RequestError 422 for a number that is not in [low, high]."""
    if not low <= value <= high:
        raise refused(f"'{name}' must be {low:g} to {high:g}, not {_shown(value)}", _where(name), code="value")


def _shown(value: float) -> str:
    return f"{value:g}" if -1e15 < value < 1e15 else "a number of more than 15 digits"


def _whole(name: str, value: float) -> int:
    if value != int(value):
        raise refused(f"'{name}' must be a whole number, not {value:g}", _where(name), code="value")
    return int(value)


def _text(name: str, value: Value, shortest: int, longest: int) -> str:
    if not isinstance(value, str):
        raise malformed(f"'{name}' must be a text, not {value!r}", _where(name), code="value")
    if not shortest <= len(value) <= longest:
        raise refused(f"'{name}' must have {shortest} to {longest} characters", _where(name), code="value")
    return value


def _choice(name: str, value: Value, choices: Sequence[object]) -> str | int:
    numbers = [choice for choice in choices if isinstance(choice, int)]
    chosen: str | int
    if numbers:
        chosen = _whole(name, _number(name, value, min(numbers), max(numbers)))
    else:
        chosen = _text(name, value, 1, LONGEST_TEXT)
    if chosen not in choices:
        raise refused(f"'{name}' must be one of {', '.join(map(str, choices))}", _where(name), code="value")
    return chosen


def _flag(name: str, value: Value) -> bool:
    if not isinstance(value, bool):
        raise refused(f"'{name}' must be true or false", _where(name), code="value")
    return value
