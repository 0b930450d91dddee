"""Every HTTP call of an actor: one pool of kept connections, one time-out, one Exchange in the journal per call.

A call ends with a `Reply`, whatever its status, or with a PeerError that says in a few words what went wrong. When
the server had closed an idle connection, the request is repeated once if its method is idempotent (RFC 9110,
9.2.2), never a POST.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from starlette.datastructures import Headers

from sandbox.kernel.errors import PeerError, PeerTimeout, PeerUnreachable, PeerUntrusted
from sandbox.net.context import Context
from sandbox.net.expected_server import expecting_context
from sandbox.net.http.http1 import CallFailed, Origin, Pool, os_reason, tls_refusal
from sandbox.net.revocation import Contexts, Following, always
from sandbox.pki.subjects import Subject

LARGEST_ANSWER = 20 << 20  # octets

_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_SITE = re.compile(r"https?://[^/?#@\\\s]+")
_FIELD = re.compile(r"[!-9;-~]+: [\t -~\x80-\xff]*")  # name and value of a header


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. `headers` are looked up without regard to case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Callee:
    """The other side of a call, and what the call is for.

    `peer` (slug or client id) and `flow` are for the journal and for errors, `ref` correlates the journal.
    `expected`: the CN and OU that the server's certificate must have (one of a few: contexts are kept).
    `largest`: octets that are read of the answer.
    """

    peer: str
    flow: str
    ref: str = ""
    expected: Subject | None = None
    largest: int = LARGEST_ANSWER


class _Site(NamedTuple):
    """A scheme and an authority as URLs name them. `host`: the header of that name."""

    secure: bool
    name: str
    port: int
    host: str


class HttpClient:
    """The calls of one actor. `identity`: whose certificate it shows (`sas`, an editor's slug), None for none."""

    def __init__(self, context: Context, actor: str, identity: str | None) -> None:
        self._context, self._identity = context, identity
        self._journal = context.journal_of(actor)
        self._pools: dict[tuple[_Site, Subject | None], Pool] = {}
        self._contexts: dict[Subject | None, Contexts] = {}

    async def request(
        self,
        method: str,
        url: str,
        *,
        callee: Callee,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout: float = 7.0,
    ) -> Reply:
        """Call `url`, which is sent as it is written: the caller has percent-encoded it. Redirects are answers.

        Raises PeerUnreachable, PeerUntrusted (TLS), PeerTimeout (over `timeout` seconds in all), PeerTooLarge,
        PeerError (no usable HTTP answer).
        """
        began, path, status, size, note = time.perf_counter(), "", 0, 0, ""
        try:
            site, path, query = _parts(url)
            asked = _written(method, path + query, site.host, headers, body)
            answer = await self._pool(site, callee.expected).call(
                asked,
                repeatable=method in _IDEMPOTENT,
                largest=callee.largest,
                deadline=asyncio.get_running_loop().time() + timeout,
            )
            status, size = answer.status, len(answer.body)
            return Reply(status, Headers(raw=answer.headers), answer.body)
        except (CallFailed, OSError, ValueError) as error:  # TimeoutError is an OSError
            failure = _failure(callee.peer, error, timeout)
            note = failure.detail
            raise failure from error
        except asyncio.CancelledError:
            note = "given up by the caller"
            raise
        finally:
            self._journal.sent(
                callee.flow,
                f"{method} {_read(path)}",
                callee.peer,
                status=status,
                ms=round((time.perf_counter() - began) * 1000, 3),
                size=size,
                note=note,
                ref=callee.ref,
            )

    async def close(self) -> None:
        """Close the connections, those under way once their calls end; a later call opens new ones."""
        pools, self._pools = self._pools, {}
        for connection in [connection for pool in pools.values() for connection in pool.end()]:
            await connection.ended.wait()

    def _pool(self, site: _Site, expected: Subject | None) -> Pool:
        """The connections to a site. A server is refused as soon as it is revoked: a new revocation list leads to a new
        TLS context, and a new context to new connections."""
        tls = self._tls(expected) if site.secure else None
        pool = self._pools.get((site, expected))
        if pool is None:
            pool = self._pools[site, expected] = Pool(Origin(site.name, site.port, tls))
        pool.follow(tls)
        return pool

    def _tls(self, expected: Subject | None) -> ssl.SSLContext:
        if expected not in self._contexts:
            self._contexts[expected] = self._following(expected)
        return self._contexts[expected]()

    def _following(self, expected: Subject | None) -> Contexts:
        """The TLS context of our PKI, kept up to date; without a PKI, the one of the authorities that the machine
        trusts."""
        pki = self._context.pki
        if pki is None:
            return always(ssl.create_default_context())
        return Following(pki, lambda: expecting_context(pki, self._identity, expected))


def _parts(url: str) -> tuple[_Site, str, str]:
    """Site, path and query of a URL. Raises ValueError when it cannot be called."""
    cut = url.find("/", len("https://"))
    base, target = (url, "/") if cut < 0 else (url[:cut], url[cut:])
    if not (target.isascii() and target.isprintable()) or " " in target or "#" in target:
        raise ValueError("its URL is not percent-encoded")
    path, mark, query = target.partition("?")
    return _site(base), path, mark + query


@lru_cache(maxsize=256)
def _site(base: str) -> _Site:
    split = urlsplit(base)
    name, secure = split.hostname, split.scheme == "https"
    if not name or _SITE.fullmatch(base) is None:
        raise ValueError("its URL names no site of http or https")
    return _Site(secure, name, split.port or (443 if secure else 80), split.netloc.encode("idna").decode())


@lru_cache(maxsize=256)
def _read(path: str) -> str:
    """The path with its percent-encoding undone."""
    return unquote(path)


def _written(method: str, target: str, host: str, headers: Mapping[str, str] | None, body: bytes | None) -> bytes:
    """The request. Raises ValueError for a header that is none."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", "User-Agent: sas-sandbox", "Accept-Encoding: identity"]
    for name, value in (headers or {}).items():
        line = f"{name}: {value}"
        if _FIELD.fullmatch(line) is None:
            raise ValueError(f"header {name!r} cannot be sent")
        lines.append(line)
    if body is not None or method in _WITH_BODY:
        lines.append(f"Content-Length: {len(body or b'')}")
    return "\r\n".join([*lines, "\r\n"]).encode("latin-1") + (body or b"")


def _failure(peer: str, error: Exception, timeout: float) -> PeerError:
    """The PeerError for what happened to a call."""
    if isinstance(error, CallFailed):
        return error.kind(peer, error.detail)
    if isinstance(error, TimeoutError):
        return PeerTimeout(peer, f"no complete answer within {timeout:g} s")
    if isinstance(error, ssl.SSLError):
        return PeerUntrusted(peer, tls_refusal(error))
    if isinstance(error, OSError):
        return PeerUnreachable(peer, os_reason(error))
    return PeerError(peer, f"no usable HTTP answer ({error})")
