"""A PKI for the session, sockets on free ports, and a context with a journal to read."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sandbox.kernel.clock import Clock
from sandbox.kernel.entropy import Entropy, seeded
from sandbox.kernel.journal import ActorJournal, Journal
from sandbox.kernel.world import WorldView
from sandbox.net.context import Context
from sandbox.pki.authority import Pki, ensure_pki
from sandbox.pki.subjects import Subject, sas_subject

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
with contextlib.suppress(ImportError):
    import uvloop

    LOOPS["uvloop"] = uvloop.new_event_loop

EDITOR = Subject("agenda-azur.bac-a-sable.invalid", "399900000000017", "Agenda Azur")


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Both event loops: their transports differ."""
    return LOOPS


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    clients = {"sas": sas_subject(), "agenda-azur": EDITOR}
    directory: Path = tmp_path_factory.mktemp("pki")
    return ensure_pki(directory, hosts=("127.0.0.1",), clients=clients, now=datetime.now(UTC), bad_like=sas_subject())


@pytest.fixture
def sock() -> Iterator[socket.socket]:
    with socket.socket() as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", 0))
        yield bound


@pytest.fixture
def context(pki: Pki) -> Context:
    """The parts of a context that the package `net` reads; actors use the others."""
    journal, clock = Journal(), Clock(time.time)
    return cast(
        Context,
        SimpleNamespace(
            world=WorldView(),
            clock=clock,
            journal=journal,
            journal_of=lambda actor: ActorJournal(journal, clock, actor),
            entropy=Entropy(os.urandom),
            pki=pki,
            chance=lambda purpose: seeded(purpose).chance,
        ),
    )


@pytest.fixture
def plain_context(context: Any) -> Context:
    """The same with `--no-mtls`."""
    return cast(Context, SimpleNamespace(**{**vars(context), "pki": None}))
