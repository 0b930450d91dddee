"""The administrator's pages: the regulators' accounts, and the L02 messages that did not get through. French.

Whoever has the right to administer makes, changes, withdraws and deletes accounts, sees what each editor knows of
them and who changed what. A refused or expired message can be sent again there, by whom it concerns too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.kernel.errors import Issue, RequestError
from sandbox.kernel.model import Regulator
from sandbox.net.context import Context
from sandbox.sas.accounts import Accounts
from sandbox.sas.appointments import Appointments
from sandbox.sas.l02 import L02
from sandbox.sas.regulators import Account, Draft, Right
from sandbox.web.pages import Pages, redirect
from sandbox.web.session import checked_form, flash

ROOT = "/administration/regulateurs"
MESSAGES = "/administration/messages"
RESEND = "/sas/orientations/renvoi"
SHOWN_CHANGES = 20

TYPES = (("IDNPS", "identifiant national (carte CPS)"), ("INTRN", "identifiant technique (donné par le SAS)"))
RIGHTS: Mapping[Right, str] = {
    Right.ORIENTATION: "Chercher des créneaux et orienter",
    Right.ADMINISTRATION: "Gérer les comptes et les messages",
}
EDITOR_WORDS: Mapping[str, tuple[str, str]] = {
    "known": ("à jour", "good"),
    "due": ("à transmettre", "wait"),
    "failed": ("en échec, à reprendre", "bad"),
    "withdrawn": ("droit retiré", "off"),
    "withdrawing": ("retrait en cours", "wait"),
    "unknown": ("jamais transmis", "off"),
}
ACTIONS: Mapping[str, str] = {
    "create": "Création",
    "change": "Modification",
    "withdraw": "Retrait du droit",
    "restore": "Rétablissement",
    "delete": "Suppression",
}
FIELDS: Mapping[str, str] = {
    "identifier": "identifiant",
    "family": "nom",
    "given": "prénom",
    "email": "adresse électronique",
    "territory": "territoire",
    "rights": "droits",
    "active": "actif",
    "password": "mot de passe",
}
PROBLEMS: Mapping[tuple[str, str], str] = {
    ("value", "required"): "Un identifiant national est attendu.",
    ("value", "value"): "Cet identifiant n'a pas la forme attendue.",
    ("value", "duplicate"): "Un autre compte actif a déjà cet identifiant.",
    ("family", "required"): "Le nom est attendu.",
    ("given", "required"): "Le prénom est attendu.",
    ("email", "required"): "L'adresse électronique est attendue.",
    ("email", "value"): "Ce n'est pas une adresse électronique.",
    ("email", "duplicate"): "Un autre compte actif a déjà cette adresse.",
    ("territory", "value"): "Choisissez un territoire de la liste.",
}


class Administration:
    """The pages below `/administration`, and the button that sends a message again."""

    def __init__(
        self, context: Context, pages: Pages, accounts: Accounts, appointments: Appointments, l02: L02
    ) -> None:
        self._territories = [(one.code, f"{one.code} – {one.name}") for one in context.population.territories.values()]
        self._pages, self._accounts, self._regulators = pages, accounts, accounts.regulators
        self._appointments, self._l02 = appointments, l02

    def routes(self) -> list[Route]:
        """Their routes."""
        return [
            Route(ROOT, self.listed, methods=["GET"]),
            Route(f"{ROOT}/nouveau", self.blank, methods=["GET"]),
            Route(f"{ROOT}/nouveau", self.create, methods=["POST"]),
            Route(f"{ROOT}/{{id}}", self.account, methods=["GET"]),
            Route(f"{ROOT}/{{id}}", self.change, methods=["POST"]),
            Route(f"{ROOT}/{{id}}/retrait", self.withdraw, methods=["POST"]),
            Route(f"{ROOT}/{{id}}/retablissement", self.restore, methods=["POST"]),
            Route(f"{ROOT}/{{id}}/suppression", self.delete, methods=["POST"]),
            Route(MESSAGES, self.messages, methods=["GET"]),
            Route(RESEND, self.resend, methods=["POST"]),
        ]

    async def listed(self, request: Request) -> Response:
        """All accounts, and the latest changes."""
        administrator = self._administrator(request)
        if administrator is None:
            return _to_login(request)
        accounts = self._regulators.listed()
        names = {one.id: f"{one.given} {one.family}" for one in self._regulators.all()}
        return self._page(
            request,
            "regulators.html",
            administrator,
            accounts=[(one, self._at_editors(one)) for one in accounts],
            changes=self._regulators.history(most=SHOWN_CHANGES),
            names=names,
        )

    async def blank(self, request: Request) -> Response:
        """The form of a new account."""
        administrator = self._administrator(request)
        if administrator is None:
            return _to_login(request)
        values = {"type": "IDNPS", "territory": administrator.territory, "rights": [Right.ORIENTATION]}
        return self._form(request, administrator, None, values, {})

    async def create(self, request: Request) -> Response:
        """A new account; the editors are told at its first login."""
        administrator, form = await self._posted(request)
        try:
            account = await self._regulators.create(_draft(form, None), administrator.identifier.key)
        except RequestError as error:
            return self._form(request, administrator, None, _values(form), _french(error), error.status)
        flash(request, f"Compte créé. Mot de passe de démonstration : {account.password}")
        return redirect(f"{ROOT}/{account.id}")

    async def account(self, request: Request) -> Response:
        """One account: its form, what the editors know of it, its history."""
        administrator = self._administrator(request)
        if administrator is None:
            return _to_login(request)
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

    async def change(self, request: Request) -> Response:
        """Change an account, its identifier included."""
        administrator, form = await self._posted(request)
        account = self._present(request)
        try:
            await self._regulators.change(account.id, _draft(form, account), administrator.identifier.key)
        except RequestError as error:
            return self._form(request, administrator, account, _values(form), _french(error), error.status)
        flash(request, "Modification enregistrée : les éditeurs en seront avertis à sa prochaine connexion.")
        return redirect(f"{ROOT}/{account.id}")

    async def withdraw(self, request: Request) -> Response:
        """Take the right away; the editors are told at once."""
        return await self._set_active(request, False, "Droit retiré : les éditeurs en sont avertis sans attendre.")

    async def restore(self, request: Request) -> Response:
        """Give the right back."""
        said = "Droit rétabli : les éditeurs en seront avertis à sa prochaine connexion."
        return await self._set_active(request, True, said)

    async def delete(self, request: Request) -> Response:
        """Delete an account; the editors are told at once."""
        administrator, _ = await self._posted(request)
        account = self._present(request)
        await self._regulators.delete(account.id, administrator.identifier.key)
        flash(request, f"Compte de {account.given} {account.family} supprimé.")
        return redirect(ROOT)

    async def messages(self, request: Request) -> Response:
        """The L02 messages in numbers, and those that did not get through."""
        administrator = self._administrator(request)
        if administrator is None:
            return _to_login(request)
        return self._page(
            request,
            "regulators_messages.html",
            administrator,
            numbers=self._l02.statistics(),
            troubles=self._l02.troubles(),
            resend=RESEND,
        )

    async def resend(self, request: Request) -> Response:
        """Send a refused or expired message again: one's own, or any as administrator."""
        regulator = self._person(request)
        if regulator is None:
            raise RequestError(403, Issue("forbidden", "Connectez-vous d'abord."))
        form = await checked_form(request)
        distribution_id = str(form.get("message", ""))
        record = self._appointments.read(str((self._l02.state(distribution_id) or {}).get("appointmentId")))
        own = record is not None and self._appointments.is_of(record, regulator.identifier)
        if not own:
            self._accounts.require(regulator, Right.ADMINISTRATION)
        try:
            await self._appointments.send_again(distribution_id)
        except RequestError as error:
            if error.status != 409:
                raise
            flash(request, "Ce message ne peut pas être renvoyé : il a abouti, ou un autre l'a remplacé.", "bad")
        else:
            flash(request, "Message renvoyé au LRM.")
        return redirect("/sas/orientations" if own else MESSAGES)

    # ---- steps

    async def _set_active(self, request: Request, active: bool, said: str) -> Response:
        administrator, _ = await self._posted(request)
        account = self._present(request)
        try:
            await self._regulators.set_active(account.id, active, administrator.identifier.key)
        except RequestError as error:
            flash(request, " ".join(_french(error).values()), "bad")
        else:
            flash(request, said)
        return redirect(f"{ROOT}/{account.id}")

    async def _posted(self, request: Request) -> tuple[Regulator, FormData]:
        """The administrator's own form. Raises RequestError 403."""
        administrator = self._administrator(request)
        if administrator is None:
            raise RequestError(403, Issue("forbidden", "Connectez-vous d'abord."))
        return administrator, await checked_form(request)

    def _person(self, request: Request) -> Regulator | None:
        return self._accounts.holder(str(request.session.get("regulator", "")))

    def _administrator(self, request: Request) -> Regulator | None:
        """Who is logged in; None for a stranger. Raises RequestError 403 without the right."""
        person = self._person(request)
        if person is not None:
            self._accounts.require(person, Right.ADMINISTRATION)
        return person

    def _present(self, request: Request) -> Account:
        account = self._regulators.get(request.path_params["id"])
        if account is None:
            raise RequestError(404, Issue("not-found", "Ce compte n'existe pas, ou plus."))
        return account

    def _at_editors(self, account: Account) -> list[dict[str, object]]:
        return list(self._accounts.states_of(account))

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
            changes=self._regulators.history(account.id) if account is not None else [],
            types=TYPES,
            territories=self._territories,
            all_rights=RIGHTS,
        )

    def _page(
        self, request: Request, template: str, administrator: Regulator, status: int = 200, **values: Any
    ) -> Response:
        words = {"editor_words": EDITOR_WORDS, "actions": ACTIONS, "fields": FIELDS, "root": ROOT}
        return self._pages.render(
            request, template, status, regulator=administrator, administrator=True, **words, **values
        )


def _draft(form: FormData, account: Account | None) -> Draft:
    texts = {name: str(form.get(name, "")) for name in ("type", "value", "family", "given", "email", "territory")}
    rights = tuple(str(right) for right in form.getlist("rights"))
    active = account.active if account is not None else True
    return Draft(**texts, rights=rights, active=active, password=str(form.get("password", "")))


def _values(form: FormData) -> dict[str, Any]:
    """What was typed, to be shown again; no password."""
    draft = _draft(form, None)
    return {name: value for name, value in msgspec.structs.asdict(draft).items() if name != "password"}


def _french(error: RequestError) -> dict[str, str]:
    """What is wrong, by field."""
    return {
        str(issue.expression): PROBLEMS.get((str(issue.expression), issue.code), "Cette valeur n'est pas utilisable.")
        for issue in error.issues
    }


def _to_login(request: Request) -> Response:
    return redirect(f"/connexion?return_to={request.url.path}")
