"""The accounts of the SAS core: which account an identifier names, what is refused, and the history of changes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from sandbox.kernel.errors import RequestError
from sandbox.kernel.identifiers import SYSTEM_PERSON, SYSTEM_SAS, Identifier
from sandbox.net.context import Context
from sandbox.sas.regulators import accounts as module
from sandbox.sas.regulators.accounts import Draft, RegulatorAccounts, Right
from sandbox.store.embedded.tables import open_store
from sandbox.store.protocol import Delete, Put, Store
from tests.actors.sas.at_editors import drafted


def draft(**fields: Any) -> Draft:
    values: dict[str, Any] = {
        "type": "INTRN",
        "family": "Essai",
        "given": "Ana",
        "email": "ana.essai@samu33.example",
        "territory": "SAS-33",
    }
    return Draft(**{**values, **fields})


async def problems(regulators: RegulatorAccounts, wanted: Draft) -> list[tuple[str, str | None]]:
    with pytest.raises(RequestError) as error:
        await regulators.create(wanted, "test")
    assert error.value.status == 422
    return [(issue.code, issue.expression) for issue in error.value.issues]


def test_the_persona_regulators_are_the_first_ones_with_every_right(
    context: Context, regulators: RegulatorAccounts
) -> None:
    listed = regulators.listed()
    assert {account.regulator for account in listed} == set(context.population.regulators)
    assert all(account.active and set(account.rights) == set(Right) for account in listed)


async def test_a_technical_account_is_given_an_id_and_a_password(regulators: RegulatorAccounts) -> None:
    account = await regulators.create(draft(), "test")
    assert (account.identifier.system, account.identifier.type) == (SYSTEM_SAS, "INTRN")
    assert len(account.identifier.value) == 36
    assert account.password
    assert account.rights == (Right.ORIENTATION,)


async def test_technical_to_national_and_back_stays_the_same_person(regulators: RegulatorAccounts) -> None:
    account = await regulators.create(draft(), "test")
    technical = account.identifier
    national = await regulators.change(account.id, drafted(account, type="IDNPS", value="3456780581/77"), "test")
    assert national.identifier == Identifier(SYSTEM_PERSON, "3456780581/77", "IDNPS")
    assert national.email == account.email
    assert regulators.named(technical) == regulators.named(national.identifier) == national
    back = await regulators.change(account.id, drafted(national, type="INTRN", value=technical.value), "test")
    assert back.identifier == technical
    assert regulators.named(national.identifier) == back


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"type": "RPPS"}, ("value", "type")),
        ({"type": "IDNPS"}, ("required", "value")),
        ({"type": "IDNPS", "value": "a b"}, ("value", "value")),
        ({"value": "x|y"}, ("value", "value")),
        ({"value": "x" * 101}, ("value", "value")),
        ({"family": "  "}, ("required", "family")),
        ({"family": "Es\x00sai"}, ("value", "family")),
        ({"given": "A\x1bna"}, ("value", "given")),
        ({"email": "a\x7f@b.example"}, ("value", "email")),
        ({"given": "x" * 101}, ("value", "given")),
        ({"email": ""}, ("required", "email")),
        ({"email": "nobody"}, ("value", "email")),
        ({"territory": "SAS-00"}, ("value", "territory")),
        ({"rights": ("everything",)}, ("value", "rights")),
        ({"password": "x" * 101}, ("value", "password")),
    ],
)
async def test_what_is_wrong_is_said_field_by_field(
    regulators: RegulatorAccounts, fields: dict[str, Any], problem: tuple[str, str]
) -> None:
    assert await problems(regulators, draft(**fields)) == [problem]


async def test_identifier_and_email_of_an_active_account_are_taken(regulators: RegulatorAccounts) -> None:
    account = await regulators.create(draft(value="T1"), "test")
    assert await problems(regulators, draft(value="T1", email=account.email.upper())) == [
        ("duplicate", "value"),
        ("duplicate", "email"),
    ]
    await regulators.set_active(account.id, False, "test")
    second = await regulators.create(draft(value="T1"), "test")
    assert regulators.named(account.identifier) == second
    with pytest.raises(RequestError) as error:
        await regulators.set_active(account.id, True, "test")
    assert error.value.status == 422


async def test_a_withdrawn_account_may_not_enter_and_is_still_known(regulators: RegulatorAccounts) -> None:
    account = regulators.listed()[0]
    withdrawn = await regulators.set_active(account.id, False, "test")
    for login in (account.identifier.key, account.identifier.value, account.email):
        assert regulators.entering(login) is None
    assert regulators.named(account.identifier) == withdrawn
    assert regulators.person(account.identifier) == account.regulator


async def test_a_deleted_account_is_seen_no_more_but_its_appointments_know_whose_they_are(
    regulators: RegulatorAccounts,
) -> None:
    account = regulators.listed()[0]
    await regulators.delete(account.id, "test")
    assert regulators.get(account.id) is None
    assert account.id not in [one.id for one in regulators.listed()]
    assert regulators.named(account.identifier) is not None
    with pytest.raises(RequestError) as error:
        await regulators.delete(account.id, "test")
    assert error.value.status == 404


async def test_everything_is_there_again_after_a_restart(context: Context, store: Store) -> None:
    told: list[str] = []
    before = RegulatorAccounts(context, store, lambda account: (Put("told", account.id, b"{}"),))
    before.watch(lambda account: told.append(account.id))
    made = await before.create(draft(), "test")
    persona = before.listed()[0]
    await before.change(persona.id, drafted(persona, family="Autre"), "test")
    await before.delete(before.listed()[-1].id, "test")
    await store.close()
    reopened = open_store(context.store_dir("sas"))
    after = RegulatorAccounts(context, reopened, lambda account: ())
    assert after.listed() == before.listed()
    assert after.history() == before.history()
    assert [change.action for change in after.history()] == ["delete", "change", "create"]
    assert reopened.count("told") == len(told) == 3
    assert told[:2] == [made.id, persona.id]
    await reopened.close()


async def test_history_says_who_changed_what_and_never_a_password(regulators: RegulatorAccounts) -> None:
    account = await regulators.create(draft(), "boss")
    await regulators.change(account.id, drafted(account, family="Nouveau", password="secret-1"), "boss")
    change, creation = regulators.history(account.id)
    assert (change.action, change.by, change.fields["family"]) == ("change", "boss", ("Essai", "Nouveau"))
    assert change.fields.keys() == {"family", "password"}
    assert "secret-1" not in str(change)
    assert creation.fields["email"] == ("", account.email)
    assert account.password not in str(creation)


async def test_a_change_that_changes_nothing_is_no_change(regulators: RegulatorAccounts) -> None:
    account = regulators.listed()[0]
    assert await regulators.change(account.id, drafted(account), "test") == account
    assert await regulators.set_active(account.id, True, "test") == account
    assert regulators.history() == []


async def test_history_and_accounts_are_bounded(
    regulators: RegulatorAccounts, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_HISTORY", 2)
    account = await regulators.create(draft(), "test")
    for name in ("A", "B", "C"):
        account = await regulators.change(account.id, drafted(account, family=name), "test")
    assert store.count(module.HISTORY) == 2
    monkeypatch.setattr(module, "MOST_ACCOUNTS", 1)
    assert await problems(regulators, draft(email="other@samu33.example")) == [("too-costly", None)]


async def test_a_persona_whose_place_is_taken_stays_out(
    context: Context, store: Store, regulators: RegulatorAccounts, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = regulators.listed()[:2]
    await regulators.delete(second.id, "test")
    await regulators.change(first.id, drafted(first, email=second.email), "test")
    await store.barrier()
    store.commit(Delete(module.TABLE, second.id))  # as if the persona files had named him only now
    again = RegulatorAccounts(context, store, lambda account: ())
    assert second.id not in [one.id for one in again.listed()]
    assert "has his place" in caplog.text


async def test_other_persona_files_bring_other_regulators_and_keep_those_made_here(
    context: Context, store: Store
) -> None:
    watchers: list[Callable[[], None]] = []
    population: Any = SimpleNamespace(
        regulators=context.population.regulators, territories=context.population.territories, watch=watchers.append
    )
    regulators = RegulatorAccounts(dataclasses.replace(context, population=population), store, lambda account: ())
    made = await regulators.create(draft(), "test")
    population.regulators = context.population.regulators[:1]
    for tell in watchers:
        tell()
    assert {account.regulator for account in regulators.listed()} == {population.regulators[0], made.regulator}
    assert regulators.entering(context.population.regulators[1].email) is None
