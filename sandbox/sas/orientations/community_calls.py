"""The calls to the editors of communities (flow PDM): a request, and its withdrawal, durably and in order.

Each is one entry of a durable outbox, written in the same commit as the version of the appointment that it belongs to.
Without an answer, or with 5xx, 408 or 429, it is tried again with back-off. When the editor does not take a request
(any other 4xx), the appointment is cancelled with the editor's reason. A request that was withdrawn, or that nobody
can answer in time any more, is not sent any more.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from urllib.parse import quote

import msgspec

from sandbox.fhir.outcome import explain
from sandbox.fhir.service_request import CareRequest, render_request
from sandbox.kernel.errors import PeerRefused, RequestError
from sandbox.kernel.flows import AppointmentStatus, Flow
from sandbox.kernel.seldom import Seldom
from sandbox.net.context import Context
from sandbox.net.http.client import Callee, HttpClient, Reply
from sandbox.pki.subjects import agreed_server
from sandbox.sas.orientations.appointments import Appointments
from sandbox.sas.orientations.own import OwnAppointments
from sandbox.sas.orientations.steps import Action
from sandbox.store.outbox import Abandon, Entry, Outbox
from sandbox.store.protocol import Put, Store

log = logging.getLogger(__name__)

OUTBOX = "pdm"
_AGAIN = frozenset({408, 425, 429})
_UNKNOWN = frozenset({404, 410})
_HEADERS = {"content-type": "application/fhir+json", "accept": "application/fhir+json"}


class Call(msgspec.Struct, frozen=True):
    """Payload of an entry; its key is the id of the appointment. `editor`: slug of who is called; `revoked`: it is a
    withdrawal."""

    editor: str
    path: str
    revoked: bool
    resource: msgspec.Raw


class CommunityCalls:
    """The calls of one SAS core. `http` carries its certificate; its owner closes it."""

    def __init__(
        self, context: Context, store: Store, http: HttpClient, appointments: Appointments, own: OwnAppointments
    ) -> None:
        self._context, self._store, self._http = context, store, http
        self._appointments, self._own = appointments, own
        self._not_taken = Seldom(log)
        self._outbox = Outbox(store, OUTBOX, self._send, clock=context.clock, entropy=context.entropy)

    @property
    def waiting(self) -> int:
        """How many calls were not answered yet."""
        return self._outbox.depth

    async def start(self) -> None:
        """Begin to call."""
        await self._outbox.start()

    async def stop(self) -> None:
        """Stop calling; entries stay in the outbox."""
        await self._outbox.stop()

    def due(self, appointment: str, editor: str, request: CareRequest) -> tuple[Put, ...]:
        """The writes of a call about the appointment with that id: add them to its commit, then `wake`."""
        path = "/ServiceRequest"
        if request.revoked:
            system, value = request.identifier.system, request.identifier.value
            path += f"?identifier={quote(system, safe=':')}%7C{quote(value, safe='')}"
        call = Call(editor, path, request.revoked, msgspec.Raw(render_request(request)))
        return self._outbox.put(appointment, _encoder.encode(call), ref=request.identifier.value)

    def revoked(self, appointment: str, editor: str, request: CareRequest) -> tuple[Put, ...]:
        """`due` for the withdrawal of that request."""
        return self.due(appointment, editor, replace(request, revoked=True))

    def wake(self) -> None:
        """Call what the last commit put into the outbox."""
        self._outbox.wake()

    async def _send(self, entry: Entry) -> None:
        call = _decoder.decode(entry.payload)
        record = self._appointments.read(entry.key)
        if not call.revoked and (record is None or record.status is not AppointmentStatus.PENDING):
            return
        reply = await self._call(call, entry.ref)
        if 200 <= reply.status < 300 or (call.revoked and reply.status in _UNKNOWN):
            return
        if not 400 <= reply.status < 500 or reply.status in _AGAIN:
            raise PeerRefused(call.editor, reply.status, reply.body)
        reason = f"{reply.status} : {explain(reply.body)}"
        self._not_taken.error("%s does not take a request about appointment %s: %s", call.editor, entry.key, reason)
        if not call.revoked:
            await self._reject(entry.key, reason)

    async def _reject(self, appointment: str, reason: str) -> None:
        try:
            await self._own.act(appointment, Action.REJECT, reason=reason)
        except RequestError as refusal:  # it has ended meanwhile
            log.info("appointment %s: %s", appointment, refusal)

    async def _call(self, call: Call, ref: str) -> Reply:
        """Raises PeerError, Abandon for an editor that is no more."""
        editor = self._context.population.editors.get(call.editor)
        if editor is None:
            raise Abandon(f"there is no editor '{call.editor}'")
        settings = self._context.settings
        return await self._http.request(
            "PUT" if call.revoked else "POST",
            settings.editor_fhir(editor) + call.path,
            callee=Callee(editor.slug, Flow.PDM, ref, expected=agreed_server(editor)),
            headers=_HEADERS,
            body=bytes(call.resource),
            timeout=settings.editor_timeout_s,
        )


_decoder = msgspec.json.Decoder(Call)
_encoder = msgspec.json.Encoder()
