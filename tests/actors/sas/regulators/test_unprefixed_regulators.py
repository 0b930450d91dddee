"""A regulator's RPPS without its prefix at the SAS core: at the login, in the accounts, as operator of INT_R03."""

from __future__ import annotations

import httpx
import orjson
import pytest

from sandbox.kernel.errors import RequestError
from sandbox.kernel.flows import Flow
from sandbox.kernel.identifiers import SYSTEM_PERSON, Identifier
from sandbox.sas.regulators.accounts import TABLE, RegulatorAccounts
from sandbox.store.protocol import Put
from tests.actors.sas.regulators.test_regulators import draft
from tests.actors.sas.sas_core import Core

BARE, PREFIXED = "19800000903", "819800000903"  # Karim Berthomieu of the persona files
NEW_BARE, NEW = "19811111119", "819811111119"
JSON = {"Content-Type": "application/fhir+json"}


async def log_in(browser: httpx.AsyncClient, identifier: str) -> httpx.Response:
    return await browser.post("/api/login", json={"identifier": identifier, "password": "regulation-33"})


@pytest.mark.parametrize("typed", [BARE, f"{SYSTEM_PERSON}|{BARE}", f" {BARE} "])
async def test_a_login_without_the_prefix_is_that_persons_and_editors_are_told_with_it(core: Core, typed: str) -> None:
    async with core.browser() as browser:
        answer = await log_in(browser, typed)
    assert answer.status_code == 200
    assert answer.json()["regulator"]["identifier"] == f"{SYSTEM_PERSON}|{PREFIXED}"
    sent = [(path, body or b"") for _, flow, _, path, body in core.editors.calls if flow == Flow.INT_R02]
    assert sent
    for path, body in sent:
        assert f'"{PREFIXED}"'.encode() in body
        assert f'"{BARE}"'.encode() not in body
        assert f"%7C{BARE}" not in path


async def test_an_account_is_made_with_the_prefix_and_never_twice(core: Core) -> None:
    regulators = core.sas.regulators
    account = await regulators.create(draft(type="IDNPS", value=NEW_BARE), "test")
    assert account.identifier.value == NEW
    assert regulators.named(Identifier(SYSTEM_PERSON, NEW_BARE)) == regulators.entering(NEW_BARE) == account
    for value in (NEW_BARE, NEW, BARE):
        with pytest.raises(RequestError) as caught:
            await regulators.create(draft(type="IDNPS", value=value, email="other@samu33.example"), "test")
        assert [(issue.code, issue.expression) for issue in caught.value.issues] == [("duplicate", "value")]


async def test_an_id_of_the_sas_core_of_eleven_digits_is_left_alone(core: Core) -> None:
    account = await core.sas.regulators.create(draft(type="INTRN", value=NEW_BARE), "test")
    assert account.identifier.value == NEW_BARE
    assert core.sas.regulators.entering(NEW_BARE) == account


async def test_what_an_earlier_version_kept_without_the_prefix_has_it_now(core: Core) -> None:
    regulators = core.sas.regulators
    account = await regulators.create(draft(type="IDNPS", value=NEW), "test")
    row = core.sas.store.get(TABLE, account.id)
    assert row is not None
    await core.sas.store.commit(Put(TABLE, account.id, row.replace(NEW.encode(), NEW_BARE.encode())))
    again = RegulatorAccounts(core.context, core.sas.store, lambda _: ())
    assert again.listed() == regulators.listed()


async def test_an_operator_without_the_prefix_is_that_person_and_told_on_with_it(core: Core) -> None:
    operator = core.population.regulator(BARE)
    assert operator is not None
    body = core.body(operator=operator.identifier)
    assert PREFIXED.encode() in body
    async with core.fhir() as editor:
        answer = await editor.post("/Appointment", content=body.replace(PREFIXED.encode(), BARE.encode()), headers=JSON)
        again = await editor.post("/Appointment", content=body, headers=JSON)
        read = await editor.get(answer.headers["location"])
    assert (answer.status_code, again.status_code) == (201, 200)
    assert f'"{BARE}"' not in orjson.dumps(read.json()).decode()
    async with core.browser() as browser:
        token = (await log_in(browser, PREFIXED)).json()["token"]
        listed = (await browser.get("/api/appointments", headers={"Authorization": f"Bearer {token}"})).json()
    assert [row["regulator"]["value"] for row in listed["appointments"]] == [PREFIXED]
