"""Contexts of roles for tests and measurements: what a role gets when the sandbox starts it, without starting one."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sandbox.config import Settings
from sandbox.kernel.clock import Clock, as_of
from sandbox.kernel.entropy import Entropy
from sandbox.kernel.journal import Journal
from sandbox.kernel.world import WorldView
from sandbox.net.context import Context
from sandbox.population.load import load_population

MASTER_SECRET = b"x" * 32


def make_context(settings: Settings | None = None, *, population: Any = None, **fields: Any) -> Context:
    """A Context with these `fields`; the others are a new World, the clock of the machine, an empty journal, entropy
    of the system, no sockets, no certificates and a constant secret. `population`: by default that of the settings."""
    settings = settings or Settings()
    others: dict[str, Any] = {
        "world": WorldView(),
        "clock": Clock(time.time),
        "journal": Journal(),
        "entropy": Entropy(os.urandom),
        "sockets": {},
        "pki": None,
        "master_secret": MASTER_SECRET,
    }
    people = load_population(settings) if population is None else population
    return Context(settings=settings, population=people, **{**others, **fields})


def stopped_clock(at: datetime) -> Clock:
    """Sandbox time stands still at that instant."""
    return Clock(lambda: 0.0, as_of(at, 0.0, freeze=True))


@contextlib.contextmanager
def bound_sockets(*offsets: int) -> Iterator[dict[int, socket.socket]]:
    """A socket for each port offset, bound to a free port of 127.0.0.1 and not listening; closed at the end."""
    with contextlib.ExitStack() as stack:
        sockets = {offset: stack.enter_context(socket.socket()) for offset in offsets}
        for each in sockets.values():
            each.bind(("127.0.0.1", 0))
        yield sockets
