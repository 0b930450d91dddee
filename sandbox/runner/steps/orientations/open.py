"""`do: open`: a practitioner types a slot, or a weekly series, in the SAS agenda."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Any, Literal

from sandbox.kernel.clock import parse_datetime
from sandbox.runner.stage import Failed, Stage, Typed
from sandbox.runner.steps.base import BaseStep
from sandbox.runner.steps.common import as_practitioner

OPENS, CLOSES = time(7), time(22)


class Open(BaseStep, frozen=True, tag="open"):
    """A practitioner types a slot of `minutes` in so many `days`, in the first free time of his day; with `weeks` the
    same slot every week, so many times.

    `place` is needed when he has several; `visibility` and `patients` (per slot) are those of the slot.
    """

    slot: str
    practitioner: str
    place: str = ""
    days: int = 1
    minutes: int = 20
    patients: int = 1
    weeks: int = 1
    visibility: tuple[Literal["PUBLIC", "PRO", "SNP", "CPTS"], ...] = ("PUBLIC",)

    def title(self) -> str:
        return f"Agenda SAS : {self.slot} saisi par {self.practitioner}"

    async def play(self, stage: Stage) -> Sequence[str]:
        """With the practitioner's own account; the slot is then in his list."""
        token = await as_practitioner(stage, self.practitioner)
        url = f"{stage.endpoints['sas']['api']}/agenda/slots"
        start = await self._free(stage, url, token)
        end = start + timedelta(minutes=self.minutes)
        wanted: dict[str, Any] = {"start": start.isoformat(), "end": end.isoformat(), "max_patients": self.patients}
        wanted |= {"visibility": list(self.visibility), "type": "AMB"}
        if self.place:
            wanted["place"] = self.place
        if self.weeks > 1:
            wanted["weekly"] = {"until": (start.date() + timedelta(weeks=self.weeks - 1)).isoformat()}
        made = await stage.call("POST", url, json=wanted, token=token)
        stage.learnt.typed[self.slot] = Typed(self.practitioner, made["id"])
        listed = await _slots_of(stage, url, token, start)
        if made["id"] not in {each["id"] for each in listed}:
            raise Failed("le créneau saisi n'est pas dans la liste du praticien")
        series = f", {self.weeks} semaines" if self.weeks > 1 else ""
        return [f"{self.slot} : {start:%d/%m %H:%M}, {self.patients} patient(s){series}"]

    async def _free(self, stage: Stage, url: str, token: str) -> datetime:
        """The beginning of the first time of that day in which the practitioner has no slot."""
        clock = await stage.call("GET", f"{stage.endpoints['control']['api']}/clock")
        day = parse_datetime(clock["now"]) + timedelta(days=self.days)
        start = datetime.combine(day, OPENS, day.tzinfo)
        held = sorted(
            (parse_datetime(each["start"]), parse_datetime(each["end"]))
            for each in await _slots_of(stage, url, token, start)
        )
        for begins, ends in held:
            if begins - start >= timedelta(minutes=self.minutes):
                break
            start = max(start, ends.astimezone(start.tzinfo))
        if start + timedelta(minutes=self.minutes) > datetime.combine(day, CLOSES, day.tzinfo):
            raise Failed(f"le praticien {self.practitioner} n'a plus {self.minutes} minutes libres le {day:%d/%m}")
        return start


async def _slots_of(stage: Stage, url: str, token: str, near: datetime) -> list[dict[str, Any]]:
    """The practitioner's slots of that day."""
    begins = datetime.combine(near, time(0), near.tzinfo)
    params = {"from": begins.isoformat(), "to": (begins + timedelta(days=1)).isoformat()}
    slots: list[dict[str, Any]] = (await stage.call("GET", url, params=params, token=token))["slots"]
    return slots
