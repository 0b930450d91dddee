"""Appointments of the SAS core: the INT_R03 server and the table behind it (guide, « INT_R03 »).

POST/PUT [base]/Appointment are answered once the appointment AND its L02 message are on disk, by one write. The
decision (read, compare, apply) is taken without giving way to the event loop, so two requests for one identifier
are serialised; a repeated one also waits until what it repeats is on disk.

Whose appointment: with mTLS the editor is the one that the client certificate names. It may use any identifier
system (an OID or a URL, several if it likes) except the one by which another editor of the ecosystem is known:
that is refused with 422, and an appointment of another editor can be neither changed nor read. Without mTLS the
identifier's system tells the editor.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from starlette.requests import Request
from starlette.responses import Response

from sandbox.config import SAS_FHIR
from sandbox.fhir.appointment import Received, parse_conditional, receive_appointment, render_appointment
from sandbox.fhir.nos import OPERATOR
from sandbox.fhir.outcome import outcome
from sandbox.fhir.rules import Finding
from sandbox.kernel.errors import Issue, RequestError, refused
from sandbox.kernel.flows import Flow
from sandbox.kernel.identifiers import Identifier
from sandbox.kernel.model import Appointment, Editor
from sandbox.net.context import Context
from sandbox.net.http.body import read_body
from sandbox.net.http.conditions import UNCONDITIONAL, Conditions, conditions_of
from sandbox.net.http.edge import Note
from sandbox.net.http.fhir_http import (
    fhir_response,
    not_found,
    parse_body,
    prefers,
    read_response,
    wants_representation,
)
from sandbox.sas.directory.directory import Directory
from sandbox.sas.orientations.l02.emitter import L02
from sandbox.sas.orientations.lifecycle import Decision, appointment_id, decide, first_version
from sandbox.sas.orientations.records import AppointmentRecord, account_in, decode, encode
from sandbox.sas.regulators.accounts import Account, RegulatorAccounts
from sandbox.store.protocol import Put, Store

TABLE = "appointments"
BASE_PATH = "/sas/fhir"
MOST_TOLD = 5  # findings of a body that the journal names
MOST_LISTED = 200  # newest appointments kept at hand per regulator, for « Mes orientations »

_OPERATOR_PATH = f"Appointment.extension.where(url='{OPERATOR}').valueReference.identifier"


class Appointments:
    """The table, and the rules by which INT_R03 changes it."""

    def __init__(
        self, context: Context, store: Store, l02: L02, directory: Directory, regulators: RegulatorAccounts
    ) -> None:
        self._clock = context.clock
        self._store, self._l02, self._directory, self._regulators = store, l02, directory, regulators
        self._owners: Mapping[str, Editor] = MappingProxyType(
            {editor.system: editor for editor in context.population.editors.values()}
        )
        served = self._owners.values()
        sos = (one for one in served if one.speaks(Flow.SOS) and not one.speaks(Flow.INT_R01))
        self._sos_editors = frozenset(one.slug for one in sos)
        self._findings: dict[str, Counter[str]] = {}
        self.on_finding: Callable[[], None] | None = None
        self._recent: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=MOST_LISTED))
        for key, row in store.items(TABLE):
            self._recent[account_in(row)].append(key)

    @property
    def count(self) -> int:
        """How many appointments there are."""
        return self._store.count(TABLE)

    @property
    def findings(self) -> Mapping[str, Mapping[str, int]]:
        """What editors got wrong in what was accepted all the same: counts by slug and requirement, since the start."""
        return self._findings

    def found(self, editor: str, findings: Sequence[Finding]) -> None:
        """Count what is wrong in one appointment of an editor."""
        if findings:
            self._findings.setdefault(editor, Counter()).update(finding.requirement for finding in findings)
            if self.on_finding is not None:
                self.on_finding()

    def read(self, id: str) -> AppointmentRecord | None:
        """By the SAS core's own id."""
        row = self._store.get(TABLE, id)
        return decode(row) if row is not None else None

    def sent_as(self, identifier: Identifier) -> AppointmentRecord | None:
        """By the editor's identifier."""
        return self.read(appointment_id(identifier))

    def of_regulator(self, regulator: Identifier) -> Iterator[AppointmentRecord]:
        """The regulator's appointments, newest first, at most 200; one that passed to a colleague is his no more."""
        account = self._regulators.named(regulator)
        for id in reversed(self._recent.get(account.id, ()) if account is not None else ()):
            record = self.read(id)
            if record is not None and account is not None and record.account == account.id:
                yield record

    def is_of(self, record: AppointmentRecord, regulator: Identifier) -> bool:
        """Was it made by the regulator whom that identifier names now."""
        account = self._regulators.named(regulator)
        return account is not None and record.account == account.id

    async def send_again(self, distribution_id: str) -> str:
        """Send a refused or expired L02 message again: the id of the new one, once that is durable.

        Raises RequestError 404 (no such message of an appointment) or 409 (it is none that may go again).
        """
        message = self._l02.state(distribution_id) or {}
        record = self.read(str(message.get("appointmentId")))
        if record is None:
            raise RequestError(404, Issue("not-found", f"no L02 message '{distribution_id}'", "distributionID"))
        written = self._store.commit(*self._l02.again(distribution_id, record))
        again = str(self._l02.of_appointment(record.id)[-1]["distributionID"])
        self._l02.wake()
        await written
        return again

    async def accept(
        self, wanted: Appointment, editor: str | None, *, update: bool, conditions: Conditions = UNCONDITIONAL
    ) -> Decision:
        """Create or change an appointment; returns once that is durable.

        `editor`: slug that the certificate proved, None without mTLS. Raises RequestError 409 (creation of an
        existing identifier with other content), 412 (`conditions` do not hold of it) or 422 (unknown regulator, another
        editor's identifier, a step that the automaton lacks), StoreError when the disk refuses.
        """
        sender = self._sender(wanted.identifier, editor)
        conditions.allow_change(self._etag(wanted.identifier, sender))
        decision = self._decide(wanted, sender, update=update)
        record = decision.record
        if not decision.changed:
            await self._store.barrier()
            return decision
        written = self._store.commit(Put(TABLE, record.id, encode(record)), *self._l02.due(record))
        self._remember(record)
        self._l02.wake()
        await written
        return decision

    def _etag(self, identifier: Identifier, sender: str) -> str | None:
        """Of the appointment that this editor knows by that identifier; None when there is none."""
        present = self.sent_as(identifier)
        return etag(present) if present is not None and present.may_be_changed_by(sender) else None

    def _remember(self, record: AppointmentRecord) -> None:
        recent = self._recent[record.account]
        if record.version == 1 or record.id not in recent:
            recent.append(record.id)

    def known_by(self, identifier: Identifier) -> str:
        """Slug of the editor whose system the identifier has, "" when it is nobody's."""
        owner = self._owners.get(identifier.system)
        return owner.slug if owner is not None else ""

    def _sender(self, identifier: Identifier, editor: str | None) -> str:
        owner = self.known_by(identifier)
        if editor is None:
            return owner
        if owner and owner != editor:
            raise refused(
                f"the identifier system {identifier.system} is that of editor {owner}, "
                f"the certificate is that of {editor}",
                "Appointment.identifier[0].system",
            )
        return editor

    def _decide(self, wanted: Appointment, editor: str, *, update: bool) -> Decision:
        id = appointment_id(wanted.identifier)
        present = self.read(id)
        if not wanted.operator.value and present is not None:
            wanted = replace(wanted, operator=present.regulator)
        account = self._operator(wanted, present)
        if present is not None and not present.may_be_changed_by(editor):
            raise refused(
                f"the appointment {present.sender.key} belongs to another editor", "Appointment.identifier[0]"
            )
        practitioner = self._directory.doctor(wanted.practitioner) if wanted.practitioner else None
        if practitioner is not None:
            organization = self._directory.organization_of(practitioner)
        else:
            organization = self._directory.association_of(editor) if wanted.sos else None
        new = first_version(
            wanted,
            id=id,
            editor=editor,
            practitioner=practitioner,
            organization=organization,
            now=self._clock.now(),
            account=account.id,
            territory=account.territory,
            structure=self._directory.population.structure(organization) if organization else None,
            sos_editor=editor in self._sos_editors,
        )
        return decide(present, new, update=update)

    def _operator(self, wanted: Appointment, present: AppointmentRecord | None) -> Account:
        """Whose appointment it is. A withdrawn account keeps its appointments, and gets no new ones."""
        if not wanted.operator.value:
            raise refused("who asks is not said: FrAppointmentOperator is needed at the creation", _OPERATOR_PATH)
        account = self._regulators.named(wanted.operator)
        if account is None:
            raise refused(f"regulator {wanted.operator.key} is not known to the SAS core", _OPERATOR_PATH)
        if not account.orients and (present is None or present.account != account.id):
            raise refused(f"the account of regulator {wanted.operator.key} was withdrawn", _OPERATOR_PATH)
        return account


class AppointmentServer:
    """The FHIR face: request in, answer out. `editor` is the slug proved by the certificate, None without mTLS.

    What is accepted with findings is answered as any other; the journal says them, and the answer when it is asked to
    (`Prefer: return=OperationOutcome`).
    """

    def __init__(self, context: Context, appointments: Appointments) -> None:
        self._appointments = appointments
        self._location = context.settings.fhir(SAS_FHIR, f"{BASE_PATH}/Appointment/")

    async def create(self, request: Request, editor: str | None) -> Response:
        """POST [base]/Appointment: 201, or 200 when the very same one had been accepted before."""
        received = await self._sent(request)
        decision = await self._appointments.accept(received.appointment, editor, update=False)
        return self._answer(request, decision, received.findings)

    async def update(self, request: Request, editor: str | None) -> Response:
        """PUT [base]/Appointment?identifier=…: 200, or 201 when nobody knew the identifier."""
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
        """The body; where no certificate proves who sends it, the journal names the editor whose identifiers it has."""
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
            note.note = "; ".join(f"{each.requirement} {each.path}: {each.text}" for each in findings[:MOST_TOLD])
        headers = {"Location": self._location + record.id, "ETag": etag(record)}
        body = b""
        if wants_representation(request):
            body = _resource(record)
        elif prefers(request, "return", "operationoutcome"):
            body = _told(findings)
        return fhir_response(body, 201 if decision.created else 200, headers)


def _told(findings: Sequence[Finding]) -> bytes:
    """What was accepted though a requirement says otherwise, as warnings (`Prefer: return=OperationOutcome`)."""
    issues = [Issue("business-rule", each.text, each.path, each.requirement) for each in findings]
    if not issues:
        return outcome(Issue("informational", "accepted, nothing to say"), severity="information")
    return outcome(*issues, severity="warning")


def etag(record: AppointmentRecord) -> str:
    """The ETag of an appointment: its version (FHIR R4, 3.1.0.1.3)."""
    return f'W/"{record.version}"'


def _resource(record: AppointmentRecord) -> bytes:
    return render_appointment(record.appointment(), id=record.id)
