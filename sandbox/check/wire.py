"""Calls the server that is examined and records each exchange: any certificate, every time-out, bodies bounded.

A call never raises for what the server does: the Exchange says it. Redirects are answers.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any

import aiohttp
from yarl import URL

from sandbox.check.evidence import Exchange
from sandbox.check.target import Identity, Target

TIMEOUT_S = 12.0  # above the 7 s after which the SAS core gives up
LARGEST = 64 << 20  # octets of an answer that are read
ACCEPT = "application/json+fhir"  # as the SAS core writes it
NOBODY = ""  # the identity of a caller without a certificate
GOOD = "sas"


class Wire:
    """The calls to one target. `exchanges`: how many were made; `slowest`: ms of the slowest answer."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.exchanges = 0
        self._sessions: dict[str, aiohttp.ClientSession] = {}

    async def __aenter__(self) -> Wire:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for session in self._sessions.values():
            await session.close()

    async def get(self, path: str, identity: str = GOOD, **headers: str) -> Exchange:
        """GET below the FHIR base (`Slot?…`, percent-encoded), or an absolute URL."""
        return await self.call("GET", path, identity=identity, headers=headers)

    async def call(
        self,
        method: str,
        path: str,
        *,
        identity: str = GOOD,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout: float = TIMEOUT_S,
    ) -> Exchange:
        """One call as `identity` (GOOD, NOBODY, a kind of the target's bad certificates).

        Raises KeyError for a certificate that the target lacks (GOOD is then no certificate at all).
        """
        url = path if path.startswith(("http://", "https://")) else f"{self.target.fhir}/{path}"
        sent = {"Accept": ACCEPT, **(headers or {})}
        self.exchanges += 1
        began = time.perf_counter()
        asked = Exchange(method, url, identity, sent, body or b"")
        try:
            async with asyncio.timeout(timeout):
                async with self._session(identity).request(
                    method, URL(url, encoded=True), headers=sent, data=body, allow_redirects=False
                ) as answer:
                    content = await _read(answer)
                    return _with(asked, began, status=answer.status, headers=dict(answer.headers), body=content)
        except _TooLarge:
            return _with(asked, began, failure="too-large", why=f"more than {LARGEST} octets")
        except TimeoutError:
            return _with(asked, began, failure="timeout", why=f"no complete answer within {timeout:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            kind, why = _failure(error)
            return _with(asked, began, failure=kind, why=why)

    def _session(self, identity: str) -> aiohttp.ClientSession:
        if identity not in self._sessions:
            connector = aiohttp.TCPConnector(ssl=self._context(identity), limit=8)
            self._sessions[identity] = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), headers={"User-Agent": "sas-sandbox-check"}
            )
        return self._sessions[identity]

    def _context(self, identity: str) -> ssl.SSLContext:
        return client_context(self.target.ca, self._certificate(identity))

    def _certificate(self, identity: str) -> Identity | None:
        if identity in (GOOD, NOBODY):
            return self.target.good if identity == GOOD else None
        return self.target.bad[identity]


def client_context(ca: object, shown: Identity | None) -> ssl.SSLContext:
    """TLS of a caller that shows this certificate; the server's must be of `ca` (None: of this machine's) and in
    date."""
    context = ssl.create_default_context(cafile=None if ca is None else str(ca))
    if shown is not None:
        context.load_cert_chain(shown.cert, shown.key)
    return context


class _TooLarge(Exception):
    """The answer exceeds LARGEST."""


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    parts, size = [], 0
    async for part in answer.content.iter_chunked(1 << 16):
        size += len(part)
        if size > LARGEST:
            raise _TooLarge
        parts.append(part)
    return b"".join(parts)


def _with(asked: Exchange, began: float, **known: Any) -> Exchange:
    """The exchange with what is known of its answer."""
    return replace(asked, ms=(time.perf_counter() - began) * 1000, **known)


def _failure(error: Exception) -> tuple[str, str]:
    """What a failed call is called, and the network's words."""
    root: BaseException | None = error
    while root is not None and not isinstance(root, ssl.SSLError):
        root = root.__cause__ or root.__context__
    if isinstance(root, ssl.SSLError) or isinstance(error, aiohttp.ClientSSLError):
        return "tls", (getattr(root, "reason", None) or str(error)).replace("_", " ").lower()
    if isinstance(error, aiohttp.ClientConnectorError):
        return "unreachable", error.os_error.strerror or str(error)
    return "closed", str(error) or type(error).__name__
