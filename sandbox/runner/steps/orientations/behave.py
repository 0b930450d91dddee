"""`do: behave`: how a community of the sandbox answers from now on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from sandbox.runner.stage import Stage
from sandbox.runner.steps.base import BaseStep

ANSWERS = {"accept": "accepte", "refuse": "refuse", "nobody": "ne répond pas", "by-hand": "répond à la main"}


class Behave(BaseStep, frozen=True, tag="behave"):
    """What a community answers, after so many seconds, and which member accepts (prefixed id; without, the first)."""

    community: str
    answer: Literal["accept", "refuse", "nobody", "by-hand"]
    after_s: float = 1.0
    practitioner: str = ""

    def title(self) -> str:
        return f"La communauté {self.community} {ANSWERS[self.answer]}"

    async def play(self, stage: Stage) -> Sequence[str]:
        """Set on the control plane, in force once it answers."""
        wanted: dict[str, Any] = {"answer": self.answer, "after_s": self.after_s, "probability": 1.0}
        if self.practitioner:
            wanted["practitioner"] = self.practitioner
        url = f"{stage.endpoints['control']['api']}/communities/{self.community}/behaviour"
        await stage.call("PUT", url, json=wanted)
        return [f"{self.community} : {ANSWERS[self.answer]}"]
