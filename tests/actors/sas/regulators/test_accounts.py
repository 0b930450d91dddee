"""INT_R02 at a login: which editors receive an account, when, and what follows a call that failed."""

from __future__ import annotations

import asyncio
from urllib.parse import quote

import orjson
import pytest

from sandbox.kernel.errors import PeerTimeout, RequestError, StoreError
from sandbox.kernel.flows import Flow
from sandbox.kernel.identifiers import SYSTEM_PERSON, Identifier
from sandbox.net.context import Context
from sandbox.net.http.client import Reply
from sandbox.sas.regulators.accounts import RegulatorAccounts, Right
from sandbox.sas.regulators.sync_to_editors import AccountSync
from sandbox.store.embedded.tables import open_store
from sandbox.store.protocol import Store
from tests.actors.sas.at_editors import ALL, changed, words
from tests.actors.sas.sas_core import Editors, Gate, reply


async def test_first_login_creates_the_account_at_every_editor_of_the_flow(
    accounts: AccountSync, context: Context, editors: Editors
) -> None:
    regulator = context.population.regulators[0]
    await accounts.login(regulator)
    assert sorted(editors.flows(Flow.INT_R02)) == [(slug, "POST", "Practitioner") for slug in ALL]
    body = orjson.loads(editors.calls[0][4] or b"")
    assert body["identifier"][0]["value"] == regulator.identifier.value
    assert body["meta"]["source"] == "urn:oid:1.2.250.1.213.3.6"
    assert (body["active"], body["telecom"][0]["value"]) == (True, regulator.email)
    assert words(accounts, context) == dict.fromkeys(ALL, "known")


async def test_a_second_login_calls_nobody(accounts: AccountSync, context: Context, editors: Editors) -> None:
    await accounts.login(context.population.regulators[0])
    editors.calls.clear()
    await accounts.login(context.population.regulators[0])
    assert editors.calls == []


async def test_nobody_is_called_again_after_a_restart(
    accounts: AccountSync, context: Context, store: Store, editors: Editors
) -> None:
    await accounts.login(context.population.regulators[0])
    await store.close()
    editors.calls.clear()
    reopened = open_store(context.store_dir("sas"))
    again = AccountSync(context, reopened, editors, RegulatorAccounts(context, reopened, lambda account: ()))  # type: ignore[arg-type]
    await again.login(context.population.regulators[0])
    await reopened.close()
    assert editors.calls == []


async def test_a_failed_call_stays_due_until_the_next_login(
    accounts: AccountSync, context: Context, editors: Editors
) -> None:
    async def down(*_: object) -> Reply:
        raise PeerTimeout("rdv-commune", "no answer in time")

    editors.answers["rdv-commune"] = down
    await accounts.login(context.population.regulators[0])
    assert words(accounts, context) == dict.fromkeys(ALL, "known") | {"rdv-commune": "failed"}
    failed = next(line for line in accounts.states(context.population.regulators[0]) if line["state"] == "failed")
    assert (failed["error"], failed["attempts"]) == ("no answer in time", 1)
    editors.calls.clear()
    del editors.answers["rdv-commune"]
    await accounts.login(context.population.regulators[0])
    assert editors.flows(Flow.INT_R02) == [("rdv-commune", "POST", "Practitioner")]
    assert words(accounts, context) == dict.fromkeys(ALL, "known")


@pytest.mark.parametrize("status", [400, 409, 412, 422])
async def test_a_person_who_exists_already_is_updated_instead(
    accounts: AccountSync, context: Context, editors: Editors, status: int
) -> None:
    async def knows_him(method: str, *_: object) -> Reply:
        return reply({}, status if method == "POST" else 200)

    editors.answers["garde-plus"] = knows_him
    regulator = context.population.regulators[0]
    await accounts.login(regulator)
    wanted = "Practitioner?identifier=" + quote(regulator.identifier.key, safe="")
    calls = [(method, path) for peer, method, path in editors.flows(Flow.INT_R02) if peer == "garde-plus"]
    assert calls == [("POST", "Practitioner"), ("PUT", wanted)]
    assert words(accounts, context)["garde-plus"] == "known"


@pytest.mark.parametrize("status", [401, 403, 500, 503])
async def test_other_failures_are_not_taken_for_an_existing_person(
    accounts: AccountSync, context: Context, editors: Editors, status: int
) -> None:
    async def failing(*_: object) -> Reply:
        return reply({}, status)

    editors.answers["garde-plus"] = failing
    await accounts.login(context.population.regulators[0])
    assert [method for peer, method, _ in editors.flows(Flow.INT_R02) if peer == "garde-plus"] == ["POST"]
    assert words(accounts, context)["garde-plus"] == "failed"


async def test_a_changed_account_is_put_under_the_identifier_that_the_editor_knows(
    accounts: AccountSync, context: Context, editors: Editors, regulators: RegulatorAccounts
) -> None:
    before = next(each for each in context.population.regulators if each.identifier.type == "INTRN")
    await accounts.login(before)
    editors.calls.clear()
    national = Identifier(SYSTEM_PERSON, "3456780581/9", "IDNPS")
    account = await changed(regulators, before, type="IDNPS", value=national.value)
    assert editors.calls == [], "a change waits for the login"
    await accounts.login(account.regulator)
    old = "Practitioner?identifier=" + quote(before.identifier.key, safe="")
    assert sorted(editors.flows(Flow.INT_R02)) == [(slug, "PUT", old) for slug in ALL]
    editors.calls.clear()
    account = await changed(regulators, account.regulator, family="Autrement")
    await accounts.login(account.regulator)
    new = "Practitioner?identifier=" + quote(national.key, safe="")
    assert sorted(editors.flows(Flow.INT_R02)) == [(slug, "PUT", new) for slug in ALL]


async def test_a_slow_editor_does_not_hold_the_login_and_goes_on_behind(
    context: Context, store: Store, editors: Editors, regulators: RegulatorAccounts
) -> None:
    slow = Gate(reply({}, 201))
    editors.answers["rdv-commune"] = slow
    accounts = AccountSync(context, store, editors, regulators, patience_s=0.05)  # type: ignore[arg-type]
    async with asyncio.timeout(2):
        await accounts.login(context.population.regulators[0])
    assert words(accounts, context) == dict.fromkeys(ALL, "known") | {"rdv-commune": "due"}
    again = asyncio.create_task(accounts.login(context.population.regulators[0]))
    await slow.reached.wait()
    slow.opened.set()
    await again
    assert len(editors.flows(Flow.INT_R02)) == len(ALL)
    assert words(accounts, context)["rdv-commune"] == "known"
    await accounts.stop()


async def test_stopping_gives_up_what_runs_and_it_stays_due(
    context: Context, store: Store, editors: Editors, regulators: RegulatorAccounts
) -> None:
    slow = Gate(reply({}, 201))
    editors.answers["rdv-commune"] = slow
    accounts = AccountSync(context, store, editors, regulators, patience_s=0.01)  # type: ignore[arg-type]
    await accounts.login(context.population.regulators[0])
    await accounts.stop()
    assert words(accounts, context)["rdv-commune"] == "due"


async def test_too_many_calls_at_once_are_put_off(
    accounts: AccountSync, context: Context, editors: Editors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.sas.regulators.sync_to_editors.MOST_IN_FLIGHT", 1)
    await accounts.login(context.population.regulators[0])
    assert len(editors.flows(Flow.INT_R02)) == 1
    assert sorted(words(accounts, context).values(), key=str) == ["due", "due", "due", "known"]


async def test_a_disk_that_fails_leaves_the_account_due(
    accounts: AccountSync, context: Context, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(*_: object) -> None:
        raise StoreError("no space left")

    monkeypatch.setattr(store, "commit", failing)
    await accounts.login(context.population.regulators[0])
    assert set(words(accounts, context).values()) == {"due"}


async def test_rights_and_activity_decide_who_enters(
    accounts: AccountSync, context: Context, regulators: RegulatorAccounts
) -> None:
    regulator = context.population.regulators[0]
    id = accounts.id_of(regulator)
    assert accounts.regulator(regulator.email.upper()) == accounts.holder(id) == regulator
    accounts.require(regulator, Right.ADMINISTRATION)
    await changed(regulators, regulator, rights=(Right.ORIENTATION,))
    with pytest.raises(RequestError) as denied:
        accounts.require(regulator, Right.ADMINISTRATION)
    assert denied.value.status == 403
    await changed(regulators, regulator, active=False)
    assert accounts.regulator(regulator.email) is accounts.holder(id) is None
    assert accounts.id_of(regulator) == ""


async def test_an_identifier_that_passes_to_somebody_else_does_not_take_sessions_along(
    accounts: AccountSync, context: Context, regulators: RegulatorAccounts
) -> None:
    first, second = context.population.regulators[:2]
    old = accounts.id_of(first)
    await changed(regulators, first, active=False)
    await changed(regulators, second, value=first.identifier.value)
    assert accounts.holder(old) is None
    assert accounts.regulator(first.identifier.key) == accounts.holder(accounts.id_of(second))
