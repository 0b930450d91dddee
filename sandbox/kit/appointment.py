"""An Appointment of INT_R03 that is valid by the rules of the SAS core: operator first, RPPS, profile."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime, timedelta

from sandbox.fhir.appointment import receive_appointment, render_appointment
from sandbox.kernel.clock import PARIS, fhir_instant
from sandbox.kernel.flows import AppointmentStatus
from sandbox.kernel.identifiers import Identifier, prefixed_person
from sandbox.kernel.model import Appointment
from sandbox.kit.known import Editor, regulator_of

LENGTH = timedelta(minutes=15)


def lacking(editor: Editor) -> list[str]:
    """What the file lacks for an appointment, in the words of a target file."""
    there = {
        "`editors[].system`": editor.system,
        "un professionnel (`examples.practitioner_one_site`)": editor.person,
        "un régulateur (`examples.regulators`)": regulator_of(editor.target),
    }
    return [name for name, value in there.items() if not value]


def appointment_of(editor: Editor, now: datetime) -> Appointment:
    """Booked now for the day after, at ten; its identifier follows from the editor, the practitioner and `now`.

    Raises ValueError when the file lacks what it needs (`lacking`).
    """
    operator, person = regulator_of(editor.target), editor.person
    if operator is None or person is None or not editor.system:
        raise ValueError(f"no appointment without {', '.join(lacking(editor))}")
    created = now.astimezone(PARIS).replace(microsecond=0)
    start = (created + timedelta(days=1)).replace(hour=10, minute=0, second=0)
    value = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{editor.system}|{person}|{fhir_instant(created)}"))
    made = Appointment(
        Identifier(editor.system, value), operator, AppointmentStatus.BOOKED, start, start + LENGTH,
        created, prefixed_person(person),
    )  # fmt: skip
    receive_appointment(render_appointment(made))  # what we refuse is not handed out
    return made


def later(appointment: Appointment) -> Appointment:
    """The same appointment, moved by its length."""
    return replace(appointment, start=appointment.start + LENGTH, end=appointment.end + LENGTH)
