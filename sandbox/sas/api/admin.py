"""The part of the SAS API for administrators: regulators' accounts, L02 messages in numbers and sent again.

Needs the token of an account with the right to administer; statistics need none on loopback.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.kernel.errors import RequestError, malformed
from sandbox.kernel.model import Regulator
from sandbox.net.http.body import read_json_body
from sandbox.sas.orientations.appointments import Appointments
from sandbox.sas.orientations.l02.emitter import L02
from sandbox.sas.regulators.accounts import Account, Draft, Right
from sandbox.sas.regulators.sync_to_editors import AccountSync


class AdminApi:
    """The handlers. `caller` tells whose token a request carries (RequestError 401); `watcher` lets loopback pass."""

    def __init__(
        self,
        caller: Callable[[Request], Regulator],
        watcher: Callable[[Request], None],
        accounts: AccountSync,
        appointments: Appointments,
        l02: L02,
    ) -> None:
        self._caller, self._watcher = caller, watcher
        self._accounts, self._appointments, self._l02 = accounts, appointments, l02

    def routes(self) -> list[Route]:
        """To be listed before those that take any path below `l02`."""
        return [
            Route("/regulators", self.listed, methods=["GET"]),
            Route("/regulators", self.create, methods=["POST"]),
            Route("/regulators/{id}", self.read, methods=["GET"]),
            Route("/regulators/{id}", self.change, methods=["PUT"]),
            Route("/regulators/{id}", self.delete, methods=["DELETE"]),
            Route("/l02", self.statistics, methods=["GET"]),
            Route("/l02/{distribution_id:path}/resend", self.resend, methods=["POST"]),
        ]

    async def listed(self, request: Request) -> Response:
        """All accounts."""
        self._administrator(request)
        return _json({"regulators": [self._document(one) for one in self._accounts.regulators.listed()]})

    async def create(self, request: Request) -> Response:
        """201 with the new account; its password only here."""
        by = self._administrator(request)
        account = await self._accounts.regulators.create(await _draft(request), by)
        return _json({**self._document(account), "password": account.password}, 201)

    async def read(self, request: Request) -> Response:
        """One account, what each editor knows of it, its history."""
        self._administrator(request)
        account = self._present(request)
        history = msgspec.to_builtins(self._accounts.regulators.history(account.id))
        return _json({**self._document(account), "history": history})

    async def change(self, request: Request) -> Response:
        """Replace an account's fields."""
        by = self._administrator(request)
        id = self._present(request).id
        return _json(self._document(await self._accounts.regulators.change(id, await _draft(request), by)))

    async def delete(self, request: Request) -> Response:
        """204; the editors are told at once."""
        by = self._administrator(request)
        await self._accounts.regulators.delete(self._present(request).id, by)
        return Response(status_code=204)

    async def statistics(self, request: Request) -> Response:
        """The messages in numbers, and the latest that failed."""
        self._watcher(request)
        return _json({**self._l02.statistics(), "troubles": self._l02.troubles()})

    async def resend(self, request: Request) -> Response:
        """202: a refused or expired message goes out again; the state of the new one."""
        self._administrator(request)
        again = await self._appointments.send_again(request.path_params["distribution_id"])
        return _json(self._l02.state(again), 202)

    def _administrator(self, request: Request) -> str:
        caller = self._caller(request)
        self._accounts.require(caller, Right.ADMINISTRATION)
        return caller.identifier.key

    def _present(self, request: Request) -> Account:
        id = request.path_params["id"]
        account = self._accounts.regulators.get(id)
        if account is None:
            raise RequestError(404, *malformed(f"no regulator account '{id}'", "id", code="not-found").issues)
        return account

    def _document(self, account: Account) -> dict[str, Any]:
        return {
            "id": account.id,
            "type": account.identifier.type,
            "system": account.identifier.system,
            "value": account.identifier.value,
            "family": account.family,
            "given": account.given,
            "email": account.email,
            "territory": account.territory,
            "rights": list(account.rights),
            "active": account.active,
            "editors": list(self._accounts.states_of(account)),
        }


async def _draft(request: Request) -> Draft:
    return await read_json_body(request, Draft, name="no account")


def _json(document: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(document), status, media_type="application/json")
