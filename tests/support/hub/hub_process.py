"""A hub without TLS in a process of its own, to be killed: `python hub_process.py PORT DATA_DIR`."""

from __future__ import annotations

import asyncio
import socket
import sys
from types import SimpleNamespace
from typing import Any

from sandbox.config import AMQP, Settings
from sandbox.hub.app import Hub
from tests.support.contexts import make_context


async def main(port: int, data_dir: str) -> None:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    population: Any = SimpleNamespace(territories={"SAS-33": SimpleNamespace(samu="fr.health.samu330", format="json")})
    context = make_context(
        Settings(port_base=port - AMQP, data_dir=data_dir, mtls=False), population=population, sockets={AMQP: sock}
    )
    hub = Hub(context)
    await hub.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
