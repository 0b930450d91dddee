"""`do: mark`: an appointment is honoured, not honoured or cancelled on the editor's pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from sandbox.runner.stage import Failed, Stage
from sandbox.runner.steps.base import BaseStep
from sandbox.runner.steps.common import FRENCH, appointment_page, booked_as, shown_statuses

ACTIONS = {"fulfilled": "honorer", "noshow": "absent", "cancelled": "annuler"}


class Mark(BaseStep, frozen=True, tag="mark"):
    """Change a booked appointment on the editor's page « Mes rendez-vous »."""

    appointment: str
    status: Literal["fulfilled", "noshow", "cancelled"]

    def title(self) -> str:
        return f"Chez l'éditeur : {self.appointment} {FRENCH[self.status]}"

    async def play(self, stage: Stage) -> Sequence[str]:
        """Honoured, not honoured or cancelled, by the form of the appointment's page."""
        booked = booked_as(stage, self.appointment)
        page = await appointment_page(stage, booked)
        action = f"/{booked.identifier}/{ACTIONS[self.status]}"
        form = next((form for form in page.forms if form.action.endswith(action)), None)
        if form is None:
            raise Failed(f"la page du rendez-vous n'offre pas « {ACTIONS[self.status]} » ({page.status})")
        shown = shown_statuses(await stage.browser.submit(form))
        if self.status not in shown:
            raise Failed(f"l'éditeur montre {shown}, attendu {self.status}")
        return [f"{self.appointment} : {FRENCH[self.status]} chez l'éditeur"]
