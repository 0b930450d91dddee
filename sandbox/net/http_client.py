"""Every HTTP call of an actor: one pool of kept connections, one time-out, one Exchange in the journal per call.

A call ends with a `Reply`, whatever its status, or with a PeerError that says in a few words what went wrong. When
the server had closed an idle connection, aiohttp repeats the request once if its method is idempotent (RFC 9110,
9.2.2), never a POST.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
from yarl import URL

from sandbox.kernel.errors import PeerError, PeerTimeout, PeerTooLarge, PeerUnreachable, PeerUntrusted
from sandbox.kernel.journal import Exchange
from sandbox.net.agreed import agreed_context
from sandbox.net.context import Context
from sandbox.net.revocation import Contexts, Following
from sandbox.pki.subjects import Subject

LARGEST_ANSWER = 20 << 20  # octets, decompressed
KEEP_ALIVE = 60.0  # seconds; our listeners keep idle connections longer
CONNECTIONS = 200
DNS_TTL = 10  # seconds that a resolved name is believed


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. `headers` are looked up without regard to case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpClient:
    """The calls of one actor. `identity`: whose certificate it shows (`sas`, an editor's slug), None for none."""

    def __init__(self, context: Context, actor: str, identity: str | None) -> None:
        self._context, self._actor, self._identity = context, actor, identity
        self._session: aiohttp.ClientSession | None = None
        self._contexts: dict[Subject | None, Contexts] = {}

    async def request(
        self,
        method: str,
        url: str,
        *,
        peer: str,
        flow: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout: float = 7.0,
        ref: str = "",
        agreed: Subject | None = None,
        largest: int | None = None,
    ) -> Reply:
        """Call `url`, which is sent as it is written: the caller has percent-encoded it. Redirects are answers.

        `peer` (slug or client id) and `flow` are for the journal and for errors, `ref` correlates the journal.
        `agreed`: whom the server's certificate must name by CN and OU (one of a few: contexts are kept).
        `largest`: octets, decompressed, that are read of the answer (default: LARGEST_ANSWER).
        Raises PeerUnreachable, PeerUntrusted (TLS), PeerTimeout (over `timeout` seconds in all), PeerTooLarge,
        PeerError (no usable HTTP answer).
        """
        began, target = time.perf_counter(), URL(url, encoded=True)
        status, size, note = 0, 0, ""
        try:
            async with asyncio.timeout(timeout):
                reply = await self._call(
                    method, target, headers, body, self._tls(target, agreed), largest or LARGEST_ANSWER
                )
            status, size = reply.status, len(reply.body)
            return reply
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            failure = _failure(peer, error, timeout)
            note = failure.detail
            raise failure from error
        except asyncio.CancelledError:
            note = "given up by the caller"
            raise
        finally:
            self._context.journal.put(
                Exchange(
                    at=self._context.clock.now().timestamp(),
                    actor=self._actor,
                    flow=flow,
                    direction="out",
                    action=f"{method} {target.path}",
                    peer=peer,
                    status=status,
                    ms=round((time.perf_counter() - began) * 1000, 3),
                    size=size,
                    note=note,
                    ref=ref,
                )
            )

    async def close(self) -> None:
        """Close every connection; a later call opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _tls(self, url: URL, agreed: Subject | None) -> ssl.SSLContext | bool:
        """TLS of a call. A revoked server is refused at once: a new list makes a new context, that new connections."""
        pki = self._context.pki
        if pki is None or url.scheme != "https":
            return True
        if agreed not in self._contexts:
            self._contexts[agreed] = Following(pki, lambda: agreed_context(pki, self._identity, agreed))
        return self._contexts[agreed]()

    async def _call(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str] | None,
        body: bytes | None,
        tls: ssl.SSLContext | bool,
        largest: int,
    ) -> Reply:
        if self._session is None:
            self._session = self._open()
        async with self._session.request(
            method, url, headers=headers, data=body, ssl=tls, allow_redirects=False
        ) as response:
            return Reply(response.status, response.headers, await _read(response, largest))

    def _open(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=CONNECTIONS,
            limit_per_host=CONNECTIONS // 2,
            keepalive_timeout=KEEP_ALIVE,
            ttl_dns_cache=DNS_TTL,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),  # `request` times the whole
            headers={"User-Agent": "sas-sandbox"},
            skip_auto_headers=("Content-Type",),
            read_bufsize=1 << 18,
            trust_env=False,
        )


class _TooLarge(ValueError):
    """The answer is over what is read."""

    def __init__(self, largest: int) -> None:
        super().__init__(f"answer over {largest / (1 << 20):g} MiB")


async def _read(response: aiohttp.ClientResponse, largest: int) -> bytes:
    parts, size = [], 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > largest:
            response.close()
            raise _TooLarge(largest)
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _failure(peer: str, error: Exception, timeout: float) -> PeerError:
    """The error of our tree that tells what happened to a call."""
    if isinstance(error, TimeoutError):
        return PeerTimeout(peer, f"no complete answer within {timeout:g} s")
    if isinstance(error, _TooLarge):
        return PeerTooLarge(peer, str(error))
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return PeerUnreachable(peer, f"unknown host {error.host}")
    tls = _tls_error(error)
    if tls is not None:
        return PeerUntrusted(peer, tls)
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return PeerUnreachable(peer, "connection closed without an answer")
    if isinstance(error, OSError):
        return PeerUnreachable(peer, _os_error(error))
    if isinstance(error, aiohttp.ClientPayloadError):
        return PeerError(peer, "answer cut off")
    return PeerError(peer, f"no usable HTTP answer ({type(error).__name__})")


def _tls_error(error: BaseException | None) -> str | None:
    """What TLS says, when it is at the bottom of `error`."""
    depth = 0
    while error is not None and depth < 8:
        if isinstance(error, ssl.SSLError) and not isinstance(error, aiohttp.ClientError):
            if isinstance(error, ssl.SSLCertVerificationError):
                return f"server certificate refused: {error.verify_message}"
            return f"TLS handshake refused: {(error.reason or str(error)).replace('_', ' ').lower()}"
        error, depth = error.__cause__ or error.__context__, depth + 1
    return None


def _os_error(error: OSError) -> str:
    cause = getattr(error, "os_error", None) or error
    if isinstance(cause, ConnectionRefusedError):
        return "connection refused"
    if isinstance(cause, ConnectionResetError):
        return "connection reset"
    return (cause.strerror or str(cause) or type(cause).__name__).lower()
