"""What editors know about accounts, for the tests of INT_R02."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from sandbox.kernel.flows import Flow
from sandbox.kernel.model import Regulator
from sandbox.net.context import Context
from sandbox.sas.regulators.accounts import Account, Draft, RegulatorAccounts
from sandbox.sas.regulators.sync_to_editors import AccountSync
from tests.actors.sas.sas_core import Editors

ALL = ["agenda-azur", "entraide-commune", "garde-plus", "rdv-commune"]


def drafted(account: Account, **fields: Any) -> Draft:
    """A draft that leaves the account as it is, but for these fields."""
    values: dict[str, Any] = {
        "type": account.identifier.type,
        "value": account.identifier.value,
        "family": account.family,
        "given": account.given,
        "email": account.email,
        "territory": account.territory,
        "rights": account.rights,
        "active": account.active,
    }
    return Draft(**{**values, **fields})


async def changed(regulators: RegulatorAccounts, regulator: Regulator, **fields: Any) -> Account:
    """That regulator's account after a change by the administrator."""
    account = regulators.named(regulator.identifier)
    assert account is not None
    return await regulators.change(account.id, drafted(account, **fields), "the test")


def words(accounts: AccountSync, context: Context) -> dict[str, object]:
    return {str(line["editor"]): line["state"] for line in accounts.states(context.population.regulators[0])}


async def eventually(condition: Callable[[], bool]) -> None:
    """Run the event loop and wait for the disk until `condition` holds."""
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.to_thread(int)


def puts(editors: Editors) -> list[tuple[str, str]]:
    return [(peer, path) for peer, method, path in editors.flows(Flow.INT_R02) if method == "PUT"]


async def calls_until(editors: Editors, count: int) -> list[tuple[str, str]]:
    """(peer, path) of the PUTs, once there are `count` of them."""
    await eventually(lambda: len(puts(editors)) >= count)
    return puts(editors)


async def settled(accounts: AccountSync, regulator: Regulator, word: str) -> None:
    await eventually(lambda: all(line["state"] == word for line in accounts.states(regulator)))
