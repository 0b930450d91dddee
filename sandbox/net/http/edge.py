"""The edge of an actor's HTTP ports, as pure ASGI middleware: journal, faults, and who may come in.

`Edge` goes outermost: one Exchange per request, good or bad, without query or body, and the World's faults.
`RequirePeer` goes inside it on FHIR ports. An application may write on `scope["exchange"]` (a `Note`) what the
journal should say beside the status.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from weakref import WeakKeyDictionary

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.faults.active import ActiveFaults, Hit
from sandbox.kernel.errors import Issue, RequestError
from sandbox.kernel.flows import Flow
from sandbox.kernel.journal import Exchange
from sandbox.kernel.world import WorldView
from sandbox.net.context import Context
from sandbox.net.http.at_once import AtOnce, Ready
from sandbox.net.http.refusals import Answer, Refusal, answer_to, phrase
from sandbox.net.http.rules import HttpRules
from sandbox.net.tls import Peer

_LONGEST_PATH = 200  # characters of a path that the journal keeps

_FHIR = frozenset(flow for flow in Flow if flow.fhir)

Names = Mapping[tuple[str, str], str]  # CN and OU of a certificate -> whose it is

_active: WeakKeyDictionary[WorldView, ActiveFaults] = WeakKeyDictionary()


def active_faults(context: Context) -> ActiveFaults:
    """The faults of this process: one set per WorldView, so that all edges of a role count together."""
    found = _active.get(context.world)
    if found is None:
        found = _active[context.world] = ActiveFaults(context.chance("faults"))
        context.world.watch(found.update)
    return found


@dataclass(slots=True)
class Note:
    """What an application adds to the Exchange of its request: correlation, and a remark without patient data.

    `flow`: where only the body tells it; faults and latency go by what the head of the request told. `peer`: who the
    other side says it is, where no certificate proves it.
    """

    ref: str = ""
    note: str = ""
    flow: str = ""
    peer: str = ""


class Edge:
    """Journals and disturbs what comes in. `identify(scope)` -> (actor, flow), e.g. `("editor:a", "INT_R01")`.

    `names`: as what the journal knows whom it expects, by CN and OU; others are called by their CN, who shows no
    certificate by what the application notes, else by the address.
    """

    def __init__(
        self,
        app: ASGIApp,
        context: Context,
        identify: Callable[[Scope], tuple[str, str]],
        *,
        at_once: AtOnce | None = None,
        names: Names | None = None,
    ) -> None:
        self._app, self._identify, self._ready = HttpRules(app), identify, at_once
        self._names: Names = names or {}
        self._journal, self._clock = context.journal, context.clock
        self._faults = active_faults(context)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request and journal it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        actor, flow = self._identify(scope)
        began = time.perf_counter()
        visit = _Visit(send)
        scope["exchange"] = note = Note()
        hit = self._faults.strike(actor, flow)
        try:
            if hit is None or not await self._struck(scope, flow, hit, visit):
                await self._app(scope, receive, visit.send)
        except RequestError as error:
            if visit.status:
                visit.crashed(error, note)
                raise
            if isinstance(error, Refusal):
                note.note = note.note or str(error)
            await _rendered(error, scope, flow).send(visit.send)
        except Exception as error:
            visit.crashed(error, note)
            raise
        finally:
            self._journal.put(
                Exchange(
                    self._clock.time(),
                    actor,
                    note.flow or flow,
                    "in",
                    f"{scope['method']} {scope['path'][:_LONGEST_PATH]}",
                    self._name(scope, note.peer),
                    visit.status,
                    round((time.perf_counter() - began) * 1000, 3),
                    visit.size,
                    note.note,
                    hit.faults if hit is not None else "",
                    note.ref,
                )
            )

    def at_once(self, scope: Scope) -> Ready | None:
        """What the application answers at once, journalled; nothing where the World has something to carry out."""
        actor, flow = self._identify(scope)
        if self._ready is None or self._faults.concern(actor):
            return None
        began = time.perf_counter()
        ready = self._ready(scope)
        if ready is not None:
            self._journal.put(
                Exchange(
                    self._clock.time(),
                    actor,
                    flow,
                    "in",
                    f"GET {scope['path'][:_LONGEST_PATH]}",
                    self._name(scope, ""),
                    HTTPStatus.OK,
                    round((time.perf_counter() - began) * 1000, 3),
                    ready.size,
                )
            )
        return ready

    def answer(self, scope: Scope, error: RequestError) -> Answer:
        """What this port answers to a request that is refused."""
        return _rendered(error, scope, self._identify(scope)[1])

    def _name(self, scope: Scope, noted: str) -> str:
        peer: Peer | None = scope.get("peer")
        if peer is not None:
            return self._names.get((peer.cn, peer.ou), peer.cn)
        client = scope.get("client")
        return noted or (client[0] if client else "")

    async def _struck(self, scope: Scope, flow: str, hit: Hit, visit: _Visit) -> bool:
        """Wait as long as the faults want; True when they answered in the application's place."""
        if hit.delay:
            await asyncio.sleep(hit.delay)
        if hit.status is None:
            return False
        await _rendered(_simulated(hit.status), scope, flow).send(visit.send)
        return True


class _Visit:
    """Watches the answer go out."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = self.size = 0

    def send(self, message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif message["type"] == "http.response.body":
            self.size += len(message.get("body", b""))
        return self._send(message)

    def crashed(self, error: Exception, note: Note) -> None:
        """The application failed: what the server answers then, and the error's kind (never its text)."""
        self.status = self.status or HTTPStatus.INTERNAL_SERVER_ERROR
        note.note = note.note or type(error).__name__


class RequirePeer:
    """Lets in whom `allowed(scope, peer)` accepts; else 403 with an OperationOutcome that says what was expected.

    Without TLS (`--no-mtls`) everybody passes: there is no certificate to look at.
    """

    def __init__(self, app: ASGIApp, allowed: Callable[[Scope, Peer], bool], *, at_once: AtOnce | None = None) -> None:
        self._app, self._allowed, self._ready = app, allowed, at_once

    def at_once(self, scope: Scope) -> Ready | None:
        """What the application answers at once to whom it lets in."""
        return self._ready(scope) if self._ready is not None and self._lets_in(scope) else None

    def _lets_in(self, scope: Scope) -> bool:
        peer: Peer | None = scope.get("peer")
        return scope["scheme"] != "https" or (peer is not None and self._allowed(scope, peer))

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Check the certificate of one request."""
        if scope["type"] != "http" or self._lets_in(scope):
            return self._app(scope, receive, send)
        error = _stranger(scope.get("peer"))
        note: Note | None = scope.get("exchange")
        if note is not None:
            note.note = str(error)
        return answer_to(error, scope, fhir=True).send(send)


def refusals(context: Context, actor: str, flow: str) -> Callable[[str, str], None]:
    """For `Listener(refused=...)`: journal the TLS handshakes that failed at an actor's port."""

    def journal(why: str, address: str) -> None:
        at = context.clock.now().timestamp()
        context.journal.put(Exchange(at, actor, flow, "in", "TLS handshake", address, note=why))

    return journal


def _stranger(peer: Peer | None) -> RequestError:
    if peer is None:
        return RequestError(403, Issue("forbidden", "a client certificate of the sandbox's CA is required"))
    detail = f"CN '{peer.cn}' with OU '{peer.ou}' is not agreed for this endpoint (both must be)"
    return RequestError(403, Issue("forbidden", detail))


def _simulated(status: int) -> RequestError:
    return RequestError(status, Issue("transient", f"simulated fault: {status} {phrase(status)}".rstrip()))


def _rendered(error: RequestError, scope: Scope, flow: str) -> Answer:
    """The answer to an error where no application gives one."""
    return answer_to(error, scope, fhir=flow in _FHIR)
