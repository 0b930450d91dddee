"""The application of Pro Santé Connect and of the platform's realm (`realms.py`): which path leads to which handler.

Times in tokens are real time, whatever the clock of the sandbox shows: software that checks tokens elsewhere uses real
time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from sandbox.kernel.world import World
from sandbox.net.context import Context
from sandbox.psc.client_endpoints import ClientEndpoints, token_error
from sandbox.psc.clients import Client, registered_clients
from sandbox.psc.flow import AuthorizeError, TokenError
from sandbox.psc.login_pages import LoginPages
from sandbox.psc.people import People, PeopleHandlers
from sandbox.psc.realms import PREFIX, Realm, realms
from sandbox.psc.tokens import Signer
from sandbox.store.protocol import Store
from sandbox.web.console import Access, application, leading_to
from sandbox.web.ended_sessions import EndedSessions
from sandbox.web.pages import Pages, redirect

Handler: TypeAlias = Callable[[Realm, Request], Awaitable[Response]]


class Provider:
    """The provider: its realms, their clients and the application that serves them."""

    def __init__(self, context: Context, signer: Signer, people: People, store: Store | None = None) -> None:
        self._context, self._ended, self.people = context, EndedSessions(context, store), people
        self.clients: Mapping[str, Client] = registered_clients(
            context.settings, context.population.editors.values(), context.secret
        )
        self.realms = realms(context.settings, self.clients, context.secret)
        self._epoch = context.world.world.epoch
        self._pages = Pages(
            "sandbox.psc",
            app_name="Pro Santé Connect",
            banner="BAC À SABLE — données fictives : n'entrez aucun mot de passe réel",
            colour="#1b4f9c",
            static_url=f"{PREFIX}/static",
        )
        self._logins = LoginPages(context, self._pages, signer, people, self.realms)
        self._endpoints = ClientEndpoints(context, signer, people)
        context.world.watch(self._follow)

    def application(self) -> ASGIApp:
        """The ASGI application."""
        psc, platform = self.realms
        people = PeopleHandlers(self.people, self.clients)
        below = [
            self._pages.static_route(),
            Route("/", self._logins.home),
            *self._routes(psc, PREFIX),
            Route("/people/{id}", people.put, methods=["PUT"]),
            Route("/people/{id}", people.remove, methods=["DELETE"]),
        ]
        routes = [
            Mount(PREFIX, routes=below),
            *self._routes(platform),
            Route(platform.root, leading_to(platform.configuration)),
            Route("/", leading_to(f"{PREFIX}/")),
        ]
        handlers = {AuthorizeError: _redirected, TokenError: token_error}
        access = Access(self._ended)
        return application(self._context, self._pages, routes, role="psc", handlers=handlers, access=access)

    def _routes(self, realm: Realm, prefix: str = "") -> list[Route]:
        """The routes of a realm, below `prefix`."""

        def route(path: str, handler: Handler, *methods: str) -> Route:
            async def endpoint(request: Request) -> Response:
                return await handler(realm, request)

            return Route(path.removeprefix(prefix), endpoint, methods=methods)

        logins, endpoints = self._logins, self._endpoints
        return [
            route(realm.configuration, endpoints.discovery, "GET"),
            route(realm.keys, endpoints.jwks, "GET"),
            route(realm.authorize, logins.authorize, "GET", "POST"),
            route(realm.login, logins.login_page, "GET"),
            route(realm.login, logins.login, "POST"),
            route(realm.token, endpoints.token, "POST"),
            route(realm.userinfo, endpoints.userinfo, "GET", "POST"),
            route(realm.logout, logins.logout, "GET", "POST"),
        ]

    def _follow(self, world: World) -> None:
        """A reset forgets codes and tokens."""
        if world.epoch != self._epoch:
            self._epoch = world.epoch
            for realm in self.realms:
                realm.grants.clear()


def _redirected(request: Request, error: AuthorizeError) -> Response:
    return redirect(error.location)
