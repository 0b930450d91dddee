"""`do: take`: the doctor on duty takes over an appointment at SOS Médecins."""

from __future__ import annotations

from collections.abc import Sequence

from sandbox.runner.stage import Booked, Failed, Stage
from sandbox.runner.steps.base import BaseStep
from sandbox.runner.steps.common import appointment_page, booked_as, shown_statuses, until

SHOWN_WITHIN_S = 2.0


class Take(BaseStep, frozen=True, tag="take"):
    """On the editor's page, the doctor on duty takes over an appointment at SOS Médecins; nothing is to be done when
    the association was faster."""

    appointment: str

    def title(self) -> str:
        return f"Chez SOS Médecins : {self.appointment} pris en charge"

    async def play(self, stage: Stage) -> Sequence[str]:
        """« Prendre en charge » on the appointment's page; then its doctor is known."""
        booked = booked_as(stage, self.appointment)
        page = await appointment_page(stage, booked)
        form = next((form for form in page.forms if form.action.endswith("/prendre-en-charge")), None)
        if form is not None:
            page = await stage.browser.submit(form)
        shown = await until(lambda: _shown(stage, booked), lambda status: status == "booked", SHOWN_WITHIN_S)
        if shown != "booked":
            raise Failed(f"l'éditeur montre {shown or page.status}, attendu booked")
        return [f"{self.appointment} : " + ("pris en charge" if form is not None else "déjà pris en charge")]


async def _shown(stage: Stage, booked: Booked) -> str:
    """The status on the editor's page, or nothing."""
    return next(iter(shown_statuses(await appointment_page(stage, booked))), None) or ""
