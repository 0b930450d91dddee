"""A hub without TLS in a process of its own, to be killed: `python hub_process.py PORT DATA_DIR`."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from types import SimpleNamespace
from typing import Any

from sandbox.config import AMQP, Settings
from sandbox.hub.app import Hub
from sandbox.kernel.clock import Clock
from sandbox.kernel.entropy import Entropy
from sandbox.kernel.journal import Journal
from sandbox.kernel.world import WorldView
from sandbox.net.context import Context


async def main(port: int, data_dir: str) -> None:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    population: Any = SimpleNamespace(territories={"SAS-33": SimpleNamespace(samu="fr.health.samu330", format="json")})
    context = Context(
        settings=Settings(port_base=port - AMQP, data_dir=data_dir, mtls=False),
        world=WorldView(),
        clock=Clock(time.time),
        journal=Journal(),
        entropy=Entropy(os.urandom),
        population=population,
        sockets={AMQP: sock},
        pki=None,
        master_secret=b"test",
    )
    hub = Hub(context)
    await hub.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
