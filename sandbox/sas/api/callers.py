"""Who calls the SAS API: the regulator whose Bearer token a request carries, or a program on the same machine."""

from __future__ import annotations

from starlette.requests import Request

from sandbox.kernel.errors import Issue, RequestError
from sandbox.kernel.model import Practitioner, Regulator
from sandbox.sas.agenda.agendas import Agendas
from sandbox.sas.api.tokens import Tokens
from sandbox.sas.regulators.accounts import Right
from sandbox.sas.regulators.sync_to_editors import AccountSync

_LOOPBACK = frozenset({"127.0.0.1", "::1", "::ffff:127.0.0.1"})

# What OpenAPI calls security requirements: one of the list is enough.
BEARER: list[dict[str, list[str]]] = [{"bearer": []}]
BEARER_OR_LOOPBACK: list[dict[str, list[str]]] = [{"bearer": []}, {}]


PRACTITIONER = "practitioner:"  # what the account in the token of a practitioner begins with, before the national id


class Unauthorized(RequestError):
    """401: who is calling is not known."""

    def __init__(self, detail: str) -> None:
        super().__init__(401, Issue("login", detail, "http.Authorization"))


class Callers:
    """Finds the caller of a request."""

    def __init__(self, tokens: Tokens, accounts: AccountSync, agendas: Agendas) -> None:
        self._tokens, self._accounts, self._agendas = tokens, accounts, agendas

    def regulator(self, request: Request) -> Regulator:
        """The regulator whose token the request carries. Raises RequestError 401, and 403 for that of a
        practitioner."""
        holder = self.holder(request)
        if isinstance(holder, Practitioner):
            raise _forbidden("the token is that of a practitioner: a regulator's is needed")
        return holder

    def practitioner(self, request: Request) -> Practitioner:
        """The practitioner of the SAS agenda whose token the request carries. Raises RequestError 401, and 403 for that
        of a regulator."""
        holder = self.holder(request)
        if isinstance(holder, Regulator):
            raise _forbidden("the token is that of a regulator: that of a practitioner of the SAS agenda is needed")
        return holder

    def holder(self, request: Request) -> Regulator | Practitioner:
        """Whose token the request carries. Raises RequestError 401."""
        token = bearer(request)
        if not token:
            raise Unauthorized("no Bearer token: POST login gives one")
        found = self._holder(self._tokens.account(token))
        if found is None:
            raise Unauthorized("unknown or expired token: POST login gives a new one")
        return found

    def _holder(self, account: str) -> Regulator | Practitioner | None:
        if account.startswith(PRACTITIONER):
            return self._agendas.account(account.removeprefix(PRACTITIONER))
        return self._accounts.holder(account)

    def with_right(self, request: Request, right: Right) -> Regulator:
        """The same, who must have that right. Raises RequestError 401, 403."""
        regulator = self.regulator(request)
        self._accounts.require(regulator, right)
        return regulator

    def require_regulator_or_loopback(self, request: Request) -> None:
        """Raises RequestError 401 for a request from another machine without a good token."""
        if request.client is None or request.client.host not in _LOOPBACK:
            self.regulator(request)


def _forbidden(detail: str) -> RequestError:
    return RequestError(403, Issue("forbidden", detail, "http.Authorization"))


def bearer(request: Request) -> str:
    """The Bearer token of a request; "" without one."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
