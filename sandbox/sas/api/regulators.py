"""Regulators' accounts of the SAS API, for those who have the right to administer them."""

from __future__ import annotations

import msgspec
from starlette.requests import Request

from sandbox.kernel.errors import Issue, RequestError
from sandbox.net.http.body import read_json_body
from sandbox.sas.api.answers import Regulator, RegulatorList, accounts_at_editors, regulator
from sandbox.sas.api.callers import BEARER, Callers
from sandbox.sas.regulators.accounts import Account, Draft, Right
from sandbox.sas.services import Services
from sandbox.web.openapi import Endpoint


class RegulatorApi:
    """Every call needs the token of an administrator."""

    def __init__(self, callers: Callers, services: Services) -> None:
        self._callers, self._accounts = callers, services.accounts

    @Endpoint("GET", "/regulators", answer=RegulatorList, failures=(401, 403), security=BEARER)
    async def regulators(self, request: Request) -> RegulatorList:
        """All regulators' accounts."""
        self._administrator(request)
        return RegulatorList([self._shown(account) for account in self._accounts.regulators.listed()])

    @Endpoint(
        "POST",
        "/regulators",
        body=Draft,
        answer=Regulator,
        status=201,
        failures=(400, 401, 403, 413, 415, 422),
        security=BEARER,
    )
    async def create_regulator(self, request: Request) -> Regulator:
        """A new account; the answer has its password."""
        by = self._administrator(request)
        account = await self._accounts.regulators.create(await _draft(request), by)
        return msgspec.structs.replace(self._shown(account), password=account.password)

    @Endpoint("GET", "/regulators/{id}", answer=Regulator, failures=(401, 403, 404), security=BEARER)
    async def regulator(self, request: Request) -> Regulator:
        """One account with its history."""
        self._administrator(request)
        account = self._asked(request)
        history = self._accounts.regulators.history(account.id)
        return msgspec.structs.replace(self._shown(account), history=history)

    @Endpoint(
        "PUT",
        "/regulators/{id}",
        body=Draft,
        answer=Regulator,
        failures=(400, 401, 403, 404, 413, 415, 422),
        security=BEARER,
    )
    async def change_regulator(self, request: Request) -> Regulator:
        """Change an account; active false withdraws it at once (INT_R02)."""
        by = self._administrator(request)
        id = self._asked(request).id
        return self._shown(await self._accounts.regulators.change(id, await _draft(request), by))

    @Endpoint("DELETE", "/regulators/{id}", status=204, failures=(401, 403, 404), security=BEARER)
    async def delete_regulator(self, request: Request) -> None:
        """Delete an account; the editors are told at once (INT_R02)."""
        by = self._administrator(request)
        await self._accounts.regulators.delete(self._asked(request).id, by)

    def _administrator(self, request: Request) -> str:
        return self._callers.with_right(request, Right.ADMINISTRATION).identifier.key

    def _asked(self, request: Request) -> Account:
        id = request.path_params["id"]
        account = self._accounts.regulators.get(id)
        if account is None:
            raise RequestError(404, Issue("not-found", f"no regulator account '{id}'", "id"))
        return account

    def _shown(self, account: Account) -> Regulator:
        return regulator(account, accounts_at_editors(self._accounts.states_of(account)))


async def _draft(request: Request) -> Draft:
    return await read_json_body(request, Draft, name="no account")
