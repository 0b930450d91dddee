"""Builds the actors and wires them: everything in one process, or one role in this process.

This is the only place that reads the wall clock and the system's randomness; below, both are injected.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from sandbox import allocator
from sandbox.config import ROLES
from sandbox.control.app import Control
from sandbox.files import POSIX
from sandbox.ground import Ground
from sandbox.kernel.clock import Clock
from sandbox.kernel.entropy import Entropy
from sandbox.kernel.journal import Journal
from sandbox.kernel.world import World, WorldView
from sandbox.net.context import Context, Service
from sandbox.net.descriptors import raise_limit
from sandbox.net.link import LINE_LIMIT, Link, MemoryLink, SocketLink
from sandbox.population.load import kept_population
from sandbox.population.reloadable import ReloadablePopulation
from sandbox.tasks import kept_by

log = logging.getLogger(__name__)

SERVICES = {"psc": "sandbox.psc.app", "hub": "sandbox.hub.app", "lrm": "sandbox.lrm.app", "sas": "sandbox.sas.app"}
SERVICES["editors"] = "sandbox.editor.app"
DRAIN_S = 4.0  # for a whole shutdown
ORPHAN_DRAIN_S = 1.5  # for a whole shutdown when the supervisor is gone


def wall() -> float:
    """Seconds since the epoch."""
    return time.time()


def preload() -> None:
    """Import every role: once in the supervisor, so that the roles share the pages."""
    for module in SERVICES.values():
        importlib.import_module(module)


def tune_collector() -> None:
    """Exclude the objects made at start-up, which live as long as the process, from garbage collection, and let it run
    seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def run(main: Coroutine[Any, Any, int]) -> int:
    """Run a coroutine on uvloop, or on asyncio's own loop where uvloop does not exist."""
    allocator.tune()
    raise_limit()
    try:
        uvloop = importlib.import_module("uvloop")
    except ImportError:
        factory = None
    else:
        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main)


def role_context(ground: Ground) -> Context:
    """The context of one role: its own view of the World, its own clock and journal."""
    world = WorldView(World(clock=ground.clock))
    clock = Clock(wall, ground.clock)

    population = ReloadablePopulation(ground.population)

    def follow(revision: World) -> None:
        clock.setting = revision.clock
        there = kept_population(ground.settings, revision.population) if revision.population else ground.population
        if there is not population.current:
            population.replace(there)

    world.watch(follow)
    return Context(
        settings=ground.settings,
        world=world,
        clock=clock,
        journal=Journal(),
        entropy=Entropy(os.urandom),
        population=population,
        sockets=ground.sockets,
        pki=ground.pki,
        master_secret=ground.master_secret,
    )


class _Health:
    """The health of a service that may not be built yet."""

    service: Service | None = None

    def __call__(self) -> dict[str, object]:
        return self.service.health() if self.service is not None else {}


def build_control(ground: Ground) -> Control:
    """The control role, not yet started."""
    context = role_context(ground)
    return Control(context, run_id=ground.run_id, clock=ground.clock, wall=wall, serve_lines=ground.lines)


@contextlib.asynccontextmanager
async def running_control(control: Control) -> AsyncIterator[None]:
    """Control with its own line; stopped at the end."""
    health = _Health()
    health.service = control
    context = control.context
    link = MemoryLink("control", os.getpid(), control.switchboard, context.world, context.journal, health)
    await control.open_lines()
    await link.start()
    try:
        with kept_by(link.keeper):
            await control.start()
        link.ready()
        yield
    finally:
        await link.stop()
        await control.stop()


LinkMaker = Callable[[Context, Callable[[], dict[str, object]]], Link]


@contextlib.asynccontextmanager
async def running_role(role: str, ground: Ground, make_link: LinkMaker) -> AsyncIterator[Service]:
    """One role with its line; drained at the end."""
    context, health = role_context(ground), _Health()
    link = make_link(context, health)
    await link.start()
    try:
        with kept_by(link.keeper):
            service: Service = importlib.import_module(SERVICES[role]).build(context)
        health.service = service
        try:
            with kept_by(link.keeper):
                await service.start()
            link.ready()
            yield service
        finally:
            await service.stop()
    finally:
        await link.stop()


async def run_together(ground: Ground, on_ready: Callable[[], None]) -> int:
    """Every role in this process until SIGINT or SIGTERM; 0, or 1 when the drain had to be cut short."""

    async def start(stack: contextlib.AsyncExitStack) -> None:
        control = build_control(ground)
        await stack.enter_async_context(running_control(control))
        for role in ROLES[1:]:
            await stack.enter_async_context(running_role(role, ground, memory_link(role, control)))
        await control.announce()
        tune_collector()
        await stack.enter_async_context(allocator.trimmed())
        on_ready()

    return await _until(_stop_event(), start, lambda: DRAIN_S)


async def _until(
    stop: asyncio.Event,
    start: Callable[[contextlib.AsyncExitStack], Coroutine[Any, Any, None]],
    drain: Callable[[], float],
) -> int:
    """Start, serve until `stop`, close within `drain()` seconds. A stop during the start abandons the start."""
    async with contextlib.AsyncExitStack() as stack:
        starting = asyncio.create_task(start(stack), name="start")
        stopping = asyncio.create_task(stop.wait(), name="stop")
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            await asyncio.wait({starting})
        elif error := starting.exception():
            stopping.cancel()
            raise error
        await stopping
        return await _bounded(stack.aclose(), drain())


def memory_link(role: str, control: Control) -> LinkMaker:
    """Makes the line of a role that runs in control's process."""
    return lambda context, health: MemoryLink(
        role, os.getpid(), control.switchboard, context.world, context.journal, health
    )


async def run_alone(role: str, ground: Ground, guard: int) -> int:
    """One role in this process until SIGTERM, or until the supervisor's end of the `guard` pipe closes."""
    stop, loop = _stop_event(), asyncio.get_running_loop()
    orphaned = asyncio.Event()

    def on_orphaned() -> None:
        loop.remove_reader(guard)
        orphaned.set()
        stop.set()

    async def start(stack: contextlib.AsyncExitStack) -> None:
        if role == "control":
            control = build_control(ground)
            await stack.enter_async_context(running_control(control))
            await control.announce()
        else:
            await stack.enter_async_context(running_role(role, ground, socket_link(role, ground)))
        tune_collector()
        await stack.enter_async_context(allocator.trimmed())

    loop.add_reader(guard, on_orphaned)
    return await _until(stop, start, lambda: ORPHAN_DRAIN_S if orphaned.is_set() else DRAIN_S)


def socket_link(role: str, ground: Ground) -> LinkMaker:
    """Makes the line of a role in a process of its own."""

    def connect() -> Coroutine[Any, Any, tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        if not POSIX:
            raise AssertionError("only a supervisor starts roles on their own")
        return asyncio.open_unix_connection(str(ground.lines_path), limit=LINE_LIMIT)

    return lambda context, health: SocketLink(role, os.getpid(), connect, context.world, context.journal, health)


def _stop_event() -> asyncio.Event:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    if POSIX:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        return stop
    for number in (signal.SIGINT, getattr(signal, "SIGBREAK", signal.SIGTERM)):  # Ctrl-C, Ctrl-Break
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
    return stop


async def _bounded(closing: Coroutine[Any, Any, None], seconds: float) -> int:
    try:
        async with asyncio.timeout(seconds):
            await closing
    except TimeoutError:
        log.error("the drain took more than %.1f s and was cut short", seconds)
        return 1
    return 0
