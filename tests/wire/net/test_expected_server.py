"""Calls to a server that must name whom was expected, on both event loops."""

from __future__ import annotations

import contextlib
import socket

import pytest
from starlette.types import Receive, Scope, Send

from sandbox.kernel.errors import PeerUnreachable
from sandbox.net.context import Context
from sandbox.net.http.client import Callee, HttpClient
from sandbox.net.http.server import Listener
from sandbox.net.tls import server_context
from sandbox.pki.authority import Pki
from sandbox.pki.subjects import Subject, server_subject

SERVER = server_subject("127.0.0.1")


@pytest.mark.parametrize(
    ("expected", "heard"),
    [
        (None, True),
        (Subject(SERVER.cn, SERVER.ou, "another O does not matter"), True),
        (Subject("other.example", SERVER.ou, "x"), False),
        (Subject(SERVER.cn, "300000000000000", "x"), False),
    ],
)
async def test_nothing_is_sent_to_a_server_that_is_somebody_else(
    pki: Pki, context: Context, sock: socket.socket, expected: Subject | None, heard: bool
) -> None:
    paths = []

    async def listen(scope: Scope, receive: Receive, send: Send) -> None:
        paths.append(scope["path"])
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    listener = Listener(listen, sock, tls=server_context(pki, client_certificate="required"))
    await listener.start()
    client = HttpClient(context, "sas", "sas")
    url = f"https://127.0.0.1:{sock.getsockname()[1]}/x"
    outcome = contextlib.nullcontext() if heard else pytest.raises(PeerUnreachable, match="is not what was agreed")
    with outcome:
        await client.request("GET", url, callee=Callee("mon-agenda", "INT_R01", expected=expected))
    await client.close()
    await listener.stop()
    assert paths == (["/x"] if heard else [])
