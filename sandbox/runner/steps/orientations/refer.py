"""`do: refer`: the patient is oriented to a structure (CDS, MSP) without a named practitioner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from sandbox.runner.stage import Failed, Stage
from sandbox.runner.steps.base import BaseStep
from sandbox.runner.steps.common import place_of
from sandbox.runner.steps.orientations.calls import orient

PLACE = ("insee", "streetnumber", "streetname")


class Refer(BaseStep, frozen=True, tag="refer"):
    """Orient to a structure around `town` (INSEE code), or an address of it (`street`), or else where the last search
    was: the nearest of its `kind`, or `structure` (prefixed FINESS)."""

    appointment: str
    town: str = ""
    street: str = ""
    kind: Literal["CDS", "MSP"] | None = None
    structure: str = ""

    def title(self) -> str:
        return f"Vers une structure : {self.appointment}"

    async def play(self, stage: Stage) -> Sequence[str]:
        """The structure is found without any editor; then the orientation is made."""
        searched = {name: text for name, text in stage.learnt.search.items() if name in PLACE}
        place = place_of(self.town, self.street) if self.town else searched
        kinds = {"kind": self.kind.lower()} if self.kind else {}
        found = (await stage.sas("structures", **place, **kinds))["structures"]
        chosen = next((each for each in found if self.structure in ("", each["id"])), None)
        if chosen is None:
            raise Failed(f"{len(found)} structures trouvées, attendu {self.structure or 'au moins une'}")
        made = await orient(stage, self.appointment, {"kind": "structure", "structure": chosen["id"]})
        return [f"{chosen['name']} ({chosen['kind']}), {chosen.get('phone') or 'sans téléphone'}", made]
