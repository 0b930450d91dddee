"""`do: reserve`: a regulator books a slot of the SAS agenda that a search shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sandbox.runner.stage import Booked, Failed, Stage, Typed
from sandbox.runner.steps.base import BaseStep
from sandbox.runner.steps.common import post
from sandbox.runner.steps.orientations.calls import told

MOST_PAGES = 40


class Reserve(BaseStep, frozen=True, tag="reserve"):
    """Book the slot that a practitioner has typed, from its card in the last search."""

    appointment: str
    slot: str

    def title(self) -> str:
        return f"Réservation (agenda SAS) : {self.appointment} dans {self.slot}"

    async def play(self, stage: Stage) -> Sequence[str]:
        """The slot is on a card of the SAS agenda; the regulator takes a place in it."""
        name, typed = await shown(stage, self.slot), stage.learnt.typed[self.slot]
        made = await post(stage, "orientations", booking(typed))
        stage.learnt.booked[self.appointment] = Booked("", made["id"], typed.practitioner)
        return [f"fiche de {name}, agenda SAS", told(self.appointment, made)]


def booking(typed: Typed) -> dict[str, Any]:
    """The body of `POST orientations` for a typed slot."""
    return {"kind": "sas-agenda", "slot": typed.id}


async def shown(stage: Stage, slot: str) -> str:
    """The name on the card of the last search that shows the typed slot. Raises Failed."""
    if slot not in stage.learnt.typed:
        raise Failed(f"le créneau « {slot} » n'a pas été saisi")
    wanted, page = stage.learnt.typed[slot].id, 1
    while page is not None and page <= MOST_PAGES:
        found = await stage.sas("search", **stage.learnt.search, page=str(page))
        for card in found["cards"]:
            slots = [each["id"] for place in card.get("places", ()) for each in place.get("slots", ())]
            if card.get("origin") == "sas-agenda" and wanted in slots:
                return str(card["name"])
        page = found["next"]
    raise Failed(f"la recherche ne montre pas le créneau « {slot} »")
