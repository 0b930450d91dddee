"""`do: verify`: an appointment's status is the same at the SAS core and at the LRM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from sandbox.runner.stage import Failed, Stage
from sandbox.runner.steps.base import BaseStep
from sandbox.runner.steps.common import FRENCH, booked_as, token_of, until


class Verify(BaseStep, frozen=True, tag="verify"):
    """Wait until the SAS core shows that status with its message acknowledged, and the LRM shows it too."""

    appointment: str
    status: Literal["pending", "booked", "fulfilled", "noshow", "cancelled"]
    within_s: float = 10.0

    def title(self) -> str:
        return f"Vérification : {self.appointment} {FRENCH[self.status]} jusqu'au LRM"

    async def play(self, stage: Stage) -> Sequence[str]:
        """The SAS core has the version, the LRM acknowledged its message, and shows the same."""
        record = await self._acknowledged(stage)
        message = await stage.sas(f"l02/{record['l02'][-1]['distributionID']}")
        return [
            f"plateforme : {FRENCH[self.status]}, version {record['version']}",
            f"message {message['distributionID']} : {' → '.join(event['state'] for event in message['events'])}",
            await self._shown_by_lrm(stage, record["id"]),
        ]

    async def _acknowledged(self, stage: Stage) -> dict[str, Any]:
        """The SAS core's appointment once it has that status and its last message is acknowledged. Raises Failed."""
        token = token_of(stage, booked_as(stage, self.appointment))

        async def core() -> dict[str, Any]:
            listed = (await stage.sas("appointments", identifier=token))["appointments"]
            return listed[0] if listed else {}

        record = await until(core, self._is_acknowledged, self.within_s)
        if not self._is_acknowledged(record):
            states = [message["state"] for message in record.get("l02", [])]
            found = f"la plateforme montre {record.get('status')} et les messages {states}"
            raise Failed(f"{found}, attendu {self.status} acquitté")
        return record

    def _is_acknowledged(self, record: dict[str, Any]) -> bool:
        states = [message["state"] for message in record.get("l02", [])]
        return record.get("status") == self.status and states[-1:] == ["acknowledged"]

    async def _shown_by_lrm(self, stage: Stage, appointment_id: str) -> str:
        """What the LRM shows, which must be that; of a vendor's own only its acknowledgement is known."""
        lrm = stage.lrm()
        if lrm.get("external"):
            return f"LRM {lrm['client_id']}, externe : acquitté"
        found = await stage.call("GET", f"{lrm['ui']}/api/orientations/{appointment_id}")
        shown = found["appointment"]["status"]
        if shown != self.status:
            raise Failed(f"le LRM montre {shown}, attendu {self.status}")
        return f"LRM {lrm['client_id']} : {FRENCH[self.status]}"
