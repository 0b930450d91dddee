"""An HTTP/1.1 listener on a socket that is already bound: uvicorn's protocols under our own life cycle.

No signal handlers, no access log, no `sys.exit`: what goes wrong at the start is raised. `scope["peer"]` is the
`Peer` of the client's certificate, or None. Idle connections, slow and endless heads are cut.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, cast

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.net.at_once import AtOnce, Prompt
from sandbox.net.revocation import Contexts, always
from sandbox.net.tls import Peer, TlsServer
from sandbox.tasks import keep

KEEP_ALIVE = 75  # seconds; longer than our own client keeps idle connections, so that it is the caller who hangs up
LONGEST_HEAD = 65_536  # octets of request line and headers
SLOWEST_HEAD = 15.0  # seconds for them to arrive, once begun
BACKLOG = 2048
PARSER: Literal["auto", "h11", "httptools"] = "auto"  # httptools where it is installed
_OPENING = b"HTTP/1.1 200 OK\r\n"  # of what is ready at once; a Date follows as soon as the time is known
_CUT = 1.0  # seconds that a cancelled request has to unwind

_log = logging.getLogger(__name__)


class Listener:
    """One port. `tls`: a context, or what is asked for that of each handshake; None speaks plain http. `refused` is
    told why each failed TLS handshake failed. `at_once` is asked first, where httptools is the parser."""

    def __init__(
        self,
        app: ASGIApp,
        sock: socket.socket,
        *,
        tls: ssl.SSLContext | Contexts | None = None,
        refused: Callable[[str], None] | None = None,
        at_once: AtOnce | None = None,
    ) -> None:
        self._app, self._socket, self._refused = app, sock, refused
        self.at_once, self.opening = at_once, _OPENING
        self._tls = always(tls) if isinstance(tls, ssl.SSLContext) else tls
        self._server = uvicorn.Server(_config(app))
        self._state = self._server.server_state
        self._secured: set[TlsServer] = set()
        self._lost = asyncio.Event()
        self._ticker: asyncio.Task[None] | None = None
        self.stopping = self._cutting = False

    async def start(self) -> None:
        """Return once connections are accepted. Raises OSError when the socket cannot listen."""
        config = self._server.config
        config.load()
        config.http_protocol_class = cast(Any, self._factory(config.http_protocol_class))
        self._server.lifespan = config.lifespan_class(config)
        await self._server.startup(sockets=[self._socket])
        self._ticker = keep(self._tick, "listener clock")

    async def stop(self, grace: float = 3.0) -> None:
        """Take no new connections, let running requests end for at most `grace` seconds, then cut the rest."""
        if self._ticker is None:
            self._socket.close()
            return
        self.stopping = True
        self._ticker.cancel()
        for server in self._server.servers:
            server.close()
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

    async def _tick(self) -> None:
        """The Date header, once a second."""
        while True:
            await self._server.on_tick(0)
            lines = [b"%b: %b\r\n" % line for line in self._state.default_headers]
            self.opening = b"".join([_OPENING, *lines])
            await asyncio.sleep(1)

    async def _drained(self) -> None:
        await asyncio.sleep(0)  # what was aborted goes first
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

    def _factory(self, base: type[asyncio.Protocol]) -> Callable[..., asyncio.Protocol]:
        """What makes the protocol of a new connection: uvicorn's with our additions, under TLS if need be."""
        mixed: list[type] = [_Connection]
        if hasattr(base, "on_message_begin"):  # httptools; h11 bounds the head by itself
            mixed += [_BoundedHead] if self.at_once is None else [_BoundedHead, Prompt]
        inner = type("Connection", (*mixed, base), {"listener": self})
        if self._tls is None:
            return inner
        contexts = self._tls

        def secure(**arguments: Any) -> asyncio.Protocol:
            return TlsServer(contexts(), partial(inner, **arguments), connections=self._secured, refused=self._refused)

        return secure

    def lost(self) -> None:
        """A connection ended."""
        self._lost.set()

    async def serve(self, peer: Peer | None, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; it is not an error of the application when we cut it."""
        scope["peer"] = peer
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:
            if not self._cutting:
                raise


class _Connection:
    """Mixed into uvicorn's protocol class of either parser."""

    listener: Listener
    app: Any
    peer: Peer | None
    timeout_keep_alive_task: asyncio.TimerHandle | None

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)  # type: ignore[misc]
        self.peer = transport.get_extra_info("peer")
        self.app = partial(self.listener.serve, self.peer)
        self.timeout_keep_alive_task = asyncio.get_running_loop().call_later(KEEP_ALIVE, transport.close)
        if self.listener.stopping:  # its handshake was under way
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)  # type: ignore[misc]
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
        self.listener.lost()


class _BoundedHead:
    """Mixed into uvicorn's protocol on httptools, which bounds neither the size nor the time of a head."""

    transport: asyncio.Transport
    send_400_response: Callable[[str], None]
    _head: int | None = None  # octets of the head that is being read; None between heads
    _late: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        super().data_received(data)  # type: ignore[misc]
        if self._head is None or self.transport.is_closing():
            return
        self._head += len(data)
        if self._head > LONGEST_HEAD:
            self.send_400_response(f"Request head over {LONGEST_HEAD} octets.")
        elif self._late is None:
            self._late = asyncio.get_running_loop().call_later(SLOWEST_HEAD, self.transport.close)

    def on_message_begin(self) -> None:
        super().on_message_begin()  # type: ignore[misc]
        self._head = 0

    def on_headers_complete(self) -> None:
        self._head = None
        self._be_patient()
        super().on_headers_complete()  # type: ignore[misc]

    def connection_lost(self, exc: Exception | None) -> None:
        self._be_patient()
        super().connection_lost(exc)  # type: ignore[misc]

    def _be_patient(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        cast(Any, app),
        http=PARSER,
        interface="asgi3",
        loop="none",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
        backlog=BACKLOG,
        h11_max_incomplete_event_size=LONGEST_HEAD,
    )
