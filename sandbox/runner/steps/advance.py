"""`do: advance`: the clock of the sandbox goes forward."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sandbox.kernel.clock import parse_datetime
from sandbox.runner.stage import Stage
from sandbox.runner.steps.base import BaseStep


class Advance(BaseStep, frozen=True, tag="advance"):
    """The sandbox's clock leaps so many minutes, forwards; it goes on or stands still as before."""

    minutes: int

    def title(self) -> str:
        return f"{self.minutes} minutes plus tard"

    async def play(self, stage: Stage) -> Sequence[str]:
        """On the control plane, in force at every role once it answers."""
        url = f"{stage.endpoints['control']['api']}/clock"
        clock = await stage.call("GET", url)
        leapt = parse_datetime(clock["now"]) + timedelta(minutes=self.minutes)
        set_to = await stage.call("PUT", url, json={"as_of": leapt.isoformat(), "freeze": clock["frozen"]})
        return [f"heure du bac à sable : {parse_datetime(set_to['now']):%d/%m %H:%M}"]
