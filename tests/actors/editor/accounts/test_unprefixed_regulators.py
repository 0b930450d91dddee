"""A regulator's RPPS without its prefix (INT_R02) is the same person; editors store and send it with the prefix."""

from __future__ import annotations

import orjson
import pytest

from sandbox.editor.accounts.accounts import TABLE, Accounts
from sandbox.fhir.appointment import Conditional
from sandbox.fhir.practitioner import RegulatorAccount, parse_regulator, render_regulator
from sandbox.kernel.clock import Clock
from sandbox.kernel.entropy import Entropy
from sandbox.kernel.errors import RequestError
from sandbox.kernel.identifiers import SYSTEM_PERSON, SYSTEM_SAS, Identifier
from sandbox.store.protocol import Put, Store

BARE, PREFIXED = "19800000903", "819800000903"


def person(value: str = PREFIXED, system: str = SYSTEM_PERSON, email: str = "ada@test.fr") -> RegulatorAccount:
    code = "IDNPS" if system == SYSTEM_PERSON else "INTRN"
    return RegulatorAccount((Identifier(system, value, code),), True, "Lovelace", ("Ada",), email)


@pytest.fixture
def accounts(store: Store, clock: Clock, entropy: Entropy) -> Accounts:
    return Accounts(store, clock, entropy)


def test_a_body_without_the_prefix_is_read_with_it() -> None:
    body = render_regulator(person()).replace(PREFIXED.encode(), BARE.encode())
    assert parse_regulator(body).identifiers == person().identifiers


def test_an_id_of_the_sas_core_is_read_as_it_is() -> None:
    technical = person(BARE, SYSTEM_SAS)
    assert parse_regulator(render_regulator(technical)).identifiers == technical.identifiers


async def test_never_a_second_account(accounts: Accounts) -> None:
    record = await accounts.post(person())
    bare = parse_regulator(render_regulator(person(email="b@test.fr")).replace(PREFIXED.encode(), BARE.encode()))
    with pytest.raises(RequestError) as caught:
        await accounts.post(bare)
    assert caught.value.status == 409
    for wanted in (Conditional(SYSTEM_PERSON, BARE), Conditional(None, BARE), Conditional(SYSTEM_PERSON, PREFIXED)):
        found, created = await accounts.put(wanted, person(email="c@test.fr"))
        assert (found.id, created) == (record.id, False)
    assert len(accounts) == 1
    assert accounts.match(BARE, "") == accounts.match(PREFIXED, "") == accounts.get(record.id)


async def test_the_same_digits_under_the_system_of_the_sas_core_are_somebody_else(accounts: Accounts) -> None:
    national = await accounts.post(person())
    technical = await accounts.post(person(BARE, SYSTEM_SAS, "t@test.fr"))
    assert technical.id != national.id
    found, _ = await accounts.put(Conditional(SYSTEM_SAS, BARE), person(BARE, SYSTEM_SAS, "t@test.fr"))
    assert found.id == technical.id


async def test_what_an_earlier_version_kept_without_the_prefix_has_it_now(
    store: Store, clock: Clock, entropy: Entropy, accounts: Accounts
) -> None:
    record = await accounts.post(person())
    row = store.get(TABLE, record.id)
    assert row is not None
    await store.commit(Put(TABLE, record.id, row.replace(PREFIXED.encode(), BARE.encode())))
    again = Accounts(store, clock, entropy)
    held = again.match(BARE, "")
    assert held is not None
    assert held.identifiers[0].value == PREFIXED
    assert PREFIXED.encode() in render_regulator(held.regulator())
    assert BARE not in [each["value"] for each in orjson.loads(render_regulator(held.regulator()))["identifier"]]
