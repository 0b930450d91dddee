"""The appointments of the SAS core: their table, and what INT_R03 may change in it (guide, « INT_R03 »).

A request is answered once the appointment AND its L02 message are on disk, by one write. The decision (read, compare,
apply) is taken without an `await`, so two requests for one identifier are serialised; a repeated request also waits
until the appointment is on disk.

Whose appointment it is: with mTLS the editor is the one that the client certificate names. It may use any identifier
system (an OID or a URL, several if it likes) except the one by which another editor of the ecosystem is known:
that is refused with 422, and an appointment of another editor can be neither changed nor read. Without mTLS the
editor is the one whose identifier system the appointment has.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from sandbox.fhir.nos import OPERATOR
from sandbox.fhir.rules import Finding
from sandbox.kernel.errors import Issue, RequestError, refused
from sandbox.kernel.flows import Flow, OrientationCategory
from sandbox.kernel.identifiers import Identifier
from sandbox.kernel.model import Appointment, Editor, Practitioner
from sandbox.net.context import Context
from sandbox.net.http.conditions import UNCONDITIONAL, Conditions
from sandbox.sas.directory.directory import Directory
from sandbox.sas.orientations.l02.emitter import L02
from sandbox.sas.orientations.lifecycle import Decision, Reception, appointment_id, decide, first_version
from sandbox.sas.orientations.records import AppointmentRecord, account_in, decode, encode
from sandbox.sas.regulators.accounts import Account, RegulatorAccounts
from sandbox.store.protocol import Delete, Put, Store

TABLE = "appointments"
MOST_LISTED = 200  # newest appointments that are kept per regulator, for « Mes orientations »

_OPERATOR_PATH = f"Appointment.extension.where(url='{OPERATOR}').valueReference.identifier"


class Appointments:
    """The table of appointments. `on_finding` is called when an accepted appointment had findings."""

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
        self._watchers: list[Callable[[AppointmentRecord], None]] = []
        self._recent: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=MOST_LISTED))
        for key, row in store.items(TABLE):
            self._recent[account_in(row)].append(key)

    def watch(self, watcher: Callable[[AppointmentRecord], None]) -> None:
        """Call `watcher` with each version, as soon as it is committed (and before it is durable)."""
        self._watchers.append(watcher)

    @property
    def count(self) -> int:
        """How many appointments there are."""
        return self._store.count(TABLE)

    @property
    def findings(self) -> Mapping[str, Mapping[str, int]]:
        """Requirements that accepted appointments violate: counts by slug and requirement, since the start."""
        return self._findings

    def found(self, editor: str, findings: Sequence[Finding]) -> None:
        """Count the findings of one appointment of an editor."""
        if findings:
            self._findings.setdefault(editor, Counter()).update(finding.requirement for finding in findings)
            if self.on_finding is not None:
                self.on_finding()

    def read(self, id: str) -> AppointmentRecord | None:
        """The appointment with that id of the SAS core."""
        row = self._store.get(TABLE, id)
        return decode(row) if row is not None else None

    def sent_as(self, identifier: Identifier) -> AppointmentRecord | None:
        """The appointment with that identifier of the editor."""
        return self.read(appointment_id(identifier))

    def of_regulator(self, regulator: Identifier) -> Iterator[AppointmentRecord]:
        """The regulator's appointments, newest first, at most 200; without those that passed to a colleague."""
        account = self._regulators.named(regulator)
        for id in reversed(self._recent.get(account.id, ()) if account is not None else ()):
            record = self.read(id)
            if record is not None and account is not None and record.account == account.id:
                yield record

    def is_of(self, record: AppointmentRecord, regulator: Identifier) -> bool:
        """True when this identifier at present names the account of the appointment."""
        account = self._regulators.named(regulator)
        return account is not None and record.account == account.id

    async def send_again(self, distribution_id: str) -> str:
        """Send a refused or expired L02 message again: the id of the new one, once that is durable.

        Raises RequestError 404 (no such message of an appointment) or 409 (it may not be sent again).
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
        present = self.sent_as(wanted.identifier)
        known = present is not None and present.may_be_changed_by(sender)
        conditions.allow_change(etag(present) if present is not None and known else None)
        decision = self._decide(wanted, sender, update=update)
        if decision.changed:
            await self.keep(decision.record)
        else:
            await self._store.barrier()
        return decision

    async def keep(self, record: AppointmentRecord, *also: Put | Delete) -> None:
        """Store a version, its L02 message and the writes `also` by one commit; returns once that is durable.

        Nothing is awaited before the commit. Raises RequestError 422 when no LRM can be told, StoreError.
        """
        await self.keep_all([record], also)

    async def keep_all(
        self,
        records: Sequence[AppointmentRecord],
        also: Sequence[Put | Delete] = (),
        quiet: Sequence[AppointmentRecord] = (),
    ) -> None:
        """Store versions of several appointments like `keep`, all by one commit. `quiet`: records with a change that is
        no version and that nobody is told about."""
        rows = [Put(TABLE, record.id, encode(record)) for record in (*records, *quiet)]
        due = [write for record in records for write in self._l02.due(record)]
        written = self._store.commit(*rows, *due, *also)
        for record in records:
            recent = self._recent[record.account]
            if record.version == 1 or record.id not in recent:
                recent.append(record.id)
        for record in (*records, *quiet):
            for watcher in self._watchers:
                watcher(record)
        self._l02.wake()
        await written

    async def durable(self) -> None:
        """Return once everything that was written so far is durable. Raises StoreError."""
        await self._store.barrier()

    def known_by(self, identifier: Identifier) -> str:
        """Slug of the editor that owns the system of the identifier, "" when no editor does."""
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
        reception = Reception(
            id=id,
            editor=editor,
            at=self._clock.now(),
            practitioner=practitioner,
            association=self._association(wanted, practitioner, editor),
            account=account.id,
            territory=account.territory,
            sos_editor=editor in self._sos_editors,
        )
        new = first_version(wanted, reception)
        return decide(present, new, update=update)

    def _association(self, wanted: Appointment, practitioner: Practitioner | None, editor: str) -> str | None:
        """SIRET of the doctor's association; for an appointment at SOS Médecins else of the only one that the editor
        serves."""
        own = self._directory.population.association_of(practitioner.id) if practitioner is not None else None
        if own is not None:
            return own.siret
        served = wanted.sos or wanted.category is OrientationCategory.SOS or editor in self._sos_editors
        return self._directory.association_of(editor) if served else None

    def _operator(self, wanted: Appointment, present: AppointmentRecord | None) -> Account:
        """The account that the appointment belongs to. A withdrawn account keeps its appointments, and gets no new
        ones."""
        if not wanted.operator.value:
            raise refused("who asks is not said: FrAppointmentOperator is needed at the creation", _OPERATOR_PATH)
        account = self._regulators.named(wanted.operator)
        if account is None:
            raise refused(f"regulator {wanted.operator.key} is not known to the SAS core", _OPERATOR_PATH)
        if not account.orients and (present is None or present.account != account.id):
            raise refused(f"the account of regulator {wanted.operator.key} was withdrawn", _OPERATOR_PATH)
        return account


def etag(record: AppointmentRecord) -> str:
    """The ETag of an appointment: its version (FHIR R4, 3.1.0.1.3)."""
    return f'W/"{record.version}"'
