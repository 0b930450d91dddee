"""`status`: an error is answered and the actor never sees the request."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sandbox.faults.base import Effect, Params, Place, whole


class Status:
    """Answers `code` in the actor's place."""

    name = "status"
    place: Place = "edge"
    params: Mapping[str, str] = {"code": "HTTP status to answer, 400 to 599"}

    def validate(self, params: Params) -> None:
        """Raise RequestError when `code` is missing, no whole number or not of an error."""
        whole(params, "code", 400, 599)

    def effect(self, params: Params, chance: Callable[[], float]) -> Effect:
        """The same answer each time."""
        return Effect(status=whole(params, "code", 400, 599))
