"""`do: reserve`: a regulator books a slot of the SAS agenda that a search shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sandbox.runner.stage import Booked, Failed, Stage, Typed
from sandbox.runner.steps.base import BaseStep
from sandbox.runner.steps.common import PATIENT, as_practitioner, post
from sandbox.runner.steps.orientations.calls import told

MOST_PAGES = 40


class Reserve(BaseStep, frozen=True, tag="reserve"):
    """Book the slot that a practitioner has typed, from its card in the last search, for a fictitious patient."""

    appointment: str
    slot: str

    def title(self) -> str:
        return f"Réservation (agenda SAS) : {self.appointment} dans {self.slot}"

    async def play(self, stage: Stage) -> Sequence[str]:
        """The slot is on a card of the SAS agenda; the regulator takes a place in it; the practitioner is shown the
        patient."""
        typed = typed_as(stage, self.slot)
        name = await shown(stage, typed)
        if name is None:
            raise Failed(f"la recherche ne montre pas le créneau « {self.slot} »")
        made = await post(stage, "orientations", booking(typed))
        stage.learnt.booked[self.appointment] = Booked("", made["id"], typed.practitioner)
        seen = await _patient(stage, typed, made["id"])
        if seen != PATIENT["family"]:
            raise Failed(f"le praticien voit {seen or 'aucun patient'}, attendu {PATIENT['family']}")
        return [f"fiche de {name}, agenda SAS", told(self.appointment, made), f"le praticien voit son patient, {seen}"]


def typed_as(stage: Stage, slot: str) -> Typed:
    """The slot that an earlier step typed under that name. Raises Failed."""
    if slot not in stage.learnt.typed:
        raise Failed(f"le créneau « {slot} » n'a pas été saisi")
    return stage.learnt.typed[slot]


def booking(typed: Typed) -> dict[str, Any]:
    """The body of `POST orientations` for a typed slot."""
    return {"kind": "sas-agenda", "slot": typed.id, "patient": PATIENT}


async def shown(stage: Stage, typed: Typed) -> str | None:
    """The name on the card of the last search that shows the typed slot."""
    page: int | None = 1
    while page is not None and page <= MOST_PAGES:
        found = await stage.sas("search", **stage.learnt.search, page=str(page))
        for card in found["cards"]:
            slots = [each["id"] for place in card.get("places", ()) for each in place.get("slots", ())]
            if card.get("origin") == "sas-agenda" and typed.id in slots:
                return str(card["name"])
        page = found["next"]
    return None


async def _patient(stage: Stage, typed: Typed, appointment: str) -> str:
    """The family name that the practitioner is shown for an appointment of his."""
    token = await as_practitioner(stage, typed.practitioner)
    api = stage.endpoints["sas"]["api"]
    start = (await stage.sas(f"appointments/{appointment}"))["start"]
    visits = await stage.call("GET", f"{api}/agenda/appointments", params={"day": start[:10]}, token=token)
    patients = [each["patient"] for each in visits["appointments"] if each["id"] == appointment]
    return str(patients[0]["family"]) if patients and patients[0] else ""
