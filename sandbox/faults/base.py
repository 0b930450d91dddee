"""What a kind of fault is, and what one can do to a request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from sandbox.kernel.errors import malformed, refused

Place = Literal["edge", "hub", "lrm"]  # who carries a fault out: the edge of an HTTP port, the hub, an LRM
Value = float | int | str | bool
Params = Mapping[str, Value]
_LONGEST_TEXT = 200


@dataclass(frozen=True, slots=True)
class Effect:
    """What happens to one request: wait `delay` seconds, then, with a `status`, answer it in the actor's place."""

    delay: float = 0.0
    status: int | None = None


class FaultKind(Protocol):
    """One kind. `name` is what the admin API calls it; `params` says what each parameter means, for people."""

    @property
    def name(self) -> str: ...
    @property
    def params(self) -> Mapping[str, str]: ...
    @property
    def place(self) -> Place: ...

    def validate(self, params: Params) -> None:
        """Raise RequestError when `params` cannot be used; each of them is one of `self.params`."""
        ...


class EdgeKind(FaultKind, Protocol):
    """A kind that the edge of an actor's HTTP ports carries out."""

    def effect(self, params: Params, chance: Callable[[], float]) -> Effect:
        """What one hit does; `chance()` gives a number in [0, 1)."""
        ...


def number(params: Params, name: str, low: float, high: float, default: float | None = None) -> float:
    """A parameter in [low, high]. Raises RequestError: 400 absent or no number, 422 out of bounds."""
    where = f"faults.params.{name}"
    value = params.get(name, default)
    if value is None:
        raise malformed(f"'{name}' is required", where, code="required")
    if isinstance(value, bool | str):
        raise malformed(f"'{name}' must be a number, not {value!r}", where, code="value")
    if not low <= value <= high:
        raise refused(f"'{name}' must be {low:g} to {high:g}, not {_told(value)}", where, code="value")
    return value


def whole(params: Params, name: str, low: int, high: int, default: int | None = None) -> int:
    """A whole number in [low, high]. Raises RequestError like `number`, 422 for a fraction."""
    value = number(params, name, low, high, default)
    if value != int(value):
        raise refused(f"'{name}' must be a whole number, not {value:g}", f"faults.params.{name}", code="value")
    return int(value)


def _told(value: float) -> str:
    """A number for people, however large."""
    return f"{value:g}" if -1e15 < value < 1e15 else "a number of more than 15 digits"


def text(params: Params, name: str) -> str:
    """A text of 1 to 200 characters. Raises RequestError: 400 absent or no text, 422 empty or too long."""
    where = f"faults.params.{name}"
    value = params.get(name)
    if value is None:
        raise malformed(f"'{name}' is required", where, code="required")
    if not isinstance(value, str):
        raise malformed(f"'{name}' must be a text, not {value!r}", where, code="value")
    if not 0 < len(value) <= _LONGEST_TEXT:
        raise refused(f"'{name}' must have 1 to {_LONGEST_TEXT} characters", where, code="value")
    return value
