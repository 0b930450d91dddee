"""The pages of Pro Santé Connect and of the platform's realm: log in, see who is logged in, log out.

One session serves every client of both (single sign-on). Pages are French; error descriptions that clients read are
English.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl, urlsplit

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from sandbox.kernel.clock import PARIS
from sandbox.kernel.errors import malformed
from sandbox.net.context import Context
from sandbox.psc import flow
from sandbox.psc.clients import Client
from sandbox.psc.flow import AuthorizeRequest, Grant
from sandbox.psc.identities import Person
from sandbox.psc.people import People
from sandbox.psc.realms import PREFIX, Realm
from sandbox.psc.tokens import Signer
from sandbox.web.attempts import Attempts, account_name, stranger_name
from sandbox.web.headers import console_origins, content_policy
from sandbox.web.pages import Pages, redirect
from sandbox.web.session import SESSION, check_token, checked_form, csrf_token, read_form, sign_in, sign_out

SHOWN_ACCOUNTS = 12  # demonstration accounts of each kind that the login page lists


@dataclass(frozen=True, slots=True)
class LoginForm:
    """The form of the login page. `action`: where it is posted; `asked`: the request that the login is for, None to log
    in without a client; `status`, `login` and `error`: after a refused login."""

    action: str
    asked: AuthorizeRequest | None = None
    status: int = 200
    login: str = ""
    error: str = ""


class LoginPages:
    """The handlers of the pages. `realms`: those whose codes and tokens end with a session."""

    def __init__(self, context: Context, pages: Pages, signer: Signer, people: People, realms: Sequence[Realm]) -> None:
        self._context, self._pages, self._signer, self._people = context, pages, signer, people
        self._realms = realms
        self._attempts = Attempts()

    @property
    def _clients(self) -> Mapping[str, Client]:
        """The clients of Pro Santé Connect itself."""
        return self._realms[0].clients

    async def authorize(self, realm: Realm, request: Request) -> Response:
        """Start of the flow: straight back with a code when a session suffices, else the login page."""
        pairs = await self._parameters(request)
        asked = _asked(realm, pairs)
        person = self._person(request)
        auth_time = int(request.session["auth_time"]) if person else None
        if person is not None and not flow.needs_login(asked, auth_time, self._now()):
            return self._granted(realm, request, asked, person)
        if "none" in asked.prompt:
            raise asked.error("login_required", "nobody is logged in")
        return self._login_page(realm, request, LoginForm(flow.with_query(realm.login, dict(pairs)), asked))

    async def login_page(self, realm: Realm, request: Request) -> Response:
        """Log in without a client: the session then serves all of them."""
        if request.url.query:
            return redirect(f"{realm.authorize}?{request.url.query}")
        return self._login_page(realm, request, LoginForm(realm.login))

    async def login(self, realm: Realm, request: Request) -> Response:
        """Check a password; the address's query is the authorization request that the login is for."""
        form = await checked_form(request)
        pairs = _pairs(request.url.query)
        asked = _asked(realm, pairs) if pairs else None
        login, password = str(form.get("login", "")), str(form.get("password", ""))
        action = flow.with_query(realm.login, dict(pairs))
        person = self._checked_password(request, login, password)
        if not isinstance(person, Person):
            status, text = person
            return self._login_page(realm, request, LoginForm(action, asked, status, login, text))
        await sign_in(request, subject=person.identifier.key, auth_time=self._now())
        return self._granted(realm, request, asked, person) if asked else redirect(f"{PREFIX}/")

    async def home(self, request: Request) -> Response:
        """Who is logged in here, and which services are connected."""
        person = self._person(request)
        since = self._sandbox_time(request.session["auth_time"]) if person else None
        clients = list(self._clients.values())
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

    async def _parameters(self, request: Request) -> list[tuple[str, str]]:
        """The parameters of an authorization request: the query, or the form of a POST (OpenID Connect Core 1.0,
        3.1.2.1)."""
        if request.method == "POST":
            form = await read_form(request)
            return [(name, str(value)) for name, value in form.multi_items()]
        return _pairs(request.url.query)

    def _checked_password(self, request: Request, login: str, password: str) -> Person | tuple[int, str]:
        """The person, or the status and text of the refusal. Failures count for the session and for the account."""
        meant = self._people.identities.named(login)
        name = account_name(meant.identifier.key) if meant is not None else stranger_name(login)
        who = (f"session:{csrf_token(request)}", name)
        now = _monotonic()
        wait = self._attempts.wait(now, *who)
        if wait > 0:
            return 429, f"Trop de tentatives. Réessayez dans {math.ceil(wait)} secondes."
        person = self._people.identities.authenticate(login, password)
        if person is None:
            self._attempts.failed(now, *who)
            return 403, "Identifiant ou mot de passe incorrect."
        self._attempts.succeeded(*who)
        return person

    def _granted(self, realm: Realm, request: Request, asked: AuthorizeRequest, person: Person) -> Response:
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
        """End this session, and the codes and tokens that were issued in it."""
        session = _public_name(request)
        await sign_out(request)
        for realm in self._realms if session else ():
            realm.grants.end(session)

    def _login_page(self, realm: Realm, request: Request, form: LoginForm) -> Response:
        asked = form.asked
        answer = self._pages.render(
            request,
            "login.html",
            form.status,
            service=realm.service(asked) if asked else "",
            action=form.action,
            login=form.login,
            error=form.error,
            accounts=(
                ("Régulateurs", self._people.identities.people[:SHOWN_ACCOUNTS]),
                ("Médecins – agenda SAS", self._people.identities.practitioners[:SHOWN_ACCOUNTS]),
            ),
            exposed=self._context.settings.exposed,
        )
        if asked:  # the posted form ends at the client
            back = urlsplit(asked.redirect_uri)
            origins = (*console_origins(self._context.settings), f"{back.scheme}://{back.netloc}")
            answer.headers["content-security-policy"] = content_policy(origins)
        return answer

    def _person(self, request: Request) -> Person | None:
        return self._people.identities.by_key(str(request.session.get("subject", "")))

    def _now(self) -> int:
        """Real time, epoch seconds."""
        return int(self._context.clock.real())

    def _sandbox_time(self, instant: int) -> datetime:
        """A moment of the past as the sandbox's clock would show it now."""
        clock = self._context.clock
        return datetime.fromtimestamp(instant - clock.real() + clock.time(), PARIS)


def _asked(realm: Realm, pairs: list[tuple[str, str]]) -> AuthorizeRequest:
    return flow.read_authorize(pairs, realm.clients, realm.issuer)


def _public_name(request: Request) -> str:
    """The name of the session for clients (`sid`), from which its own name cannot be found."""
    name = str(request.session.get(SESSION, ""))
    return hashlib.sha256(name.encode()).hexdigest()[:32] if name else ""


def _pairs(query: str) -> list[tuple[str, str]]:
    """The parameters of a query. Raises RequestError 400."""
    try:
        return parse_qsl(query, keep_blank_values=True, max_num_fields=100, errors="strict")
    except ValueError:
        raise malformed("Les paramètres de l'adresse sont illisibles.") from None


def _monotonic() -> float:
    """For lifetimes and limits: sandbox time may be stopped."""
    return asyncio.get_running_loop().time()
