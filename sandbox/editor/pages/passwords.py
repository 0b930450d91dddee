"""An editor's ordinary login and « mot de passe oublié ».

    GET, POST /connexion              e-mail and password       GET, POST /mot-de-passe-oublie   asking for a link
    GET, POST /mot-de-passe?jeton=    choosing another one      GET /boite-envoi                 what would be mailed

No answer says whether an account exists, except the « boîte d'envoi »: it stands for everybody's mailbox and belongs to
the sandbox, not to the editor. Attempts to log in and to ask for links are limited per name and per session.
"""

from __future__ import annotations

import asyncio
import math
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.editor.accounts.accounts import Accounts
from sandbox.editor.accounts.recovery import LIFETIME, Recovery, password_errors
from sandbox.editor.pages.session import SessionPages
from sandbox.kernel.errors import Issue, RequestError
from sandbox.web.attempts import Attempts, account_name, stranger_name
from sandbox.web.gate import brings
from sandbox.web.pages import redirect
from sandbox.web.session import checked_form, csrf_token, flash

MAILBOX_WANTED = (
    "La boîte d'envoi est réservée à qui a le jeton d'administration du bac à sable : donnez-le comme mot de passe, "
    "avec n'importe quel nom."
)
_USED_UP = 410  # Gone: the link does not work any more, or never did


class PasswordPages:
    """The pages of one editor for its passwords. `token`: what the « boîte d'envoi » asks for; empty: nothing."""

    def __init__(self, session: SessionPages, accounts: Accounts, recovery: Recovery, token: str = "") -> None:
        self._session, self._accounts, self._recovery = session, accounts, recovery
        self._root = session.root
        self._attempts, self._token = Attempts(), token

    def routes(self) -> list[Route]:
        """The routes, below the editor's root."""
        return [
            Route("/connexion", self.login_page),
            Route("/connexion", self.login, methods=["POST"]),
            Route("/mot-de-passe-oublie", self.forgotten_page),
            Route("/mot-de-passe-oublie", self.ask, methods=["POST"]),
            Route("/mot-de-passe", self.choice_page),
            Route("/mot-de-passe", self.choose, methods=["POST"]),
            Route("/boite-envoi", self.mailbox),
        ]

    async def login_page(self, request: Request) -> Response:
        """The form of the ordinary login."""
        return self._session.render(request, "login.html", email="", error="")

    async def login(self, request: Request) -> Response:
        """Open a session with e-mail and password; it has no right of a regulator."""
        form = await checked_form(request)
        email, password = str(form.get("email", "")).strip(), str(form.get("password", ""))
        who, now = self._names(request, "login", email), asyncio.get_running_loop().time()
        if wait := self._attempts.wait(now, *who):
            return self._session.render(request, "login.html", 429, email=email, error=_too_often(wait))
        self._attempts.failed(now, *who)  # before the slow hash, so that concurrent attempts count too
        record = await self._accounts.check_password(email, password)
        if record is None:
            error = "Adresse électronique ou mot de passe incorrect."
            return self._session.render(request, "login.html", 403, email=email, error=error)
        self._attempts.succeeded(*who)
        await self._session.sign_in_by_password(request, record)
        return redirect(f"{self._root}/")

    async def forgotten_page(self, request: Request) -> Response:
        """The form that asks for a link."""
        return self._session.render(request, "forgotten.html", asked=False, error="")

    async def ask(self, request: Request) -> Response:
        """Ask for a link. The answer does not say whether an account exists; it comes once the link is durable."""
        form = await checked_form(request)
        email = str(form.get("email", "")).strip()
        who, now = self._names(request, "reset", email), asyncio.get_running_loop().time()
        if wait := self._attempts.wait(now, *who):
            return self._session.render(request, "forgotten.html", 429, asked=False, error=_too_often(wait))
        self._attempts.failed(now, *who)
        await self._recovery.ask(email)
        return self._session.render(request, "forgotten.html", asked=True, error="", minutes=_minutes())

    async def choice_page(self, request: Request) -> Response:
        """The form for a new password; 410 when the link does not work any more."""
        token = request.query_params.get("jeton", "")
        return self._choice(request, token)

    async def choose(self, request: Request) -> Response:
        """Change the password; it is durable and the link is used up before the browser is sent to the login."""
        form = await checked_form(request)
        token, password = str(form.get("jeton", "")), str(form.get("password", ""))
        errors = password_errors(password, str(form.get("again", "")))
        if errors:
            return self._choice(request, token, errors)
        if not await self._recovery.change(token, password):
            return self._choice(request, "")
        flash(request, "Le mot de passe est changé : connectez-vous avec le nouveau.")
        return redirect(f"{self._root}/connexion")

    async def mailbox(self, request: Request) -> Response:
        """The messages that the editor would have mailed. Their links change passwords: once other machines reach this
        page, it asks for the administration token."""
        if self._token and not brings(request.scope, (self._token,)):
            raise RequestError(401, Issue("login", MAILBOX_WANTED))
        letters = [
            (message, f"{self._root}/mot-de-passe?{urlencode({'jeton': message.token})}")
            for message in self._recovery.messages()
        ]
        return self._session.render(request, "mailbox.html", letters=letters, minutes=_minutes())

    def _choice(self, request: Request, token: str, errors: dict[str, str] | None = None) -> Response:
        owner = self._recovery.owner(token)
        status = _USED_UP if owner is None else 422 if errors else 200
        return self._session.render(
            request, "new_password.html", status, owner=owner, token=token, errors=errors or {}, minutes=_minutes()
        )

    def _names(self, request: Request, what: str, email: str) -> tuple[str, str]:
        """The names under which an attempt counts: the account that is meant, and this browser session."""
        record = self._accounts.of_email(email)
        who = account_name(record.id) if record is not None else stranger_name(email)
        return f"{what}:{who}", f"{what}:session:{csrf_token(request)}"


def _minutes() -> int:
    return int(LIFETIME.total_seconds() // 60)


def _too_often(wait: float) -> str:
    return f"Trop de tentatives. Réessayez dans {math.ceil(wait)} secondes."
