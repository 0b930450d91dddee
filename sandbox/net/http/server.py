"""An HTTP/1.1 listener on a socket that is already bound: uvicorn's protocol under our own life cycle.

No signal handlers, no access log, no `sys.exit`: what goes wrong at the start is raised. `scope["peer"]` is the
`Peer` of the client's certificate, or None. The limits of its connections are in `net/http/connection.py`, the rules
for every request in `net/http/rules.py`.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.kernel.errors import RequestError
from sandbox.kernel.seldom import Seldom
from sandbox.net.connection_limit import ConnectionLimit
from sandbox.net.descriptors import FOR_PEOPLE, Capacity, highest
from sandbox.net.http.connection import Connection
from sandbox.net.http.edge import Edge
from sandbox.net.http.immediate import ImmediateAnswers
from sandbox.net.http.refusals import Refusal
from sandbox.net.http.rules import REFUSAL, Answered, check_head
from sandbox.net.revocation import Contexts, always
from sandbox.net.tls import Peer, TlsPort, TlsServer
from sandbox.tasks import keep

BACKLOG = 2048
BACK_OFF = 0.05  # seconds after a connection could not be taken
TOLD_EVERY = 10.0  # seconds between two lines of the log about requests that cannot be read
_OPENING = b"HTTP/1.1 200 OK\r\n"  # of immediate answers; a Date is added as soon as the time is known
_SHORT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_CUT = 1.0  # seconds that a cancelled request has to unwind

_log = logging.getLogger(__name__)


class Listener:
    """One port.

    `tls`: a context, or a function that gives the context of each handshake; None: plain HTTP. `refused` is called with
    the reason of each failed TLS handshake and the address it came from. `immediate` is asked for an answer before the
    application is called.
    """

    def __init__(
        self,
        app: ASGIApp,
        sock: socket.socket,
        *,
        tls: ssl.SSLContext | Contexts | None = None,
        refused: Callable[[str, str], None] | None = None,
        immediate: ImmediateAnswers | None = None,
        capacity: Capacity = FOR_PEOPLE,
    ) -> None:
        self._app = app if isinstance(app, Edge) else Answered(app)
        self._socket, self._capacity = sock, capacity
        self.immediate, self.opening = immediate, _OPENING
        self._tls = always(tls) if isinstance(tls, ssl.SSLContext) else tls
        limit = ConnectionLimit(capacity.of_one_certificate, self._too_many_answer(), refused)
        self._tls_port = TlsPort(refused=refused, plain=self._plain_answer(), limit=limit)
        self._secured = self._tls_port.connections
        self._server = uvicorn.Server(_config(app))
        self._state = self._server.server_state
        self._lost = asyncio.Event()
        self._ticker: asyncio.Task[None] | None = None
        self._acceptor: asyncio.Task[None] | None = None
        self._coming: set[asyncio.Task[Any]] = set()
        self._unreadable, self._short = Seldom(_log, TOLD_EVERY), Seldom(_log, TOLD_EVERY)
        self.stopping = self._cutting = False

    async def start(self) -> None:
        """Return once connections are accepted. Raises OSError when the socket cannot listen."""
        self._server.config.load()
        self._socket.setblocking(False)
        self._socket.listen(BACKLOG)
        self._ticker = keep(self._tick, "listener clock")
        self._acceptor = keep(self._accept, "listener connections")

    async def stop(self, grace: float = 3.0) -> None:
        """Take no new connections, let running requests end for at most `grace` seconds, then cut the rest."""
        if self._ticker is None or self._acceptor is None:
            self._socket.close()
            return
        self.stopping = True
        self._ticker.cancel()
        self._acceptor.cancel()
        await asyncio.wait([self._acceptor, *self._coming])
        self._socket.close()
        for secured in [*self._secured]:
            if not secured.is_open:
                secured.abort()
        for connection in [*self._state.connections]:
            connection.shutdown()
        try:
            async with asyncio.timeout(grace):
                await self._drained()
        except TimeoutError:
            await self._cut(grace)
        for secured in [*self._secured]:  # those that were refused
            secured.abort()

    async def _accept(self) -> None:
        """Accept connections; when descriptors run short, end the one that waits longest for its client."""
        loop, make = asyncio.get_running_loop(), self._factory()
        console, most = self._capacity.console, self._capacity.connections
        limit = highest(console=console)
        while True:
            try:
                sock = await _accepted(self._socket)
            except OSError as error:
                self._short.warning("port %d: no connection can be taken: %s", self._port, error)
                if error.errno in _SHORT:
                    await self._make_room()
                await asyncio.sleep(BACK_OFF)
                continue
            held = self._state.connections if self._tls is None else self._secured
            crowded = len(held) + len(self._coming) >= most
            if (crowded or sock.fileno() >= limit) and not await self._make_room():
                sock.close()
            else:
                coming = asyncio.create_task(loop.connect_accepted_socket(make, sock))
                self._coming.add(coming)
                coming.add_done_callback(self._came)
            await asyncio.sleep(0)

    def _came(self, coming: asyncio.Task[Any]) -> None:
        self._coming.discard(coming)
        if not coming.cancelled() and coming.exception() is not None:
            _log.info("port %d: a connection was gone before it began: %s", self._port, coming.exception())

    async def _make_room(self) -> bool:
        """End a connection: one whose handshake is not done, else that which has waited longest for its client. False
        when all of them are owed an answer."""
        secured = (one for one in self._secured if not one.is_open and not one.transport.is_closing())
        unfinished = next(secured, None)
        leaving = unfinished.transport if unfinished is not None else self._waits_longest()
        if leaving is None:
            return False
        sock = leaving.get_extra_info("socket")
        leaving.abort()
        for _ in range(5):  # turns of the loop: its descriptor is free before the next connection takes one
            if sock.fileno() >= 0:
                await asyncio.sleep(0)
        return True

    def _waits_longest(self) -> asyncio.Transport | None:
        connections = cast("set[Connection]", self._state.connections)
        staying = [one for one in connections if not one.transport.is_closing()]
        idle = [(since, one) for one in staying if (since := one.waits_since) is not None]
        return min(idle, key=lambda pair: pair[0])[1].transport if idle else None

    async def _tick(self) -> None:
        """The Date header, once a second."""
        while True:
            await self._server.on_tick(0)
            lines = [b"%b: %b\r\n" % line for line in self._state.default_headers]
            self.opening = b"".join([_OPENING, *lines])
            await asyncio.sleep(1)

    async def _drained(self) -> None:
        await asyncio.sleep(0)  # aborted connections end first
        while self._state.tasks or self._state.connections:
            if self._state.tasks:
                await asyncio.wait([*self._state.tasks])
            else:
                self._lost.clear()
                await self._lost.wait()

    async def _cut(self, grace: float) -> None:
        _log.warning("%d requests are cut after %g s", len(self._state.tasks), grace)
        self._cutting = True
        for connection in [*self._state.connections]:
            connection.transport.abort()
        for secured in [*self._secured]:
            secured.abort()
        await asyncio.sleep(0)  # the connections learn that they are lost before their requests are cancelled
        tasks = [*self._state.tasks]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_CUT)

    def _factory(self) -> Callable[[], asyncio.Protocol]:
        """The factory of the protocols of new connections, with TLS if configured."""
        inner = partial(Connection, self, config=self._server.config, server_state=self._state, app_state={})
        if self._tls is None:
            return inner
        contexts, port = self._tls, self._tls_port

        def secure() -> asyncio.Protocol:
            return TlsServer(contexts(), inner, port)

        return secure

    def _plain_answer(self) -> bytes:
        """The answer to plain HTTP at a port of TLS, in the media type of the port."""
        scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
        refusal = Refusal(400, "invalid", "this port speaks TLS (expected https)")
        return self._app.answer(scope, refusal).octets()

    def _too_many_answer(self) -> bytes:
        """The answer on a connection above the limit of one certificate."""
        scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
        refusal = Refusal(503, "throttled", "too many open connections with this client certificate: close some")
        return self._app.answer(scope, refusal).octets()

    # What connections call

    def app_for(self, peer: Peer | None) -> ASGIApp:
        """The application for the requests of this peer."""
        return partial(self.serve, peer)

    def lost(self) -> None:
        """A connection ended."""
        self._lost.set()

    def unreadable(self, client: object, error: RequestError) -> None:
        """`client` (host and port) sent something that cannot be read as a request."""
        host, port = client if isinstance(client, tuple) else ("", 0)
        self._unreadable.warning("port %d: %s:%d: %d, %s", self._port, host, port, error.status, error)

    @property
    def _port(self) -> int:
        return int(self._socket.getsockname()[1])

    async def serve(self, peer: Peer | None, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; when we cancel it, that is not reported as an error of the application."""
        scope["peer"] = peer
        if REFUSAL not in scope:
            try:
                check_head(scope)
            except Refusal as refusal:
                scope[REFUSAL] = refusal
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:
            if not self._cutting:
                raise


async def _accepted(listening: socket.socket) -> socket.socket:
    """The next connection."""
    sock, _ = await asyncio.get_running_loop().sock_accept(listening)
    return sock


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        cast(Any, app),
        http="httptools",
        interface="asgi3",
        loop="none",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
    )
