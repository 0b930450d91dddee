"""Memory of the hub's process with a deep queue, and with many idle TLS connections.

deep    300,000 messages of 3 KB in one queue (limit 256 MiB, resident)
idle    1,000 TLS connections with client certificates, open, with one channel (limit 150 KiB each, over none)
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import socket
import tempfile
import time
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from pamqp import commands, frame

from load.bench import amqp
from load.peers import raw
from sandbox import ecosystem
from sandbox.amqp.broker.broker import Broker
from sandbox.amqp.broker.limits import Limits
from sandbox.amqp.broker.permissions import External
from sandbox.hub.clients import Clients
from sandbox.hub.topology import add_virtual_host
from sandbox.net.amqp.server import AmqpServer
from sandbox.net.revocation import listener_contexts
from sandbox.net.tls import client_context
from sandbox.pki.authority import Pki, ensure_pki
from sandbox.pki.subjects import hub_client_subject

KIB, MIB = 1024, 1024 * 1024
DEEP_MIB, IDLE_KIB = 256.0, 150.0
MESSAGES, CONNECTIONS = 300_000, 1_000


def resident(pid: int) -> int:
    """Octets of memory that a process has (Linux)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def deep(rounds: int) -> dict[str, list[float]]:
    """Fill `dispatch`, measure, restart with the messages of the log, measure again; once, whatever the number of
    rounds."""
    found = {"allowed": [DEEP_MIB]}
    with tempfile.TemporaryDirectory(prefix="sas-bench-") as directory:
        for step in ("filled", "restarted"):
            ours, theirs = multiprocessing.get_context("spawn").Pipe()
            arguments = (False, directory, theirs)
            server = multiprocessing.get_context("spawn").Process(target=amqp.serve, args=arguments, daemon=True)
            server.start()
            port = ours.recv()
            if step == "filled":
                asyncio.run(_fill(port, MESSAGES))
            found[step] = [resident(server.pid or 0) / MIB]
            ours.send("stop")
            server.join(60)
    return found


async def _fill(port: int, count: int) -> None:
    client = await raw.connect(port, amqp.PLATFORM, amqp.PASSWORD, amqp.VHOST)
    await raw.publish(client, amqp.PLATFORM, amqp.message(), count, patience=1200)
    client.transport.close()


def idle(rounds: int) -> dict[str, list[float]]:
    """Memory of the listener before and after the connections are made; once, whatever the number of rounds."""
    with tempfile.TemporaryDirectory(prefix="sas-bench-") as directory:
        pki = ensure_pki(
            Path(directory),
            hosts=("127.0.0.1",),
            clients={amqp.SAMU: hub_client_subject(amqp.SAMU)},
            now=datetime.now(UTC),
            bad_like=hub_client_subject(amqp.SAMU),
        )
        ours, theirs = multiprocessing.get_context("spawn").Pipe()
        server = multiprocessing.get_context("spawn").Process(target=_listen, args=(pki, theirs), daemon=True)
        server.start()
        port = ours.recv()
        asyncio.run(
            _come_and_look(port, pki, 50, server.pid or 0)
        )  # the first connections also load code, which does not count
        before = resident(server.pid or 0)
        after = asyncio.run(_come_and_look(port, pki, CONNECTIONS, server.pid or 0))
        ours.send("stop")
        server.join(20)
    return {"allowed": [IDLE_KIB], "each": [(after - before) / CONNECTIONS / KIB]}


def _listen(pki: Pki, pipe: Connection) -> None:
    ecosystem.run(_serve(pki, pipe))


async def _serve(pki: Pki, pipe: Connection) -> int:
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    broker = Broker(os.urandom, limits=Limits(connections=2 * CONNECTIONS))
    add_virtual_host(broker, amqp.VHOST, (amqp.SAMU,), amqp.TTL_MS)
    rights = Clients((amqp.SAMU,), (amqp.VHOST,)).rights
    tls = listener_contexts(pki, client_certificate="required")
    server = AmqpServer(
        broker, sock, login=lambda peer: External(peer.cn if peer else "", rights), clock=time.time, tls=tls
    )
    await server.start()
    pipe.send(sock.getsockname()[1])
    await asyncio.to_thread(pipe.recv)
    await server.stop(0.2)
    return 0


async def _come_and_look(port: int, pki: Pki, count: int, pid: int) -> int:
    context = client_context(pki, amqp.SAMU)
    writers = [await _come(port, context) for _ in range(count)]
    found = resident(pid)
    for writer in writers:
        writer.transport.abort()
    return found


async def _come(port: int, context: Any) -> asyncio.StreamWriter:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    writer.write(b"AMQP\x00\x00\x09\x01")
    for value, channel in (
        (commands.Connection.StartOk({}, "EXTERNAL", "", "en_US"), 0),
        (commands.Connection.TuneOk(2047, 131_072, 0), 0),
        (commands.Connection.Open(amqp.VHOST), 0),
        (commands.Channel.Open(), 1),
    ):
        writer.write(frame.marshal(value, channel))
    for _ in range(4):  # start, tune, open-ok, channel.open-ok
        head = await reader.readexactly(7)
        await reader.readexactly(int.from_bytes(head[3:], "big") + 1)
    return writer
