"""`do: withdraw`: the regulator withdraws a request to a community."""

from __future__ import annotations

from collections.abc import Sequence

from sandbox.runner.stage import Stage
from sandbox.runner.steps.base import BaseStep
from sandbox.runner.steps.common import booked_as, post


class Withdraw(BaseStep, frozen=True, tag="withdraw"):
    """Withdraw a request to a community, answered or not."""

    appointment: str

    def title(self) -> str:
        return f"Place de marché : {self.appointment} retiré"

    async def play(self, stage: Stage) -> Sequence[str]:
        """The request is over at once; the community is told."""
        booked = booked_as(stage, self.appointment)
        await post(stage, f"orientations/{booked.identifier}/withdraw")
        return [f"{self.appointment} : demande retirée"]
