"""Appointments of the SAS API, and what the editors know of the caller's own account."""

from __future__ import annotations

from starlette.requests import Request

from sandbox.fhir.queries.search import unfit_text
from sandbox.kernel.errors import Issue, RequestError, malformed
from sandbox.kernel.identifiers import Identifier
from sandbox.kernel.model import Regulator
from sandbox.sas.api.answers import Appointment, AppointmentList, OwnAccount, accounts_at_editors, appointment, message
from sandbox.sas.api.callers import BEARER, BEARER_OR_LOOPBACK, Callers
from sandbox.sas.orientations.records import AppointmentRecord
from sandbox.sas.services import Services
from sandbox.web.openapi import Endpoint, Parameter


class AppointmentApi:
    """Read only: appointments are made at the editors."""

    def __init__(self, callers: Callers, services: Services) -> None:
        self._callers, self._accounts = callers, services.accounts
        self._appointments, self._l02 = services.appointments, services.l02

    @Endpoint(
        "GET",
        "/appointments",
        parameters=[Parameter("identifier", "Only the one with this `[system|]value` of the editor's")],
        answer=AppointmentList,
        meaning="The list",
        failures=(400, 401),
        security=BEARER,
    )
    async def appointments(self, request: Request) -> AppointmentList:
        """The caller's own appointments, newest first, at most 200.

        `identifier=system|value` finds the one with it however old it is, `identifier=value` among the newest.
        """
        found = self._found(self._callers.regulator(request), *_identifier(request))
        return AppointmentList([self._shown(record) for record in found])

    @Endpoint(
        "GET",
        "/appointments/{id}",
        parameters=[Parameter("id", "UUID given by the SAS core (`appointmentId` of L02)")],
        answer=Appointment,
        meaning="The appointment",
        failures=(401, 404),
        security=BEARER_OR_LOOPBACK,
    )
    async def appointment(self, request: Request) -> Appointment:
        """One appointment by the SAS core's id; no token needed on loopback."""
        self._callers.require_regulator_or_loopback(request)
        id = request.path_params["id"]
        record = self._appointments.read(id)
        if record is None:
            raise RequestError(404, Issue("not-found", f"no appointment '{id}'", "id"))
        return self._shown(record)

    @Endpoint("GET", "/regulator-accounts", answer=OwnAccount, meaning="State", failures=(401,), security=BEARER)
    async def regulator_accounts(self, request: Request) -> OwnAccount:
        """What each editor is known to have of the caller's account (INT_R02)."""
        regulator = self._callers.regulator(request)
        return OwnAccount(regulator.identifier.key, accounts_at_editors(self._accounts.states(regulator)))

    def _found(self, regulator: Regulator, system: str, value: str) -> list[AppointmentRecord]:
        if system:
            one = self._appointments.sent_as(Identifier(system, value))
            return [one] if one is not None and self._appointments.is_of(one, regulator.identifier) else []
        newest = self._appointments.of_regulator(regulator.identifier)
        return [record for record in newest if not value or record.sender.value == value]

    def _shown(self, record: AppointmentRecord) -> Appointment:
        return appointment(record, [message(one) for one in self._l02.of_appointment(record.id)])


def _identifier(request: Request) -> tuple[str, str]:
    """System and value that `identifier` asks for, empty where not given. Raises RequestError 400."""
    text = request.query_params.get("identifier")
    if text is None:
        return "", ""
    if unfit := unfit_text("identifier", text):
        raise RequestError(400, unfit)
    system, _, value = text.rpartition("|")
    if not value.strip():
        raise malformed(f"'{text}' has no value (expected <system>|<value>)", "http.identifier")
    return system, value
