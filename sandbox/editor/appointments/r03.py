"""INT_R03: sends each version of an appointment to the SAS core, durably and in order.

Each version of an appointment is one entry of a durable outbox, written in the same commit as the appointment. The
order per appointment is strict: POST for its creation, then PUT for each change (guide, « INT_R03 »). Without an
answer, or with 5xx, 408 or 429, an entry is tried again with back-off. After any other 4xx it is given up, which shows
in « Mes rendez-vous », « Envois au SAS » and `__admin/outbox` until a later version of that appointment gets an answer
of its own. A resent appointment has the content of that moment (a conditional PUT), never that of the refused request.
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
from sandbox.kernel.calls import resend_switch
from sandbox.kernel.errors import JsonError, PeerError, PeerRefused, StoreError
from sandbox.kernel.flows import Flow
from sandbox.kernel.model import Appointment
from sandbox.kernel.text.json_input import read_json
from sandbox.kernel.world import World
from sandbox.net.context import Context
from sandbox.net.http.client import Callee, HttpClient, Reply
from sandbox.store.outbox import Abandon, Entry, Outbox
from sandbox.store.protocol import Put, Store
from sandbox.web.failed_calls import UNREADABLE, failed_call, sentence_of

_log = logging.getLogger(__name__)

OUTBOX = "r03"
RESENT = "r03.resent"  # table: which request of the World to resend was carried out last
TIMEOUT_S = 7.0
_AGAIN = frozenset({408, 425, 429})
_HEADERS = {"content-type": "application/fhir+json", "accept": "application/fhir+json"}


class Dispatch(msgspec.Struct, frozen=True):
    """Payload of an entry: one request to be made. `path`: below the FHIR base of the SAS core."""

    method: str
    path: str
    resource: msgspec.Raw


class Resent(msgspec.Struct, frozen=True):
    """Row of RESENT: the value of the World's switch for which refused appointments were resent last."""

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
        """The writes that put this version into the outbox: add them to the commit of the appointment, then `wake`."""
        return self.outbox.put(
            appointment.identifier.value, encode(appointment, first=first), ref=appointment.identifier.value
        )

    def wake(self) -> None:
        """Send what the last commit put into the outbox."""
        self.outbox.wake()

    async def start(self) -> None:
        """Begin to send."""
        await self.outbox.start()

    async def stop(self) -> None:
        """Stop sending; entries stay in the outbox."""
        await self.outbox.stop()

    def transmission(self, id: str) -> Transmission:
        """How far an appointment got. When several versions wait, it is that of the first one."""
        waiting = self.outbox.pending_of(id)
        if waiting:
            return _transmission("waiting", waiting[0], len(waiting) - 1)
        refused = self.outbox.abandoned.of(id)
        return _transmission("failed", refused[-1]) if refused else Transmission("sent")

    def transmissions(self, ids: Iterable[str]) -> dict[str, Transmission]:
        """How far each of these appointments got."""
        return {id: self.transmission(id) for id in ids}

    def unsettled(self, most: int) -> list[tuple[str, Transmission]]:
        """At most `most` appointments: those whose last version was refused, then those that could not be sent yet."""
        waiting: dict[str, list[Entry]] = {}
        for entry in self.outbox.pending(most):
            waiting.setdefault(entry.key, []).append(entry)
        refused = [(id, self.transmission(id)) for id in islice(self.outbox.abandoned.all_keys(), most)]
        found = [(id, one) for id, one in refused if one.state == "failed"]
        found += [
            (id, _transmission("waiting", entries[0], len(entries) - 1))
            for id, entries in waiting.items()
            if entries[0].last_error  # a first attempt that is still under way is left out
        ]
        return found[:most]

    def listed(self, most: int) -> list[dict[str, object]]:
        """`unsettled` as JSON objects, for the control plane."""
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
        """Resend what was refused when the World's switch for this editor has a new value; once per value, durably.

        `present`: the appointment of an identifier value as it is now. Entries that wait for a retry are tried at once.
        """
        word = world.switches.get(resend_switch(slug))
        stored = self._store.get(RESENT, slug)
        if word is None or (stored is not None and _resent.decode(stored).word == word):
            return
        writes: list[Put] = [Put(RESENT, slug, _encoder.encode(Resent(word)))]
        for id in self.outbox.abandoned.all_keys():
            appointment = present(id)
            if appointment is not None and self.transmission(id).state == "failed":
                writes += self.due(appointment, first=False)
        try:
            self._store.commit(*writes)  # not awaited: the outbox sends nothing before it is on disk
        except StoreError as error:
            _log.error("%s: what was refused cannot be sent again: %s", slug, error)
            return
        self.outbox.wake()
        self.outbox.hurry()

    def health(self) -> dict[str, object]:
        """How many versions wait, and how many were given up."""
        return {"r03_waiting": self.outbox.depth, "r03_failed": self.outbox.abandoned.count}

    async def _send(self, entry: Entry) -> None:
        try:
            dispatch = _decoder.decode(entry.payload)
        except msgspec.MsgspecError:  # it would fail at each attempt
            raise Abandon("l'envoi enregistré n'est pas lisible") from None
        try:
            judge(await self._request(dispatch, entry.ref))
        except PeerError as error:
            raise PeerError(error.peer, in_words(error)) from error
        except Abandon:
            self._supersede(entry)
            raise
        self._supersede(entry)

    def _supersede(self, entry: Entry) -> None:
        """The SAS core has answered this version: its refusals of earlier versions are dismissed."""
        if dismissed := self.outbox.abandoned.dismiss(entry.key):
            self._store.commit(*dismissed)

    async def _request(self, dispatch: Dispatch, ref: str) -> Reply:
        return await self._http.request(
            dispatch.method,
            self._base + dispatch.path,
            callee=Callee("sas", Flow.INT_R03, ref),
            headers=_HEADERS,
            body=bytes(dispatch.resource),
            timeout=TIMEOUT_S,
        )


def _transmission(state: str, entry: Entry, behind: int = 0) -> Transmission:
    reason = entry.last_error.removeprefix("sas: ")
    return Transmission(state, entry.attempts, reason, entry.due, _method(entry), behind)


def _method(entry: Entry) -> str:
    try:
        return _decoder.decode(entry.payload).method
    except msgspec.MsgspecError:
        return ""


def in_words(error: PeerError) -> str:
    """Why an attempt failed, in French for the pages; of an answer that cannot be used, also what is wrong with it."""
    text = sentence_of(error, "la plateforme SAS")
    return f"{text} ({error.detail})" if failed_call(error).sentence == UNREADABLE.sentence else text


def judge(reply: Reply) -> None:
    """Accept 2xx. Raises Abandon for an answer that another attempt would not change, PeerRefused for any other."""
    if 200 <= reply.status < 300:
        return
    if 400 <= reply.status < 500 and reply.status not in _AGAIN:
        raise Abandon(f"{reply.status} : {explain(reply.body)}")
    raise PeerRefused("sas", reply.status, reply.body)


def explain(body: bytes) -> str:
    """The texts of an OperationOutcome in one line, at most 300 characters; for another body, a French sentence."""
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
