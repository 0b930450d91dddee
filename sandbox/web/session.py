"""Sessions of people in signed cookies, and forms that only our own pages can post.

The cookie is signed, not encrypted: nothing secret and nothing of a patient belongs in it, and it must stay well
under 4 KB. Its name carries the sandbox and the role, because cookies ignore ports. The session of somebody who is
logged in has a name (`ended_sessions.py`), under which `sign_out` ends it at the server: copies of the cookie are not
accepted any more then.
"""

from __future__ import annotations

import hmac
import re
from typing import Any
from urllib.parse import parse_qsl

from markupsafe import Markup
from starlette.datastructures import FormData
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.kernel.entropy import Entropy
from sandbox.kernel.errors import Issue, RequestError, malformed
from sandbox.net.context import Context
from sandbox.web.ended_sessions import EndedSessions

SESSION = "session"  # in the session of somebody who is logged in: its name
CSRF = "csrf"  # name of the hidden field, and of the token in the session
SIGNED_FOR = "named-session"  # purpose of the keys: cookies of versions whose sessions had no name are not accepted
FORM_LIMIT = 64 * 1024  # octets of a posted form
FIELD_LIMIT = 200
_FORM_TYPE = "application/x-www-form-urlencoded"


class SignedSession(SessionMiddleware):
    """Starlette's signed cookie session, empty once it was ended; it also hands the role's entropy to `csrf_field`."""

    def __init__(
        self, app: ASGIApp, entropy: Entropy, ended: EndedSessions, key: str, cookie: str, max_age: int
    ) -> None:
        super().__init__(self._opened, key, session_cookie=cookie, max_age=max_age, same_site="lax")
        self._inner, self._entropy, self._ended = app, entropy, ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["entropy"], scope["ended"] = self._entropy, self._ended
        await super().__call__(scope, receive, send)

    async def _opened(self, scope: Scope, receive: Receive, send: Send) -> None:
        session = scope.get("session", {})
        name = dict.get(session, SESSION)  # not Starlette's own `get`: the answer does not depend on the cookie yet
        if name is not None and self._ended.over(str(name)):
            session.clear()
        await self._inner(scope, receive, send)


def session_middleware(context: Context, role: str, ended: EndedSessions | None = None) -> Middleware:
    """The session of one console. `role`: `sas`, `psc`, `control`, `editor-<slug>`, `lrm-<client id>`.

    `ended`: the ended sessions, given where people log in; without it, they are recorded in memory until the role ends.
    """
    name = re.sub(r"[^A-Za-z0-9]", "_", role)
    return Middleware(
        SignedSession,
        entropy=context.entropy,
        ended=ended or EndedSessions(context),
        key=context.secret(f"{SIGNED_FOR}:{role}"),
        cookie=context.cookie(name),
        max_age=int(context.settings.session_hours * 3600),
    )


def csrf_token(request: Request) -> str:
    """The session's token against forged forms, made at its first use."""
    if CSRF not in request.session:
        entropy: Entropy = request.scope["entropy"]
        request.session[CSRF] = entropy.token(16)
    return str(request.session[CSRF])


def csrf_field(request: Request) -> Markup:
    """The hidden field that every form of ours carries."""
    return Markup('<input type="hidden" name="{}" value="{}">').format(CSRF, csrf_token(request))


async def read_form(request: Request) -> FormData:
    """A posted form (`application/x-www-form-urlencoded`), bounded to 64 KiB and 200 fields.

    Raises RequestError: 415 for another content type, 413 when it is too long, 400 when it cannot be read.
    """
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != _FORM_TYPE:
        raise RequestError(415, Issue("not-supported", f"Un formulaire {_FORM_TYPE} est attendu."))
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > FORM_LIMIT:
            raise RequestError(413, Issue("too-costly", f"Le formulaire dépasse {FORM_LIMIT} octets."))
    try:
        text = body.decode("utf-8")
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=FIELD_LIMIT, errors="strict")
    except ValueError:
        raise malformed("Le formulaire est illisible (UTF-8 attendu, 200 champs au plus).") from None
    return FormData([(name, value) for name, value in pairs])


async def checked_form(request: Request) -> FormData:
    """A form that one of our pages posted. Raises RequestError 403 when its token is missing or wrong."""
    form = await read_form(request)
    check_token(request, form)
    return form


def check_token(request: Request, form: FormData) -> None:
    """Raises RequestError 403 unless `form` carries this session's token."""
    expected, given = str(request.session.get(CSRF, "")), str(form.get(CSRF, ""))
    if not expected or not hmac.compare_digest(expected.encode(), given.encode()):
        raise RequestError(
            403, Issue("forbidden", "Ce formulaire n'a pas été envoyé depuis cette page, ou la session a expiré.")
        )


async def sign_in(request: Request, **values: Any) -> str:
    """Begin a person's session and return its name. Everything in the earlier session is dropped, its CSRF token too.

    Raises StoreError when the earlier one cannot be ended.
    """
    await sign_out(request)
    ended: EndedSessions = request.scope["ended"]
    name = ended.name()
    request.session.update({**values, SESSION: name})
    return name


async def sign_out(request: Request) -> None:
    """End the session, durably, for every copy of its cookie too. Raises StoreError."""
    name = request.session.get(SESSION)
    request.session.clear()
    if name is not None:
        ended: EndedSessions = request.scope["ended"]
        await ended.end(str(name))


def flash(request: Request, text: str, tone: str = "good") -> None:
    """Say `text` at the top of the next page (`tone`: good, info, wait, bad); at most 3 wait."""
    request.session["flash"] = [*request.session.get("flash", ()), [tone, text[:300]]][-3:]


def take_flashes(request: Request) -> list[tuple[str, str]]:
    """What `flash` left, as (tone, text), once. Empty where there is no session."""
    if "session" not in request.scope:
        return []
    return [(tone, text) for tone, text in request.session.pop("flash", ())]


def local_path(text: str | None, default: str = "/") -> str:
    """`text` when it is a path of this very site, else `default`: a login never sends people elsewhere."""
    if text and re.fullmatch(r"/(?![/\\])[^\\\x00-\x20\x7f]*", text):
        return text
    return default
