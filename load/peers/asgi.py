"""`python -m load.peers.asgi PORT FILE`: an ASGI function that answers FILE's octets to everything, on our listener."""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path
from typing import Any

from sandbox import ecosystem
from sandbox.net.http.server import Listener


async def serve(port: int, body: bytes) -> int:
    """Serve until the process is ended."""
    headers = [(b"content-type", b"application/fhir+json; charset=utf-8"), (b"content-length", b"%d" % len(body))]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    await Listener(app, sock).start()
    await asyncio.Event().wait()
    return 0


if __name__ == "__main__":
    sys.exit(ecosystem.run(serve(int(sys.argv[1]), Path(sys.argv[2]).read_bytes())))
