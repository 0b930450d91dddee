"""`do: attach`: an orientation goes into a case file of the LRM."""

from __future__ import annotations

from collections.abc import Sequence

from sandbox.runner.stage import Failed, Stage
from sandbox.runner.steps.base import BaseStep
from sandbox.runner.steps.common import booked_as, posted_form, record_of


class Attach(BaseStep, frozen=True, tag="attach"):
    """On the LRM's page: open a case file and attach the orientation to it."""

    appointment: str

    def title(self) -> str:
        return f"Au LRM : {self.appointment} rattaché à un dossier"

    async def play(self, stage: Stage) -> Sequence[str]:
        """A case file is opened, the orientation attached to it. In a vendor's own LRM a person does it."""
        lrm = stage.lrm()
        if lrm.get("external"):
            return [f"LRM {lrm['client_id']}, externe : rattachement à faire dans ses pages"]
        record = await record_of(stage, booked_as(stage, self.appointment))
        opening = await posted_form(stage, f"{lrm['ui']}/dossiers", lambda form: form.action.endswith("/dossiers"))
        number = (await stage.browser.submit(opening)).url.rpartition("/")[2]
        attaching = await posted_form(stage, f"{lrm['ui']}/", lambda form: record["id"] in form.action)
        await stage.browser.submit(attaching, case_file=number)
        shown = (await stage.call("GET", f"{lrm['ui']}/api/orientations/{record['id']}"))["caseFile"]
        if shown != number:
            raise Failed(f"l'orientation est attachée à {shown}, attendu le dossier {number}")
        return [f"orientation attachée au dossier {number}"]
