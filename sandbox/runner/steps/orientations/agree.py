"""`do: agree`: a practitioner takes one more patient (« en sus »), by phone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sandbox.kernel.clock import parse_datetime
from sandbox.runner.stage import Stage
from sandbox.runner.steps.base import BaseStep
from sandbox.runner.steps.orientations.calls import offered, orient


class Agree(BaseStep, frozen=True, tag="agree"):
    """The regulator has phoned a practitioner of the complementary offer of the last search (the first, or
    `practitioner`) and notes the agreement: in so many minutes, or « dans la journée »."""

    appointment: str
    practitioner: str = ""
    in_minutes: int | None = None

    def title(self) -> str:
        return f"En sus : accord noté pour {self.appointment}"

    async def play(self, stage: Stage) -> Sequence[str]:
        """The practitioner is among the offers, with a phone number; then the agreement is an appointment."""
        offer = await offered(stage, "extra", self.practitioner)
        agreed = "today"
        if self.in_minutes is not None:
            clock = await stage.call("GET", f"{stage.endpoints['control']['api']}/clock")
            agreed = (parse_datetime(clock["now"]) + timedelta(minutes=self.in_minutes)).isoformat(timespec="seconds")
        made = await orient(stage, self.appointment, {"kind": "extra", "practitioner": offer["id"], "agreed": agreed})
        return [f"{offer['name']}, {offer['phone']} : {offer['conditions']}", made]
