"""The edge of an actor's HTTP ports, as pure ASGI middleware: journal, faults, and who may come in.

`Edge` goes outermost: one Exchange per request, good or bad, without query or body, and the World's faults.
`RequirePeer` goes inside it on FHIR ports. An application may write on `scope["exchange"]` (a `Note`) what the
journal should say beside the status.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from weakref import WeakKeyDictionary

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.faults.active import ActiveFaults, Hit
from sandbox.fhir.outcome import operation_outcome
from sandbox.kernel.errors import Issue, RequestError
from sandbox.kernel.flows import Flow
from sandbox.kernel.journal import Exchange
from sandbox.kernel.world import WorldView
from sandbox.net.at_once import AtOnce, Ready
from sandbox.net.context import Context
from sandbox.net.tls import Peer

LARGEST_BODY = 4 << 20  # octets of a request; each port's own bounds are narrower
_LONGEST_PATH = 200  # characters of a path that the journal keeps

_FHIR = frozenset((Flow.INT_R01, Flow.INT_R02, Flow.INT_R03, Flow.INT_R04, Flow.SOS))

_FOR_PEOPLE = {"transient": "panne simulée", "too-long": "demande trop longue"}  # by issue code

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

    `flow`: where only the body tells it; faults and latency go by what the head of the request told.
    """

    ref: str = ""
    note: str = ""
    flow: str = ""


class Edge:
    """Journals and disturbs what comes in. `identify(scope)` -> (actor, flow), e.g. `("editor:a", "INT_R01")`."""

    def __init__(
        self,
        app: ASGIApp,
        context: Context,
        identify: Callable[[Scope], tuple[str, str]],
        *,
        at_once: AtOnce | None = None,
    ) -> None:
        self._app, self._identify, self._ready = app, identify, at_once
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
            if hit is None or not await self._struck(flow, hit, visit):
                await self._app(scope, _bounded(scope, receive), visit.send)
        except RequestError as error:
            if visit.status:
                visit.crashed(error, note)
                raise
            await _refuse(error, flow, visit.send)
        except Exception as error:
            visit.crashed(error, note)
            raise
        finally:
            peer: Peer | None = scope.get("peer")
            self._journal.put(
                Exchange(
                    self._clock.time(),
                    actor,
                    note.flow or flow,
                    "in",
                    f"{scope['method']} {scope['path'][:_LONGEST_PATH]}",
                    peer.cn if peer is not None else "",
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
            peer: Peer | None = scope["peer"]
            self._journal.put(
                Exchange(
                    self._clock.time(),
                    actor,
                    flow,
                    "in",
                    f"GET {scope['path'][:_LONGEST_PATH]}",
                    peer.cn if peer is not None else "",
                    HTTPStatus.OK,
                    round((time.perf_counter() - began) * 1000, 3),
                    ready.size,
                )
            )
        return ready

    async def _struck(self, flow: str, hit: Hit, visit: _Visit) -> bool:
        """Wait as long as the faults want; True when they answered in the application's place."""
        if hit.delay:
            await asyncio.sleep(hit.delay)
        if hit.status is None:
            return False
        await _refuse(_simulated(hit.status), flow, visit.send)
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
        return _refuse_in_fhir(error, send)


def refusals(context: Context, actor: str, flow: str) -> Callable[[str], None]:
    """For `Listener(refused=...)`: journal the TLS handshakes that failed at an actor's port."""

    def journal(why: str) -> None:
        at = context.clock.now().timestamp()
        context.journal.put(Exchange(at, actor, flow, "in", "TLS handshake", note=why))

    return journal


def _stranger(peer: Peer | None) -> RequestError:
    if peer is None:
        return RequestError(403, Issue("forbidden", "a client certificate of the sandbox's CA is required"))
    detail = f"CN '{peer.cn}' with OU '{peer.ou}' is not agreed for this endpoint (both must be)"
    return RequestError(403, Issue("forbidden", detail))


def _simulated(status: int) -> RequestError:
    return RequestError(status, Issue("transient", f"simulated fault: {status} {_phrase(status)}".rstrip()))


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in [*HTTPStatus] else ""


async def _refuse(error: RequestError, flow: str, send: Send) -> None:
    """Answer an error where no application does: in FHIR on a FHIR flow, else one line for a person."""
    if flow in _FHIR:
        await _refuse_in_fhir(error, send)
    else:
        text = _FOR_PEOPLE.get(error.issues[0].code, "requête refusée")
        await _answer(error.status, b"text/plain; charset=utf-8", f"Erreur {error.status} : {text}.\n".encode(), send)


async def _refuse_in_fhir(error: RequestError, send: Send) -> None:
    await _answer(error.status, b"application/fhir+json; charset=utf-8", operation_outcome(error), send)


async def _answer(status: int, kind: bytes, body: bytes, send: Send) -> None:
    headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body)), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _bounded(scope: Scope, receive: Receive) -> Receive:
    """`receive` that raises RequestError 413 once the body is over LARGEST_BODY; as it is when there is no body."""
    if scope["method"] in ("GET", "HEAD"):
        return receive
    size = 0

    async def bounded() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > LARGEST_BODY:
            raise RequestError(413, Issue("too-long", f"body over {LARGEST_BODY} octets"))
        return message

    return bounded
