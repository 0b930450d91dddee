"""`do: login`: a regulator logs in to the SAS core."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sandbox.runner.stage import Failed, Stage
from sandbox.runner.steps.base import BaseStep
from sandbox.runner.steps.common import api_token, log_in_if_asked, until

ACCOUNTS_WITHIN_S = 10.0


class Login(BaseStep, frozen=True, tag="login"):
    """A regulator of `territory` logs in to the SAS through Pro Santé Connect."""

    territory: str

    def title(self) -> str:
        return f"Connexion d'un régulateur de {self.territory}"

    async def play(self, stage: Stage) -> Sequence[str]:
        """In the browser, and by the API for its token; the editors must know the account then (INT_R02)."""
        account = self._account(stage)
        stage.learnt.regulator = account
        page = await log_in_if_asked(stage, await stage.browser.get(f"{stage.endpoints['sas']['ui']}/connexion"))
        if not page.with_data("regulator"):
            raise Failed(f"pas connecté : {page.url} répond {page.status}")
        stage.learnt.token = await api_token(stage, account)
        known = await _known_at_editors(stage)
        return [f"connecté : {account['identifier']}", f"compte connu de {known} éditeurs (INT_R02)"]

    def _account(self, stage: Stage) -> dict[str, Any]:
        regulators: list[dict[str, Any]] = stage.endpoints["examples"]["regulators"]
        account = next((one for one in regulators if one["territory"] == self.territory), None)
        if account is None:
            raise Failed(f"aucun compte de démonstration du territoire {self.territory}")
        return account


async def _known_at_editors(stage: Stage) -> int:
    """Wait until every editor of the sandbox that takes accounts has this one; returns their number. Raises Failed."""
    wanted = {editor["slug"] for editor in stage.hosted() if "INT_R02" in editor["flows"]}

    async def known() -> set[str]:
        accounts = (await stage.sas("regulator-accounts"))["accounts"]
        return {one["editor"] for one in accounts if one["state"] == "known"}

    reached = await until(known, lambda editors: editors >= wanted, ACCOUNTS_WITHIN_S)
    if not reached >= wanted:
        raise Failed(f"compte absent chez : {', '.join(sorted(wanted - reached))}")
    return len(wanted)
