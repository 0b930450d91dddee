"""Accounts that the SAS core sends to Pro Santé Connect."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sandbox.kernel.errors import RequestError
from sandbox.kernel.identifiers import SYSTEM_PERSON, SYSTEM_SAS, Identifier
from sandbox.kernel.model import Regulator
from sandbox.net.context import Context
from sandbox.population.people import persona_key
from sandbox.psc import people as module
from sandbox.psc.people import People
from sandbox.store.embedded.tables import open_store
from sandbox.web.oidc import basic_authorization
from tests.actors.psc.test_code_flow import ISSUER

NEW = Regulator(Identifier(SYSTEM_SAS, "T1", "INTRN"), "Essai", "Ana", "ana@sas33.invalid", "SAS-33", "Ana-2026")


def tell(browser: Any, context: Context, person: Regulator | bytes | None, id: str = "x", client: str = "sas") -> Any:
    headers = {"authorization": basic_authorization(client, context.secret(f"psc-client:{client}"))}
    if person is None:
        return browser.open(f"{ISSUER}/people/{id}", method="DELETE", headers=headers)
    body = person if isinstance(person, bytes) else msgspec.json.encode(person)
    return browser.open(f"{ISSUER}/people/{id}", method="PUT", content=body, headers=headers)


def test_a_person_made_known_can_log_in_until_he_is_removed(browser: Any, context: Context) -> None:
    assert tell(browser, context, NEW).status_code == 204
    page = browser.get(f"{ISSUER}/login")
    assert browser.submit(page, login="T1", password="Ana-2026").status_code == 303
    assert "Ana Essai" in browser.get(f"{ISSUER}/").text
    assert tell(browser, context, None).status_code == 204
    assert "Ana Essai" not in browser.get(f"{ISSUER}/").text


def test_an_rpps_is_one_persons_with_and_without_its_prefix(browser: Any, context: Context) -> None:
    bare = Regulator(
        Identifier(SYSTEM_PERSON, "19811111119", "IDNPS"), "Rpps", "Ida", "ida@x.invalid", "SAS-33", "I-2026"
    )
    assert tell(browser, context, bare).status_code == 204
    for login in ("19811111119", "819811111119", f"{SYSTEM_PERSON}|19811111119"):
        page = browser.get(f"{ISSUER}/login")
        assert browser.submit(page, login=login, password="I-2026").status_code == 303
        page = browser.get(f"{ISSUER}/")
        assert "Ida Rpps" in page.text
        browser.submit(page)
    prefixed = dataclasses.replace(bare, identifier=Identifier(SYSTEM_PERSON, "819811111119", "IDNPS"), password="new")
    assert tell(browser, context, prefixed, id="y").status_code == 204  # the previous owner has given the identifier up
    assert browser.submit(browser.get(f"{ISSUER}/login"), login="19811111119", password="I-2026").status_code == 403
    assert browser.submit(browser.get(f"{ISSUER}/login"), login="19811111119", password="new").status_code == 303


def test_only_the_sas_core_tells_of_people(browser: Any, context: Context) -> None:
    assert tell(browser, context, NEW, client="agenda-azur").status_code == 401
    assert browser.open(f"{ISSUER}/people/x", method="PUT", content=b"{}").status_code == 401
    assert tell(browser, context, b"{}").status_code == 400
    assert tell(browser, context, b"x" * 20_000).status_code == 413


def test_people_survive_a_restart_and_an_identifier_is_one_persons(
    tmp_path: Path, context: Context, runner: asyncio.Runner
) -> None:
    first = context.population.regulators[0]
    store = open_store(tmp_path / "again")
    people = People(context.population, store)

    async def change() -> None:
        await people.put("new", NEW)
        await people.put("heir", Regulator(first.identifier, "Autre", "Luc", "luc@sas33.invalid", "SAS-33", "x"))
        await people.remove(persona_key(context.population.regulators[1]))
        await store.close()

    runner.run(change())
    store = open_store(tmp_path / "again")
    again = People(context.population, store)
    assert [one.family for one in again.identities.people] == ["Essai", "Autre"]
    assert again.identities.people == people.identities.people
    runner.run(store.close())


def test_people_are_bounded(
    people: People, context: Context, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_PEOPLE", 2)
    runner.run(people.put(persona_key(context.population.regulators[0]), NEW))
    with pytest.raises(RequestError) as error:
        runner.run(people.put("one more", NEW))
    assert error.value.status == 422
