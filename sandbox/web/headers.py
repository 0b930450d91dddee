"""What every answer of a console carries against hostile pages, and which host names it answers to.

Content security policy: nothing from elsewhere, nothing inline. `form-action` also governs where a posted form may
be redirected to (Chromium), and our forms are redirected to the other consoles of the same sandbox: those origins
are named.
"""

from __future__ import annotations

from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.config import CONTROL_UI, EDITORS_UI, LRM_UI, PSC_UI, SAS_UI, Settings
from sandbox.net.context import Context

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def console_origins(settings: Settings) -> tuple[str, ...]:
    """The origins of all pages of this sandbox, under its public name."""
    return tuple(settings.http(offset) for offset in (SAS_UI, EDITORS_UI, LRM_UI, PSC_UI, CONTROL_UI))


def content_policy(form_origins: Iterable[str] = ()) -> str:
    """The Content-Security-Policy of our pages; forms may go to this site and to `form_origins`."""
    forms = " ".join(dict.fromkeys(["'self'", *form_origins]))
    return (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
        f"form-action {forms}; frame-ancestors 'none'; base-uri 'none'"
    )


class SecureHeaders:
    """ASGI middleware that adds the security headers; what an answer sets itself is kept."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._headers = {
            "content-security-policy": content_policy(console_origins(settings)),
            "x-content-type-options": "nosniff",
            "x-frame-options": "DENY",
            "referrer-policy": "same-origin",
            "cross-origin-opener-policy": "same-origin",
            "cache-control": "no-store",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, guarded)


class TrustedHosts:
    """ASGI middleware that answers only to our own names: a hostile page cannot rebind its DNS name to us.

    Another name gets 421, a request without a usable Host 400, both as one line of plain French text.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str]) -> None:
        self.app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            host = host_name(Headers(scope=scope).get("host", ""))
            if host not in self._hosts:
                unknown = f"{host} n'est pas un nom de ce bac à sable : voyez --public-host"
                status, text = (421, unknown) if host else (400, "Host absent")
                answer = PlainTextResponse(f"{text}.\n", status)
                await answer(scope, receive, send)
                return
        await self.app(scope, receive, send)


def host_name(header: str) -> str:
    """The name in a Host header, lower case, without port and brackets.

    >>> host_name("[::1]:8000"), host_name("LOCALHOST:8000")
    ('::1', 'localhost')
    """
    if header.startswith("["):
        return header[1:].partition("]")[0].lower()
    return header.partition(":")[0].rstrip(".").lower()


def secure(app: ASGIApp, settings: Settings) -> ASGIApp:
    """`app` behind the security headers: the outermost layer, so that error pages carry them too."""
    return SecureHeaders(app, settings)


def trusted_hosts(context: Context) -> Middleware:
    """Middleware that accepts the public host, the listening host and loopback names only."""
    settings = context.settings
    names = (settings.public_host, settings.host, *_LOOPBACK)
    return Middleware(TrustedHosts, hosts=frozenset(name.strip("[]").lower() for name in names))
