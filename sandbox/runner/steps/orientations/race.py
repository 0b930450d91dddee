"""`do: race`: two regulators book the last place of a slot of the SAS agenda at the same moment."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from sandbox.kernel.errors import PeerRefused
from sandbox.runner.stage import Booked, Failed, Stage, problem
from sandbox.runner.steps.base import BaseStep
from sandbox.runner.steps.common import api_token, post
from sandbox.runner.steps.orientations.calls import told
from sandbox.runner.steps.orientations.reserve import booking, shown, typed_as

FREE = "informational"  # code of the parts of a refusal that name free slots


class Race(BaseStep, frozen=True, tag="race"):
    """The regulator who is logged in and a colleague of the same territory book the same slot, which has one place
    left."""

    appointment: str
    slot: str

    def title(self) -> str:
        return f"Deux régulateurs, une place : {self.appointment} dans {self.slot}"

    async def play(self, stage: Stage) -> Sequence[str]:
        """One gets the place, the other is refused and told the nearest free slots; a search shows the slot no more."""
        typed = typed_as(stage, self.slot)
        if await shown(stage, typed) is None:
            raise Failed(f"la recherche ne montre pas le créneau « {self.slot} »")
        tokens = [stage.learnt.token, await api_token(stage, _colleague(stage))]
        calls = [post(stage, "orientations", booking(typed), token=token) for token in tokens]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        made = [answer for answer in answers if isinstance(answer, dict)]
        refused = [answer for answer in answers if isinstance(answer, PeerRefused) and answer.status == 409]
        if len(made) != 1 or len(refused) != 1:
            raise Failed(f"les deux demandes donnent {answers}, attendu un rendez-vous et un refus (409)")
        stage.learnt.booked[self.appointment] = Booked("", made[0]["id"], typed.practitioner)
        nearest = [part.pointer for part in problem(refused[0]).errors if part.code == FREE and part.pointer]
        if not nearest:
            raise Failed(f"le refus ne propose pas d'autre créneau : {problem(refused[0]).detail}")
        if await shown(stage, typed) is not None:
            raise Failed(f"la recherche montre encore le créneau « {self.slot} », qui est complet")
        return [told(self.appointment, made[0]), f"l'autre : plus libre ; les plus proches : {', '.join(nearest)}"]


def _colleague(stage: Stage) -> dict[str, Any]:
    mine = stage.learnt.regulator
    found = [
        one
        for one in stage.endpoints["examples"]["regulators"]
        if one["territory"] == mine["territory"] and one["identifier"] != mine["identifier"]
    ]
    if not found:
        raise Failed(f"il n'y a qu'un compte de démonstration du territoire {mine['territory']}")
    return dict(found[0])
