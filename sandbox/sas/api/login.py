"""`POST login` and `POST logout` of the SAS API."""

from __future__ import annotations

import asyncio
import hmac
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
from starlette.requests import Request

from sandbox.kernel.errors import Issue, RequestError
from sandbox.kernel.model import Practitioner, Regulator
from sandbox.net.http.body import read_json_body
from sandbox.sas.api.answers import PractitionerName, RegulatorName, Token
from sandbox.sas.api.callers import BEARER, PRACTITIONER, Callers, Unauthorized, bearer
from sandbox.sas.api.tokens import Tokens
from sandbox.sas.services import Services
from sandbox.web.attempts import Attempts, account_name, stranger_name
from sandbox.web.openapi import Endpoint


class Login(msgspec.Struct):
    """`identifier`: `system|value`, the value alone, or the e-mail address; of a practitioner of the SAS agenda: the
    national id, with or without its prefix."""

    identifier: str
    password: str


class TooManyAttempts(RequestError):
    """429: too many failed logins of one account; another try is judged in `wait` seconds."""

    def __init__(self, wait: int) -> None:
        super().__init__(429, Issue("throttled", f"too many failed logins: try again in {wait} seconds", "identifier"))
        self.wait = wait


class LoginApi:
    """Gives Bearer tokens to the demonstration accounts, and ends them."""

    def __init__(self, callers: Callers, tokens: Tokens, services: Services) -> None:
        self._callers, self._tokens = callers, tokens
        self._accounts, self._agendas = services.accounts, services.agendas
        self._attempts = Attempts()

    @Endpoint("POST", "/login", body=Login, answer=Token, meaning="Logged in", failures=(400, 401, 413, 415, 429))
    async def login(self, request: Request) -> Token:
        """A Bearer token for a demonstration account; that of a regulator counts as a login (INT_R02)."""
        asked = await read_json_body(request, Login, name="not {identifier, password}", typed=False)
        account = self._admitted(asked)
        if isinstance(account.holder, Regulator):
            await self._accounts.login(account.holder)
        token, ends = self._tokens.give(account.id)
        return Token(token, "Bearer", ends.isoformat(), **_named(account.holder))

    @Endpoint("POST", "/logout", status=204, meaning="Logged out", failures=(401,), security=BEARER)
    async def logout(self, request: Request) -> None:
        """End the token of this call, and so every copy of it."""
        self._callers.holder(request)
        await self._tokens.end(bearer(request))

    def _admitted(self, asked: Login) -> _Account:
        """Who logs in. Raises TooManyAttempts, or Unauthorized for a stranger and a wrong password alike."""
        accounts, now = [*self._named(asked.identifier)], asyncio.get_running_loop().time()
        names = [account_name(each.id) for each in accounts] or [stranger_name(asked.identifier)]
        if wait := self._attempts.wait(now, *names):
            raise TooManyAttempts(math.ceil(wait))
        for account in accounts:
            if hmac.compare_digest(account.holder.password.encode(), asked.password.encode()):
                self._attempts.succeeded(*names)
                return account
        self._attempts.failed(now, *names)
        raise Unauthorized("unknown identifier or wrong password")

    def _named(self, login: str) -> Iterator[_Account]:
        """The accounts that the login may mean: a person may be a regulator and have an agenda."""
        regulator = self._accounts.regulator(login)
        if regulator is not None:
            yield _Account(self._accounts.id_of(regulator), regulator)
        practitioner = self._agendas.account(login)
        if practitioner is not None:
            yield _Account(PRACTITIONER + practitioner.id, practitioner)


class _Account(NamedTuple):
    """`id`: what the token names."""

    id: str
    holder: Regulator | Practitioner


def _named(holder: Regulator | Practitioner) -> dict[str, Any]:
    if isinstance(holder, Practitioner):
        return {"practitioner": PractitionerName(holder.id, holder.family, holder.given)}
    name = RegulatorName(holder.identifier.key, holder.family, holder.given, holder.territory)
    return {"regulator": name}
