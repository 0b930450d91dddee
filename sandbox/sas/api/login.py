"""`POST login` and `POST logout` of the SAS API."""

from __future__ import annotations

import asyncio
import hmac
import math

import msgspec
from starlette.requests import Request

from sandbox.kernel.errors import Issue, RequestError
from sandbox.kernel.model import Regulator
from sandbox.net.http.body import read_json_body
from sandbox.sas.api.answers import RegulatorName, Token
from sandbox.sas.api.callers import BEARER, Callers, Unauthorized, bearer
from sandbox.sas.api.tokens import Tokens
from sandbox.sas.regulators.sync_to_editors import AccountSync
from sandbox.web.attempts import Attempts, account_name, stranger_name
from sandbox.web.openapi import Endpoint


class Login(msgspec.Struct):
    """`identifier`: `system|value`, the value alone, or the e-mail address."""

    identifier: str
    password: str


class TooManyAttempts(RequestError):
    """429: too many failed logins of one account; another try is judged in `wait` seconds."""

    def __init__(self, wait: int) -> None:
        super().__init__(429, Issue("throttled", f"too many failed logins: try again in {wait} seconds", "identifier"))
        self.wait = wait


class LoginApi:
    """Gives Bearer tokens to the demonstration accounts, and ends them."""

    def __init__(self, callers: Callers, tokens: Tokens, accounts: AccountSync) -> None:
        self._callers, self._tokens, self._accounts = callers, tokens, accounts
        self._attempts = Attempts()

    @Endpoint("POST", "/login", body=Login, answer=Token, meaning="Logged in", failures=(400, 401, 413, 415, 429))
    async def login(self, request: Request) -> Token:
        """A Bearer token for a demonstration account; counts as a login (INT_R02)."""
        asked = await read_json_body(request, Login, name="not {identifier, password}", typed=False)
        regulator = self._admitted(asked)
        await self._accounts.login(regulator)
        token, ends = self._tokens.give(self._accounts.id_of(regulator))
        holder = RegulatorName(regulator.identifier.key, regulator.family, regulator.given, regulator.territory)
        return Token(token, "Bearer", ends.isoformat(), holder)

    @Endpoint("POST", "/logout", status=204, meaning="Logged out", failures=(401,), security=BEARER)
    async def logout(self, request: Request) -> None:
        """End the token of this call, and so every copy of it."""
        self._callers.regulator(request)
        await self._tokens.end(bearer(request))

    def _admitted(self, asked: Login) -> Regulator:
        """Who logs in. Raises TooManyAttempts, or Unauthorized for a stranger and a wrong password alike."""
        regulator = self._accounts.regulator(asked.identifier)
        id = self._accounts.id_of(regulator) if regulator is not None else ""
        name, now = account_name(id) if id else stranger_name(asked.identifier), asyncio.get_running_loop().time()
        if wait := self._attempts.wait(now, name):
            raise TooManyAttempts(math.ceil(wait))
        secret = regulator.password if regulator is not None else ""
        if regulator is None or not hmac.compare_digest(secret.encode(), asked.password.encode()):
            self._attempts.failed(now, name)
            raise Unauthorized("unknown identifier or wrong password")
        self._attempts.succeeded(name)
        return regulator
