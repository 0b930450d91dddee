"""`do: ask`: a community is asked to take the patient (marketplace, « place de marché »)."""

from __future__ import annotations

from collections.abc import Sequence

from sandbox.runner.stage import Stage
from sandbox.runner.steps.base import BaseStep
from sandbox.runner.steps.orientations.calls import offered, orient


class Ask(BaseStep, frozen=True, tag="ask"):
    """Ask a community of the complementary offer of the last search (the first, or `community`) for somebody who takes
    the patient within so many minutes."""

    appointment: str
    community: str = ""
    need: str = "Consultation dans la journée, fièvre de l'adulte"
    within_minutes: int = 30

    def title(self) -> str:
        return f"Place de marché : {self.appointment} demandé"

    async def play(self, stage: Stage) -> Sequence[str]:
        """The community is among the offers; then the request waits for its answer."""
        offer = await offered(stage, "marketplaces", self.community)
        content = {
            "kind": "marketplace",
            "community": offer["id"],
            "need": self.need,
            "within_minutes": self.within_minutes,
            "town": stage.learnt.search["insee"],
        }
        made = await orient(stage, self.appointment, content)
        return [f"{offer['name']}, réponse attendue sous {self.within_minutes} min", made]
