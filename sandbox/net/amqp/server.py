"""The broker's listener: one asyncio protocol per connection around the sans-IO session, over TLS or plain TCP.

A message has no task and no write of its own: the output of all sessions is written once per turn of the event loop. A
client that does not read gets no more deliveries while its transport is full; when more than `_OUTPUT_MOST` octets wait
for it, nothing is read from it either. Time limits: 10 s to open a connection, heartbeats as negotiated, 30 s to close.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Any, cast

from sandbox.amqp.broker.broker import Broker
from sandbox.amqp.broker.permissions import Authenticator
from sandbox.amqp.session.receiver import Receiver
from sandbox.amqp.session.session import Session
from sandbox.amqp.session.states import ConnectionState
from sandbox.kernel.seldom import Seldom
from sandbox.net.connection_limit import ConnectionLimit
from sandbox.net.descriptors import highest
from sandbox.net.revocation import Contexts
from sandbox.net.tls import Peer, TlsPort, TlsServer
from sandbox.tasks import keep

MAX_CONNECTIONS = 2000
HANDSHAKE_TIMEOUT = 10.0  # s from the transport's start to connection.open
CLOSING_TIMEOUT = 30.0  # s for close-ok, or for the client to close (RabbitMQ's)
_BACKLOG = 1024
_BACK_OFF = 0.1  # s before the next try when the system has no descriptor left
_TICK = 0.25  # s between looks at heartbeats, time limits and message TTLs
_FLUSHED = 5.0  # s for the last octets to be sent
_OUTPUT_MOST = 1024 * 1024  # octets waiting for a client, above which nothing is read from it

_log = logging.getLogger(__name__)


class AmqpServer:
    """One listener of one broker. `clock`: the broker's time, in seconds; `login`: how the client of a connection
    authenticates, made from its certificate's names (None without TLS)."""

    def __init__(
        self,
        broker: Broker,
        sock: socket.socket,
        *,
        login: Callable[[Peer | None], Authenticator],
        clock: Callable[[], float],
        tls: Contexts | None,
        max_connections: int = MAX_CONNECTIONS,
    ) -> None:
        self.broker, self.clock = broker, clock
        self.connections: set[Connection] = set()
        self._socket, self._login, self._tls, self._most = sock, login, tls, max_connections
        self._acceptor: asyncio.Task[None] | None = None
        self._coming: set[asyncio.Task[Any]] = set()
        self._ticker: asyncio.Task[None] | None = None
        self._dirty: set[Connection] = set()
        self._all_gone = asyncio.Event()
        # Logged in connections are counted by the broker, which refuses them with a reason; here those that are being
        # opened or closed count too.
        self._tls_port = TlsPort(limit=ConnectionLimit(2 * broker.limits.connections))
        self._handshakes = self._tls_port.connections
        self._told = Seldom(_log)

    async def start(self) -> None:
        """Return once connections are accepted. Raises OSError when the socket cannot listen."""
        self._socket.setblocking(False)
        self._socket.listen(_BACKLOG)
        self._acceptor = keep(self._accept, "AMQP connections")
        self._ticker = keep(self._tick, "AMQP clock")

    async def stop(self, grace: float = 2.0) -> None:
        """connection.close 320 to every client; connections still open after `grace` seconds are aborted."""
        if self._acceptor is None or self._ticker is None:
            self._socket.close()
            return
        self._acceptor.cancel()
        self._ticker.cancel()
        await asyncio.wait([self._acceptor, *self._coming])
        self._socket.close()
        now = self.clock()
        for connection in list(self.connections):
            connection.session.shut_down(now)
            self.changed(connection)
        self._all_gone.clear()
        try:
            if self.connections:
                await asyncio.wait_for(self._all_gone.wait(), grace)
        except TimeoutError:
            _log.info("AMQP: %d connections did not hang up in time", len(self.connections))
        for connection in list(self.connections):
            connection.transport.abort()
        for handshake in list(self._handshakes):
            handshake.abort()

    async def _accept(self) -> None:
        """Accept connections, but leave some file descriptors to the consoles when descriptors run short."""
        loop, limit = asyncio.get_running_loop(), highest(console=False)
        while True:
            try:
                sock, _ = await loop.sock_accept(self._socket)
            except OSError as error:
                self._told.warning("AMQP: no connection can be taken: %s", error)
                await asyncio.sleep(_BACK_OFF)
                continue
            if sock.fileno() >= limit:
                self._told.warning("AMQP: file descriptors run short, those who come are turned away")
                self._abandon_a_handshake()
                sock.close()
            else:
                coming = asyncio.create_task(loop.connect_accepted_socket(self._protocol, sock))
                self._coming.add(coming)
                coming.add_done_callback(self._came)
            await asyncio.sleep(0)

    def _came(self, coming: asyncio.Task[Any]) -> None:
        self._coming.discard(coming)
        if not coming.cancelled() and coming.exception() is not None:
            _log.info("AMQP: a connection was gone before it began: %s", coming.exception())

    def _abandon_a_handshake(self) -> None:
        """Abort a connection whose handshake is not done, to make room for the next one."""
        unfinished = (one for one in self._handshakes if not one.is_open and not one.transport.is_closing())
        if (leaving := next(unfinished, None)) is not None:
            leaving.abort()

    def _protocol(self) -> asyncio.Protocol:
        if self._tls is None:
            return Connection(self)
        return TlsServer(self._tls(), lambda: Connection(self), self._tls_port)

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_TICK)
            now = self.clock()
            self.broker.tick(now)
            for connection in list(self.connections):
                connection.tick(loop.time(), now)

    def cut(self, user: str) -> int:
        """Abort all connections of a user, without connection.close. Returns how many there were."""
        theirs = [connection for connection in self.connections if connection.session.user == user]
        for connection in theirs:
            connection.transport.abort()
        return len(theirs)

    def dismiss(self, user: str) -> int:
        """connection.close 320 on all connections of a deleted user, as RabbitMQ does. Returns how many there were."""
        theirs = [connection for connection in self.connections if connection.session.user == user]
        for connection in theirs:
            connection.session.shut_down(self.clock(), f"user '{user}' is deleted")
            self.changed(connection)
        return len(theirs)

    # -- what connections call

    def admit(self, connection: Connection, peer: Peer | None) -> Session | None:
        """A session for a new connection; None when there are too many."""
        if len(self.connections) >= self._most:
            self._told.warning("AMQP: refused a connection, %d are open", self._most)
            return None
        self.connections.add(connection)
        return Session(self.broker, self._login(peer), lambda: self.changed(connection))

    def changed(self, connection: Connection) -> None:
        """The connection has output, or has ended: it is flushed at the end of this turn of the event loop."""
        if not self._dirty:
            asyncio.get_running_loop().call_soon(self._flush)
        self._dirty.add(connection)

    def dropped(self, connection: Connection) -> None:
        """The connection's transport is gone."""
        self.connections.discard(connection)
        if not self.connections:
            self._all_gone.set()

    def _flush(self) -> None:
        dirty, self._dirty = self._dirty, set()
        now = self.clock()
        for connection in dirty:
            connection.flush(now)


class Connection(asyncio.Protocol):
    """One client."""

    transport: asyncio.Transport
    session: Session
    _receiver: Receiver

    def __init__(self, server: AmqpServer) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._admitted = self._full = self._unread = False
        self._limit = HANDSHAKE_TIMEOUT  # how long the present phase may last
        self._since = self._heard = self._said = self._loop.time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin a session (after the TLS handshake, if there is one)."""
        self.transport = cast(asyncio.Transport, transport)
        session = self._server.admit(self, transport.get_extra_info("peer"))
        if session is None:
            self.transport.abort()
            return
        self.session, self._receiver, self._admitted = session, Receiver(session), True

    def data_received(self, data: bytes) -> None:
        """Octets from the client."""
        if not self._admitted:
            return
        self._heard = self._loop.time()
        now = self._server.clock()
        try:
            self._receiver.receive(data, now)
        except Exception:  # noqa: BLE001 - a defect of ours must not take the other clients down; it is logged
            _log.exception("AMQP: the broker failed on a frame of %s", self.session.user or "a stranger")
            self._receiver.fail(now)
        if self.session.state is ConnectionState.ENDED:
            self._server.changed(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport is gone: what was unacknowledged goes back to its queues."""
        if self._admitted:
            self.session.lost(self._server.clock())
            self._server.dropped(self)

    def pause_writing(self) -> None:
        """The transport is full, because the client does not read."""
        self._full = True
        if self._admitted:
            self.session.pause()

    def resume_writing(self) -> None:
        """The transport has room again."""
        self._full = False
        if self._admitted:
            self.session.resume()
            self._server.changed(self)
            if self._unread:
                self._unread = False
                self.transport.resume_reading()

    def flush(self, now: float) -> None:
        """Write the session's output; close when it ended."""
        session = self.session
        if self.transport.is_closing():  # it was lost after the session wrote: `connection_lost` follows
            return
        if self._full and session.state is not ConnectionState.ENDED:
            if session.waiting > _OUTPUT_MOST and not self._unread:
                self._unread = True
                self.transport.pause_reading()
            return
        data = session.take_output()
        if data:
            self._said = self._loop.time()
            self.transport.write(data)
        if session.state is ConnectionState.ENDED:
            self.transport.close()
        else:
            session.refill(now)

    def tick(self, moment: float, now: float) -> None:
        """Time limits and heartbeats. `moment`: of the loop's clock, `now`: of the broker's."""
        state = self.session.state
        limit = _LIMITS.get(state, HANDSHAKE_TIMEOUT)
        if limit != self._limit:
            self._limit, self._since = limit, moment
        elif moment - self._since > limit:
            self.transport.abort()
            return
        if state is ConnectionState.RUNNING:
            self.session.expire(now)
            self.session.beat(moment - self._heard, moment - self._said)
            if self.session.state is ConnectionState.ENDED:
                _log.info("AMQP: %s is silent, cut", self.session.user)
                self.transport.abort()


_LIMITS = {
    ConnectionState.RUNNING: float("inf"),
    ConnectionState.CLOSE_OK: CLOSING_TIMEOUT,
    ConnectionState.HANG_UP: CLOSING_TIMEOUT,
    ConnectionState.ENDED: _FLUSHED,
}
