"""INT_R02 when an account is withdrawn: sent at once to the editors that have it, until they accept it."""

from __future__ import annotations

import asyncio
from urllib.parse import quote

import orjson
import pytest

from sandbox.kernel.errors import PeerTimeout
from sandbox.net.context import Context
from sandbox.net.http.client import Reply
from sandbox.sas.regulators.accounts import RegulatorAccounts, Right
from sandbox.sas.regulators.sync_to_editors import AccountSync
from sandbox.store.embedded.tables import open_store
from sandbox.store.protocol import Store
from tests.actors.sas.at_editors import ALL, calls_until, changed, puts, settled
from tests.actors.sas.sas_core import Editors, Gate, reply


async def test_withdrawal_is_told_at_once_to_those_that_know_the_account(
    accounts: AccountSync, context: Context, editors: Editors, regulators: RegulatorAccounts
) -> None:
    regulator = context.population.regulators[0]
    await accounts.login(regulator)
    await changed(regulators, regulator, active=False)
    found = await calls_until(editors, len(ALL))
    assert sorted(found) == [
        (slug, f"Practitioner?identifier={quote(regulator.identifier.key, safe='')}") for slug in ALL
    ]
    bodies = [orjson.loads(body or b"") for _, _, method, _, body in editors.calls if method == "PUT"]
    assert [body["active"] for body in bodies] == [False] * len(ALL)
    await settled(accounts, regulator, "withdrawn")


async def test_editors_that_were_never_told_of_an_account_are_not_told_of_its_end(
    accounts: AccountSync, context: Context, editors: Editors, regulators: RegulatorAccounts
) -> None:
    regulator = context.population.regulators[0]
    account = regulators.named(regulator.identifier)
    assert account is not None
    await regulators.delete(account.id, "the test")
    await asyncio.sleep(0)
    assert editors.calls == []
    assert {line["state"] for line in accounts.states(regulator)} == {"unknown"}


@pytest.mark.parametrize("end", ["delete", "withdraw", "no right to orient"])
async def test_every_way_to_end_an_account_withdraws_it(
    accounts: AccountSync, context: Context, editors: Editors, regulators: RegulatorAccounts, end: str
) -> None:
    regulator = context.population.regulators[0]
    await accounts.login(regulator)
    account = regulators.named(regulator.identifier)
    assert account is not None
    if end == "delete":
        await regulators.delete(account.id, "the test")
    elif end == "withdraw":
        await regulators.set_active(account.id, False, "the test")
    else:
        await changed(regulators, regulator, rights=(Right.ADMINISTRATION,))
    await settled(accounts, regulator, "withdrawn")
    editors.calls.clear()
    await accounts.login(regulator)
    assert editors.calls == []


async def test_a_withdrawal_that_fails_is_repeated_until_it_is_taken(
    accounts: AccountSync, context: Context, editors: Editors, regulators: RegulatorAccounts
) -> None:
    regulator = context.population.regulators[0]
    await accounts.login(regulator)
    refusals = 3

    async def failing(*_: object) -> Reply:
        nonlocal refusals
        refusals -= 1
        if refusals >= 0:
            raise PeerTimeout("garde-plus", "no answer in time")
        return reply({})

    editors.answers["garde-plus"] = failing
    await changed(regulators, regulator, active=False)
    found = await calls_until(editors, len(ALL) + 3)
    assert [peer for peer, _ in found].count("garde-plus") == 4
    await settled(accounts, regulator, "withdrawn")


async def test_a_withdrawal_that_is_due_goes_on_after_a_restart(
    accounts: AccountSync, context: Context, store: Store, editors: Editors, regulators: RegulatorAccounts
) -> None:
    regulator = context.population.regulators[0]
    await accounts.login(regulator)

    async def down(*_: object) -> Reply:
        raise PeerTimeout("garde-plus", "no answer in time")

    editors.answers["garde-plus"] = down
    await changed(regulators, regulator, active=False)
    await calls_until(editors, len(ALL))
    await accounts.stop()
    await store.close()
    reopened = open_store(context.store_dir("sas"))
    later = Editors()
    again = AccountSync(context, reopened, later, RegulatorAccounts(context, reopened, lambda account: ()))  # type: ignore[arg-type]
    await again.start()
    assert [peer for peer, _ in await calls_until(later, 1)] == ["garde-plus"]
    await settled(again, regulator, "withdrawn")
    await again.stop()
    await reopened.close()


async def test_a_withdrawal_waits_for_the_call_under_way_and_has_the_last_word(
    context: Context, store: Store, editors: Editors, regulators: RegulatorAccounts
) -> None:
    slow = Gate(reply({}, 201))
    editors.answers["rdv-commune"] = slow
    accounts = AccountSync(context, store, editors, regulators, patience_s=0.01)  # type: ignore[arg-type]
    regulator = context.population.regulators[0]
    await accounts.login(regulator)
    await changed(regulators, regulator, active=False)
    await calls_until(editors, len(ALL) - 1)
    slow.opened.set()
    assert (await calls_until(editors, len(ALL)))[-1][0] == "rdv-commune"
    await settled(accounts, regulator, "withdrawn")
    await accounts.stop()


async def test_an_account_given_back_is_updated_at_the_next_login(
    accounts: AccountSync, context: Context, editors: Editors, regulators: RegulatorAccounts
) -> None:
    regulator = context.population.regulators[0]
    await accounts.login(regulator)
    await changed(regulators, regulator, active=False)
    await settled(accounts, regulator, "withdrawn")
    editors.calls.clear()
    await changed(regulators, regulator, active=True)
    assert editors.calls == []
    await accounts.login(regulator)
    assert sorted(peer for peer, _ in await calls_until(editors, len(ALL))) == ALL
    await settled(accounts, regulator, "known")


async def test_an_account_given_back_while_its_withdrawal_is_under_way_is_told_after_it(
    accounts: AccountSync, context: Context, editors: Editors, regulators: RegulatorAccounts
) -> None:
    regulator = context.population.regulators[0]
    await accounts.login(regulator)
    slow = editors.answers["rdv-commune"] = Gate(reply({}, 200))
    await changed(regulators, regulator, active=False)
    async with asyncio.timeout(5):
        await slow.reached.wait()
    await changed(regulators, regulator, active=True)
    login = asyncio.create_task(accounts.login(regulator))
    await calls_until(editors, 3 + 2)  # withdrawals, and the next calls to editors that have answered
    slow.opened.set()
    await login
    assert [peer for peer, _ in puts(editors)].count("rdv-commune") == 2
    await settled(accounts, regulator, "known")
