"""`do: verify`: an appointment's status is the same at the SAS core and at the LRM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from sandbox.runner.stage import Failed, Stage
from sandbox.runner.steps.base import BaseStep
from sandbox.runner.steps.common import FRENCH, booked_as, record_of, until

NONE = "none"
STATE = "état"


class Verify(BaseStep, frozen=True, tag="verify"):
    """Wait until the SAS core shows that status with its message acknowledged, and the LRM shows it too.

    What is given of the rest must hold as well: `category`, the prefixed ids of `practitioner` and `organization`
    (`none`: the message has none), and `ending`, why a request to a community was cancelled.
    """

    appointment: str
    status: Literal["pending", "booked", "fulfilled", "noshow", "cancelled"]
    within_s: float = 10.0
    category: Literal["PS", "CPTS", "SOS", "PDM", "CDS", "MSP"] | None = None
    practitioner: str = ""
    organization: str = ""
    ending: Literal["withdrawn", "refused", "unanswered"] | None = None

    def title(self) -> str:
        return f"Vérification : {self.appointment} {FRENCH[self.status]} jusqu'au LRM"

    async def play(self, stage: Stage) -> Sequence[str]:
        """The SAS core has the version, the LRM acknowledged its message, and shows the same."""
        record = await self._acknowledged(stage)
        if self.ending is not None and record.get("ending") != self.ending:
            raise Failed(f"la demande se termine par {record.get('ending')}, attendu {self.ending}")
        message = await stage.sas(f"l02/{record['l02'][-1]['distributionID']}")
        return [
            f"plateforme : {FRENCH[self.status]}, version {record['version']}",
            f"message {message['distributionID']} : {' → '.join(event['state'] for event in message['events'])}",
            await self._shown_by_lrm(stage, record["id"]),
        ]

    async def _acknowledged(self, stage: Stage) -> dict[str, Any]:
        """The SAS core's appointment once it has that status and its last message is acknowledged. Raises Failed."""
        booked = booked_as(stage, self.appointment)
        record = await until(lambda: record_of(stage, booked), self._is_acknowledged, self.within_s)
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
        shown = _told(found["appointment"])
        wanted = {name: value for name, value in self._wanted().items() if value}
        wrong = [
            f"{name} {_said(shown[name])}, attendu {_said(value)}"
            for name, value in wanted.items()
            if shown[name] != value
        ]
        if wrong:
            raise Failed(f"le LRM montre {' ; '.join(wrong)}")
        more = "".join(f", {name} {_said(value)}" for name, value in wanted.items() if name != STATE)
        return f"LRM {lrm['client_id']} : {FRENCH[self.status]}{more}"

    def _wanted(self) -> dict[str, str | None]:
        return {
            STATE: self.status,
            "catégorie": self.category,
            "praticien": self.practitioner,
            "organisation": self.organization,
        }


def _told(appointment: dict[str, Any]) -> dict[str, str]:
    """What the message says of what a scenario may expect; `none` for an element that it does not have."""
    return {
        STATE: appointment["status"],
        "catégorie": appointment.get("orientationCategory", NONE),
        "praticien": appointment.get("practitioner", {}).get("rppsId", NONE),
        "organisation": appointment.get("organization", {}).get("organizationId", NONE),
    }


def _said(value: str) -> str:
    return "sans" if value == NONE else FRENCH.get(value, value)
