"""INT_R02, rule by rule, on the accounts of one editor. The rules, as the guide's order has them:

R02-1  POST creates: 201, Location, durable                      R02-9   one that an active account holds may not
R02-2  POST of an existing person: 4xx, no change                R02-10  identity is the pair (system, value)
R02-3  missing, empty, not fitting: 4xx, POST and PUT alike      R02-11  no UUID, no meta.source, plain JSON: fine
R02-4  PUT changes any element and keeps the account             R02-12  withdrawal is PUT with active: false
R02-5  … the identifier too: technical, national, and back       R02-13  the id in a body is only a hint
R02-6  found by the query, the body's identifier, the e-mail     R02-14  no mail; generated password, forgotten one
R02-7  PUT of an unknown person creates; twice is once           R02-15  rights only in a session from the SAS
R02-8  a released national id may be given                       R02-16  the terms of use, once

R02-3 and R02-11 to R02-13 on the wire: test_r02_rules; R02-14: test_passwords; R02-15 and R02-16: test_booking.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.editor.accounts.accounts import TABLE, Accounts, require_active
from sandbox.fhir.appointment import Conditional
from sandbox.fhir.practitioner import RegulatorAccount
from sandbox.kernel.clock import Clock
from sandbox.kernel.entropy import Entropy
from sandbox.kernel.errors import RequestError
from sandbox.kernel.identifiers import SYSTEM_PERSON, SYSTEM_SAS, Identifier
from sandbox.store.embedded.tables import open_store
from sandbox.store.protocol import Store


def national(value: str = "3456780581/11242343") -> Identifier:
    return Identifier(SYSTEM_PERSON, value, "IDNPS")


def technical(value: str = "6f1c2b9e-3a54-4b8e-9d61-0c2f5a7b8d90") -> Identifier:
    return Identifier(SYSTEM_SAS, value, "INTRN")


def person(identifier: Identifier, email: str = "ada@test.fr", **changes: object) -> RegulatorAccount:
    account = RegulatorAccount((identifier,), True, "Lovelace", ("Ada",), email)
    return replace(account, **changes)  # type: ignore[arg-type]


def by(identifier: Identifier) -> Conditional:
    return Conditional(identifier.system, identifier.value)


@pytest.fixture
def accounts(store: Store, clock: Clock, entropy: Entropy) -> Accounts:
    return Accounts(store, clock, entropy)


async def refusal(call: object) -> tuple[int, list[str | None]]:
    with pytest.raises(RequestError) as caught:
        await call  # type: ignore[misc]
    return caught.value.status, [issue.expression for issue in caught.value.issues]


@pytest.mark.requirement("R02-1")
async def test_a_post_creates_a_durable_account(accounts: Accounts, store: Store):
    record = await accounts.post(person(national()))
    assert accounts.get(record.id) == record
    assert record.regulator() == person(national())
    assert store.get(TABLE, record.id) is not None


@pytest.mark.requirement("R02-2")
async def test_a_second_post_with_the_same_identifier_changes_nothing(accounts: Accounts):
    record = await accounts.post(person(national()))
    status, where = await refusal(accounts.post(person(national(), "other@test.fr", family="Other")))
    assert (status, where) == (409, ["Practitioner.identifier[0]"])
    assert accounts.get(record.id) == record
    assert len(accounts) == 1


@pytest.mark.requirement("R02-2")
async def test_a_second_post_with_the_same_email_in_any_case_is_refused(accounts: Accounts):
    await accounts.post(person(national()))
    status, where = await refusal(accounts.post(person(technical(), "ADA@test.fr")))
    assert (status, where) == (409, ["Practitioner.telecom[0].value"])


@pytest.mark.requirement("R02-2")
async def test_two_posts_at_once_make_one_account(accounts: Accounts):
    answers = await asyncio.gather(*(accounts.post(person(national())) for _ in range(3)), return_exceptions=True)
    assert sum(isinstance(answer, RequestError) for answer in answers) == 2
    assert len(accounts) == 1


@pytest.mark.requirement("R02-7", "R02-12")
async def test_a_put_of_an_unknown_person_creates(accounts: Accounts):
    record, created = await accounts.put(by(national()), person(national(), active=False))
    assert created
    assert not record.active


@pytest.mark.requirement("R02-7")
async def test_two_puts_at_once_of_an_unknown_person_make_one_account(accounts: Accounts):
    answers = await asyncio.gather(*(accounts.put(by(national()), person(national())) for _ in range(3)))
    assert len({record.id for record, _ in answers}) == 1
    assert sum(created for _, created in answers) == 1


@pytest.mark.requirement("R02-4")
async def test_a_put_changes_any_element_and_keeps_the_account(accounts: Accounts):
    first = await accounts.post(person(national()))
    changed = person(national(), "new@test.fr", family="King", given=("Augusta",))
    record, created = await accounts.put(by(national()), changed)
    assert (record.id, created, record.regulator()) == (first.id, False, changed)


@pytest.mark.requirement("R02-7")
async def test_the_same_put_twice_is_answered_alike(accounts: Accounts):
    await accounts.put(by(national()), person(national()))
    first, _ = await accounts.put(by(national()), person(national()))
    second, created = await accounts.put(by(national()), person(national()))
    assert first == second
    assert not created


@pytest.mark.requirement("R02-5")
async def test_a_technical_id_becomes_national_and_back(accounts: Accounts):
    first = await accounts.post(person(technical()))
    for wanted, now in (
        (technical(), national()),
        (national(), national("810002673899")),
        (national("810002673899"), technical()),
    ):
        record, created = await accounts.put(by(wanted), person(now))
        assert (record.id, created, record.identifiers) == (first.id, False, (now,))


@pytest.mark.requirement("R02-6")
async def test_the_person_is_found_by_the_identifier_of_the_body(accounts: Accounts):
    first = await accounts.post(person(national()))
    record, created = await accounts.put(by(technical("unknown")), person(national(), "new@test.fr"))
    assert (record.id, created) == (first.id, False)


@pytest.mark.requirement("R02-6", "R02-10")
async def test_the_person_is_found_by_email_when_a_uuid_is_queried_under_the_national_system(accounts: Accounts):
    first = await accounts.post(person(technical()))
    wanted = Conditional(SYSTEM_PERSON, technical().value)
    record, created = await accounts.put(wanted, person(national()))
    assert (record.id, created) == (first.id, False)


@pytest.mark.requirement("R02-6")
async def test_a_query_without_system_finds_the_person(accounts: Accounts):
    first = await accounts.post(person(national()))
    record, _ = await accounts.put(Conditional(None, national().value), person(national(), family="King"))
    assert (record.id, record.family) == (first.id, "King")


@pytest.mark.requirement("R02-6")
async def test_a_query_without_system_that_fits_two_people_is_refused(accounts: Accounts):
    await accounts.post(person(national("810002673899")))
    await accounts.post(person(technical("810002673899"), "b@test.fr"))
    status, where = await refusal(
        accounts.put(Conditional(None, "810002673899"), person(national("810002673899"), "c@test.fr"))
    )
    assert (status, where) == (412, ["http.identifier"])


@pytest.mark.requirement("R02-10")
async def test_the_same_value_as_technical_and_as_national_id_are_two_people(accounts: Accounts):
    one = await accounts.post(person(technical("810002673899")))
    two = await accounts.post(person(national("810002673899"), "b@test.fr"))
    assert one.id != two.id


@pytest.mark.requirement("R02-9")
async def test_a_national_id_of_an_active_account_is_not_given_away(accounts: Accounts):
    await accounts.post(person(national()))
    await accounts.post(person(technical(), "b@test.fr"))
    status, where = await refusal(accounts.put(by(technical()), person(national(), "b@test.fr")))
    assert (status, where) == (422, ["Practitioner.identifier[0]"])


@pytest.mark.requirement("R02-8")
async def test_a_national_id_released_by_an_inactive_account_goes_to_another(accounts: Accounts):
    first = await accounts.post(person(national()))
    second = await accounts.post(person(technical(), "b@test.fr"))
    await accounts.put(by(national()), person(national(), active=False))
    record, created = await accounts.put(by(technical()), person(national(), "b@test.fr"))
    assert (record.id, created) == (second.id, False)
    assert accounts.match(national().value, "") == record
    released = accounts.get(first.id)
    assert released is not None
    assert not released.active


@pytest.mark.requirement("R02-8")
async def test_a_released_national_id_queried_directly_goes_to_the_account_of_the_email(accounts: Accounts):
    await accounts.put(by(national()), person(national(), active=False))
    second = await accounts.post(person(technical(), "b@test.fr"))
    record, _ = await accounts.put(by(national()), person(national(), "b@test.fr"))
    assert record.id == second.id


@pytest.mark.requirement("R02-8")
async def test_a_released_national_id_may_be_posted_for_somebody_else(accounts: Accounts):
    await accounts.put(by(national()), person(national(), active=False))
    record = await accounts.post(person(national(), "b@test.fr"))
    assert accounts.match(national().value, "") == record


@pytest.mark.requirement("R02-12")
async def test_a_withdrawn_account_comes_back_as_the_same(accounts: Accounts):
    first = await accounts.post(person(national()))
    await accounts.put(by(national()), person(national(), active=False))
    record, created = await accounts.put(by(national()), person(national()))
    assert (record.id, created, record.active) == (first.id, False, True)


@pytest.mark.requirement("R02-9")
async def test_a_technical_id_is_not_released(accounts: Accounts):
    await accounts.put(by(technical()), person(technical(), active=False))
    await accounts.post(person(national(), "b@test.fr"))
    status, _ = await refusal(accounts.post(person(technical(), "c@test.fr")))
    assert status == 409


@pytest.mark.requirement("R02-9")
async def test_the_email_of_another_active_account_is_refused(accounts: Accounts):
    await accounts.post(person(national()))
    await accounts.post(person(technical(), "b@test.fr"))
    status, where = await refusal(accounts.put(by(national()), person(national(), "b@test.fr")))
    assert (status, where) == (422, ["Practitioner.telecom[0].value"])


async def test_a_logged_in_person_is_matched_by_national_id_then_by_email(accounts: Accounts):
    one = await accounts.post(person(national("810002673899")))
    two = await accounts.post(person(technical(), "b@test.fr"))
    assert accounts.match("810002673899", "b@test.fr") == one
    assert accounts.match("10002673899", "") == one
    assert accounts.match("unknown", "B@test.fr") == two
    assert accounts.match("unknown", "nobody@test.fr") is None
    assert accounts.match(technical().value, "") is None


@pytest.mark.requirement("SSO-4", "R02-12")
async def test_nobody_and_inactive_accounts_are_refused_entry(accounts: Accounts):
    inactive, _ = await accounts.put(by(national()), person(national(), active=False))
    for record in (None, inactive):
        with pytest.raises(RequestError) as caught:
            require_active(record)
        assert caught.value.status == 403


@pytest.mark.requirement("R02-1", "R02-16")
async def test_everything_survives_a_restart(tmp_path: Path, clock: Clock, entropy: Entropy):
    store = open_store(tmp_path / "one")
    accounts = Accounts(store, clock, entropy)
    record = await accounts.post(person(national()))
    await accounts.accept_terms(record)
    await store.close()
    store = open_store(tmp_path / "one")
    again = Accounts(store, clock, entropy).get(record.id)
    await store.close()
    assert again is not None
    assert again.terms == clock.now()
    assert again.regulator() == record.regulator()


@pytest.mark.requirement("R02-16")
async def test_terms_are_accepted_once(accounts: Accounts, store: Store):
    record = await accounts.post(person(national()))
    await accounts.accept_terms(record)
    row = store.get(TABLE, record.id)
    await accounts.accept_terms(record)
    assert store.get(TABLE, record.id) == row


@pytest.mark.requirement("R02-14")
async def test_the_password_is_kept_only_as_a_hash(store: Store, clock: Clock):
    def octets(size: int) -> bytes:
        return bytes(range(size))

    accounts = Accounts(store, clock, Entropy(octets))
    record = await accounts.post(person(national()))
    password = bytes(range(12)).hex()
    row = store.get(TABLE, record.id)
    assert row is not None
    assert b'"' + password.encode() + b'"' not in row
    assert await accounts.check_password("ADA@test.fr", password) == record
    assert await accounts.check_password("ada@test.fr", password + "x") is None
    assert await accounts.check_password("nobody@test.fr", password) is None
    await accounts.put(by(national()), person(national(), active=False))
    assert await accounts.check_password("ada@test.fr", password) is None
