"""`do: refer`: the patient is oriented to a structure (CDS, MSP) without a named practitioner."""

from __future__ import annotations

from collections.abc import Sequence

from sandbox.runner.stage import Stage
from sandbox.runner.steps.base import BaseStep
from sandbox.runner.steps.orientations.calls import offered, orient


class Refer(BaseStep, frozen=True, tag="refer"):
    """Orient to a structure of the complementary offer of the last search: the nearest, or `structure` (prefixed
    FINESS)."""

    appointment: str
    structure: str = ""

    def title(self) -> str:
        return f"Vers une structure : {self.appointment}"

    async def play(self, stage: Stage) -> Sequence[str]:
        """The structure is among the offers; then the orientation is made."""
        offer = await offered(stage, "structures", self.structure)
        made = await orient(stage, self.appointment, {"kind": "structure", "structure": offer["id"]})
        return [f"{offer['name']}, {offer.get('phone') or 'sans téléphone'}", made]
