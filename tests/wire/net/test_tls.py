"""TLS of the listeners against blocking clients: the ssl module, which is OpenSSL's library."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import warnings
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from sandbox.net.tls import Peer, TlsPort, TlsServer, TlsTransport, client_context, server_context
from sandbox.pki.authority import Credentials, Pki
from sandbox.pki.subjects import BAD_KINDS, sas_subject

Mode = Literal["required", "optional"]

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]

# What the partner's TLS library says when it reads our alert (RFC 8446, 6.2).
ALERTS = {
    "revoked": "CERTIFICATE_REVOKED",
    "expired": "CERTIFICATE_EXPIRED",
    "not_yet_valid": "BAD_CERTIFICATE",
    "self_signed": "UNKNOWN_CA",
    "other_ca": "UNKNOWN_CA",
}


class Echo(asyncio.Protocol):
    """Sends back what it gets; `quit` closes, `flood` answers 3 MiB."""

    def __init__(self, port: Port) -> None:
        self.port = port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, TlsTransport)
        self.transport = transport
        self.port.made.append(self)

    def data_received(self, data: bytes) -> None:
        if data == b"quit":
            self.transport.write(b"bye")
            self.transport.close()
        elif data == b"flood":
            self.transport.write(b"x" * FLOOD)
        else:
            self.transport.write(data)

    def pause_writing(self) -> None:
        self.port.paused += 1

    def resume_writing(self) -> None:
        self.port.resumed.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.port.lost.put_nowait(exc)


FLOOD = 3 << 20


class Connections(set[TlsServer]):
    """Tells when it is empty."""

    def __init__(self) -> None:
        super().__init__()
        self.empty = asyncio.Event()
        self.empty.set()

    def add(self, connection: TlsServer) -> None:
        super().add(connection)
        self.empty.clear()

    def discard(self, connection: TlsServer) -> None:
        super().discard(connection)
        if not self:
            self.empty.set()


@dataclass
class Port:
    number: int = 0
    made: list[Echo] = field(default_factory=list)
    lost: asyncio.Queue[Exception | None] = field(default_factory=asyncio.Queue)
    connections: Connections = field(default_factory=lambda: Connections())
    refused: list[str] = field(default_factory=list)
    resumed: asyncio.Event = field(default_factory=asyncio.Event)
    paused: int = 0


@contextlib.asynccontextmanager
async def serving(
    context: ssl.SSLContext,
    sock: socket.socket,
    handshake_timeout: float = 10,
    make: Callable[[Port], Echo] | None = None,
) -> AsyncIterator[Port]:
    port = Port(sock.getsockname()[1])
    shared = TlsPort(
        connections=port.connections,
        refused=lambda why, address: port.refused.append(why),
        handshake_timeout=handshake_timeout,
    )

    def connect() -> TlsServer:
        return TlsServer(
            context,
            lambda: (make or Echo)(port),
            shared,
        )

    server = await asyncio.get_running_loop().create_server(connect, sock=sock)
    try:
        yield port
    finally:
        server.close()
        for connection in [*port.connections]:
            connection.abort()
        await asyncio.wait_for(port.connections.empty.wait(), 10)


def client(pki: Pki, own: Credentials | None, version: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(pki.ca))
    context.minimum_version = context.maximum_version = version
    if own is not None:
        context.load_cert_chain(own.cert, own.key)
    return context


def talk(context: ssl.SSLContext, port: int, *messages: bytes) -> bytes:
    """Blocking: connect, send each message, read after each."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
    ):
        answer = b""
        for message in messages:
            secure.sendall(message)
            answer = secure.recv(65536)
        return answer


def _until_done(step: Callable[[], Any], plain: socket.socket, incoming: Any, outgoing: Any) -> Any:
    while True:
        try:
            return step()
        except ssl.SSLWantReadError:
            if outgoing.pending:
                plain.sendall(outgoing.read())
            incoming.write(plain.recv(65536))


@pytest.mark.requirement("TLS-2")
@pytest.mark.parametrize("version", VERSIONS)
async def test_good_certificate_is_accepted_and_its_peer_known(
    pki: Pki, sock: socket.socket, version: ssl.TLSVersion
) -> None:
    async with serving(server_context(pki, client_certificate="required"), sock) as port:
        answer = await asyncio.to_thread(talk, client(pki, pki.client("sas"), version), port.number, b"hello")
        assert answer == b"hello"
        subject = sas_subject()
        assert port.made[0].transport.get_extra_info("peer") == Peer(subject.cn, subject.ou, subject.o)
        assert await port.lost.get() is None


@pytest.mark.requirement("TLS-5", "TLS-6")
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("mode", ["required", "optional"])
@pytest.mark.parametrize("kind", ALERTS)
async def test_bad_certificate_is_refused_with_its_alert(
    pki: Pki, sock: socket.socket, kind: str, mode: Mode, version: ssl.TLSVersion
) -> None:
    async with serving(server_context(pki, client_certificate=mode), sock) as port:
        with pytest.raises(ssl.SSLError, match=ALERTS[kind]):
            await asyncio.to_thread(talk, client(pki, pki.bad[kind], version), port.number, b"hello")
        assert port.made == []
        assert len(port.refused) == 1


@pytest.mark.requirement("TLS-3", "TLS-4")
@pytest.mark.parametrize("kind", ["wrong_cn", "wrong_ou"])
async def test_certificate_with_another_subject_passes_the_handshake_and_is_told_apart(
    pki: Pki, sock: socket.socket, kind: str
) -> None:
    async with serving(server_context(pki, client_certificate="required"), sock) as port:
        await asyncio.to_thread(talk, client(pki, pki.bad[kind], VERSIONS[1]), port.number, b"hello")
        peer, good = port.made[0].transport.get_extra_info("peer"), sas_subject()
        assert (peer.cn == good.cn, peer.ou == good.ou) == (kind != "wrong_cn", kind != "wrong_ou")


def test_every_kind_of_bad_certificate_is_tried() -> None:
    assert {*ALERTS, "wrong_cn", "wrong_ou"} == {*BAD_KINDS}


@pytest.mark.requirement("TLS-7")
@pytest.mark.parametrize("version", VERSIONS)
async def test_no_certificate_is_refused_where_one_is_required(
    pki: Pki, sock: socket.socket, version: ssl.TLSVersion
) -> None:
    expected = "CERTIFICATE_REQUIRED" if version is ssl.TLSVersion.TLSv1_3 else "HANDSHAKE_FAILURE"
    async with serving(server_context(pki, client_certificate="required"), sock) as port:
        with pytest.raises(ssl.SSLError, match=expected):
            await asyncio.to_thread(talk, client(pki, None, version), port.number, b"hello")


@pytest.mark.parametrize("version", VERSIONS)
async def test_no_certificate_passes_where_it_is_optional(
    pki: Pki, sock: socket.socket, version: ssl.TLSVersion
) -> None:
    async with serving(server_context(pki, client_certificate="optional"), sock) as port:
        assert await asyncio.to_thread(talk, client(pki, None, version), port.number, b"hello") == b"hello"
        assert port.made[0].transport.get_extra_info("peer") is None


@pytest.mark.requirement("TLS-1")
async def test_tls_1_1_is_refused(pki: Pki, sock: socket.socket) -> None:
    old = client(pki, pki.client("sas"), ssl.TLSVersion.TLSv1_2)
    with warnings.catch_warnings(action="ignore"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("DEFAULT@SECLEVEL=0")
    async with serving(server_context(pki, client_certificate="optional"), sock) as port:
        with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
            await asyncio.to_thread(talk, old, port.number, b"hello")


async def test_plain_http_on_the_tls_port_reads_a_hint_and_leaves_no_traceback(
    pki: Pki, sock: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    def plain(port: int) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            return connection.makefile("rb").read()

    with caplog.at_level(logging.INFO):
        async with serving(server_context(pki, client_certificate="optional"), sock) as port:
            answer = await asyncio.to_thread(plain, port.number)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"use https" in answer
    assert [record for record in caplog.records if record.exc_info] == []


async def test_silent_client_is_dropped_after_the_handshake_timeout(pki: Pki, sock: socket.socket) -> None:
    def silent(port: int) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            with contextlib.suppress(ConnectionResetError):
                return connection.recv(1)
            return b""

    async with serving(server_context(pki, client_certificate="optional"), sock, handshake_timeout=0.05) as port:
        assert await asyncio.to_thread(silent, port.number) == b""


@pytest.mark.parametrize("version", VERSIONS)
async def test_closing_sends_what_was_written_and_close_notify(
    pki: Pki, sock: socket.socket, version: ssl.TLSVersion
) -> None:
    def to_the_end(context: ssl.SSLContext, port: int) -> bytes:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1", suppress_ragged_eofs=False) as secure,
        ):
            secure.sendall(b"quit")
            answer = b""
            while part := secure.recv(100):  # without close_notify this raises
                answer += part
            return answer

    async with serving(server_context(pki, client_certificate="required"), sock) as port:
        own = client(pki, pki.client("sas"), version)
        assert await asyncio.to_thread(to_the_end, own, port.number) == b"bye"
        assert await port.lost.get() is None
        transport = port.made[0].transport
        assert transport.is_closing()
        transport.write(b"too late")
        transport.close()


async def test_large_answer_pauses_and_resumes_the_writer(pki: Pki, sock: socket.socket) -> None:
    def slowly(context: ssl.SSLContext, port: Port, loop: asyncio.AbstractEventLoop) -> int:
        with (
            socket.create_connection(("127.0.0.1", port.number), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
        ):
            secure.sendall(b"flood")
            size = 0
            while size < FLOOD:
                size += len(secure.recv(65536))
            asyncio.run_coroutine_threadsafe(port.resumed.wait(), loop).result(10)
            return size

    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)  # inherited by the connection
    async with serving(server_context(pki, client_certificate="required"), sock) as port:
        own = client(pki, pki.client("sas"), VERSIONS[1])
        assert await asyncio.to_thread(slowly, own, port, asyncio.get_running_loop()) == FLOOD
        assert port.paused >= 1


async def test_paused_reader_gets_nothing_until_it_resumes(pki: Pki, sock: socket.socket) -> None:
    context = client_context(pki, "sas")
    async with serving(server_context(pki, client_certificate="required"), sock) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port.number, ssl=context)
        writer.write(b"one")
        assert await reader.readexactly(3) == b"one"
        transport = port.made[0].transport
        transport.pause_reading()
        assert not transport.is_reading()
        writer.write(b"two")
        await writer.drain()
        port.connections.copy().pop().data_received(b"")  # what was under way when the reader paused
        transport.resume_reading()
        assert transport.is_reading()
        assert await reader.readexactly(3) == b"two"
        writer.close()
        await writer.wait_closed()


async def test_transport_tells_what_a_protocol_may_ask(pki: Pki, sock: socket.socket) -> None:
    tls = server_context(pki, client_certificate="required")
    async with serving(tls, sock) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port.number, ssl=client_context(pki, "sas"))
        writer.write(b"hello")
        await reader.readexactly(5)
        transport = port.made[0].transport
        assert transport.get_extra_info("sslcontext") is tls
        assert transport.get_extra_info("ssl_object").version() == "TLSv1.3"
        assert transport.get_extra_info("cipher")[1] == "TLSv1.3"
        assert transport.get_extra_info("peername")[0] == "127.0.0.1"
        assert transport.get_extra_info("sockname")[1] == port.number
        assert transport.get_extra_info("peercert")["subject"]
        assert transport.get_extra_info("nothing", 5) == 5
        assert transport.can_write_eof()
        transport.set_write_buffer_limits(high=9, low=3)
        assert transport.get_write_buffer_limits() == (3, 9)
        assert transport.get_write_buffer_size() == 0
        transport.writelines([b"a", b"b"])
        assert await reader.readexactly(2) == b"ab"
        other = Echo(port)
        other.transport = transport
        transport.set_protocol(other)
        assert transport.get_protocol() is other
        transport.abort()
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_client_that_says_goodbye_still_gets_its_answer_when_the_protocol_wants_to(
    pki: Pki, sock: socket.socket
) -> None:
    """TLS 1.3 closes each direction by itself (RFC 8446, 6.1)."""

    def half_close(context: ssl.SSLContext, port: int) -> bytes:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
        with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
            _until_done(tls.do_handshake, plain, incoming, outgoing)
            tls.write(b"last")
            with contextlib.suppress(ssl.SSLWantReadError):
                tls.unwrap()
            return bytes(_until_done(lambda: tls.read(100), plain, incoming, outgoing))

    class Last(Echo):
        def data_received(self, data: bytes) -> None:
            self.data = data

        def eof_received(self) -> bool:
            self.transport.write(self.data)
            self.transport.close()
            return True

    async with serving(server_context(pki, client_certificate="required"), sock, make=Last) as port:
        own = client(pki, pki.client("sas"), VERSIONS[1])
        assert await asyncio.to_thread(half_close, own, port.number) == b"last"


async def test_client_that_says_goodbye_is_answered_in_kind(pki: Pki, sock: socket.socket) -> None:
    def goodbye(context: ssl.SSLContext, port: int) -> None:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
        ):
            secure.unwrap().close()  # waits for the other side's close_notify

    async with serving(server_context(pki, client_certificate="required"), sock) as port:
        await asyncio.to_thread(goodbye, client(pki, pki.client("sas"), VERSIONS[1]), port.number)
        assert await port.lost.get() is None


async def test_vanished_client_ends_the_connection(pki: Pki, sock: socket.socket) -> None:
    def vanish(context: ssl.SSLContext, port: int) -> None:
        plain = socket.create_connection(("127.0.0.1", port), timeout=10)
        secure = context.wrap_socket(plain, server_hostname="127.0.0.1")
        secure.sendall(b"hello")
        secure.recv(5)
        secure.close()  # TCP ends without close_notify

    async with serving(server_context(pki, client_certificate="required"), sock) as port:
        await asyncio.to_thread(vanish, client(pki, pki.client("sas"), VERSIONS[1]), port.number)
        assert await port.lost.get() is None


async def test_octets_that_are_no_tls_record_end_the_connection(pki: Pki, sock: socket.socket) -> None:
    def corrupt(context: ssl.SSLContext, port: int) -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
            secure = context.wrap_socket(plain, server_hostname="127.0.0.1", do_handshake_on_connect=False)
            secure.do_handshake()
            with socket.socket(fileno=secure.detach()) as bare:
                bare.settimeout(10)
                bare.sendall(b"\x17\x03\x03\x00\x20" + b"\0" * 32)
                bare.recv(100)

    async with serving(server_context(pki, client_certificate="required"), sock) as port:
        await asyncio.to_thread(corrupt, client(pki, pki.client("sas"), VERSIONS[1]), port.number)
        await port.lost.get()


async def test_caller_refuses_a_server_with_another_name_or_a_bad_certificate(pki: Pki, sock: socket.socket) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pki.bad["revoked"].cert, pki.bad["revoked"].key)
    async with serving(tls, sock) as port:
        for name, why in (("127.0.0.1", "revoked"), ("elsewhere.example", "mismatch")):
            with pytest.raises(ssl.SSLCertVerificationError, match=why):
                await asyncio.open_connection(
                    "127.0.0.1", port.number, ssl=client_context(pki, "sas"), server_hostname=name
                )


def test_unknown_identity_is_an_error(pki: Pki) -> None:
    with pytest.raises(KeyError):
        client_context(pki, "nobody")
