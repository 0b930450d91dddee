"""What an appointment of INT_R03 says, for tests that look at what an editor sent."""

from __future__ import annotations

from sandbox.fhir.appointment import receive_appointment
from sandbox.fhir.document import Check
from sandbox.fhir.models import check_model
from sandbox.kernel.model import Appointment


def parse_appointment(body: bytes, *, check: Check = check_model) -> Appointment:
    """The appointment in a body of INT_R03, its findings left aside; raises as `receive_appointment`."""
    return receive_appointment(body, check=check).appointment
