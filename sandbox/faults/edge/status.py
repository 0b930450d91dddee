"""`status`: an error is answered and the actor never sees the request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, ClassVar

from msgspec import Meta

from sandbox.faults.edge.effects import RequestEffect, RequestFault
from sandbox.faults.kinds import register
from sandbox.faults.parameters import about


@register
class Status(RequestFault):
    """Answers `code` in the actor's place."""

    name: ClassVar[str] = "status"
    sentence: ClassVar[str] = "Une erreur est répondue, la demande n'arrive pas à l'acteur."

    code: Annotated[int, Meta(ge=400, le=599), about("HTTP status to answer, 400 to 599", "Statut HTTP", example="503")]

    def effect(self, chance: Callable[[], float]) -> RequestEffect:
        """The same answer each time."""
        return RequestEffect(status=self.code)
