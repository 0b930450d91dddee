"""The edge of an actor: journal, faults and certificates, by ASGI calls and over mTLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, ClassVar

import orjson
import pytest
from starlette.types import Message, Receive, Scope, Send

from sandbox.faults import KINDS
from sandbox.faults.edge.effects import Cut, RequestEffect, RequestFault, Step, Wait
from sandbox.kernel.errors import PeerUnreachable, RequestError, malformed
from sandbox.kernel.journal import Exchange
from sandbox.kernel.world import Fault, World
from sandbox.net.context import Context
from sandbox.net.http import rules
from sandbox.net.http.client import Callee, HttpClient, Reply
from sandbox.net.http.edge import Edge, RequirePeer, refusals
from sandbox.net.http.server import Listener
from sandbox.net.tls import Peer, server_context
from sandbox.pki.authority import Credentials, Pki
from sandbox.pki.subjects import BAD_KINDS, sas_subject

AZUR = "editor:agenda-azur"


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 201, "headers": []})
    await send({"type": "http.response.body", "body": b"he", "more_body": True})
    await send({"type": "http.response.body", "body": b"llo"})


def request(method: str = "GET", path: str = "/agenda-azur/fhir/Slot", **fields: Any) -> Scope:
    return {"type": "http", "method": method, "path": path, "query_string": b"secret=1", "scheme": "http", **fields}


async def ask(app: Any, scope: Scope, *body: bytes) -> tuple[int, dict[bytes, bytes], bytes]:
    """Status, headers and body of one ASGI call."""
    sent: list[Message] = []
    parts = [*body] or [b""]

    async def receive() -> Message:
        part = parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(parts)}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    content = b"".join(message["body"] for message in sent[1:])
    return sent[0]["status"], dict(sent[0]["headers"]), content


def at_editor(flow: str = "INT_R01") -> Any:
    return lambda scope: (AZUR, flow)


def only(context: Context) -> Exchange:
    (exchange,) = context.journal.take()
    return exchange


def break_it(context: Context, *faults: Fault) -> None:
    context.world.apply(World(revision=context.world.world.revision + 1, faults=faults))


async def test_request_is_journalled_without_its_query(plain_context: Context) -> None:
    peer = Peer("sas.invalid", "3", "SAS")
    await ask(Edge(hello, plain_context, at_editor()), request(peer=peer))
    exchange = only(plain_context)
    assert exchange.action == "GET /agenda-azur/fhir/Slot"
    assert (exchange.actor, exchange.flow, exchange.direction) == (AZUR, "INT_R01", "in")
    assert (exchange.status, exchange.size, exchange.peer) == (201, 5, "sas.invalid")


async def test_endless_path_is_cut_in_the_journal(plain_context: Context) -> None:
    await ask(Edge(hello, plain_context, at_editor()), request(path="/" + "x" * 5000))
    assert len(only(plain_context).action) < 250


async def test_application_adds_its_correlation_to_the_journal(plain_context: Context) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["exchange"].ref = "appointment-1"
        scope["exchange"].note = "first"
        await hello(scope, receive, send)

    await ask(Edge(app, plain_context, at_editor()), request())
    exchange = only(plain_context)
    assert (exchange.ref, exchange.note) == ("appointment-1", "first")


class Stuttering(RequestFault):
    """Pauses before each message of the answer except the last part of the body, which it cuts off."""

    name: ClassVar[str] = "stuttering"
    sentence: ClassVar[str] = "La réponse bégaie."

    def effect(self, chance: Callable[[], float]) -> RequestEffect:
        def edit(message: Message) -> Iterator[Step]:
            last = "body" in message and not message.get("more_body", False)
            yield from [Cut(), message] if last else [Wait(0.02), message]

        return RequestEffect(edit=edit)


async def test_a_fault_may_wait_within_an_answer_and_cut_the_connection(
    plain_context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(KINDS, Stuttering.name, Stuttering)
    break_it(plain_context, Fault(id="f1", kind=Stuttering.name, target=AZUR))
    closed: list[bool] = []
    transport = SimpleNamespace(close=lambda: closed.append(True))
    began = time.perf_counter()
    status, _, body = await ask(Edge(hello, plain_context, at_editor()), request(transport=transport))
    assert (status, body, closed) == (201, b"he", [True])
    assert time.perf_counter() - began >= 0.04
    exchange = only(plain_context)
    assert (exchange.status, exchange.size, exchange.fault) == (201, 2, "f1")


async def test_failure_of_the_application_is_journalled_by_its_kind_and_goes_on(plain_context: Context) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise KeyError("patient Dupont")

    with pytest.raises(KeyError):
        await ask(Edge(app, plain_context, at_editor()), request())
    exchange = only(plain_context)
    assert (exchange.status, exchange.note) == (500, "KeyError")


async def test_request_error_that_nobody_rendered_becomes_an_outcome(plain_context: Context) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise malformed("no such thing", "Slot.start")

    status, headers, body = await ask(Edge(app, plain_context, at_editor()), request())
    assert status == 400
    assert headers[b"content-type"].startswith(b"application/fhir+json")
    assert orjson.loads(body)["issue"][0]["expression"] == ["Slot.start"]
    assert only(plain_context).status == 400


async def test_request_error_after_the_answer_began_is_a_failure(plain_context: Context) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise malformed("too late")

    with pytest.raises(RequestError):
        await ask(Edge(app, plain_context, at_editor()), request())
    assert only(plain_context).status == 200


async def test_what_is_no_request_passes(plain_context: Context) -> None:
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    for middleware in (Edge(app, plain_context, at_editor()), RequirePeer(app, lambda scope, peer: False)):
        await middleware({"type": "lifespan"}, None, None)  # type: ignore[arg-type]
    assert seen == ["lifespan", "lifespan"]
    assert plain_context.journal.take() == []


async def test_body_over_the_bound_is_refused(plain_context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "LARGEST_BODY", 10)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["more_body"]:
            pass
        await hello(scope, receive, send)

    outer = Edge(app, plain_context, at_editor("UI"))
    assert (await ask(outer, request("POST"), b"12345", b"67890"))[0] == 201
    status, headers, body = await ask(outer, request("POST"), b"12345", b"67890", b"1")
    assert (status, headers[b"content-type"]) == (413, b"application/problem+json")
    assert orjson.loads(body)["detail"] == "body over 10 octets"


@pytest.mark.parametrize(("flow", "kind"), [("INT_R01", "application/fhir+json"), ("UI", "application/problem+json")])
async def test_status_fault_answers_in_the_actors_place(plain_context: Context, flow: str, kind: str) -> None:
    outer = Edge(hello, plain_context, at_editor(flow))
    break_it(plain_context, Fault("f1", "status", AZUR, count=1, params={"code": 503}))
    status, headers, body = await ask(outer, request())
    assert status == 503
    assert headers[b"content-type"].decode().startswith(kind)
    assert b"simul" in body
    exchange = only(plain_context)
    assert (exchange.status, exchange.fault) == (503, "f1")
    assert (await ask(outer, request()))[0] == 201
    assert only(plain_context).fault == ""


async def test_status_without_a_name_is_answered_too(plain_context: Context) -> None:
    break_it(plain_context, Fault("f1", "status", AZUR, params={"code": 599}))
    status, _, body = await ask(Edge(hello, plain_context, at_editor()), request())
    assert status == 599
    assert orjson.loads(body)["issue"][0]["details"]["text"] == "simulated fault: 599"


async def test_latency_fault_delays_and_the_journal_says_so(plain_context: Context) -> None:
    break_it(plain_context, Fault("slow", "latency", AZUR, flow="INT_R01", params={"ms": 30}))
    assert (await ask(Edge(hello, plain_context, at_editor()), request()))[0] == 201
    exchange = only(plain_context)
    assert exchange.fault == "slow"
    assert exchange.ms >= 29


async def test_edges_of_one_role_count_a_fault_together(plain_context: Context) -> None:
    pages, fhir = (Edge(hello, plain_context, at_editor(flow)) for flow in ("UI", "INT_R01"))
    break_it(plain_context, Fault("f1", "status", AZUR, count=1, params={"code": 500}))
    assert (await ask(pages, request()))[0] == 500
    assert (await ask(fhir, request()))[0] == 201


async def test_without_tls_nobody_needs_a_certificate(plain_context: Context) -> None:
    status, _, _ = await ask(RequirePeer(hello, lambda scope, peer: False), request())
    assert status == 201


@pytest.mark.parametrize(("peer", "expected"), [(None, "certificate"), (Peer("x", "y", "z"), "CN 'x' with OU 'y'")])
async def test_stranger_gets_403_and_reads_what_was_expected(peer: Peer | None, expected: str) -> None:
    app = RequirePeer(hello, lambda scope, peer: peer.cn == "sas")
    status, _, body = await ask(app, request(scheme="https", peer=peer))
    assert status == 403
    issue = orjson.loads(body)["issue"][0]
    assert (issue["code"], expected in issue["details"]["text"]) == ("forbidden", True)


def identity(pki: Pki, kind: str) -> Credentials | None:
    return pki.client("sas") if kind == "good" else pki.bad.get(kind)


def blocking_get(pki: Pki, kind: str, port: int) -> int:
    """HTTP status of one request by a client of its own make."""
    context = ssl.create_default_context(cafile=str(pki.ca))
    own = identity(pki, kind)
    if own is not None:
        context.load_cert_chain(own.cert, own.key)
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
    ):
        secure.sendall(b"GET /sas/fhir/metadata HTTP/1.1\r\nHost: sas\r\nConnection: close\r\n\r\n")
        return int(secure.makefile("rb").readline().split()[1])


ANSWERS = {"good": 201, "none": 403, "wrong_cn": 403, "wrong_ou": 403}


@pytest.mark.requirement("TLS-2", "TLS-3", "TLS-4", "TLS-5", "TLS-6", "TLS-7")
@pytest.mark.parametrize("kind", ["good", "none", *BAD_KINDS])
async def test_each_kind_of_certificate_on_a_fhir_port(
    pki: Pki, context: Context, sock: socket.socket, kind: str
) -> None:
    good = sas_subject()
    guarded = RequirePeer(hello, lambda scope, peer: (peer.cn, peer.ou) == (good.cn, good.ou))
    tls = server_context(pki, client_certificate="optional")
    listener = Listener(
        Edge(guarded, context, lambda scope: ("sas", "INT_R03")),
        sock,
        tls=tls,
        refused=refusals(context, "sas", "INT_R03"),
    )
    port = sock.getsockname()[1]
    await listener.start()
    try:
        call = asyncio.to_thread(blocking_get, pki, kind, port)
        if kind in ANSWERS:
            assert await call == ANSWERS[kind]
        else:
            with pytest.raises(ssl.SSLError, match=r"(?i)alert"):
                await call
    finally:
        await listener.stop()
    exchange = only(context)
    assert exchange.status == ANSWERS.get(kind, 0)
    assert (exchange.action == "TLS handshake") == (kind not in ANSWERS)
    assert bool(exchange.note) == (kind != "good")


async def test_caller_and_edge_journal_the_same_exchange(pki: Pki, context: Context, sock: socket.socket) -> None:
    tls = server_context(pki, client_certificate="required")
    listener = Listener(Edge(hello, context, at_editor()), sock, tls=tls)
    port = sock.getsockname()[1]
    await listener.start()
    client = HttpClient(context, "sas", "sas")
    try:
        reply = await client.request(
            "GET", f"https://127.0.0.1:{port}/x?y=1", callee=Callee("agenda-azur", "INT_R01", "r")
        )
        assert isinstance(reply, Reply)
    finally:
        await client.close()
        await listener.stop()
    served, called = sorted(context.journal.take(), key=lambda exchange: exchange.direction)
    assert (served.direction, called.direction) == ("in", "out")
    assert served.action == called.action == "GET /x"
    assert served.peer == sas_subject().cn
    assert called.peer == "agenda-azur"


async def test_port_that_nobody_serves_is_unreachable(context: Context, sock: socket.socket) -> None:
    client = HttpClient(context, "sas", "sas")
    with pytest.raises(PeerUnreachable):
        await client.request("GET", f"https://127.0.0.1:{sock.getsockname()[1]}/", callee=Callee("x", "INT_R01"))
    await client.close()
