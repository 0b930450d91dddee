"""A regulator's browser for the tests of pages: logged in, and able to follow a page live."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx

from sandbox.net.http.client import Reply
from tests.actors.sas.sas_core import Core, reply, session_cookie


def at_psc(core: Core) -> None:
    """Pro Santé Connect returns its discovery document."""
    issuer = "http://127.0.0.1:8003/psc"

    async def discovery(*_: object) -> Reply:
        names = {"authorization_endpoint": "auth", "token_endpoint": "token", "jwks_uri": "certs"}
        names["end_session_endpoint"] = "logout"
        return reply({"issuer": issuer, **{name: f"{issuer}/{path}" for name, path in names.items()}})

    core.editors.answers["psc"] = discovery


def logged_in(core: Core, account: str = "") -> httpx.AsyncClient:
    """A browser with the session of the first regulator, or of the account with that id."""
    browser = core.browser()
    browser.headers.update(session_cookie(core.context, regulator=account or core.regulator.identifier.key))
    return browser


async def submit(browser: httpx.AsyncClient, page: httpx.Response, action: str, **fields: Any) -> httpx.Response:
    """Post a form with the token of a page; the cookie of that page goes along."""
    token = re.search(r'name="csrf" value="([^"]*)"', page.text)
    assert token is not None
    cookie = (page.headers.get("set-cookie") or page.request.headers["cookie"]).partition(";")[0]
    return await browser.post(action, data={"csrf": token[1], **fields}, headers={"Cookie": cookie})


class Stream:
    """The events of one page, as they come."""

    def __init__(self) -> None:
        self._chunks: asyncio.Queue[bytes] = asyncio.Queue()
        self._held = ""
        self.left = asyncio.Event()
        self.status = 0
        self.task: asyncio.Task[None] | None = None

    async def receive(self) -> dict[str, Any]:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self._chunks.put_nowait(message.get("body", b""))

    async def next(self) -> tuple[str, str]:
        """(name, data) of the next event."""
        async with asyncio.timeout(10):
            while True:
                event, mark, rest = self._held.partition("\n\n")
                if not mark:
                    self._held += (await self._chunks.get()).decode()
                    continue
                self._held = rest
                fields = [line.partition(": ")[::2] for line in event.split("\n")]
                data = [text for name, text in fields if name == "data"]
                if data:
                    return dict(fields).get("event", "message"), "\n".join(data)

    async def until(self, name: str) -> list[str]:
        """The data of all events up to the first of that name."""
        told = []
        while True:
            event, data = await self.next()
            if event == name:
                return told
            told.append(data)


@contextlib.asynccontextmanager
async def following(core: Core, path: str, **session: str) -> AsyncIterator[Stream]:
    """Follow a live stream of the console as the first regulator, or with another session."""
    route, _, query = path.partition("?")
    cookie = session_cookie(core.context, **(session or {"regulator": core.regulator.identifier.key}))["Cookie"]
    stream = Stream()
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "method": "GET",
        "path": route,
        "raw_path": route.encode(),
        "query_string": str(httpx.QueryParams(query)).encode(),
        "headers": [(b"host", b"127.0.0.1:8000"), (b"cookie", cookie.encode())],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
    }
    task = stream.task = asyncio.create_task(core.sas.pages(scope, stream.receive, stream.send))
    try:
        yield stream
    finally:
        stream.left.set()
        async with asyncio.timeout(5):
            await task
