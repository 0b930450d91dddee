"""The link: Worlds down, reports up, in memory and over a Unix socket alike."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sandbox.kernel.errors import UsageError
from sandbox.kernel.journal import Exchange, Journal
from sandbox.kernel.world import World, WorldView
from sandbox.net.link import Link, MemoryLink, SocketLink, Switchboard

Health = Callable[[], dict[str, object]]


class FakeControl:
    """The control plane's end of the link, for tests: collects the reports."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.exchanges: list[Exchange] = []
        self.switchboard = Switchboard(World(revision=7), lambda role, batch: self.exchanges.extend(batch))

    async def listen(self) -> None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.path.unlink(missing_ok=True)
        sock.bind(str(self.path))
        sock.setblocking(False)
        await self.switchboard.serve(sock)

    def link(self, kind: str, view: WorldView, journal: Journal, health: Health = dict) -> Link:
        if kind == "memory":
            return MemoryLink("sas", 1, self.switchboard, view, journal, health)
        return SocketLink("sas", 1, lambda: asyncio.open_unix_connection(str(self.path)), view, journal, health)


@asynccontextmanager
async def fake_control(tmp_path: Path) -> AsyncIterator[FakeControl]:
    made = FakeControl(tmp_path / "l.sock")
    await made.listen()
    try:
        yield made
    finally:
        await made.switchboard.close()


def exchange(number: int) -> Exchange:
    return Exchange(at=float(number), actor="sas", flow="UI", direction="in", action="GET /")


@pytest.mark.parametrize("kind", ["memory", "socket"])
async def test_a_role_has_the_world_before_it_starts_and_every_later_revision(kind: str, tmp_path: Path) -> None:
    async with fake_control(tmp_path) as control:
        view = WorldView()
        link = control.link(kind, view, Journal())
        await link.start()
        assert view.world.revision == 7
        assert await control.switchboard.push(World(revision=8)) == []
        assert view.world.revision == 8
        await link.stop()


@pytest.mark.parametrize("kind", ["memory", "socket"])
async def test_exchanges_and_readiness_reach_control_in_order(kind: str, tmp_path: Path) -> None:
    async with fake_control(tmp_path) as control:
        journal = Journal()
        link = control.link(kind, WorldView(), journal, lambda: {"depth": 3})
        await link.start()
        link.ready()
        for number in range(1200):
            journal.put(exchange(number))
        await control.switchboard.until(lambda: len(control.exchanges) == 1200, 5)
        assert [found.at for found in control.exchanges] == [float(number) for number in range(1200)]
        line = control.switchboard.lines["sas"]
        assert (line.ready, line.health) == (True, {"depth": 3})
        await link.stop()


@pytest.mark.parametrize("kind", ["memory", "socket"])
async def test_what_waits_when_a_role_stops_is_still_delivered(kind: str, tmp_path: Path) -> None:
    async with fake_control(tmp_path) as control:
        journal = Journal()
        link = control.link(kind, WorldView(), journal)
        await link.start()
        journal.put(exchange(1))
        await link.stop()
        await control.switchboard.until(lambda: "sas" not in control.switchboard.lines, 5)
        assert len(control.exchanges) == 1


async def test_a_push_names_the_laggards_when_they_do_not_apply_in_time(tmp_path: Path) -> None:
    async with fake_control(tmp_path) as control:
        reader, writer = await asyncio.open_unix_connection(str(control.path))
        writer.write(b'{"type":"hello","role":"deaf","pid":9}\n')
        await control.switchboard.until(lambda: "deaf" in control.switchboard.lines, 5)
        assert await control.switchboard.push(World(revision=9), timeout=0.05) == ["deaf"]
        writer.close()
        await writer.wait_closed()
        del reader


async def test_a_role_that_cannot_take_a_world_does_not_acknowledge_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with fake_control(tmp_path) as control:
        view = WorldView()

        def follow(world: World) -> None:
            if world.population == "gone":
                raise UsageError("personas: gone is no directory")

        view.watch(follow)
        link = control.link("socket", view, Journal())
        await link.start()
        assert await control.switchboard.push(World(revision=8, population="gone"), timeout=0.05) == ["sas"]
        assert "cannot be taken: personas: gone is no directory" in caplog.text
        assert await control.switchboard.push(World(revision=9)) == []
        await link.stop()


async def test_a_role_comes_back_by_itself_when_control_was_away(tmp_path: Path) -> None:
    view = WorldView()
    control = FakeControl(tmp_path / "l.sock")
    await control.listen()
    link = control.link("socket", view, Journal())
    await link.start()
    await control.switchboard.close()
    assert view.world.revision == 7  # the last World stays in force
    again = FakeControl(tmp_path / "l.sock")
    again.switchboard.world = World(revision=12)
    await again.listen()
    await again.switchboard.until(
        lambda: "sas" in again.switchboard.lines and again.switchboard.lines["sas"].revision == 12, 5
    )
    assert view.world.revision == 12
    await link.stop()
    await again.switchboard.close()


async def test_garbage_on_the_link_cuts_only_that_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with fake_control(tmp_path) as control:
        reader, writer = await asyncio.open_unix_connection(str(control.path))
        writer.write(b"not json\n")
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        await writer.wait_closed()
        assert "cut" in caplog.text
        link = control.link("socket", WorldView(), Journal())
        await link.start()
        assert "sas" in control.switchboard.lines
        await link.stop()
