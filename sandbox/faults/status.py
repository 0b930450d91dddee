"""`status`: an error is answered and the actor never sees the request."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sandbox.faults.base import Effect, Params, number
from sandbox.kernel.errors import refused


class Status:
    """Answers `code` in the actor's place."""

    name = "status"
    params: Mapping[str, str] = {"code": "HTTP status to answer, 400 to 599"}

    def validate(self, params: Params) -> None:
        """Raise RequestError when `code` is missing, no whole number or not of an error."""
        code = number(params, "code", 400, 599)
        if code != int(code):
            raise refused(f"'code' must be a whole number, not {code:g}", "faults.params.code", code="value")

    def effect(self, params: Params, chance: Callable[[], float]) -> Effect:
        """The same answer each time."""
        return Effect(status=int(number(params, "code", 400, 599)))
