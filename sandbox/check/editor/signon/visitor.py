"""A browser without scripts, one person's: it keeps cookies, follows redirects, and records each page as an Exchange.

What it sends in forms, its cookies and the codes of a login are in no record.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
import time
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from types import TracebackType
from typing import NamedTuple
from urllib.parse import urlencode, urljoin, urlsplit

import aiohttp
from yarl import URL

from sandbox.check.evidence import MASK, Exchange
from sandbox.runner.browser import Form, Page, read_page

TIMEOUT_S = 12.0  # for one page
LARGEST = 1 << 20  # octets of a page that are read
MOST_HOPS = 20
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CODES = re.compile(r"([?&#](?:code|id_token|access_token|session_state|state|nonce|code_challenge)=)[^&#]*")


class Visit(NamedTuple):
    """Where a visit ended: the page (status 0 without an answer), and every exchange on the way."""

    page: Page
    hops: tuple[Exchange, ...]

    @property
    def last(self) -> Exchange:
        """The exchange that gave the page."""
        return self.hops[-1]


def origin_of(url: str) -> str:
    """Scheme, host and port."""
    split = urlsplit(url)
    return f"{split.scheme}://{split.netloc}"


class Visitor:
    """The browser. `ca`: an authority that it trusts beside those of this machine."""

    def __init__(self, ca: Path | None) -> None:
        context = ssl.create_default_context()
        if ca is not None:
            context.load_verify_locations(ca)
        self._cookies: dict[str, set[str]] = {}  # names of the cookies that each origin set
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context),
            cookie_jar=aiohttp.CookieJar(unsafe=True),
            headers={"Accept": "text/html", "Accept-Language": "fr", "User-Agent": "sas-sandbox-check"},
        )

    async def __aenter__(self) -> Visitor:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def visit(self, url: str) -> Visit:
        """Open a page, as far as redirects lead."""
        return await self._follow("GET", url, None)

    async def submit(self, form: Form, values: Mapping[str, str]) -> Visit:
        """Send a form; `values` replace those that it holds, boxes that nothing ticks are left out."""
        held = {name: value for name, value in form.fields.items() if value or form.types.get(name) != "checkbox"}
        data = {**held, **values}
        if form.method == "get":
            return await self._follow("GET", f"{form.action.partition('?')[0]}?{urlencode(data)}", None)
        return await self._follow("POST", form.action, data)

    def forget(self, origin: str) -> None:
        """Delete the cookies that an origin set, unless another one set the same (they share a host)."""
        others = set().union(*(names for key, names in self._cookies.items() if key != origin))
        gone = self._cookies.pop(origin, set()) - others
        self._session.cookie_jar.clear(lambda morsel: morsel.key in gone)

    async def _follow(self, method: str, url: str, data: Mapping[str, str] | None) -> Visit:
        hops: list[Exchange] = []
        while True:
            made, text, target = await self._one(method, url, data)
            hops.append(made)
            if not target or len(hops) == MOST_HOPS:
                break
            if made.status not in (307, 308):
                method, data = "GET", None
            url = target
        page = Page(url, made.status, text)
        with contextlib.suppress(ValueError, AssertionError, KeyError):  # markup that no parser reads: no more forms
            read_page(page)
        return Visit(page, tuple(hops))

    async def _one(self, method: str, url: str, data: Mapping[str, str] | None) -> tuple[Exchange, str, str]:
        """One exchange, the text of its page, and where it redirects to ("" for nowhere)."""
        began, shown = time.perf_counter(), _CODES.sub(rf"\1{MASK}", url)
        failure, why = "", ""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                async with self._session.request(
                    method, URL(url, encoded=True), data=data, allow_redirects=False
                ) as answer:
                    body = await answer.content.read(LARGEST) if not answer.content.at_eof() else b""
                    while len(body) < LARGEST and (more := await answer.content.read(1 << 16)):
                        body += more
                    self._note_cookies(origin_of(url), answer.headers.getall("Set-Cookie", []))
                    headers = {name: _CODES.sub(rf"\1{MASK}", value) for name, value in answer.headers.items()}
                    target = answer.headers.get("Location", "") if answer.status in _REDIRECTS else ""
                    found = Exchange(
                        method, shown, "", {}, b"", answer.status, headers, body, (time.perf_counter() - began) * 1000
                    )
                    text = body.decode(answer.charset or "utf-8", "replace")
                    return found, text, urljoin(url, target) if target else ""
        except TimeoutError:
            failure, why = "timeout", f"no complete page within {TIMEOUT_S:g} s"
        except ssl.SSLError as error:
            failure, why = "tls", str(error)
        except (aiohttp.ClientError, OSError, ValueError, LookupError) as error:
            failure, why = "unreachable", str(error) or type(error).__name__
        ms = (time.perf_counter() - began) * 1000
        return Exchange(method, shown, "", ms=ms, failure=failure, why=why), "", ""

    def _note_cookies(self, origin: str, lines: list[str]) -> None:
        for line in lines:
            with contextlib.suppress(CookieError):
                self._cookies.setdefault(origin, set()).update(SimpleCookie(line))
