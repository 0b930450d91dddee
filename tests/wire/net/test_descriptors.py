"""A process with few file descriptors: strangers who hold connections do not lock out whoever reads the pages."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from sandbox.net import descriptors

SCRIPT = """
import asyncio, importlib, resource, socket, sys, time
resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
from sandbox.net.descriptors import FOR_PARTNERS
from sandbox.net.http.server import Listener
from sandbox.net.tls import server_context

async def hello(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})

def bound():
    sock = socket.socket(); sock.bind(("127.0.0.1", 0)); return sock

async def main():
    fhir, pages = bound(), bound()
    listeners = [Listener(hello, fhir, capacity=FOR_PARTNERS), Listener(hello, pages)]
    for listener in listeners:
        await listener.start()
    print(fhir.getsockname()[1], pages.getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    print(time.process_time(), flush=True)

factory = importlib.import_module("uvloop").new_event_loop if sys.argv[1] == "uvloop" else None
with asyncio.Runner(loop_factory=factory) as runner:
    runner.run(main())
"""

ATTACK = """
import contextlib, socket, sys, time
fhir, pages = int(sys.argv[1]), int(sys.argv[2])

def opened(port, count, said):
    made = []
    for _ in range(count):
        one = socket.create_connection(("127.0.0.1", port), timeout=5)
        with contextlib.suppress(ConnectionError):  # others came since
            one.sendall(said)
        made.append(one)
    return made

def page(port):
    with socket.create_connection(("127.0.0.1", port), timeout=5) as one:
        one.sendall(b"GET / HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n")
        return one.makefile("rb").read().endswith(b"hello")

held = opened(fhir, 300, b"GET / HT")
print(*[page(pages) for _ in range(3)], page(fhir))
held += opened(pages, 300, b"POST / HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: 9\\r\\n\\r\\n")
print(*[page(pages) for _ in range(3)], page(fhir))
time.sleep(0.5)
"""


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_consoles_and_ports_answer_while_connections_are_held(loop: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), loop],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as server:  # fmt: skip
        assert server.stdin is not None
        assert server.stdout is not None
        ports = server.stdout.readline().split()
        attack = subprocess.run(
            [sys.executable, "-c", ATTACK, *ports], stdout=subprocess.PIPE, text=True, timeout=60, check=True
        )
        output, errors = server.communicate("", timeout=30)
    assert attack.stdout.split() == ["True"] * 8
    assert errors == ""
    assert float(output) < 5  # no loop that runs without having work


class Limits:
    """Stands in for the module `resource`."""

    RLIMIT_NOFILE, RLIM_INFINITY = 7, -1

    def __init__(self, soft: int, hard: int) -> None:
        self.limits = (soft, hard)

    def getrlimit(self, _: int) -> tuple[int, int]:
        return self.limits

    def setrlimit(self, _: int, limits: tuple[int, int]) -> None:
        self.limits = limits


@pytest.mark.parametrize(
    ("soft", "hard", "expected"),
    [(256, -1, 65_536), (1024, 4096, 4096), (1024, 1 << 20, 65_536), (-1, -1, -1), (1 << 17, 1 << 20, 1 << 17)],
)
def test_limit_is_raised_as_far_as_the_system_allows_never_lowered(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, expected: int
) -> None:
    limits = Limits(soft, hard)
    monkeypatch.setattr(descriptors, "resource", limits)
    descriptors.raise_limit()
    assert limits.limits == (expected, hard)


@pytest.mark.parametrize(
    ("soft", "console", "expected"),
    [(1024, False, (960, 480)), (1024, True, (1000, 62)), (128, False, (96, 48)), (128, True, (112, 7)),
     (65_536, False, (65_472, 2000)), (-1, True, (1 << 30, 2000))],
)  # fmt: skip
def test_ports_for_partners_leave_more_than_consoles_do(
    monkeypatch: pytest.MonkeyPatch, soft: int, console: bool, expected: tuple[int, int]
) -> None:
    monkeypatch.setattr(descriptors, "resource", Limits(soft, soft))
    assert (descriptors.highest(console=console), descriptors.most_connections(console=console)) == expected


def test_system_without_such_limits_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptors, "resource", None)
    descriptors.raise_limit()
    assert descriptors.most_connections(console=True) == 2000
