"""INT_R03 as the SAS core serves it: the FHIR base with Appointment and CapabilityStatement, over mTLS.

The editors call it; CN and OU of their certificate say which one does. `fhir_port` gives the ASGI application.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox import __version__
from sandbox.config import SAS_FHIR
from sandbox.fhir import nos
from sandbox.fhir.appointment import Received, parse_conditional, receive_appointment, render_appointment
from sandbox.fhir.outcome import outcome
from sandbox.fhir.rules import Finding
from sandbox.kernel.clock import fhir_instant
from sandbox.kernel.errors import Issue, RequestError
from sandbox.kernel.flows import ServedFlows
from sandbox.net.context import Context
from sandbox.net.http.body import read_body
from sandbox.net.http.conditions import conditions_of
from sandbox.net.http.edge import Edge, Note, RequirePeer, identify_as
from sandbox.net.http.fhir_http import (
    answering,
    fhir_response,
    not_allowed,
    not_found,
    parse_body,
    prefers,
    read_response,
    to_metadata,
    wants_representation,
)
from sandbox.net.tls import Peer
from sandbox.pki.subjects import editor_subject
from sandbox.sas.orientations.appointments import Appointments, etag
from sandbox.sas.orientations.lifecycle import Decision
from sandbox.sas.orientations.records import AppointmentRecord

BASE_PATH = "/sas/fhir"
MOST_NOTED = 5  # findings of a body that are written to the journal


def fhir_port(context: Context, appointments: Appointments) -> ASGIApp:
    """The application: every request is journalled, then its certificate is checked, then it is answered.

    A certificate that is no editor's is refused with 403.
    """
    slugs = {
        (subject.cn, subject.ou): editor.slug
        for editor in context.population.editors.values()
        for subject in (editor_subject(editor),)
    }
    server = RequirePeer(_FhirBase(context, appointments, slugs), lambda _, peer: (peer.cn, peer.ou) in slugs)
    return Edge(server, context, identify_as("sas", ServedFlows("sas", "fhir")), names=slugs)


class _FhirBase:
    """The interactions of the FHIR base, without a router: this is the hot path of INT_R03."""

    def __init__(self, context: Context, appointments: Appointments, slugs: Mapping[tuple[str, str], str]) -> None:
        self._slugs = slugs
        self._server = AppointmentServer(context, appointments)
        self._endpoint = answering(self._handle)
        started = fhir_instant(context.clock.now())
        self._capability = _capability(context.settings.fhir(SAS_FHIR, BASE_PATH), started)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._endpoint(Request(scope, receive))
        await response(scope, receive, send)

    async def _handle(self, request: Request) -> Response:
        path, method = request.scope["path"], request.method
        peer: Peer | None = request.scope.get("peer")
        editor = self._slugs[peer.cn, peer.ou] if peer is not None else None
        match path.removeprefix(BASE_PATH).strip("/").split("/"):
            case ["Appointment"] if method == "POST":
                return await self._server.create(request, editor)
            case ["Appointment"] if method == "PUT":
                return await self._server.update(request, editor)
            case ["Appointment", id] if method == "GET":
                return await self._server.read(request, id, editor)
            case ["metadata"] if method == "GET":
                return fhir_response(self._capability)
            case [""] if method == "GET":
                return to_metadata(path)
            case ["Appointment"]:
                raise not_allowed(method, path, "POST", "PUT")
            case ["Appointment", _] | ["metadata"]:
                raise not_allowed(method, path, "GET")
        raise not_found(f"{path} is not served here: POST or PUT [base]/Appointment")


class AppointmentServer:
    """Answers the requests about appointments. `editor`: slug that the certificate proves, None without mTLS.

    A request accepted with findings is answered like any other; the findings are journalled, and included in the answer
    when the request asks for it (`Prefer: return=OperationOutcome`).
    """

    def __init__(self, context: Context, appointments: Appointments) -> None:
        self._appointments = appointments
        self._location = context.settings.fhir(SAS_FHIR, f"{BASE_PATH}/Appointment/")

    async def create(self, request: Request, editor: str | None) -> Response:
        """POST [base]/Appointment: 201, or 200 when the same content was accepted before."""
        received = await self._sent(request)
        decision = await self._appointments.accept(received.appointment, editor, update=False)
        return self._answer(request, decision, received.findings)

    async def update(self, request: Request, editor: str | None) -> Response:
        """PUT [base]/Appointment?identifier=…: 200, or 201 when the identifier was not known."""
        condition = parse_conditional(request.url.query)
        received = await self._sent(request)
        wanted = received.appointment
        if not condition.matches(wanted.identifier):
            detail = (
                f"the query looks for {condition.system or ''}|{condition.value}, "
                f"the body carries {wanted.identifier.key}"
            )
            raise RequestError(422, Issue("business-rule", detail, "Appointment.identifier[0]"))
        conditions = conditions_of(request)
        decision = await self._appointments.accept(wanted, editor, update=True, conditions=conditions)
        return self._answer(request, decision, received.findings)

    async def read(self, request: Request, id: str, editor: str | None) -> Response:
        """GET [base]/Appointment/<id>, for the editor that sent it."""
        record = self._appointments.read(id)
        if record is None or (editor is not None and record.editor != editor):
            raise not_found(f"no Appointment/{id}")
        return read_response(request, _resource(record), etag(record))

    async def _sent(self, request: Request) -> Received:
        """The body. Where no certificate proves who sends it, the journal names the editor whose identifier system it
        uses."""
        received = await parse_body(receive_appointment, await read_body(request))
        note: Note | None = request.scope.get("exchange")
        if note is not None:
            note.peer = self._appointments.known_by(received.appointment.identifier)
        return received

    def _answer(self, request: Request, decision: Decision, findings: Sequence[Finding]) -> Response:
        record = decision.record
        self._appointments.found(record.editor, findings)
        note: Note | None = request.scope.get("exchange")
        if note is not None:
            note.ref = record.sender.value
            note.note = "; ".join(f"{each.requirement} {each.path}: {each.text}" for each in findings[:MOST_NOTED])
        headers = {"Location": self._location + record.id, "ETag": etag(record)}
        body = b""
        if wants_representation(request):
            body = _resource(record)
        elif prefers(request, "return", "operationoutcome"):
            body = _as_warnings(findings)
        return fhir_response(body, 201 if decision.created else 200, headers)


def _as_warnings(findings: Sequence[Finding]) -> bytes:
    """The findings of an accepted body as an OperationOutcome of warnings (`Prefer: return=OperationOutcome`)."""
    issues = [Issue("business-rule", each.text, each.path, each.requirement) for each in findings]
    if not issues:
        return outcome(Issue("informational", "accepted, nothing to say"), severity="information")
    return outcome(*issues, severity="warning")


def _resource(record: AppointmentRecord) -> bytes:
    return render_appointment(record.appointment(), id=record.id)


def _capability(base: str, date: str) -> bytes:
    """The CapabilityStatement of the SAS core's FHIR base: exactly what it supports."""
    interactions = [{"code": code} for code in ("read", "create", "update")]
    resource = {
        "type": "Appointment",
        "profile": nos.APPOINTMENT_PROFILE,
        "supportedProfile": [
            nos.APPOINTMENT_PROFILE,
            nos.SOS_APPOINTMENT_PROFILE,
            nos.MARKETPLACE_APPOINTMENT_PROFILE,
        ],
        "interaction": interactions,
        "versioning": "versioned",
        "readHistory": False,
        "conditionalRead": "not-match",
        "updateCreate": True,
        "conditionalUpdate": True,
        "searchParam": [{"name": "identifier", "type": "token"}],
    }
    security = {"description": "mutual TLS; CN and OU of the client certificate are those agreed with each editor"}
    return orjson.dumps(
        {
            "resourceType": "CapabilityStatement",
            "status": "active",
            "date": date,
            "kind": "instance",
            "software": {"name": "sas-sandbox", "version": __version__},
            "implementation": {"description": "SAS core (sandbox)", "url": base},
            "fhirVersion": "4.0.1",
            "format": ["application/fhir+json"],
            "rest": [{"mode": "server", "security": security, "resource": [resource]}],
        }
    )
