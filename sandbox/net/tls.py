"""TLS 1.2 and 1.3 over a plain transport, for every listener of the sandbox, HTTP and AMQP alike.

The event loops' own server TLS drops a connection whose client certificate is refused before the alert is sent, and
a partner then sees a bare reset. `TlsServer` runs the handshake itself: the alert leaves, the writing side is shut,
and what the partner still sends is read and discarded for a moment, so that no reset overtakes the alert.
The states of a connection and their order are in `_STEPS`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Literal, cast

from sandbox.kernel.errors import TransitionError
from sandbox.net.connection_limit import ConnectionLimit
from sandbox.pki.authority import Credentials, Pki

HANDSHAKE_TIMEOUT = 10.0  # seconds
LINGER = 2.0  # seconds that a refused partner has to read its alert and close
RECORD = 16_384  # the most that one TLS record carries (RFC 8446, 5.1)

# The answer to a partner that used http instead of https.
_HINT = b"This port speaks TLS: use https.\n"
_PLAIN_HTTP = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    % len(_HINT)
) + _HINT

_TALK = re.compile(rb"[A-Z]{3,10} ")  # how a request of plain HTTP begins; a TLS record never does

_NOBODY = asyncio.Protocol()  # takes the place of the inner protocol before it is made and after it has ended

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Peer:
    """The subject of the other side's certificate."""

    cn: str
    ou: str
    o: str


def server_context(pki: Pki, *, client_certificate: Literal["required", "optional"]) -> ssl.SSLContext:
    """TLS of a listener: our server certificate; a client's must be of our CA, in date and not revoked.

    `optional`: a client without any is let in, one with a bad one is not. There is no session resumption: each
    connection proves its certificate anew.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _trust(context, pki, pki.server)
    context.verify_mode = ssl.CERT_REQUIRED if client_certificate == "required" else ssl.CERT_OPTIONAL
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET
    context.num_tickets = 0
    return context


def client_context(pki: Pki, name: str | None) -> ssl.SSLContext:
    """TLS of a caller: the server's certificate must be of our CA and name its host; ours is that of client `name`.

    Raises KeyError when the PKI has no such client; None shows no certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _trust(context, pki, None if name is None else pki.client(name))
    return context


def _trust(context: ssl.SSLContext, pki: Pki, own: Credentials | None) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(pki.ca)
    context.load_verify_locations(pki.crl)
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    if own is not None:
        context.load_cert_chain(own.cert, own.key)


class _State(Enum):
    NEW = auto()
    HANDSHAKE = auto()
    OPEN = auto()  # the inner protocol exists
    REFUSED = auto()  # the alert is sent, the partner may still be sending
    SHUT = auto()  # our close_notify is out; what the partner still sends is discarded
    CLOSING = auto()
    LOST = auto()


_STEPS = {
    _State.NEW: (_State.HANDSHAKE,),
    _State.HANDSHAKE: (_State.OPEN, _State.REFUSED, _State.LOST),
    _State.OPEN: (_State.CLOSING, _State.SHUT, _State.LOST),
    _State.REFUSED: (_State.LOST,),
    _State.SHUT: (_State.LOST,),
    _State.CLOSING: (_State.LOST,),
    _State.LOST: (),
}


@dataclass(frozen=True, eq=False, slots=True)
class TlsPort:
    """What the connections of one listener share.

    `connections`: every connection that is not lost yet; `refused` is called with the reason of a failed handshake and
    the partner's address; `plain`: the answer to a request of plain HTTP; `limit`: of the connections of one
    certificate; `handshake_timeout`: in seconds.
    """

    connections: set[TlsServer] = field(default_factory=set)
    refused: Callable[[str, str], None] | None = None
    plain: bytes = _PLAIN_HTTP
    limit: ConnectionLimit | None = None
    handshake_timeout: float = HANDSHAKE_TIMEOUT


class TlsServer(asyncio.Protocol):
    """One connection of a TLS listener: a protocol for the loop, beneath it the inner one of `factory`.

    The inner protocol is made once the handshake is done. Its transport is a `TlsTransport`.
    """

    def __init__(self, context: ssl.SSLContext, factory: Callable[[], asyncio.Protocol], port: TlsPort) -> None:
        self.context = context
        self.protocol: asyncio.Protocol = _NOBODY
        self._factory, self._port = factory, port
        self._first = b""  # octets from the network, while there are few
        self._counted = ""  # the CN under which the limit has counted it
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self.peer: Peer | None = None
        self._state, self._paused = _State.NEW, False
        self._timer: asyncio.TimerHandle | None = None

    # What the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the client's hello, at most as long as a handshake may take."""
        self.transport = cast(asyncio.Transport, transport)
        self._loop = asyncio.get_running_loop()
        self._enter(_State.HANDSHAKE)
        self._timer = self._loop.call_later(self._port.handshake_timeout, self._give_up)
        self._port.connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Octets from the network."""
        if self._state is _State.OPEN:
            self._incoming.write(data)
            self._deliver()
        elif self._state is _State.HANDSHAKE:
            self._first = self._first or data[:16]
            self._incoming.write(data)
            self._shake_hands()

    def eof_received(self) -> bool | None:
        """The partner closed without close_notify: pass it on; the connection ends."""
        if self._state is _State.OPEN:
            self.protocol.eof_received()
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection ended, on either side."""
        told, self.protocol = self.protocol, _NOBODY
        self._enter(_State.LOST)
        self._stop_timer()
        self._port.connections.discard(self)
        if self._port.limit is not None and self._counted:
            self._port.limit.leave(self._counted)
        told.connection_lost(exc)

    def pause_writing(self) -> None:
        """The socket's buffer is full."""
        self.protocol.pause_writing()

    def resume_writing(self) -> None:
        """The socket's buffer has room again."""
        self.protocol.resume_writing()

    # What the inner protocol calls, through its transport

    def write(self, parts: Iterable[bytes | bytearray | memoryview]) -> None:
        """Encrypt and send. After the end it does nothing, as with any transport."""
        if self._state is not _State.OPEN:
            return
        try:
            for part in parts:
                if len(part) <= RECORD:
                    self.tls.write(part)
                else:
                    self._write_records(memoryview(part).cast("B"))
        except ssl.SSLError as error:
            _log.info("TLS: cannot write to %s: %s", self._partner(), _why(error))
            self.transport.abort()
        self._flush()

    def close(self) -> None:
        """close_notify after what was written, then the end of the connection."""
        if self._state is not _State.OPEN:
            return
        self._enter(_State.CLOSING)
        with contextlib.suppress(ssl.SSLError):  # our close_notify is sent; the partner's is not waited for
            self.tls.unwrap()
        self._flush()
        self.transport.close()

    def write_eof(self) -> None:
        """close_notify after what was written; what the partner still sends is discarded until it closes, or until the
        connection is aborted."""
        if self._state is not _State.OPEN:
            return
        with contextlib.suppress(ssl.SSLError):
            self.tls.unwrap()
        self._flush()
        self._enter(_State.SHUT)
        if self._paused:
            self.transport.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()

    def abort(self) -> None:
        """Drop the connection, in any state."""
        if self._state is not _State.NEW:
            self.transport.abort()

    def pause_reading(self) -> None:
        """Deliver nothing, read nothing."""
        if not self._paused and self._state is _State.OPEN:
            self._paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Deliver again, first what was already here."""
        if self._paused and self._state is _State.OPEN:
            self._paused = False
            self.transport.resume_reading()
            self._loop.call_soon(self._deliver)

    @property
    def is_open(self) -> bool:
        """True between the handshake and the end of the connection."""
        return self._state is _State.OPEN

    @property
    def is_reading(self) -> bool:
        """True while it is open and reading is not paused."""
        return self._state is _State.OPEN and not self._paused

    # Inside

    def _enter(self, state: _State) -> None:
        if state not in _STEPS[self._state]:
            raise TransitionError(f"TLS connection: {self._state.name} -> {state.name}")
        self._state = state

    def _shake_hands(self) -> None:
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
        except ssl.SSLError as error:
            self._refuse(error)
        else:
            self._flush()
            self._open()

    def _open(self) -> None:
        self._enter(_State.OPEN)
        self._stop_timer()
        self.peer = parse_peer(self.tls.getpeercert())
        self.protocol = self._turned_away() or self._factory()
        self.protocol.connection_made(TlsTransport(self))
        self._deliver()

    def _turned_away(self) -> asyncio.Protocol | None:
        """The protocol of a connection above the limit of its certificate; None for all others."""
        if self._port.limit is None or self.peer is None or not self.peer.cn:
            return None
        self._counted = self.peer.cn
        return self._port.limit.enter(self.peer.cn, self._address())

    def _deliver(self) -> None:
        """Hand over what can be decrypted, until the inner protocol pauses or the data ends."""
        while self._state is _State.OPEN and not self._paused:
            try:
                data = self.tls.read(RECORD)
            except ssl.SSLWantReadError:
                break
            except ssl.SSLError as error:
                _log.info("TLS: connection of %s broken: %s", self._partner(), _why(error))
                self._flush()
                self.transport.close()
                return
            if not data:
                self._ended()
                return
            self.protocol.data_received(data)
        self._flush()

    def _ended(self) -> None:
        """The partner's close_notify: it sends no more; the inner protocol says whether it still answers."""
        self._paused = True
        if not self.protocol.eof_received():
            self.close()

    def _refuse(self, error: ssl.SSLError) -> None:
        self._enter(_State.REFUSED)
        why = _why(error)
        _log.info("TLS: handshake of %s refused: %s", self._partner(), why)
        self._flush()
        if _TALK.match(self._first):
            self.transport.write(self._port.plain)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._stop_timer()
        self._timer = self._loop.call_later(LINGER, self.transport.abort)
        if self._port.refused is not None:
            self._port.refused(why, self._address())

    def _give_up(self) -> None:
        _log.info("TLS: %s did not finish its handshake within %g s", self._partner(), self._port.handshake_timeout)
        self.transport.abort()

    def _write_records(self, view: memoryview) -> None:
        while view:
            view = view[self.tls.write(view) :]

    def _flush(self) -> None:
        if self._outgoing.pending:
            self.transport.write(self._outgoing.read())

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _address(self) -> str:
        peername = self.transport.get_extra_info("peername")
        return str(peername[0]) if peername else ""

    def _partner(self) -> str:
        return str(self.transport.get_extra_info("peername"))


class TlsTransport(asyncio.Transport):
    """What the inner protocol of a `TlsServer` sees. Extra info: that of the socket, `sslcontext`, `ssl_object`,
    `peercert`, `cipher` and `peer` (a `Peer`, None without a client certificate).
    """

    def __init__(self, connection: TlsServer) -> None:
        super().__init__()
        self._connection = connection

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        self._connection.write((data,))

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview[Any]]) -> None:
        self._connection.write(list_of_data)

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self._connection.write_eof()

    def close(self) -> None:
        self._connection.close()

    def abort(self) -> None:
        self._connection.abort()

    def is_closing(self) -> bool:
        return not self._connection.is_open or self._connection.transport.is_closing()

    def is_reading(self) -> bool:
        return self._connection.is_reading

    def pause_reading(self) -> None:
        self._connection.pause_reading()

    def resume_reading(self) -> None:
        self._connection.resume_reading()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._connection.transport.set_write_buffer_limits(high, low)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._connection.transport.get_write_buffer_limits()

    def get_write_buffer_size(self) -> int:
        return self._connection.transport.get_write_buffer_size()

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._connection.protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._connection.protocol = cast(asyncio.Protocol, protocol)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        reader = _EXTRA.get(name)
        if reader is None:
            return self._connection.transport.get_extra_info(name, default)
        return reader(self._connection)


_EXTRA: Mapping[str, Callable[[TlsServer], Any]] = {
    "peer": lambda connection: connection.peer,
    "sslcontext": lambda connection: connection.context,
    "ssl_object": lambda connection: connection.tls,
    "peercert": lambda connection: connection.tls.getpeercert(),
    "cipher": lambda connection: connection.tls.cipher(),
}


def parse_peer(certificate: Mapping[str, Any] | None) -> Peer | None:
    """CN, OU and O of a certificate as `SSLObject.getpeercert` gives it (the last of several); None without one."""
    if not certificate:
        return None
    names = dict(pair for relative in certificate["subject"] for pair in relative)
    return Peer(names.get("commonName", ""), names.get("organizationalUnitName", ""), names.get("organizationName", ""))


def _why(error: ssl.SSLError) -> str:
    """OpenSSL's reason, without its source line."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"client certificate: {error.verify_message}"
    return (error.reason or str(error)).replace("_", " ").lower()
