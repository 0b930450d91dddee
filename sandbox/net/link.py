"""The link between control and the roles: control sends whole Worlds, roles send their health and their Exchanges in
bounded batches.

Each role has one line. Within one process the line is in memory (`MemoryLink`); between processes it is a Unix socket
in the data directory (`SocketLink` to `Switchboard.serve`), one JSON message per line:

    role -> control   {"type": "hello", role, pid}   {"type": "applied", revision}   {"type": "report", …}
    control -> role   {"type": "world", world}

A role never waits for control: Exchanges that do not fit are dropped and counted, and while control is down the last
World stays in force.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from sandbox.files import POSIX
from sandbox.kernel.errors import UsageError
from sandbox.kernel.journal import Exchange, Journal
from sandbox.kernel.world import World, WorldView
from sandbox.tasks import Keeper

log = logging.getLogger(__name__)

REPORT_EVERY_S = 1.0  # health, at the latest
SILENT_S = 10.0  # a role without a report for so long is not ready
BATCH_AFTER_S = 0.05  # Exchanges wait this long, to be sent with others in one batch
BATCH = 500
UNSENT_LIMIT = 1 << 20  # octets that may wait in a socket before a role stops reporting for a moment
LINE_LIMIT = 4 << 20


class Hello(msgspec.Struct, tag="hello"):
    """The first message of a role: its name and process."""

    role: str
    pid: int


class Applied(msgspec.Struct, tag="applied"):
    """A role has taken a revision of the World."""

    revision: int


class Report(msgspec.Struct, tag="report"):
    """The report of a role: `ready` once its listeners answer; `dropped` counts Exchanges that did not fit; `trouble`:
    which of its background tasks do not run."""

    ready: bool
    health: dict[str, object]
    exchanges: list[Exchange]
    dropped: int
    trouble: str = ""


class Push(msgspec.Struct, tag="world"):
    """The answer of control to a report."""

    world: World


Up = Hello | Applied | Report
_up = msgspec.json.Decoder(Up)
_down = msgspec.json.Decoder(Push)
_encode = msgspec.json.Encoder().encode


@dataclass
class Line:
    """What control knows about one role. `said_ready`: whether it was ready in its last report; `seen`: when that
    report came (the event loop's seconds); `trouble`: why it reported that it is not ready."""

    role: str
    pid: int
    send: Callable[[World], None]
    said_ready: bool = False
    revision: int = -1
    health: dict[str, object] = field(default_factory=dict)
    dropped: int = 0
    seen: float = 0.0
    trouble: str = ""

    @property
    def silent_s(self) -> float:
        """Seconds since its last report."""
        return asyncio.get_running_loop().time() - self.seen

    @property
    def ready(self) -> bool:
        """True when it reported that it is ready, and its last report is recent."""
        return self.said_ready and self.silent_s < SILENT_S

    @property
    def reason(self) -> str:
        """Why it is not ready; "" when it is, or is only starting."""
        if self.said_ready and not self.ready:
            return f"no sign of life for {self.silent_s:.0f} s"
        return self.trouble


_USABLE = ("ok", "closed")  # states of a role's disk that are no trouble


class Switchboard:
    """Control's end: one line per connected role."""

    def __init__(self, world: World, sink: Callable[[str, Sequence[Exchange]], None]) -> None:
        self.world = world
        self.lines: dict[str, Line] = {}
        self._sink = sink
        self._changed = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    def attach(self, line: Line) -> None:
        """Add the line of a role that has connected, and send it the present World."""
        self.lines[line.role] = line
        line.send(self.world)
        self._stir()

    def detach(self, line: Line) -> None:
        """Remove the line of a role that has disconnected; a newer line of the same role stays."""
        if self.lines.get(line.role) is line:
            del self.lines[line.role]
            self._stir()

    def heard(self, line: Line, message: Applied | Report) -> None:
        """Handle one message from a role."""
        line.seen = asyncio.get_running_loop().time()
        if isinstance(message, Applied):
            line.revision = message.revision
        else:
            disk = str(message.health.get("disk", "ok"))
            line.said_ready = message.ready and disk in _USABLE
            line.health, line.dropped = message.health, message.dropped
            line.trouble = message.trouble or ("" if disk in _USABLE else disk)
            if message.exchanges:
                self._sink(line.role, message.exchanges)
        self._stir()

    async def push(self, world: World, timeout: float = 2.0) -> list[str]:
        """Send all roles a new revision; the names of the roles that did not apply it within `timeout` seconds."""
        self.world = world
        for line in list(self.lines.values()):
            line.send(world)

        def laggards() -> list[str]:
            return [line.role for line in self.lines.values() if line.revision < world.revision]

        with contextlib.suppress(TimeoutError):
            await self.until(lambda: not laggards(), timeout)
        return laggards()

    async def until(self, condition: Callable[[], bool], timeout: float) -> None:
        """Wait for the lines to meet `condition`; TimeoutError after `timeout` seconds."""
        async with asyncio.timeout(timeout):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def _stir(self) -> None:
        self._changed.set()

    async def serve(self, sock: socket.socket) -> None:
        """Listen on a bound Unix socket for the roles of other processes."""
        if POSIX:  # other systems have no Unix sockets
            self._server = await asyncio.start_unix_server(self._converse, sock=sock, limit=LINE_LIMIT)

    async def close(self) -> None:
        """Stop listening and cut every line."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.close()
        if self._server is not None:
            await self._server.wait_closed()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line: Line | None = None
        self._writers.add(writer)
        try:
            while octets := await reader.readline():
                message = _up.decode(octets)
                if isinstance(message, Hello):
                    line = Line(message.role, message.pid, lambda world: writer.write(_encode(Push(world)) + b"\n"))
                    self.attach(line)
                elif line is not None:
                    self.heard(line, message)
        except (OSError, ValueError, RecursionError) as error:
            log.warning("link of %s cut: %s", line.role if line else "an unknown role", error)
        finally:
            if line is not None:
                self.detach(line)
            self._writers.discard(writer)
            writer.close()


class Link(Protocol):
    """A role's end of its line."""

    async def start(self) -> None:
        """Send the name of the role and receive the first World."""
        ...

    def ready(self) -> None:
        """Report to control that this role's listeners answer."""
        ...

    @property
    def keeper(self) -> Keeper:
        """The keeper under which this role's background tasks run."""
        ...

    async def stop(self) -> None:
        """Send what waits, then close the connection."""
        ...


class _Reporter:
    """What both kinds of link share: when to report, and what."""

    def __init__(self, role: str, world: WorldView, journal: Journal, health: Callable[[], dict[str, object]]) -> None:
        self.role, self._world, self._journal, self._health = role, world, journal, health
        self.keeper = Keeper()
        self._ready = False
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        journal.on_put = self._wake.set

    def ready(self) -> None:
        self._ready = True
        self._wake.set()

    async def pause(self) -> None:
        """Wait until there is something to report, at most a second; then let Exchanges gather for a moment."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(REPORT_EVERY_S):
                await self._wake.wait()
                await asyncio.sleep(BATCH_AFTER_S)
        self._wake.clear()

    def report(self) -> Report:
        batch = self._journal.take(BATCH)
        if self._journal.waiting:
            self._wake.set()
        trouble = self.keeper.trouble
        health = {**self._health(), **self.keeper.health()}
        return Report(self._ready and not trouble, health, batch, self._journal.dropped, trouble)

    async def end(self) -> None:
        self._journal.on_put = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class MemoryLink(_Reporter):
    """The line of a role that runs in control's own process."""

    def __init__(
        self,
        role: str,
        pid: int,
        switchboard: Switchboard,
        world: WorldView,
        journal: Journal,
        health: Callable[[], dict[str, object]],
    ) -> None:
        super().__init__(role, world, journal, health)
        self._switchboard = switchboard
        self._line = Line(role, pid, self._take)

    def _take(self, world: World) -> None:
        self._world.apply(world)
        self._switchboard.heard(self._line, Applied(world.revision))

    async def start(self) -> None:
        self._switchboard.attach(self._line)
        self._tasks = [asyncio.create_task(self.keeper.run("link", self._run), name=f"link {self.role}")]

    async def _run(self) -> None:
        while True:
            self._switchboard.heard(self._line, self.report())
            await self.pause()

    async def stop(self) -> None:
        await self.end()
        self._switchboard.heard(self._line, self.report())
        self._switchboard.detach(self._line)


class SocketLink(_Reporter):
    """The line of a role in a process of its own; it reconnects by itself after control was down."""

    def __init__(
        self,
        role: str,
        pid: int,
        connect: Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]],
        world: WorldView,
        journal: Journal,
        health: Callable[[], dict[str, object]],
    ) -> None:
        super().__init__(role, world, journal, health)
        self._pid, self._connect = pid, connect
        self._writer: asyncio.StreamWriter | None = None
        self._first = asyncio.Event()

    async def start(self) -> None:
        self._tasks = [
            asyncio.create_task(self.keeper.run("link down", self._listen), name=f"link {self.role} down"),
            asyncio.create_task(self.keeper.run("link up", self._speak), name=f"link {self.role} up"),
        ]
        await self._first.wait()

    async def _listen(self) -> None:
        delay = 0.05
        while True:
            try:
                reader, writer = await self._connect()
                writer.write(_encode(Hello(self.role, self._pid)) + b"\n")
                self._writer, delay = writer, 0.05
                while octets := await reader.readline():
                    if self._applied(_down.decode(octets).world):
                        writer.write(_encode(Applied(self._world.world.revision)) + b"\n")
                        self._first.set()
            except (OSError, ValueError, RecursionError) as error:
                log.debug("%s: control is away: %s", self.role, error)
            finally:
                if self._writer is not None:
                    self._writer.close()
                    self._writer = None
            await asyncio.sleep(delay)
            delay = min(delay * 2, 1.0)

    def _applied(self, world: World) -> bool:
        """Take a World. A World whose persona files cannot be read is not acknowledged: control then names this role as
        one that did not apply it."""
        try:
            self._world.apply(world)
        except UsageError as error:
            log.error("%s: this World cannot be taken: %s", self.role, error)
            return False
        return True

    async def _speak(self) -> None:
        while True:
            await self.pause()
            self._send()

    def _send(self) -> None:
        writer = self._writer
        if writer is not None and writer.transport.get_write_buffer_size() < UNSENT_LIMIT:
            writer.write(_encode(self.report()) + b"\n")

    async def stop(self) -> None:
        self._ready = False
        self._send()
        writer = self._writer
        if writer is not None:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(0.5):
                    await writer.drain()
        await self.end()
