"""`do: respond`: a person answers for a community, on its page « Demandes reçues »."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from sandbox.runner.stage import Failed, Stage
from sandbox.runner.steps.base import BaseStep
from sandbox.runner.steps.common import booked_as, posted_form, record_of, until

WORDS = {
    "accept": ("accepter", "accepted", "accepte"),
    "refuse": ("refuser", "refused", "refuse"),
    "honour": ("honorer", "honoured", "a vu le patient"),
    "miss": ("absent", "missed", "n'a pas vu le patient"),
    "cancel": ("annuler", "cancelled", "annule"),
}
SHOWN_WITHIN_S = 5.0


class Respond(BaseStep, frozen=True, tag="respond"):
    """Answer a request that waits, or say what became of the patient; `member` (prefixed id) is who accepts, without it
    the first one."""

    appointment: str
    answer: Literal["accept", "refuse", "honour", "miss", "cancel"]
    member: str = ""

    def title(self) -> str:
        return f"Sur « Demandes reçues » : {self.appointment}, la communauté {WORDS[self.answer][2]}"

    async def play(self, stage: Stage) -> Sequence[str]:
        """By the form of the request; the page then shows its new state."""
        word, state, said = WORDS[self.answer]
        record = await record_of(stage, booked_as(stage, self.appointment))
        url, id = f"{stage.editor(record['editor'])['ui']}/demandes", record["identifier"]["value"]

        async def arrived() -> list[str]:
            page = await stage.browser.get(url)
            found = [each.attributes for each in page.with_data("request")]
            return [each["data-state"] for each in found if each["data-request"] == id]

        await until(arrived, bool, SHOWN_WITHIN_S)
        form = await posted_form(stage, url, lambda each: each.action.endswith(f"/{id}/{word}"))
        values = {"member": self.member} if self.member else {}
        await stage.browser.submit(form, **values)
        shown = await arrived()
        if shown != [state]:
            raise Failed(f"« Demandes reçues » montre {shown}, attendu {state}")
        return [f"{self.appointment} : la communauté {said}"]
