"""From an appointment of the SAS core to the RS-SAS-RDV content of an L02 message. Pure.

What the model does not admit is left out and listed in `omitted`: a practitioner without RPPS, an organisation whose
name is not known. The regulator's id travels only when it is a national one, never the SAS core's technical one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sandbox.fhir.nos import SPECIALTY
from sandbox.kernel.clock import l02_datetime
from sandbox.kernel.errors import refused
from sandbox.kernel.identifiers import L02_RPPS, SYSTEM_PERSON
from sandbox.kernel.model import Practitioner, Regulator
from sandbox.population.people import Population
from sandbox.sas.orientations.records import AppointmentRecord

PROFESSION_URL = "https://mos.esante.gouv.fr/NOS/TRE_G15-ProfessionSante/FHIR/TRE-G15-ProfessionSante"
DOCTOR = "10"


@dataclass(frozen=True, slots=True)
class Content:
    """`appointment` in the form of RS-SAS-RDV; `recipient`: client id of the SAMU; `omitted`: what was left out, and
    why."""

    appointment: dict[str, Any]
    recipient: str
    omitted: tuple[str, ...]


def content_of(
    record: AppointmentRecord, regulator: Regulator, population: Population, *, creates: bool = True
) -> Content:
    """The message content of one version. The recipient is the SAMU of the regulator's territory at the time when the
    appointment was made: changes go to the same SAMU as the creation.

    Raises RequestError 422 when there is no such territory, because no LRM can receive such an appointment.
    """
    territory = population.territories.get(record.territory or regulator.territory)
    if territory is None:
        raise refused(f"regulator {record.regulator.key} belongs to no territory of the SAS core")
    practitioner, why_none = _practitioner(record.practitioner, population)
    organization, why_unnamed = _organization(record.organization, population)
    appointment = {
        "appointmentId": record.id,
        "method": "CreateAppointment" if creates else "UpdateAppointment",
        "created": l02_datetime(record.created),
        "start": l02_datetime(record.start),
        "end": l02_datetime(record.end),
        "status": str(record.status),
        "orientationCategory": str(record.category),
        "practitioner": practitioner,
        "organization": organization,
        "regulator": _regulator(regulator),
    }
    present = {name: value for name, value in appointment.items() if value is not None}
    return Content(present, territory.samu, tuple(filter(None, (why_none, why_unnamed))))


def _practitioner(national_id: str | None, population: Population) -> tuple[dict[str, str] | None, str]:
    if national_id is None:
        return None, ""
    if not L02_RPPS.fullmatch(national_id):
        return None, f"practitioner {national_id} left out: RS-SAS-RDV admits an RPPS (81 and 10 digits) only"
    person = population.doctor(national_id)
    if person is None:
        return None, f"practitioner {national_id} left out: the directory does not know the name"
    return _person(national_id, person), ""


def _person(rpps: str, person: Practitioner) -> dict[str, str]:
    found = {"rppsId": rpps, "lastName": person.family, "firstName": person.given}
    if person.specialty is not None:
        found |= {"specialityCode": person.specialty, "specialityUrl": SPECIALTY}
    return {**found, "professionCode": DOCTOR, "professionUrl": PROFESSION_URL}


def _organization(identifier: str | None, population: Population) -> tuple[dict[str, str] | None, str]:
    if identifier is None:
        return None, ""
    named = population.cpts.get(identifier) or population.sos.get(identifier) or population.structure(identifier)
    if named is None:
        return None, f"organization {identifier} left out: its name is not known"
    return {"organizationId": identifier, "name": named.name}, ""


def _regulator(regulator: Regulator) -> dict[str, str]:
    national = regulator.identifier.system == SYSTEM_PERSON
    identifier = {"regulatorId": regulator.identifier.value} if national else {}
    return {
        **identifier,
        "regulatorName": regulator.family,
        "regulatorFirstname": regulator.given,
        "regulatorEmail": regulator.email,
    }
