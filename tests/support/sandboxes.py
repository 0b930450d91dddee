"""Whole sandboxes for tests: in this process, or as a command of their own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from load.ports import free_base
from sandbox import ecosystem
from sandbox.config import ROLES, load_settings
from sandbox.ground import prepare


@contextlib.asynccontextmanager
async def sandbox_here(data: Path, **flags: Any) -> AsyncIterator[dict[str, Any]]:
    """All roles in this process; yields endpoints.json with absolute paths."""
    settings = load_settings({"port_base": free_base(), "data_dir": str(data), **flags}, {})
    ground = prepare(settings, ecosystem.wall)
    try:
        control = ecosystem.build_control(ground)
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(ecosystem.running_control(control))
            for role in ROLES[1:]:
                link = ecosystem.memory_link(role, control)
                await stack.enter_async_context(ecosystem.running_role(role, ground, link))
            await control.announce()
            yield endpoints(data)
    finally:
        ground.close()


def endpoints(data: Path) -> dict[str, Any]:
    """endpoints.json of a data directory, certificate paths made absolute."""
    document: dict[str, Any] = json.loads((data / "endpoints.json").read_text("utf-8"))
    for group in ("clients", "servers", "bad"):
        for files in document["tls"][group].values():
            files.update({name: str(data / files[name]) for name in ("cert", "key", "p12")})
    for name in ("ca", "crl"):
        if document["tls"][name]:
            document["tls"][name] = str(data / document["tls"][name])
    return document


class Command:
    """`sas-sandbox up` as its user runs it."""

    def __init__(self, data: Path, *flags: str, base: int | None = None) -> None:
        self.data, self.base = data, base or free_base()
        self.arguments = [sys.executable, "-m", "sandbox.cli", "up", "--port-base", str(self.base)]
        self.arguments += ["--data-dir", str(data), *flags]
        self.process: subprocess.Popen[str] | None = None
        self.started = 0.0

    def start(self, ready: bool = True) -> Command:
        """Start; with `ready`, return once everything answers."""
        self.started = time.time()
        environ = {name: value for name, value in os.environ.items() if not name.startswith("SAS_SANDBOX_")}
        self.process = subprocess.Popen(
            self.arguments,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env=environ,
            cwd=Path(__file__).parent.parent,
        )
        if ready:
            self.wait_ready()
        return self

    def wait_ready(self, seconds: float = 40) -> None:
        """Until endpoints.json is there."""
        assert self.process is not None
        deadline = time.monotonic() + seconds
        while not self._announced():
            if self.process.poll() is not None:
                raise AssertionError(f"ended with {self.process.returncode}: {self.process.communicate()}")
            if time.monotonic() > deadline:
                raise AssertionError("not ready in time")
            time.sleep(0.02)

    def _announced(self) -> bool:
        """Is there an endpoints.json, and not one that a killed sandbox left."""
        try:
            return (self.data / "endpoints.json").stat().st_mtime >= self.started
        except FileNotFoundError:
            return False

    @property
    def pid(self) -> int:
        """Of the supervisor, or of the one process."""
        assert self.process is not None
        return self.process.pid

    def end(self, number: int = signal.SIGINT, seconds: float = 8) -> tuple[int, str, str]:
        """Send a signal and wait: exit code, standard output, standard error."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        out, err = self.process.communicate(timeout=seconds)
        return self.process.returncode, out, err

    def kill_all(self) -> None:
        """Whatever is left of it: processes of its session."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.communicate()


@contextlib.contextmanager
def command(data: Path, *flags: str, base: int | None = None, ready: bool = True) -> Iterator[Command]:
    """A running command, ended whatever happens."""
    running = Command(data, *flags, base=base)
    try:
        yield running.start(ready)
    finally:
        running.kill_all()


async def eventually(condition: Any, seconds: float = 10.0, what: str = "") -> Any:
    """Poll an (async) condition over the wire until it is true; AssertionError after `seconds`."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        found = condition()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"did not come true within {seconds:.0f} s: {what or condition}")
        await asyncio.sleep(0.02)
