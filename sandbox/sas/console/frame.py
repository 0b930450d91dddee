"""What all pages of the console share: session, login, rendering, live parts.

Two kinds of people use it: regulators, and practitioners who type their slots in the SAS agenda. The session of
somebody who is both has both (`regulator`: id of the account, `practitioner`: prefixed national id).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable
from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from sandbox.config import SAS_UI
from sandbox.kernel.errors import Issue, RequestError
from sandbox.kernel.model import Practitioner, Regulator
from sandbox.sas.regulators.accounts import Right
from sandbox.sas.services import Services
from sandbox.web.oidc import RelyingParty, at_psc
from sandbox.web.pages import Pages, redirect
from sandbox.web.session import checked_form
from sandbox.web.sse import Event, Streams

BANNER = "BAC À SABLE — données fictives"
COLOUR = "#1d4f91"
AGENDA = "/sas/agenda"  # the first page of a practitioner

Endpoint = Callable[[Request], Awaitable[Response]]
Handler = Callable[[Request, Regulator], Awaitable[Response]]
Poster = Callable[[Request, Regulator, FormData], Awaitable[Response]]
PractitionerHandler = Callable[[Request, Practitioner], Awaitable[Response]]
PractitionerPoster = Callable[[Request, Practitioner, FormData], Awaitable[Response]]

_OTHERWISE = "déconnectez-vous pour changer de compte."
_FOR_REGULATORS = f"Cette page est réservée aux régulateurs ; vous êtes connecté comme médecin : {_OTHERWISE}"
_FOR_PRACTITIONERS = (
    f"Cette page est réservée aux médecins de l'agenda SAS ; vous êtes connecté comme régulateur : {_OTHERWISE}"
)


class Frame:
    """What each module of pages receives. `changes`: announces what was written, by topic (`changes.py`)."""

    def __init__(self, services: Services, streams: Streams) -> None:
        self.context, self.accounts, self.changes = services.context, services.accounts, services.changes
        self.streams, self._agendas = streams, services.agendas
        callback = services.context.settings.http(SAS_UI, "/oidc/callback")
        self.psc = RelyingParty(services.context, at_psc("sas"), callback, services.http)
        self.pages = Pages("sandbox.sas", app_name="Plateforme SAS", banner=BANNER, colour=COLOUR, static_url="/static")

    def regulator(self, request: Request) -> Regulator | None:
        """The regulator who is logged in; None without a login, and when the account was deleted or withdrawn."""
        key = request.session.get("regulator")
        return self.accounts.holder(str(key)) if key else None

    def practitioner(self, request: Request) -> Practitioner | None:
        """The practitioner of the SAS agenda who is logged in; None without a login, and when he is none any more."""
        id = request.session.get("practitioner")
        return self.typing(str(id)) if id else None

    def typing(self, national_id: str) -> Practitioner | None:
        """The practitioner with that national id, if he has an account of the SAS agenda."""
        return self._agendas.account(national_id)

    def guarded(self, handler: Handler, right: Right | None = None) -> Endpoint:
        """A handler for regulators who are logged in and have the right (else RequestError 403); others log in first
        and come back to the same address."""

        async def endpoint(request: Request) -> Response:
            regulator = self.regulator(request)
            if regulator is None:
                return await self._log_in(request, self.practitioner(request) is not None, _FOR_REGULATORS)
            self._require(regulator, right)
            return await handler(request, regulator)

        return endpoint

    def posted(self, handler: Poster, right: Right | None = None) -> Endpoint:
        """A handler of a form that a page of this console sent. Raises RequestError 403: also without a session, since
        what was typed would be lost on the way through a login."""

        async def endpoint(request: Request) -> Response:
            regulator = self.regulator(request)
            if regulator is None:
                raise RequestError(403, Issue("forbidden", "Connectez-vous d'abord."))
            self._require(regulator, right)
            return await handler(request, regulator, await checked_form(request))

        return endpoint

    def guarded_practitioner(self, handler: PractitionerHandler) -> Endpoint:
        """As `guarded`, for practitioners of the SAS agenda."""

        async def endpoint(request: Request) -> Response:
            practitioner = self.practitioner(request)
            if practitioner is None:
                return await self._log_in(request, self.regulator(request) is not None, _FOR_PRACTITIONERS)
            return await handler(request, practitioner)

        return endpoint

    def posted_practitioner(self, handler: PractitionerPoster) -> Endpoint:
        """As `posted`, for practitioners of the SAS agenda."""

        async def endpoint(request: Request) -> Response:
            practitioner = self.practitioner(request)
            if practitioner is None:
                raise RequestError(403, Issue("forbidden", "Connectez-vous d'abord."))
            return await handler(request, practitioner, await checked_form(request))

        return endpoint

    async def _log_in(self, request: Request, somebody: bool, refusal: str) -> Response:
        """To the login. Raises RequestError 403 when `somebody` is logged in whose part this page is not: he would come
        back at once, as the same person."""
        if somebody:
            raise RequestError(403, Issue("forbidden", refusal))
        return await self.to_psc(request, _here(request))

    def _require(self, regulator: Regulator, right: Right | None) -> None:
        if right is not None:
            self.accounts.require(regulator, right)

    async def to_psc(self, request: Request, return_to: str) -> Response:
        """To the login at Pro Santé Connect, and back to a path of this console."""
        return redirect(await self.psc.authorize_url(request, return_to))

    def live(self, topic: Hashable, html: Callable[[], str], pause_s: float = 0.0, again_s: float | None = None) -> Any:
        """A stream of a part of a page: sent as HTML, and again when it has changed after news of `topic`, at most once
        per `pause_s` seconds. With `again_s` it is also rendered again at that interval, for values that change without
        an announcement (an age, a connection)."""
        return self.streams.answer(self._versions(topic, html, pause_s, again_s))

    async def _versions(
        self, topic: Hashable, html: Callable[[], str], pause_s: float, again_s: float | None
    ) -> AsyncGenerator[Event, None]:
        """The part as it is now, then each time that it has become another."""
        with self.changes.listening(topic) as changed:
            sent = ""
            while True:
                changed.clear()
                now = html()
                if now != sent:
                    yield Event(now, "contenu")
                    sent = now
                await asyncio.sleep(pause_s)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(again_s):
                        await changed.wait()

    def page(
        self, request: Request, template: str, regulator: Regulator | None, status: int = 200, **values: Any
    ) -> Response:
        """A page of the console; `regulator`: who is logged in, None for a practitioner who is no regulator."""
        administrator = self.accounts.may(regulator, Right.ADMINISTRATION)
        common: dict[str, Any] = {"regulator": regulator, "administrator": administrator}
        common["doctor"] = self.practitioner(request)
        return self.pages.render(request, template, status, **common, **values)


def _here(request: Request) -> str:
    query = request.url.query
    return request.url.path + (f"?{query}" if query else "")
