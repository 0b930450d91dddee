"""What a FHIR port refuses before any application sees it: always an OperationOutcome, over TLS and plain TCP."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
import ssl
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sandbox.net.context import Context
from sandbox.net.http import connection
from sandbox.net.http.body import read_body
from sandbox.net.http.edge import Edge, RequirePeer
from sandbox.net.http.fhir_http import answering, fhir_response, not_allowed, not_found
from sandbox.net.http.server import Listener
from sandbox.net.tls import client_context, server_context
from tests.support.raw_http import Heard, line

HEAD = b"Host: sas\r\nContent-Type: application/fhir+json\r\n"
END = b"Connection: close\r\n\r\n"


async def handler(request: Request) -> Response:
    """`POST /Appointment` takes a body, `GET /Appointment/1` gives one."""
    match request.scope["path"], request.method:
        case "/Appointment", "POST":
            return fhir_response(b'{"octets":%d}' % len(await read_body(request)), 201)
        case "/Appointment/1", "GET":
            return fhir_response(b"{}")
        case "/Appointment/1", method:
            raise not_allowed(method, "Appointment/1", "GET")
    raise not_found("no such path")


async def fhir(scope: Scope, receive: Receive, send: Send) -> None:
    await (await answering(handler)(Request(scope, receive)))(scope, receive, send)


@contextlib.asynccontextmanager
async def port(
    context: Context, sock: socket.socket, *, flow: str = "INT_R03"
) -> AsyncIterator[tuple[tuple[str, int], ssl.SSLContext | None]]:
    """A port behind edge and peer check; its address, and how to speak TLS to it."""
    guarded: Any = RequirePeer(fhir, lambda _, peer: True) if flow == "INT_R03" else fhir
    pki = context.pki
    tls = server_context(pki, client_certificate="optional") if pki is not None else None
    listener = Listener(Edge(guarded, context, lambda _: ("sas", flow)), sock, tls=tls)
    address = sock.getsockname()
    await listener.start()
    try:
        yield address, client_context(pki, "agenda-azur") if pki is not None else None
    finally:
        await listener.stop()


@pytest.fixture(params=["tls", "no-mtls"])
def place(request: pytest.FixtureRequest, context: Context, plain_context: Context) -> Context:
    """The context of a port with mTLS, and of one without."""
    return context if request.param == "tls" else plain_context


def posted(*lines: bytes, body: bytes = b"") -> bytes:
    return b"POST /Appointment HTTP/1.1\r\n" + HEAD + b"".join(one + b"\r\n" for one in lines) + b"\r\n" + body


REFUSED: dict[str, tuple[bytes, int]] = {
    "unknown method": (b"BREW /Slot HTTP/1.1\r\nHost: sas\r\n\r\n", 501),
    "CONNECT": (b"CONNECT sas:443 HTTP/1.1\r\nHost: sas\r\n\r\n", 501),
    "no HTTP at all": (b"hello there\r\n\r\n", 400),
    "octets of a TLS hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    "path that is not ASCII": (b"GET /\xc3\xa9 HTTP/1.1\r\nHost: sas\r\n\r\n", 400),
    "space in the path": (b"GET /a b HTTP/1.1\r\nHost: sas\r\n\r\n", 400),
    "NUL in the path": (b"GET /Appointment/%00 HTTP/1.1\r\nHost: sas\r\n\r\n", 400),
    "HTTP/2.0": (b"GET / HTTP/2.0\r\nHost: sas\r\n\r\n", 505),
    "HTTP/1.5": (b"GET / HTTP/1.5\r\nHost: sas\r\n\r\n", 505),
    "preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "header that is none": (b"GET / HTTP/1.1\r\nHost: sas\r\nBad Header: x\r\n\r\n", 400),
    "NUL in a header": (b"GET / HTTP/1.1\r\nHost: sas\r\nA: x\x00y\r\n\r\n", 400),
    "no Host": (b"GET /Appointment/1 HTTP/1.1\r\n\r\n", 400),
    "two Hosts": (b"GET /Appointment/1 HTTP/1.1\r\nHost: sas\r\nHost: sas\r\n\r\n", 400),
    "Host that is none": (b"GET /Appointment/1 HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    "two lengths": (posted(b"Content-Length: 3", b"Content-Length: 4", body=b"{}  "), 400),
    "length below 0": (posted(b"Content-Length: -3"), 400),
    "length and chunks": (posted(b"Content-Length: 3", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"), 400),
    "coding without end": (posted(b"Transfer-Encoding: gzip", body=b"abc"), 400),
    "unknown coding": (posted(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"), 501),
    "chunk that is none": (posted(b"Transfer-Encoding: chunked", body=b"zz\r\n"), 400),
    "second chunk that is none": (posted(b"Transfer-Encoding: chunked", body=b"1\r\n{\r\nzz\r\n"), 400),
    "gzip without leave": (posted(b"Content-Length: 22", b"Content-Encoding: gzip", body=gzip.compress(b"{}")), 415),
    "another media type": (b"POST /Appointment HTTP/1.1\r\nHost: sas\r\nContent-Type: text/xml\r\n\r\n", 415),
    "other expectation": (posted(b"Content-Length: 2", b"Expect: 200-ok", body=b"{}"), 417),
    "head over the limit": (b"GET / HTTP/1.1\r\nHost: sas\r\nX: " + b"x" * 70_000, 431),
    "whole head over the limit": (b"GET / HTTP/1.1\r\nHost: sas\r\nX: " + b"x" * 90_000 + b"\r\n\r\n", 431),
    "path over the limit": (b"GET /" + b"x" * 90_000 + b" HTTP/1.1\r\nHost: sas\r\n\r\n", 431),
    "body over the port's limit": (posted(b"Content-Length: 2000000", body=b" " * 2_000_000), 413),
    "body over all limits": (posted(b"Content-Length: 5000000", body=b" " * 5_000_000), 413),
    "length over all limits": (posted(b"Content-Length: 99999999999999999999999", body=b" " * 100), 400),
    "chunks over the limit": (posted(b"Transfer-Encoding: chunked", body=b"100001\r\n" + b" " * 1_048_577), 413),
    "unknown path": (b"GET /Nothing HTTP/1.1\r\nHost: sas\r\n\r\n", 404),
    "method that a path has not": (b"DELETE /Appointment/1 HTTP/1.1\r\nHost: sas\r\n\r\n", 405),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
async def test_every_refusal_of_a_fhir_port_is_an_outcome(place: Context, sock: socket.socket, what: str) -> None:
    octets, status = REFUSED[what]
    async with port(place, sock) as (address, tls), line(address, tls) as caller:
        _, heard = await asyncio.gather(caller.say(octets), caller.hear())
    assert heard.status == status
    assert heard.headers["content-type"].startswith("application/fhir+json")
    document = heard.json()
    assert document["resourceType"] == "OperationOutcome"
    assert document["issue"][0]["details"]["text"]
    (exchange,) = place.journal.take()
    assert exchange.status == status
    assert exchange.peer == ("127.0.0.1" if place.pki is None else "agenda-azur.bac-a-sable.invalid")


async def refused(place: Context, sock: socket.socket, octets: bytes) -> Heard:
    async with port(place, sock) as (address, tls), line(address, tls) as caller:
        await caller.say(octets)
        return await caller.hear()


async def test_refusals_say_what_would_be_taken(plain_context: Context, sock: socket.socket) -> None:
    heard = await refused(plain_context, sock, REFUSED["gzip without leave"][0])
    assert heard.headers["accept-encoding"] == "identity"
    assert heard.json()["issue"][0]["expression"] == ["http.Content-Encoding"]


async def test_method_that_a_path_has_not_is_told_those_that_it_has(
    plain_context: Context, sock: socket.socket
) -> None:
    heard = await refused(plain_context, sock, REFUSED["method that a path has not"][0])
    assert heard.headers["allow"] == "GET, HEAD"


async def test_journal_names_what_was_asked_even_if_nobody_can(plain_context: Context, sock: socket.socket) -> None:
    await refused(plain_context, sock, REFUSED["unknown method"][0])
    (exchange,) = plain_context.journal.take()
    assert (exchange.action, exchange.note) == ("BREW /Slot", "the method BREW is not implemented")


@pytest.mark.parametrize("what", ["unknown method", "header that is none", "chunk that is none", "coding without end"])
async def test_what_cannot_be_read_ends_the_connection_after_its_answer(
    place: Context, sock: socket.socket, what: str
) -> None:
    async with port(place, sock) as (address, tls), line(address, tls) as caller:
        await caller.say(REFUSED[what][0])
        assert (await caller.hear()).headers["connection"] == "close"
        async with asyncio.timeout(2):  # it does not wait for us
            assert await caller.is_over()


async def test_what_can_be_read_leaves_the_connection_open(place: Context, sock: socket.socket) -> None:
    async with port(place, sock) as (address, tls), line(address, tls) as caller:
        for what in ("no Host", "gzip without leave", "body over all limits", "unknown coding", "unknown path"):
            _, heard = await asyncio.gather(caller.say(REFUSED[what][0]), caller.hear())
            assert heard.status == REFUSED[what][1]
        await caller.say(posted(b"Content-Length: 2", body=b"{}"))
        assert (await caller.hear()).body == b'{"octets":2}'


async def test_requests_before_one_that_cannot_be_read_are_answered_first(place: Context, sock: socket.socket) -> None:
    good = posted(b"Content-Length: 2", body=b"{}")
    async with port(place, sock) as (address, tls), line(address, tls) as caller:
        await caller.say(good + good + REFUSED["unknown method"][0] + good)
        assert [(await caller.hear()).status for _ in range(3)] == [201, 201, 501]
        assert await caller.is_over()


@pytest.mark.parametrize("size", [2_000_000, 5_000_000, 20_000_000])
async def test_client_that_sends_too_much_reads_why(place: Context, sock: socket.socket, size: int) -> None:
    async with port(place, sock) as (address, tls):
        url = f"{'https' if tls else 'http'}://127.0.0.1:{address[1]}/Appointment"
        async with httpx.AsyncClient(verify=tls or False) as client:
            for _ in range(2):
                answer = await client.post(url, content=b" " * size, headers={"Content-Type": "application/json"})
                assert answer.status_code == 413
                (issue,) = answer.json()["issue"]
                assert (issue["code"], issue["details"]["text"]) == ("too-long", "body over 1048576 octets")


async def test_client_that_closes_after_too_much_reads_why(place: Context, sock: socket.socket) -> None:
    octets = posted(b"Content-Length: 5000000", b"Connection: close", body=b" " * 5_000_000)
    async with port(place, sock) as (address, tls), line(address, tls) as caller:
        await caller.say(octets)
        assert (await caller.hear()).status == 413


async def test_nobody_sends_for_ever(
    plain_context: Context, sock: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "MOST_THROWN_AWAY", 1 << 20)
    async with port(plain_context, sock) as (address, _), line(address) as caller:
        await caller.say(posted(b"Content-Length: 99999999"))
        assert (await caller.hear()).status == 413
        async with asyncio.timeout(5):
            while not caller.writer.is_closing() and not caller.reader.at_eof():
                await caller.say(b" " * 100_000)


async def test_client_that_waits_for_leave_is_refused_before_it_sends(place: Context, sock: socket.socket) -> None:
    async with port(place, sock) as (address, tls), line(address, tls) as caller:
        await caller.say(posted(b"Content-Length: 5000000", b"Expect: 100-continue"))
        heard = await caller.hear()
        assert (heard.status, heard.headers["connection"]) == (413, "close")  # nobody knows whether a body follows
        assert await caller.is_over()


async def test_client_that_waits_for_leave_gets_it(place: Context, sock: socket.socket) -> None:
    async with port(place, sock) as (address, tls), line(address, tls) as caller:
        await caller.say(posted(b"Content-Length: 2", b"Expect: 100-Continue"))
        assert (await caller.hear()).status == 100
        await caller.say(b"{}")
        assert (await caller.hear()).status == 201


@pytest.mark.parametrize("method", [b"GET", b"POST", b"DELETE", b"OPTIONS", b"BREW"])
async def test_plain_http_on_a_port_of_tls_is_answered_in_plain_http(
    context: Context, sock: socket.socket, method: bytes
) -> None:
    async with port(context, sock) as (address, _), line(address) as caller:
        await caller.say(method + b" /Appointment HTTP/1.1\r\nHost: sas\r\n\r\n")
        heard = await caller.hear()
        assert heard.status == 400
        assert "https" in heard.json()["issue"][0]["details"]["text"]
        assert await caller.is_over()


@pytest.mark.parametrize(
    ("accept", "kind"),
    [(b"*/*", "application/problem+json"), (b"text/html,*/*;q=0.8", "text/html; charset=utf-8")],
)
async def test_other_ports_answer_programs_and_people_in_their_way(
    plain_context: Context, sock: socket.socket, accept: bytes, kind: str
) -> None:
    async with port(plain_context, sock, flow="UI") as (address, _), line(address) as caller:
        await caller.say(b"GET / HTTP/1.1\r\nAccept: " + accept + b"\r\n\r\n")
        heard = await caller.hear()
    assert (heard.status, heard.headers["content-type"]) == (400, kind)
    if kind.startswith("text/html"):
        assert "Requête mal formée" in heard.body.decode()
    else:
        problem = heard.json()
        assert problem["errors"] == [{"where": "http.Host", "message": problem["detail"]}]
        assert "Host is missing" in problem["detail"]


async def test_application_without_an_edge_is_protected_too(sock: socket.socket) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("nothing of this reaches the application")

    listener = Listener(app, sock)
    await listener.start()
    try:
        for what in ("no Host", "unknown method", "gzip without leave"):
            octets, status = REFUSED[what]
            async with line(sock.getsockname()) as caller:
                await caller.say(octets)
                heard = await caller.hear()
                assert (heard.status, heard.json()["status"]) == (status, status)
    finally:
        await listener.stop()
