"""HTTP/1.1 as a client: the kept connections to one origin, one call at a time on each (RFC 9112).

It does only what concurrent calls to any vendor's server need, with llhttp (through httptools): it reads whatever
framing the server chooses, limits heads and bodies, and keeps connections for further calls. A call that is cancelled,
or is not answered by its deadline, closes its connection. Failures are raised as `CallFailed`, or as OSError when no
connection could be made (TimeoutError is an OSError).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Any, NamedTuple, cast

import aiohappyeyeballs
import httptools

from sandbox.kernel.errors import PeerError, PeerTooLarge, PeerUnreachable, PeerUntrusted
from sandbox.net.deadline import Deadline

CONNECTIONS = 100  # to one origin; further calls wait
KEEP_ALIVE = 60.0  # seconds; our listeners keep idle connections longer
LARGEST_HEAD = 1 << 16  # octets; also the limit for chunk extensions and trailers, which are not body
SECOND_ADDRESS_S = 0.25  # until the next address of a name is tried beside the first (RFC 8305)

_NOT_ENCODED = (b"", b"identity")


class CallFailed(Exception):
    """No answer. `kind`: the class of PeerError; `unheard`: the server may not have received the request."""

    def __init__(self, kind: type[PeerError], detail: str, *, unheard: bool = False) -> None:
        super().__init__(detail)
        self.kind, self.detail, self.unheard = kind, detail, unheard


class Answer(NamedTuple):
    """A whole answer; names of headers in lower case."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class Origin(NamedTuple):
    """Where requests go; `tls` None for plain http."""

    host: str
    port: int
    tls: ssl.SSLContext | None


class Connection(asyncio.Protocol):
    """One connection: a request is sent once the answer to the previous one is complete. `usable`: the connection may
    be kept for another request."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[Answer] | None = None
        self._lost: CallFailed | None = None
        self._deadline = Deadline(self._late)
        self._heard, self._in_body, self._framed = False, False, False
        self.usable, self.idle_since = True, 0.0
        self.ended = asyncio.Event()

    async def call(self, request: bytes, largest: int, deadline: float) -> Answer:
        """Send a request, read its answer: at most `largest` octets of body. Raises CallFailed, TimeoutError."""
        if self._lost is not None:  # before the request was sent
            raise self._lost
        self._answer = self._loop.create_future()
        self._largest, self._heard = largest, False
        self._begin()
        self._deadline.set(deadline)
        self._transport.write(request)
        try:
            return await self._answer
        finally:
            self._answer = None
            self._deadline.off()

    def drop(self) -> None:
        """Close at once."""
        self.usable = False
        self._transport.abort()

    # What the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is connected, TLS agreed."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Octets of an answer; those without a request end the connection."""
        if self._answer is None or self._answer.done():
            self.drop()
            return
        self._heard = True
        self._extra += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(CallFailed(PeerError, f"no usable HTTP answer ({error or type(error).__name__})"))
        if self._extra > LARGEST_HEAD:
            self._fail(CallFailed(PeerError, f"no usable HTTP answer (over {LARGEST_HEAD >> 10} KiB beside the body)"))

    def eof_received(self) -> None:
        """The server sends no more: the end of a body without a length. The loop closes the connection."""
        self.usable = False
        if self._in_body and not self._framed:
            self._finish()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection ended, on either side."""
        self._lost = self._why(exc)
        self._fail(self._lost)
        self._deadline.end()
        del self._parser  # the parser refers back to its connection
        self.ended.set()

    # What the parser calls

    def on_message_begin(self) -> None:
        """The answer begins; a second one, without a request, makes the connection unusable."""
        self.usable = self.usable and not self._in_body

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header of the head; those after a chunked body are not kept."""
        if not self._in_body:
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The head is complete: check that the body can be read."""
        self._in_body, self._extra = True, 0
        for name, value in self._headers:
            if name == b"content-length":
                self._framed = True
                self._limit(int(value))
            elif name == b"transfer-encoding":
                self._framed = True
            elif name == b"content-encoding" and value.lower() not in _NOT_ENCODED:
                why = f"answer encoded as {value.decode('latin-1')}, which was not asked for"
                self._fail(CallFailed(PeerError, why))

    def on_body(self, part: bytes) -> None:
        """Octets of the body, without those of its framing."""
        self._extra = 0
        self._parts.append(part)
        self._size += len(part)
        self._limit(self._size)

    def on_message_complete(self) -> None:
        """The answer is whole, or was an interim one (RFC 9110, 15.2)."""
        if self._parser.get_status_code() < 200:
            self._begin()
            return
        sent = not self._transport.get_write_buffer_size()
        self.usable = self.usable and sent and self._parser.should_keep_alive()
        self._finish()

    # Inside

    def _begin(self) -> None:
        self._headers: list[tuple[bytes, bytes]] = []
        self._parts: list[bytes] = []
        self._size, self._extra, self._in_body, self._framed = 0, 0, False, False

    def _finish(self) -> None:
        if self._answer is not None and not self._answer.done():
            body = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
            self._answer.set_result(Answer(self._parser.get_status_code(), self._headers, body))

    def _late(self) -> None:
        self._fail(TimeoutError())

    def _fail(self, error: CallFailed | TimeoutError) -> None:
        self.drop()
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)

    def _limit(self, size: int) -> None:
        if size > self._largest:
            self._fail(CallFailed(PeerTooLarge, f"answer over {self._largest / (1 << 20):g} MiB"))

    def _why(self, exc: Exception | None) -> CallFailed:
        if isinstance(exc, ssl.SSLError):
            return CallFailed(PeerUntrusted, tls_refusal(exc))
        if self._heard:
            return CallFailed(PeerError, "answer cut off")
        why = os_reason(exc) if isinstance(exc, OSError) else "connection closed without an answer"
        return CallFailed(PeerUnreachable, why, unheard=True)


class Pool:
    """The connections to one origin. The connection that was used last is used first, so that those that are not needed
    expire."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self._room = asyncio.Semaphore(CONNECTIONS)
        self._idle: list[Connection] = []
        self._generation = 0  # of the connections that may be kept
        self._sweeping: asyncio.TimerHandle | None = None

    async def call(self, request: bytes, *, repeatable: bool, largest: int, deadline: float) -> Answer:
        """One call, which ends by `deadline` (on the event loop's clock). A kept connection may have ended while the
        request was under way: a `repeatable` request is then sent once more, on a new connection (RFC 9112, 9.3.1).
        Raises CallFailed, OSError."""
        if self._room.locked():
            async with asyncio.timeout_at(deadline):
                await self._room.acquire()
        else:
            await self._room.acquire()
        try:
            return await self._call(request, repeatable, largest, deadline)
        finally:
            self._room.release()

    def follow(self, tls: ssl.SSLContext | None) -> None:
        """Use this TLS context from now on; if it is another than before, the kept connections are closed."""
        if tls is not self.origin.tls:
            self.end()
            self.origin = self.origin._replace(tls=tls)

    def end(self) -> list[Connection]:
        """End the kept connections, which are returned; those under way end with their calls."""
        self._generation += 1
        ending, self._idle = self._idle, []
        for connection in ending:
            connection.drop()
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
        return ending

    async def _call(self, request: bytes, repeatable: bool, largest: int, deadline: float) -> Answer:
        kept = self._kept()
        if kept is not None:
            try:
                return await self._on(kept, request, largest, deadline)
            except CallFailed as error:
                if not (error.unheard and repeatable):
                    raise
        async with asyncio.timeout_at(deadline):
            fresh = await self._connected()
        return await self._on(fresh, request, largest, deadline)

    async def _on(self, connection: Connection, request: bytes, largest: int, deadline: float) -> Answer:
        generation = self._generation
        try:
            answer = await connection.call(request, largest, deadline)
        except BaseException:  # also when the call is cancelled: a later answer would belong to no request
            connection.drop()
            raise
        if connection.usable and generation == self._generation:
            self._keep(connection)
        else:
            connection.drop()
        return answer

    async def _connected(self) -> Connection:
        """A new connection, to whichever address of the host answers first."""
        loop, (host, port, tls) = asyncio.get_running_loop(), self.origin
        found = await addresses(host, port)
        sock = await aiohappyeyeballs.start_connection(found, happy_eyeballs_delay=SECOND_ADDRESS_S, interleave=1)
        try:
            _, connection = await loop.create_connection(
                Connection, sock=sock, ssl=tls, server_hostname=host if tls is not None else None
            )
        except BaseException:  # also when cancelled half-way: the socket is referred to nowhere else
            sock.close()
            raise
        return connection

    def _kept(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
        return None

    def _keep(self, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        self._idle.append(connection)
        if self._sweeping is None:
            self._sweeping = loop.call_later(KEEP_ALIVE, self._sweep)

    def _sweep(self) -> None:
        """End the connections that were not used for a while."""
        loop = asyncio.get_running_loop()
        over = loop.time() - KEEP_ALIVE
        while self._idle and self._idle[0].idle_since <= over:
            self._idle.pop(0).drop()
        self._sweeping = loop.call_later(KEEP_ALIVE, self._sweep) if self._idle else None


async def addresses(host: str, port: int) -> list[Any]:
    """The addresses of a host, as `getaddrinfo` gives them. Raises CallFailed."""
    try:
        return await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise CallFailed(PeerUnreachable, f"unknown host {host}") from error


def tls_refusal(error: ssl.SSLError) -> str:
    """Why TLS refused a handshake or a certificate."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"server certificate refused: {error.verify_message}"
    return f"TLS handshake refused: {(error.reason or str(error)).replace('_', ' ').lower()}"


def os_reason(error: OSError) -> str:
    """Why the system refused or ended a connection."""
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, ConnectionResetError):
        return "connection reset"
    return (error.strerror or str(error) or type(error).__name__).lower()
