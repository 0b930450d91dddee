"""« Comptes »: regulators' accounts, for those who have the right to administer.

Administrators create, change, withdraw and delete accounts, and see who changed what, and what each editor knows of an
account (updated by server-sent events).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.kernel.errors import Issue, RequestError
from sandbox.kernel.model import Regulator
from sandbox.sas.console import words
from sandbox.sas.console.changes import ACCOUNTS
from sandbox.sas.console.frame import Frame
from sandbox.sas.regulators.accounts import Account, Change, Draft, Right
from sandbox.web.pages import redirect
from sandbox.web.session import flash

ROOT = "/administration/regulateurs"
SHOWN_CHANGES = 20
PAUSE_S = 0.5


class AccountPages:
    """The list, the form of one account, and its buttons."""

    def __init__(self, frame: Frame) -> None:
        territories = frame.context.population.territories.values()
        self._territories = [(one.code, f"{one.code} – {one.name}") for one in territories]
        self._frame, self._accounts, self._regulators = frame, frame.accounts, frame.accounts.regulators

    def routes(self) -> list[Route]:
        """For administrators only."""
        pages = {
            "": self.listed,
            "/flux": self.listed_live,
            "/nouveau": self.blank,
            "/{id}": self.account,
            "/{id}/flux": self.account_live,
        }
        forms = {
            "/nouveau": self.create,
            "/{id}": self.change,
            "/{id}/retrait": self.withdraw,
            "/{id}/retablissement": self.restore,
            "/{id}/suppression": self.delete,
        }
        guarded, posted = self._frame.guarded, self._frame.posted
        right = Right.ADMINISTRATION
        return [
            *(Route(ROOT + path, guarded(handler, right), methods=["GET"]) for path, handler in pages.items()),
            *(Route(ROOT + path, posted(handler, right), methods=["POST"]) for path, handler in forms.items()),
        ]

    async def listed(self, request: Request, administrator: Regulator) -> Response:
        """All accounts, and the latest changes."""
        return self._page(request, "regulators.html", administrator, **self._list())

    async def listed_live(self, request: Request, administrator: Regulator) -> Any:
        """The same list, sent again at each change."""
        return self._live("regulators_list.html", self._list)

    async def blank(self, request: Request, administrator: Regulator) -> Response:
        """The form of a new account."""
        values = {"type": "IDNPS", "territory": administrator.territory, "rights": [Right.ORIENTATION]}
        return self._form(request, administrator, None, values, {})

    async def create(self, request: Request, administrator: Regulator, form: FormData) -> Response:
        """Create an account; the editors receive it at its first login."""
        try:
            account = await self._regulators.create(_draft(form, None), administrator.identifier.key)
        except RequestError as error:
            return self._form(request, administrator, None, _values(form), _french(error), error.status)
        flash(request, f"Compte créé. Mot de passe de démonstration : {account.password}")
        return redirect(f"{ROOT}/{account.id}")

    async def account(self, request: Request, administrator: Regulator) -> Response:
        """One account: its form, what the editors know of it, its history."""
        account = self._present(request)
        values = {
            "type": account.identifier.type,
            "value": account.identifier.value,
            "family": account.family,
            "given": account.given,
            "email": account.email,
            "territory": account.territory,
            "rights": list(account.rights),
        }
        return self._form(request, administrator, account, values, {})

    async def account_live(self, request: Request, administrator: Regulator) -> Any:
        """What the editors know of it, sent again at each change."""
        account = self._present(request)

        def values() -> dict[str, Any]:
            return {"editors": self._at_editors(self._regulators.latest(account))}

        return self._live("regulators_editors.html", values)

    async def change(self, request: Request, administrator: Regulator, form: FormData) -> Response:
        """Change an account, its identifier included."""
        account = self._present(request)
        try:
            await self._regulators.change(account.id, _draft(form, account), administrator.identifier.key)
        except RequestError as error:
            return self._form(request, administrator, account, _values(form), _french(error), error.status)
        flash(
            request, "Modification enregistrée : les éditeurs en seront avertis à la prochaine connexion du régulateur."
        )
        return redirect(f"{ROOT}/{account.id}")

    async def withdraw(self, request: Request, administrator: Regulator, form: FormData) -> Response:
        """Withdraw the account's right to orient; the editors are informed at once (INT_R02)."""
        done = "Droit retiré : les éditeurs en sont avertis sans attendre."
        return await self._set_active(request, administrator, False, done)

    async def restore(self, request: Request, administrator: Regulator, form: FormData) -> Response:
        """Give the right back."""
        done = "Droit rétabli : les éditeurs en seront avertis à la prochaine connexion du régulateur."
        return await self._set_active(request, administrator, True, done)

    async def delete(self, request: Request, administrator: Regulator, form: FormData) -> Response:
        """Delete an account; the editors are informed at once (INT_R02)."""
        account = self._present(request)
        await self._regulators.delete(account.id, administrator.identifier.key)
        flash(request, f"Compte de {account.given} {account.family} supprimé.")
        return redirect(ROOT)

    # ---- steps

    async def _set_active(self, request: Request, administrator: Regulator, active: bool, done: str) -> Response:
        account = self._present(request)
        try:
            await self._regulators.set_active(account.id, active, administrator.identifier.key)
        except RequestError as error:
            flash(request, " ".join(_french(error).values()), "bad")
        else:
            flash(request, done)
        return redirect(f"{ROOT}/{account.id}")

    def _present(self, request: Request) -> Account:
        account = self._regulators.get(request.path_params["id"])
        if account is None:
            raise RequestError(404, Issue("not-found", "Ce compte n'existe pas, ou plus."))
        return account

    def _at_editors(self, account: Account) -> list[dict[str, object]]:
        return list(self._accounts.states_of(account))

    def _list(self) -> dict[str, Any]:
        return {
            "accounts": [(one, self._at_editors(one)) for one in self._regulators.listed()],
            **self._history(self._regulators.history(most=SHOWN_CHANGES)),
        }

    def _history(self, changes: Iterable[Change]) -> dict[str, Any]:
        """Changes, with the names of the accounts and of who made them, where they are known."""
        people = list(self._regulators.all())
        return {
            "changes": changes,
            "names": {one.id: f"{one.given} {one.family}" for one in people},
            "authors": {one.identifier.key: f"{one.given} {one.family}" for one in people},
        }

    def _form(
        self,
        request: Request,
        administrator: Regulator,
        account: Account | None,
        values: Mapping[str, Any],
        errors: Mapping[str, str],
        status: int = 200,
    ) -> Response:
        return self._page(
            request,
            "regulators_account.html",
            administrator,
            status,
            account=account,
            values={"value": "", "family": "", "given": "", "email": "", **values},
            errors=errors,
            editors=self._at_editors(account) if account is not None else [],
            types=words.TYPES,
            territories=self._territories,
            all_rights=words.RIGHTS,
            **self._history(self._regulators.history(account.id) if account is not None else []),
        )

    def _page(
        self, request: Request, template: str, administrator: Regulator, status: int = 200, **values: Any
    ) -> Response:
        return self._frame.page(request, template, administrator, status, words=words, root=ROOT, **values)

    def _live(self, template: str, values: Callable[[], dict[str, Any]]) -> Any:
        def html() -> str:
            return self._frame.pages.fragment(template, words=words, root=ROOT, **values())

        return self._frame.live(ACCOUNTS, html, PAUSE_S)


def _draft(form: FormData, account: Account | None) -> Draft:
    texts = {name: str(form.get(name, "")) for name in ("type", "value", "family", "given", "email", "territory")}
    rights = tuple(str(right) for right in form.getlist("rights"))
    active = account.active if account is not None else True
    return Draft(**texts, rights=rights, active=active, password=str(form.get("password", "")))


def _values(form: FormData) -> dict[str, Any]:
    """The values that were typed, to be shown again; without the password."""
    draft = _draft(form, None)
    return {name: value for name, value in msgspec.structs.asdict(draft).items() if name != "password"}


def _french(error: RequestError) -> dict[str, str]:
    """The problems by field, in French."""
    unusable = "Cette valeur n'est pas utilisable."
    return {
        str(issue.expression): words.PROBLEMS.get((str(issue.expression), issue.code), unusable)
        for issue in error.issues
    }
