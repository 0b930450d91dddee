"""The password of pages without a login of their own, once their ports listen to other machines.

The password travels as HTTP authentication: programs send `Authorization: Bearer <password>` or Basic, browsers ask for
it by themselves (any user name). RFC 9110, 11; RFC 7617; RFC 6750.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Awaitable, Callable, Collection
from typing import TypeAlias

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.kernel.errors import Issue, RequestError

CHALLENGE = 'Basic realm="sas-sandbox", charset="UTF-8"'
Refuse: TypeAlias = Callable[[Request, RequestError], Response | Awaitable[Response]]


class Gate:
    """ASGI middleware: requests without one of `passwords` get 401, except for paths under `free` (static files).

    `refuse` makes the answer; `what` says whose password is wanted.
    """

    def __init__(self, app: ASGIApp, passwords: Collection[str], free: str, refuse: Refuse, what: str) -> None:
        self.app = app
        self._passwords, self._free, self._refuse, self._what = passwords, free, refuse, what

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(self._free) or brings(scope, self._passwords):
            await self.app(scope, receive, send)
            return
        answer = self._refuse(Request(scope, receive), RequestError(401, Issue("login", self._what, "Authorization")))
        response = answer if isinstance(answer, Response) else await answer
        await challenging(response)(scope, receive, send)


def brings(scope: Scope, passwords: Collection[str]) -> bool:
    """True when a request carries one of these passwords."""
    given = _given(Headers(scope=scope).get("authorization", "")).encode()
    fitting = [hmac.compare_digest(given, password.encode()) for password in passwords]  # never fewer: constant time
    return any(fitting)


def challenging(response: Response) -> Response:
    """The same answer with the header that says how to authenticate."""
    response.headers["www-authenticate"] = CHALLENGE
    return response


def _given(authorization: str) -> str:
    scheme, _, text = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return text.strip()
    try:
        pair = base64.b64decode(text.strip(), validate=True).decode("utf-8") if scheme.lower() == "basic" else ""
    except ValueError:
        return ""
    return pair.partition(":")[2]
