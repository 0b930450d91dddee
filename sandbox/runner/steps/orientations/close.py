"""`do: close`: a practitioner deletes a slot of the SAS agenda."""

from __future__ import annotations

from collections.abc import Sequence

from sandbox.runner.stage import Stage
from sandbox.runner.steps.base import BaseStep
from sandbox.runner.steps.common import as_practitioner
from sandbox.runner.steps.orientations.calls import refusal
from sandbox.runner.steps.orientations.reserve import typed_as


class Close(BaseStep, frozen=True, tag="close"):
    """A practitioner deletes a slot that he has typed. Somebody has an appointment in it when `cancel` is given: the
    platform refuses, and with that consent it cancels the appointments and tells the SAMU."""

    slot: str
    cancel: bool = False

    def title(self) -> str:
        return f"Agenda SAS : {self.slot} supprimé" + (", rendez-vous annulés" if self.cancel else "")

    async def play(self, stage: Stage) -> Sequence[str]:
        """Without consent first when the slot has appointments, which must be refused."""
        typed = typed_as(stage, self.slot)
        token = await as_practitioner(stage, typed.practitioner)
        url = f"{stage.endpoints['sas']['api']}/agenda/slots/{typed.id}"
        facts = []
        if self.cancel:
            facts = [f"refusé d'abord : {await refusal(stage.call('DELETE', url, token=token))}"]
        await stage.call("DELETE", url, params={"cancel": "true"} if self.cancel else None, token=token)
        return [*facts, f"{self.slot} : supprimé"]
