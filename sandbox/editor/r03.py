"""The emitter of INT_R03: what an editor owes the SAS core about its appointments, and that it gets there.

Each version of an appointment is one entry of a durable outbox, written in the same commit as the appointment. The
order per appointment is strict: POST for its creation, then PUT for each change (guide, « INT_R03 »). Without an
answer, or with 5xx, 408 or 429, an entry is tried again with back-off; another 4xx is given up, never silently: it
shows in « Mes rendez-vous » and in the health of the role.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote

import msgspec
import orjson

from sandbox.config import SAS_FHIR
from sandbox.fhir.appointment import render_appointment
from sandbox.kernel.errors import PeerRefused
from sandbox.kernel.flows import Flow
from sandbox.kernel.model import Appointment
from sandbox.net.context import Context
from sandbox.net.http_client import HttpClient, Reply
from sandbox.store.outbox import Abandon, Entry, Outbox
from sandbox.store.protocol import Put, Store

OUTBOX = "r03"
TIMEOUT_S = 7.0
_AGAIN = frozenset({408, 425, 429})
_HEADERS = {"content-type": "application/fhir+json", "accept": "application/fhir+json"}


class Dispatch(msgspec.Struct, frozen=True):
    """Payload of an entry: one request to be made. `path`: below the FHIR base of the SAS core."""

    method: str
    path: str
    resource: msgspec.Raw


@dataclass(frozen=True, slots=True)
class Transmission:
    """How far an appointment's last version got. `state`: sent, waiting or failed; `reason`: of the last failure."""

    state: str
    attempts: int = 0
    reason: str = ""


class Emitter:
    """INT_R03 of one editor. `http` carries the editor's own client certificate; its owner closes it."""

    def __init__(self, context: Context, store: Store, http: HttpClient) -> None:
        self._base = context.settings.fhir(SAS_FHIR, "/sas/fhir")
        self._http = http
        self.outbox = Outbox(store, OUTBOX, self._send, clock=context.clock, entropy=context.entropy)

    def due(self, appointment: Appointment, *, first: bool) -> tuple[Put, ...]:
        """The writes that make this version due; join them to the commit of the appointment, then `wake`."""
        return self.outbox.put(
            appointment.identifier.value, encode(appointment, first=first), ref=appointment.identifier.value
        )

    def wake(self) -> None:
        """After the commit: there is something to send."""
        self.outbox.wake()

    async def start(self) -> None:
        """Begin to send what is due."""
        await self.outbox.start()

    async def stop(self) -> None:
        """Stop sending; what is due stays due."""
        await self.outbox.stop()

    def transmissions(self, ids: Iterable[str]) -> dict[str, Transmission]:
        """The state of each of these appointments: what is tried first tells of those behind it."""
        wanted = dict.fromkeys(ids, Transmission("sent"))
        for entry in self.outbox.failed():
            if entry.key in wanted:
                wanted[entry.key] = Transmission("failed", entry.attempts, entry.last_error)
        for entry in self.outbox.pending(self.outbox.depth):
            if entry.key in wanted and wanted[entry.key].state != "waiting":
                wanted[entry.key] = Transmission("waiting", entry.attempts, entry.last_error)
        return wanted

    def health(self) -> dict[str, object]:
        """How many versions wait, and how many were given up."""
        return {"r03_waiting": self.outbox.depth, "r03_failed": len(self.outbox.failed())}

    async def _send(self, entry: Entry) -> None:
        dispatch = _decoder.decode(entry.payload)
        reply = await self._http.request(
            dispatch.method,
            self._base + dispatch.path,
            peer="sas",
            flow=Flow.INT_R03,
            headers=_HEADERS,
            body=bytes(dispatch.resource),
            timeout=TIMEOUT_S,
            ref=entry.ref,
        )
        judge(reply)


def judge(reply: Reply) -> None:
    """Nothing for 2xx. Raises Abandon for an answer that repeating cannot change, PeerRefused for any other."""
    if 200 <= reply.status < 300:
        return
    if 400 <= reply.status < 500 and reply.status not in _AGAIN:
        raise Abandon(f"{reply.status}: {explain(reply.body)}")
    raise PeerRefused("sas", reply.status, reply.body)


def explain(body: bytes) -> str:
    """The texts of an OperationOutcome in one line, at most 300 characters; what else the body is, shortly."""
    try:
        issues = orjson.loads(body)["issue"]
        texts = [issue.get("details", {}).get("text") or issue.get("diagnostics", "") for issue in issues]
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return "no OperationOutcome"
    return "; ".join(str(text) for text in texts if text)[:300] or "OperationOutcome without text"


def encode(appointment: Appointment, *, first: bool) -> bytes:
    """The payload of a version: POST for the first one, conditional PUT for the others."""
    identifier = appointment.identifier
    token = f"{quote(identifier.system, safe=':')}%7C{quote(identifier.value, safe='')}"
    path = "/Appointment" if first else f"/Appointment?identifier={token}"
    resource = msgspec.Raw(render_appointment(appointment))
    return _encoder.encode(Dispatch("POST" if first else "PUT", path, resource))


_decoder = msgspec.json.Decoder(Dispatch)
_encoder = msgspec.json.Encoder()
