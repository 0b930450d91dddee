"""One process per role under a parent that does nothing else: it forks, watches, restarts and stops them.

The parent has no event loop and no thread, so forking is safe and the roles share its imported modules. Each child
holds the reading end of a pipe: when the parent dies, even by SIGKILL, the child sees the end of the stream, drains
and ends within 2 s. A role that dies is started again on the same listening sockets, which the parent keeps open.
"""

from __future__ import annotations

import gc
import logging
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from sandbox import ecosystem
from sandbox.config import ROLES
from sandbox.control.observability import endpoints
from sandbox.files import POSIX
from sandbox.ground import Ground
from sandbox.kernel.errors import SandboxError

log = logging.getLogger(__name__)

assert POSIX, "one process per role needs fork"

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
READY_WITHIN_S = 60.0
STOP_WITHIN_S = 4.5
BACKOFF_S = (0.0, 5.0)  # before a restart: none the first time, then doubling from 0.2 up to this
CALM_S = 30.0  # a role that lived this long starts its back-off anew


@dataclass
class _Child:
    """A role's process: when it was started, how often it died in a row, when it may start again."""

    role: str
    pid: int = 0
    started: float = 0.0
    deaths: int = 0
    due: float = 0.0


class Supervisor:
    """Runs all roles of `ground` until SIGINT or SIGTERM."""

    def __init__(self, ground: Ground, on_ready: Callable[[list[int]], None]) -> None:
        self._ground, self._on_ready = ground, on_ready
        self._children = {role: _Child(role) for role in ROLES}
        self._guard_read, self._guard_write = os.pipe()
        self._wake_read, self._wake_write = os.pipe()
        self._stopping = False
        self._ready = False

    def run(self) -> int:
        """Exit code: 0 after a clean stop, 1 when a role had to be killed, 2 when one could not start."""
        ecosystem.preload()
        gc.collect()
        gc.freeze()
        self._listen_to_signals()
        try:
            for child in self._children.values():
                self._spawn(child)
            code = self._watch()
            return max(code, self._stop())
        finally:
            signal.set_wakeup_fd(-1)
            endpoints.remove(self._ground.settings.data, self._ground.settings.ready_file)

    def _listen_to_signals(self) -> None:
        os.set_blocking(self._wake_write, False)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        for number in STOP_SIGNALS:
            signal.signal(number, self._on_stop)

    def _on_stop(self, number: int, frame: object) -> None:
        self._stopping = True

    def _spawn(self, child: _Child) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        child.started = time.monotonic()
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)  # one that comes now must not run our handler there
        child.pid = os.fork()
        if child.pid == 0:
            os._exit(self._live(child.role))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)

    def _live(self, role: str) -> int:
        """Everything that a child process does, from its start to its end."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        for descriptor in (self._guard_write, self._wake_read, self._wake_write):
            os.close(descriptor)
        try:
            return ecosystem.run(ecosystem.run_alone(role, self._ground, self._guard_read))
        except SandboxError as error:
            print(f"sas-sandbox: {role}: {error}", file=sys.stderr)  # noqa: T201 - the person's line
            return 2

    def _watch(self) -> int:
        """Until a stop is requested: restart roles that died, and announce once that all are ready."""
        deadline = time.monotonic() + READY_WITHIN_S
        while not self._stopping:
            self._sleep(self._next_due())
            code = self._reap()
            if code:
                return code
            self._restart_due()
            if not self._ready:
                self._look_for_ready()
                if not self._ready and time.monotonic() > deadline:
                    log.error("not ready within %.0f s", READY_WITHIN_S)
                    return 2
        return 0

    def _next_due(self) -> float:
        """Seconds until the next restart or look at the roles."""
        if not self._ready:
            return 0.02
        waiting = [child.due for child in self._children.values() if child.pid == 0]
        return max(0.0, min([*waiting, time.monotonic() + 5.0]) - time.monotonic())

    def _sleep(self, seconds: float) -> None:
        readable, _, _ = select.select([self._wake_read], [], [], seconds)
        if readable:
            os.read(self._wake_read, 4096)

    def _reap(self) -> int:
        """Note who died. Before readiness a role that cannot start (code 2) ends everything."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return 0
            if pid == 0:
                return 0
            child = next((child for child in self._children.values() if child.pid == pid), None)
            if child is None:
                continue
            child.pid = 0
            code = os.waitstatus_to_exitcode(status)
            if self._stopping:
                continue
            if not self._ready and code == 2:
                return 2
            self._plan_restart(child, code)

    def _plan_restart(self, child: _Child, code: int) -> None:
        now = time.monotonic()
        child.deaths = 1 if now - child.started > CALM_S else child.deaths + 1
        pause = 0.0 if child.deaths == 1 else min(0.1 * 2 ** (child.deaths - 1), BACKOFF_S[1])
        child.due = now + pause
        reason = f"signal {-code}" if code < 0 else f"code {code}"
        log.warning("role %s ended (%s); starting it again in %.1f s", child.role, reason, pause)

    def _restart_due(self) -> None:
        for child in self._children.values():
            if child.pid == 0 and child.due <= time.monotonic() and not self._stopping:
                self._spawn(child)

    def _look_for_ready(self) -> None:
        if (self._ground.settings.data / endpoints.FILE).exists():
            self._ready = True
            self._on_ready([os.getpid(), *(child.pid for child in self._children.values())])

    def _stop(self) -> int:
        """Ask every role to drain; kill what has not ended in time."""
        self._stopping = True
        deadline = time.monotonic() + STOP_WITHIN_S
        self._signal_all(signal.SIGTERM)
        while self._living() and time.monotonic() < deadline:
            self._sleep(0.1)
            self._reap()
        if not self._living():
            return 0
        log.error("killed, as they did not drain in time: %s", ", ".join(child.role for child in self._living()))
        self._signal_all(signal.SIGKILL)
        while self._living():
            self._sleep(0.1)
            self._reap()
        return 1

    def _living(self) -> list[_Child]:
        return [child for child in self._children.values() if child.pid]

    def _signal_all(self, number: int) -> None:
        for child in self._living():
            try:
                os.kill(child.pid, number)
            except ProcessLookupError:
                child.pid = 0
