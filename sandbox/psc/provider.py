"""The endpoints of Pro Santé Connect and of the platform's realm (`realms.py`): reads requests, calls `flow`,
`identities` and `tokens`, and renders.

One session serves every client of both (single sign-on). Times in tokens are real ones, whatever the clock of the
sandbox shows: those who check them elsewhere know no other. Pages are French; what clients read (JSON, error
descriptions) is English.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import TypeAlias
from urllib.parse import parse_qsl, urlsplit

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from sandbox.kernel.clock import PARIS
from sandbox.kernel.errors import RequestError, malformed
from sandbox.kernel.model import Regulator
from sandbox.kernel.world import World
from sandbox.net.context import Context
from sandbox.psc import flow
from sandbox.psc.clients import Client, registered_clients
from sandbox.psc.flow import AuthorizeError, AuthorizeRequest, Grant, TokenError
from sandbox.psc.people import People, PeopleDesk
from sandbox.psc.realms import PREFIX, Realm, realms
from sandbox.psc.tokens import Signer, id_token_claims, person_claims
from sandbox.store.protocol import Store
from sandbox.web.attempts import Attempts, account_name, stranger_name
from sandbox.web.ended import Ended
from sandbox.web.headers import console_origins
from sandbox.web.pages import Pages, console, content_policy, leading_to, redirect
from sandbox.web.session import SESSION, check_token, checked_form, csrf_token, read_form, sign_in, sign_out

SHOWN_ACCOUNTS = 12  # demonstration accounts that the login page lists
Handler: TypeAlias = Callable[[Realm, Request], Awaitable[Response]]
_NOT_KEPT = {"cache-control": "no-store", "pragma": "no-cache"}


class Provider:
    """The endpoints of the provider."""

    def __init__(self, context: Context, signer: Signer, people: People, store: Store | None = None) -> None:
        self._context, self._ended = context, Ended(context, store)
        self._signer = signer
        self.clients: Mapping[str, Client] = registered_clients(
            context.settings, context.population.editors.values(), context.secret
        )
        self.realms = realms(context.settings, self.clients, context.secret)
        self.people = people
        self._people_desk = PeopleDesk(people, self.clients)
        self._attempts = Attempts()
        self._epoch = context.world.world.epoch
        self._pages = Pages(
            "sandbox.psc",
            app_name="Pro Santé Connect",
            banner="BAC À SABLE — données fictives : n'entrez aucun mot de passe réel",
            colour="#1b4f9c",
            static_url=f"{PREFIX}/static",
        )
        context.world.watch(self._follow)

    def application(self) -> ASGIApp:
        """The ASGI application."""
        psc, platform = self.realms
        routes = [
            Route("/", self.home),
            *self._routes(psc, PREFIX),
            Route("/people/{id}", self._people_desk.put, methods=["PUT"]),
            Route("/people/{id}", self._people_desk.remove, methods=["DELETE"]),
        ]
        handlers = {AuthorizeError: _told_by_redirect, TokenError: _told_as_json}
        return console(
            self._context,
            self._pages,
            routes,
            role="psc",
            prefix=PREFIX,
            beside=[*self._routes(platform), Route(platform.root, leading_to(platform.configuration))],
            handlers=handlers,
            ended=self._ended,
        )

    def _routes(self, realm: Realm, prefix: str = "") -> list[Route]:
        """The routes of a realm, below `prefix`."""

        def route(path: str, handler: Handler, *methods: str) -> Route:
            async def endpoint(request: Request) -> Response:
                return await handler(realm, request)

            return Route(path.removeprefix(prefix), endpoint, methods=methods)

        return [
            route(realm.configuration, self.discovery, "GET"),
            route(realm.keys, self.jwks, "GET"),
            route(realm.authorize, self.authorize, "GET", "POST"),
            route(realm.login, self.login_page, "GET"),
            route(realm.login, self.login, "POST"),
            route(realm.token, self.token, "POST"),
            route(realm.userinfo, self.userinfo, "GET", "POST"),
            route(realm.logout, self.logout, "GET", "POST"),
        ]

    # documents for clients

    async def discovery(self, realm: Realm, request: Request) -> Response:
        """The realm as its clients must know it."""
        return JSONResponse(realm.document())

    async def jwks(self, realm: Realm, request: Request) -> Response:
        """The key that verifies our tokens."""
        return JSONResponse(self._signer.jwks())

    # the browser's way

    async def authorize(self, realm: Realm, request: Request) -> Response:
        """Start of the flow: straight back with a code when a session is good for it, else the login page."""
        pairs = await self._parameters(request)
        asked = _asked(realm, pairs)
        person = self._person(request)
        auth_time = int(request.session["auth_time"]) if person else None
        if person is not None and not flow.needs_login(asked, auth_time, self._now()):
            return self._granted(realm, request, asked, person)
        if "none" in asked.prompt:
            raise asked.error("login_required", "nobody is logged in")
        return self._login_page(realm, request, asked, flow.with_query(realm.login, dict(pairs)))

    async def login_page(self, realm: Realm, request: Request) -> Response:
        """Log in without a client: the session then serves all of them."""
        if request.url.query:
            return redirect(f"{realm.authorize}?{request.url.query}")
        return self._login_page(realm, request, None, realm.login)

    async def login(self, realm: Realm, request: Request) -> Response:
        """Check a password; the address's query is the authorization request that the login is for."""
        form = await checked_form(request)
        pairs = _pairs(request.url.query)
        asked = _asked(realm, pairs) if pairs else None
        login, password = str(form.get("login", "")), str(form.get("password", ""))
        action = flow.with_query(realm.login, dict(pairs))
        person = self._checked_password(request, login, password)
        if not isinstance(person, Regulator):
            status, text = person
            return self._login_page(realm, request, asked, action, status=status, login=login, error=text)
        await sign_in(request, subject=person.identifier.key, auth_time=self._now())
        return self._granted(realm, request, asked, person) if asked else redirect(f"{PREFIX}/")

    async def home(self, request: Request) -> Response:
        """Who is logged in here, and which services are connected."""
        person = self._person(request)
        since = self._sandbox_time(request.session["auth_time"]) if person else None
        clients = list(self.clients.values())
        return self._pages.render(request, "home.html", person=person, since=since, clients=clients)

    async def logout(self, realm: Realm, request: Request) -> Response:
        """RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0), or by our own button."""
        form = await read_form(request) if request.method == "POST" else FormData()
        sent = [*_pairs(request.url.query), *((name, str(text)) for name, text in form.multi_items())]
        values, repeated = flow.read_parameters(sent)
        if repeated:
            raise malformed("Un paramètre de la déconnexion est répété.", f"http.{min(repeated)}")
        client = realm.clients.get(values.get("client_id") or self._signer.audience(values.get("id_token_hint", "")))
        target = values.get("post_logout_redirect_uri", "")
        if target and (client is None or target not in client.logout_uris):
            raise malformed(
                "L'adresse de retour après déconnexion n'est pas enregistrée. Celles d'un service se déclarent dans le "
                "fichier de configuration du bac à sable, sous oidc_clients : logout_uris.",
                "http.post_logout_redirect_uri",
            )
        if client is None:
            if request.method == "GET":
                return redirect(f"{PREFIX}/")
            check_token(request, form)
        await self._end_session(request)
        if target:
            return redirect(flow.with_query(target, {"state": values.get("state", "")}))
        return await self.home(request)

    # the client's way

    async def token(self, realm: Realm, request: Request) -> Response:
        """Exchange a code for an id_token and an access token (OpenID Connect Core 1.0, 3.1.3)."""
        form = await _token_form(request)
        client = flow.authenticate_client(request.headers.get("authorization", ""), form, realm.clients)
        if form.get("grant_type") != "authorization_code":
            raise TokenError(400, "unsupported_grant_type", "only authorization_code")
        access_token = self._context.entropy.token()
        grant = realm.grants.redeem(
            form.get("code", ""),
            client,
            form.get("redirect_uri", ""),
            form.get("code_verifier", ""),
            access_token,
            _monotonic(),
        )
        claims = id_token_claims(
            self._grantee(grant),
            grant,
            access_token,
            issuer=realm.issuer,
            now=self._now(),
            token_id=self._context.entropy.uuid(),
        )
        answer = {
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": int(flow.TOKEN_LIFETIME_S),
            "id_token": self._signer.sign(claims),
            "scope": " ".join(grant.scope),
        }
        return JSONResponse(answer, headers=_NOT_KEPT)

    async def userinfo(self, realm: Realm, request: Request) -> Response:
        """What we know about the person (OpenID Connect Core 1.0, 5.3)."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise TokenError(401, "invalid_token", "a Bearer token is expected")
        grant = realm.grants.of_token(token.strip(), _monotonic())
        return JSONResponse(person_claims(self._grantee(grant)), headers=_NOT_KEPT)

    # steps

    async def _parameters(self, request: Request) -> list[tuple[str, str]]:
        """Of an authorization request: the query, or the form of a POST (OpenID Connect Core 1.0, 3.1.2.1)."""
        if request.method == "POST":
            form = await read_form(request)
            return [(name, str(value)) for name, value in form.multi_items()]
        return _pairs(request.url.query)

    def _checked_password(self, request: Request, login: str, password: str) -> Regulator | tuple[int, str]:
        """The person, or the status and text of the refusal. Failures count for the session and for the account."""
        meant = self.people.identities.named(login)
        name = account_name(meant.identifier.key) if meant is not None else stranger_name(login)
        who = (f"session:{csrf_token(request)}", name)
        now = _monotonic()
        wait = self._attempts.wait(now, *who)
        if wait > 0:
            return 429, f"Trop de tentatives. Réessayez dans {math.ceil(wait)} secondes."
        person = self.people.identities.authenticate(login, password)
        if person is None:
            self._attempts.failed(now, *who)
            return 403, "Identifiant ou mot de passe incorrect."
        self._attempts.succeeded(*who)
        return person

    def _granted(self, realm: Realm, request: Request, asked: AuthorizeRequest, person: Regulator) -> Response:
        """Back to the client with a fresh code."""
        code = self._context.entropy.token()
        grant = Grant(
            client_id=asked.client.id,
            redirect_uri=asked.redirect_uri,
            subject=person.identifier.key,
            nonce=asked.nonce,
            challenge=asked.challenge,
            scope=tuple(scope for scope in asked.scope if scope in realm.scopes),
            auth_time=int(request.session["auth_time"]),
            session=_public_name(request),
        )
        realm.grants.issue(code, grant, _monotonic())
        return redirect(asked.answer(code=code))

    async def _end_session(self, request: Request) -> None:
        """Nobody is logged in any more with this session, nor with a code or token that came of it."""
        session = _public_name(request)
        await sign_out(request)
        for realm in self.realms if session else ():
            realm.grants.end(session)

    def _login_page(
        self,
        realm: Realm,
        request: Request,
        asked: AuthorizeRequest | None,
        action: str,
        *,
        status: int = 200,
        login: str = "",
        error: str = "",
    ) -> Response:
        answer = self._pages.render(
            request,
            "login.html",
            status,
            service=realm.service(asked) if asked else "",
            action=action,
            login=login,
            error=error,
            accounts=self.people.identities.people[:SHOWN_ACCOUNTS],
            exposed=self._context.settings.exposed,
        )
        if asked:  # the posted form ends at the client
            back = urlsplit(asked.redirect_uri)
            origins = (*console_origins(self._context.settings), f"{back.scheme}://{back.netloc}")
            answer.headers["content-security-policy"] = content_policy(origins)
        return answer

    def _person(self, request: Request) -> Regulator | None:
        return self.people.identities.by_key(str(request.session.get("subject", "")))

    def _grantee(self, grant: Grant) -> Regulator:
        person = self.people.identities.by_key(grant.subject)
        if person is None:
            raise TokenError(400, "invalid_grant", "this person no longer exists")
        return person

    def _now(self) -> int:
        """Real time, epoch seconds."""
        return int(self._context.clock.real())

    def _sandbox_time(self, instant: int) -> datetime:
        """A moment of the past as the sandbox's clock would show it now."""
        clock = self._context.clock
        return datetime.fromtimestamp(instant - clock.real() + clock.time(), PARIS)

    def _follow(self, world: World) -> None:
        """A reset forgets codes and tokens."""
        if world.epoch != self._epoch:
            self._epoch = world.epoch
            for realm in self.realms:
                realm.grants.clear()


def _asked(realm: Realm, pairs: list[tuple[str, str]]) -> AuthorizeRequest:
    return flow.read_authorize(pairs, realm.clients, realm.issuer)


def _public_name(request: Request) -> str:
    """What clients are told as the name of the session (`sid`): it does not tell the session's own."""
    name = str(request.session.get(SESSION, ""))
    return hashlib.sha256(name.encode()).hexdigest()[:32] if name else ""


def _pairs(query: str) -> list[tuple[str, str]]:
    """The parameters of a query. Raises RequestError 400."""
    try:
        return parse_qsl(query, keep_blank_values=True, max_num_fields=100, errors="strict")
    except ValueError:
        raise malformed("Les paramètres de l'adresse sont illisibles.") from None


async def _token_form(request: Request) -> dict[str, str]:
    """The form of a token request; what is wrong with it is told as OAuth 2.0 wants (RFC 6749, 5.2)."""
    try:
        form = await read_form(request)
    except RequestError as error:
        raise TokenError(400, "invalid_request", str(error)) from None
    values, repeated = flow.read_parameters((name, str(value)) for name, value in form.multi_items())
    if repeated:
        raise TokenError(400, "invalid_request", f"a parameter is repeated: {min(repeated)}")
    return values


def _told_by_redirect(request: Request, error: AuthorizeError) -> Response:
    return redirect(error.location)


def _told_as_json(request: Request, error: TokenError) -> Response:
    headers = dict(_NOT_KEPT)
    if error.status == 401:
        scheme = "Bearer" if error.code == "invalid_token" else "Basic"
        headers["www-authenticate"] = f'{scheme} realm="psc", error="{error.code}"'
    return JSONResponse({"error": error.code, "error_description": error.description}, error.status, headers=headers)


def _monotonic() -> float:
    """For lifetimes and limits: sandbox time may be stopped."""
    return asyncio.get_running_loop().time()
