"""What a kind of fault is, and what one can do to a request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from sandbox.kernel.errors import malformed, refused

Value = float | int | str | bool
Params = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Effect:
    """What happens to one request: wait `delay` seconds, then, with a `status`, answer it in the actor's place."""

    delay: float = 0.0
    status: int | None = None


class FaultKind(Protocol):
    """One kind. `name` is what the admin API calls it; `params` says what each parameter means, for people."""

    name: str
    params: Mapping[str, str]

    def validate(self, params: Params) -> None:
        """Raise RequestError when `params` cannot be used; each of them is one of `self.params`."""
        ...

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
        raise refused(f"'{name}' must be {low:g} to {high:g}, not {value:g}", where, code="value")
    return value
