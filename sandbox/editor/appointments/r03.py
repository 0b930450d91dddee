"""The emitter of INT_R03: what an editor owes the SAS core about its appointments, and that it gets there.

Each version of an appointment is one entry of a durable outbox, written in the same commit as the appointment. The
order per appointment is strict: POST for its creation, then PUT for each change (guide, « INT_R03 »). Without an
answer, or with 5xx, 408 or 429, an entry is tried again with back-off; another 4xx is given up, never silently: it
shows in « Mes rendez-vous », « Envois au SAS » and `__admin/outbox` until a later version of that appointment gets
an answer of its own. What goes again is the appointment as it is then (a conditional PUT), never the stale body.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from urllib.parse import quote

import msgspec

from sandbox.config import SAS_FHIR
from sandbox.fhir.appointment import render_appointment
from sandbox.kernel.errors import JsonError, PeerError, PeerRefused, StoreError
from sandbox.kernel.flows import Flow
from sandbox.kernel.model import Appointment
from sandbox.kernel.switches import resend_switch
from sandbox.kernel.text.json_input import read_json
from sandbox.kernel.world import World
from sandbox.net.context import Context
from sandbox.net.http.client import HttpClient, Reply
from sandbox.store.outbox import Abandon, Entry, Outbox
from sandbox.store.protocol import Put, Store
from sandbox.web.failed_calls import UNREADABLE, failed_call, sentence_of

_log = logging.getLogger(__name__)

OUTBOX = "r03"
RESENT = "r03.resent"  # table: the last word of the World that was obeyed
TIMEOUT_S = 7.0
_AGAIN = frozenset({408, 425, 429})
_HEADERS = {"content-type": "application/fhir+json", "accept": "application/fhir+json"}


class Dispatch(msgspec.Struct, frozen=True):
    """Payload of an entry: one request to be made. `path`: below the FHIR base of the SAS core."""

    method: str
    path: str
    resource: msgspec.Raw


class Resent(msgspec.Struct, frozen=True):
    """Row of RESENT: the word of the World that was obeyed last."""

    word: str


@dataclass(frozen=True, slots=True)
class Transmission:
    """How far an appointment's last version got. `state`: sent, waiting or failed; `reason`: of the last failure, in
    French; `due`: sandbox time of the next attempt, None when it is not put off; `method`: of the request that goes
    next or was refused; `behind`: versions that wait behind it.
    """

    state: str
    attempts: int = 0
    reason: str = ""
    due: datetime | None = None
    method: str = ""
    behind: int = 0


class Emitter:
    """INT_R03 of one editor. `http` carries the editor's own client certificate; its owner closes it."""

    def __init__(self, context: Context, store: Store, http: HttpClient) -> None:
        self._base = context.settings.fhir(SAS_FHIR, "/sas/fhir")
        self._store, self._http = store, http
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

    def transmission(self, id: str) -> Transmission:
        """How far an appointment got: what is tried first tells of those behind it."""
        waiting = self.outbox.pending_of(id)
        if waiting:
            return _transmission("waiting", waiting[0], len(waiting) - 1)
        refused = self.outbox.failed_of(id)
        return _transmission("failed", refused[-1]) if refused else Transmission("sent")

    def transmissions(self, ids: Iterable[str]) -> dict[str, Transmission]:
        """The same of each of these appointments."""
        return {id: self.transmission(id) for id in ids}

    def unsettled(self, most: int) -> list[tuple[str, Transmission]]:
        """At most `most` appointments whose last version was refused, then such as could not be sent yet."""
        waiting: dict[str, list[Entry]] = {}
        for entry in self.outbox.pending(most):
            waiting.setdefault(entry.key, []).append(entry)
        refused = [(id, self.transmission(id)) for id in islice(self.outbox.failed_keys(), most)]
        found = [(id, one) for id, one in refused if one.state == "failed"]
        found += [
            (id, _transmission("waiting", entries[0], len(entries) - 1))
            for id, entries in waiting.items()
            if entries[0].last_error  # what only is on its way is no news
        ]
        return found[:most]

    def listed(self, most: int) -> list[dict[str, object]]:
        """The same as small JSON, for the control plane."""
        return [
            {
                "appointment": id,
                "state": "refused" if one.state == "failed" else "waiting",
                "method": one.method,
                "attempts": one.attempts,
                "versions_behind": one.behind,
                "reason": one.reason,
                "next_attempt": one.due.isoformat(timespec="seconds") if one.due is not None else None,
            }
            for id, one in self.unsettled(most)
        ]

    def follow(self, world: World, slug: str, present: Callable[[str], Appointment | None]) -> None:
        """Obey the World when it says anew that this editor sends again what was refused; each word once, durably.

        `present`: the appointment of an identifier value as it is now. What was put off is tried at once.
        """
        word = world.switches.get(resend_switch(slug))
        stored = self._store.get(RESENT, slug)
        if word is None or (stored is not None and _resent.decode(stored).word == word):
            return
        writes: list[Put] = [Put(RESENT, slug, _encoder.encode(Resent(word)))]
        for id in self.outbox.failed_keys():
            appointment = present(id)
            if appointment is not None and self.transmission(id).state == "failed":
                writes += self.due(appointment, first=False)
        try:
            self._store.commit(*writes)  # nobody waits for it here: what is sent waits for the disk
        except StoreError as error:
            _log.error("%s: what was refused cannot be sent again: %s", slug, error)
            return
        self.outbox.wake()
        self.outbox.hurry()

    def health(self) -> dict[str, object]:
        """How many versions wait, and how many were given up."""
        return {"r03_waiting": self.outbox.depth, "r03_failed": self.outbox.failed_count}

    async def _send(self, entry: Entry) -> None:
        try:
            dispatch = _decoder.decode(entry.payload)
        except msgspec.MsgspecError:  # it would fail each time
            raise Abandon("l'envoi enregistré n'est pas lisible") from None
        try:
            judge(await self._request(dispatch, entry.ref))
        except PeerError as error:
            raise PeerError(error.peer, _explained(error)) from error
        except Abandon:
            self._supersede(entry)
            raise
        self._supersede(entry)

    def _supersede(self, entry: Entry) -> None:
        """The SAS core has answered: what it said of earlier versions of the appointment holds no more."""
        if dismissed := self.outbox.dismiss(entry.key):
            self._store.commit(*dismissed)

    async def _request(self, dispatch: Dispatch, ref: str) -> Reply:
        return await self._http.request(
            dispatch.method,
            self._base + dispatch.path,
            peer="sas",
            flow=Flow.INT_R03,
            headers=_HEADERS,
            body=bytes(dispatch.resource),
            timeout=TIMEOUT_S,
            ref=ref,
        )


def _transmission(state: str, entry: Entry, behind: int = 0) -> Transmission:
    reason = entry.last_error.removeprefix("sas: ")
    return Transmission(state, entry.attempts, reason, entry.due, _method(entry), behind)


def _method(entry: Entry) -> str:
    try:
        return _decoder.decode(entry.payload).method
    except msgspec.MsgspecError:
        return ""


def _explained(error: PeerError) -> str:
    """Why the SAS core could not be told, for the pages; of an answer that cannot be used, also what is wrong."""
    text = sentence_of(error, "la plateforme SAS")
    return f"{text} ({error.detail})" if failed_call(error).sentence == UNREADABLE.sentence else text


def judge(reply: Reply) -> None:
    """Nothing for 2xx. Raises Abandon for an answer that repeating cannot change, PeerRefused for any other."""
    if 200 <= reply.status < 300:
        return
    if 400 <= reply.status < 500 and reply.status not in _AGAIN:
        raise Abandon(f"{reply.status} : {explain(reply.body)}")
    raise PeerRefused("sas", reply.status, reply.body)


def explain(body: bytes) -> str:
    """The texts of an OperationOutcome in one line, at most 300 characters; what else the body is, shortly."""
    try:
        issues = read_json(body)["issue"]
        texts = [issue.get("details", {}).get("text") or issue.get("diagnostics", "") for issue in issues]
    except (JsonError, KeyError, TypeError, AttributeError):
        return "réponse sans OperationOutcome"
    return "; ".join(str(text) for text in texts if text)[:300] or "OperationOutcome sans texte"


def encode(appointment: Appointment, *, first: bool) -> bytes:
    """The payload of a version: POST for the first one, conditional PUT for the others."""
    identifier = appointment.identifier
    token = f"{quote(identifier.system, safe=':')}%7C{quote(identifier.value, safe='')}"
    path = "/Appointment" if first else f"/Appointment?identifier={token}"
    resource = msgspec.Raw(render_appointment(appointment))
    return _encoder.encode(Dispatch("POST" if first else "PUT", path, resource))


_decoder = msgspec.json.Decoder(Dispatch)
_resent = msgspec.json.Decoder(Resent)
_encoder = msgspec.json.Encoder()
