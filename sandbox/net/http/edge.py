"""ASGI middleware around an actor's HTTP ports: the journal, the faults, and which client certificates are accepted.

`Edge` goes outermost: one Exchange per request, good or bad, without query or body, and the World's faults.
`RequirePeer` goes inside it on FHIR ports. An application may write on `scope["exchange"]` (a `Note`) what the
journal should say beside the status.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from weakref import WeakKeyDictionary

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.faults.edge.active import RequestFaults
from sandbox.faults.edge.effects import Cut, RequestEffect, Step, Wait
from sandbox.kernel.errors import Issue, RequestError
from sandbox.kernel.flows import Flow, ServedFlows
from sandbox.kernel.journal import Exchange
from sandbox.kernel.world import WorldView
from sandbox.net.context import Context
from sandbox.net.http.immediate import ImmediateAnswers, ReadyAnswer
from sandbox.net.http.problems import phrase
from sandbox.net.http.refusals import Answer, Refusal, answer_to
from sandbox.net.http.rules import HttpRules
from sandbox.net.tls import Peer

_LONGEST_PATH = 200  # characters of a path that the journal keeps

_FHIR = frozenset(flow for flow in Flow if flow.fhir)

Names = Mapping[tuple[str, str], str]  # CN and OU of a certificate -> whose it is

_active: WeakKeyDictionary[WorldView, RequestFaults] = WeakKeyDictionary()


def active_faults(context: Context) -> RequestFaults:
    """The faults of this process: one set per WorldView, so that all edges of a role count together."""
    found = _active.get(context.world)
    if found is None:
        found = _active[context.world] = RequestFaults(context.chance("faults"))
        context.world.watch(found.update)
    return found


@dataclass(slots=True)
class Note:
    """What an application adds to the Exchange of its request: correlation, and a remark without patient data.

    `flow`: set when only the body shows it; faults and latency depend on the flow that the head of the request shows.
    `peer`: who the other side claims to be, when no certificate proves it.
    """

    ref: str = ""
    note: str = ""
    flow: str = ""
    peer: str = ""


def identify_as(actor: str, served: ServedFlows) -> Callable[[Scope], tuple[str, str]]:
    """For the Edge of a port that belongs to one actor: (actor, flow) of a request, by the table of flows."""

    def identify(scope: Scope) -> tuple[str, str]:
        return actor, served.at(scope["method"], scope["path"], scope["query_string"])

    return identify


class Edge:
    """Journals requests and carries out faults. `identify(scope)` -> (actor, flow), e.g. `("editor:a", "INT_R01")`.

    `names`: the names in the journal of the peers that are expected, by CN and OU. Others appear with their CN; peers
    without a certificate with what the application notes, else with their address.
    """

    def __init__(
        self,
        app: ASGIApp,
        context: Context,
        identify: Callable[[Scope], tuple[str, str]],
        *,
        immediate: ImmediateAnswers | None = None,
        names: Names | None = None,
    ) -> None:
        self._app, self._identify, self._ready = HttpRules(app), identify, immediate
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
        applied = self._faults.apply(actor, flow)
        try:
            if applied is None:
                await self._app(scope, receive, visit.send)
            else:
                await self._disturbed(scope, receive, applied.effect, _EditedAnswer(visit.send, applied.effect, scope))
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
                    applied.faults if applied is not None else "",
                    note.ref,
                )
            )

    def immediate(self, scope: Scope) -> ReadyAnswer | None:
        """The application's immediate answer, journalled; None when the World has a fault or latency for the actor."""
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

    async def _disturbed(self, scope: Scope, receive: Receive, effect: RequestEffect, answer: _EditedAnswer) -> None:
        """Wait as long as the faults require, then let the application answer, or answer in its place."""
        if effect.delay:
            await asyncio.sleep(effect.delay)
        if effect.status is None:
            await self._app(scope, receive, answer.send)
        else:
            await self.answer(scope, _simulated(effect.status)).send(answer.send)
        await answer.ended()


class _Visit:
    """Notes status and size of the answer while it is sent."""

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


class _EditedAnswer:
    """Sends the messages of an answer, which a fault may replace; without an `edit` they are sent unchanged."""

    def __init__(self, send: Send, effect: RequestEffect, scope: Scope) -> None:
        self._send, self._edit, self._scope = send, effect.edit, scope
        self._cut = False

    async def send(self, message: Message) -> None:
        if self._edit is None:
            await self._send(message)
        elif not self._cut:
            await self._send_edited(self._edit(message))

    async def _send_edited(self, steps: Iterable[Step]) -> None:
        for step in steps:
            if isinstance(step, Wait):
                await asyncio.sleep(step.seconds)
            elif isinstance(step, Cut):
                self._cut = True
                self._scope["transport"].close()
                return
            else:
                await self._send(step)

    async def ended(self) -> None:
        """Let the server learn that the connection was cut, before it looks whether the answer is whole."""
        if self._cut:
            await asyncio.sleep(0)


class RequirePeer:
    """Passes on requests whose peer `allowed(scope, peer)` accepts; answers others with 403 and an OperationOutcome.

    Without TLS (`--no-mtls`) everybody passes: there is no certificate to look at.
    """

    def __init__(
        self, app: ASGIApp, allowed: Callable[[Scope, Peer], bool], *, immediate: ImmediateAnswers | None = None
    ) -> None:
        self._app, self._allowed, self._ready = app, allowed, immediate

    def immediate(self, scope: Scope) -> ReadyAnswer | None:
        """The immediate answer of the application, None for peers that are not accepted."""
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

    journal = context.journal_of(actor)
    return lambda why, address: journal.received(flow, "TLS handshake", address, note=why)


def _stranger(peer: Peer | None) -> RequestError:
    if peer is None:
        return RequestError(403, Issue("forbidden", "a client certificate of the sandbox's CA is required"))
    detail = f"CN '{peer.cn}' with OU '{peer.ou}' is not agreed for this endpoint (both must be)"
    return RequestError(403, Issue("forbidden", detail))


def _simulated(status: int) -> RequestError:
    return RequestError(status, Issue("transient", f"simulated fault: {status} {phrase(status)}".rstrip()))


def _rendered(error: RequestError, scope: Scope, flow: str) -> Answer:
    """The answer to an error that no application answers."""
    return answer_to(error, scope, fhir=flow in _FHIR)
