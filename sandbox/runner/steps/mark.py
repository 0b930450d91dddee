"""`do: mark`: an appointment is honoured, not honoured or cancelled by the one who has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from sandbox.runner.stage import Failed, Stage
from sandbox.runner.steps.base import BaseStep
from sandbox.runner.steps.common import FRENCH, appointment_page, as_practitioner, booked_as, post, shown_statuses

ACTIONS = {"fulfilled": "honorer", "noshow": "absent", "cancelled": "annuler"}
API_ACTIONS = {"fulfilled": "fulfil", "noshow": "noshow", "cancelled": "cancel"}
WHERE = {"editor": "Chez l'éditeur", "practitioner": "Dans l'agenda SAS", "regulator": "Sur la plateforme"}


class Mark(BaseStep, frozen=True, tag="mark"):
    """Change a booked appointment: on the editor's page « Mes rendez-vous »; one that was made in the SAS platform
    itself, as the practitioner of the SAS agenda or as the regulator."""

    appointment: str
    status: Literal["fulfilled", "noshow", "cancelled"]
    by: Literal["editor", "practitioner", "regulator"] = "editor"

    def title(self) -> str:
        return f"{WHERE[self.by]} : {self.appointment} {FRENCH[self.status]}"

    async def play(self, stage: Stage) -> Sequence[str]:
        """Honoured, not honoured or cancelled, by the form of the appointment's page or by the SAS API."""
        if self.by == "editor":
            await self._at_editor(stage)
        else:
            await self._in_the_platform(stage)
        return [f"{self.appointment} : {FRENCH[self.status]} ({WHERE[self.by]})"]

    async def _at_editor(self, stage: Stage) -> None:
        booked = booked_as(stage, self.appointment)
        page = await appointment_page(stage, booked)
        action = f"/{booked.identifier}/{ACTIONS[self.status]}"
        form = next((form for form in page.forms if form.action.endswith(action)), None)
        if form is None:
            raise Failed(f"la page du rendez-vous n'offre pas « {ACTIONS[self.status]} » ({page.status})")
        shown = shown_statuses(await stage.browser.submit(form))
        if self.status not in shown:
            raise Failed(f"l'éditeur montre {shown}, attendu {self.status}")

    async def _in_the_platform(self, stage: Stage) -> None:
        booked, action = booked_as(stage, self.appointment), API_ACTIONS[self.status]
        if booked.editor:
            raise Failed(f"« {self.appointment} » est chez un éditeur, qui seul le change")
        if self.by == "regulator":
            await post(stage, f"orientations/{booked.identifier}/{action}")
        else:
            token = await as_practitioner(stage, booked.practitioner)
            await post(stage, f"agenda/appointments/{booked.identifier}/{action}", token=token)
