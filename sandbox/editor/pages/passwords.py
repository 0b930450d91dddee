"""An editor's ordinary login and « mot de passe oublié ».

    GET, POST /connexion              e-mail and password       GET, POST /mot-de-passe-oublie   asking for a link
    GET, POST /mot-de-passe?jeton=    choosing another one      GET /boite-envoi                 what would be mailed

Nobody is told whether an account exists, but for the « boîte d'envoi », which stands for everybody's mailbox: it is of
the sandbox, not of the editor. Guessing and asking are limited per name and per session.
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
from sandbox.editor.pages.entrance import Entrance
from sandbox.kernel.errors import Issue, RequestError
from sandbox.web.attempts import Attempts, account_name, stranger_name
from sandbox.web.gate import brings
from sandbox.web.pages import redirect
from sandbox.web.session import checked_form, csrf_token, flash

MAILBOX_WANTED = (
    "La boîte d'envoi est réservée à qui a le jeton d'administration du bac à sable : donnez-le comme mot de passe, "
    "avec n'importe quel nom."
)
_USED_UP = 410  # Gone: the link was good once, or never


class PasswordPages:
    """The pages of one editor where passwords are typed. `token`: what « boîte d'envoi » asks for, if anything."""

    def __init__(self, entrance: Entrance, accounts: Accounts, recovery: Recovery, token: str = "") -> None:
        self._entrance, self._accounts, self._recovery = entrance, accounts, recovery
        self._root = entrance.root
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
        """The editor's ordinary login."""
        return self._entrance.render(request, "login.html", email="", error="")

    async def login(self, request: Request) -> Response:
        """E-mail and password of an account; the session it opens has no right of a regulator."""
        form = await checked_form(request)
        email, password = str(form.get("email", "")).strip(), str(form.get("password", ""))
        who, now = self._names(request, "login", email), asyncio.get_running_loop().time()
        if wait := self._attempts.wait(now, *who):
            return self._entrance.render(request, "login.html", 429, email=email, error=_too_often(wait))
        self._attempts.failed(now, *who)  # before the hash, which takes its time: many at once count too
        record = await self._accounts.check_password(email, password)
        if record is None:
            error = "Adresse électronique ou mot de passe incorrect."
            return self._entrance.render(request, "login.html", 403, email=email, error=error)
        self._attempts.succeeded(*who)
        await self._entrance.sign_in_by_password(request, record)
        return redirect(f"{self._root}/")

    async def forgotten_page(self, request: Request) -> Response:
        """Where a link is asked for."""
        return self._entrance.render(request, "forgotten.html", asked=False, error="")

    async def ask(self, request: Request) -> Response:
        """The same answer whoever is meant; what is sent, if anything, is durable."""
        form = await checked_form(request)
        email = str(form.get("email", "")).strip()
        who, now = self._names(request, "reset", email), asyncio.get_running_loop().time()
        if wait := self._attempts.wait(now, *who):
            return self._entrance.render(request, "forgotten.html", 429, asked=False, error=_too_often(wait))
        self._attempts.failed(now, *who)
        await self._recovery.ask(email)
        return self._entrance.render(request, "forgotten.html", asked=True, error="", minutes=_minutes())

    async def choice_page(self, request: Request) -> Response:
        """The form for a new password, or that the link is good no more."""
        token = request.query_params.get("jeton", "")
        return self._choice(request, token)

    async def choose(self, request: Request) -> Response:
        """The new password is durable, and the link used, before the browser goes to the login."""
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
        return self._entrance.render(request, "mailbox.html", letters=letters, minutes=_minutes())

    def _choice(self, request: Request, token: str, errors: dict[str, str] | None = None) -> Response:
        owner = self._recovery.owner(token)
        status = _USED_UP if owner is None else 422 if errors else 200
        return self._entrance.render(
            request, "new_password.html", status, owner=owner, token=token, errors=errors or {}, minutes=_minutes()
        )

    def _names(self, request: Request, what: str, email: str) -> tuple[str, str]:
        """Under which an attempt counts: the account that is meant, and this browser."""
        record = self._accounts.of_email(email)
        who = account_name(record.id) if record is not None else stranger_name(email)
        return f"{what}:{who}", f"{what}:session:{csrf_token(request)}"


def _minutes() -> int:
    return int(LIFETIME.total_seconds() // 60)


def _too_often(wait: float) -> str:
    return f"Trop de tentatives. Réessayez dans {math.ceil(wait)} secondes."
