from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest

from sandbox.kernel.clock import ClockSetting
from sandbox.kernel.errors import StoreError
from sandbox.kernel.flows import Flow
from sandbox.kernel.identifiers import Identifier
from sandbox.sas.api.tokens import Tokens
from tests.actors.sas.sas_core import Core

JSON = {"Content-Type": "application/fhir+json"}
AFAR = ("192.0.2.7", 40000)


def assert_problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert (problem["status"], problem["type"]) == (status, "about:blank")
    assert problem["detail"]
    return problem


@pytest.mark.parametrize("who", ["value", "pair", "e-mail"])
async def test_login_by_identifier_or_email_gives_a_token_and_calls_the_editors(core: Core, who: str) -> None:
    regulator = core.regulator
    names = {"value": regulator.identifier.value, "pair": regulator.identifier.key, "e-mail": regulator.email}
    async with core.browser() as browser:
        login = {"identifier": names[who], "password": regulator.password}
        answer = await browser.post("/api/login", json=login)
    assert answer.status_code == 200
    assert answer.json()["token_type"] == "Bearer"
    assert answer.json()["regulator"]["territory"] == regulator.territory
    assert regulator.password not in answer.text
    assert len(core.editors.flows(Flow.INT_R02)) == 4


@pytest.mark.parametrize("field", ["identifier", "password"])
async def test_a_wrong_password_and_an_unknown_person_look_the_same(core: Core, field: str) -> None:
    login = {"identifier": core.regulator.identifier.value, "password": core.regulator.password, field: "wrong"}
    async with core.browser() as browser:
        answer = await browser.post("/api/login", json=login)
    problem = assert_problem(answer, 401)
    assert problem["detail"] == "unknown identifier or wrong password"
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert core.editors.calls == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"identifier": 1, "password": "x"}'])
async def test_a_login_that_cannot_be_read_is_400_with_what_was_expected(core: Core, body: bytes) -> None:
    async with core.browser() as browser:
        answer = await browser.post("/api/login", content=body, headers={"Content-Type": "application/json"})
    problem = assert_problem(answer, 400)
    assert "{identifier, password}" in problem["detail"]
    assert problem["errors"][0]["pointer"] == "body"


@pytest.mark.parametrize("path", ["search?town=Bordeaux", "appointments", "regulator-accounts"])
@pytest.mark.parametrize("header", [None, "Bearer", "Bearer wrong", "Basic eDp5"])
async def test_without_a_good_token_these_are_401(core: Core, path: str, header: str | None) -> None:
    async with core.browser() as browser:
        answer = await browser.get(f"/api/{path}", headers={"Authorization": header} if header else {})
    assert_problem(answer, 401)
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_token_ends_with_the_session(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    token = await core.token()
    async with core.browser() as browser:
        assert (await browser.get("/api/appointments", headers=token)).status_code == 200
        core.context.clock.setting = ClockSetting(offset=1e7)  # tokens expire in real time
        assert (await browser.get("/api/appointments", headers=token)).status_code == 200
        later = core.context.clock.real() + 12 * 3600 + 1
        monkeypatch.setattr(core.context.clock, "real", lambda: later)
        assert_problem(await browser.get("/api/appointments", headers=token), 401)


async def test_a_logout_ends_the_token_and_every_copy_of_it(core: Core) -> None:
    token, other = await core.token(), await core.token()
    async with core.browser() as browser:
        assert (await browser.post("/api/logout", headers=token)).status_code == 204
        assert_problem(await browser.get("/api/appointments", headers=token), 401)
        assert_problem(await browser.post("/api/logout", headers=token), 401)
        assert (await browser.get("/api/appointments", headers=other)).status_code == 200
    ended = token["Authorization"].removeprefix("Bearer ")
    assert Tokens(core.context, core.sas.store).account(ended) == ""


async def test_guesses_count_for_the_account_however_its_name_is_written(core: Core) -> None:
    regulator, password = core.regulator, core.regulator.password
    names = [regulator.identifier.value, regulator.identifier.key, regulator.email.upper(), f" {regulator.email}", "x"]
    async with core.browser() as browser:
        for name in [*names, regulator.email]:
            answer = await browser.post("/api/login", json={"identifier": name, "password": "guess"})
            assert_problem(answer, 401)
        answer = await browser.post("/api/login", json={"identifier": regulator.email, "password": password})
        problem = assert_problem(answer, 429)
        other = core.population.regulators[1]
        login = {"identifier": other.identifier.value, "password": other.password}
        assert (await browser.post("/api/login", json=login)).status_code == 200
    assert problem["errors"][0]["pointer"] == "identifier"
    assert 0 < int(answer.headers["retry-after"]) <= 60


async def test_search_parameters_that_cannot_be_understood_say_where(core: Core) -> None:
    token = await core.token()
    async with core.browser() as browser:
        problem = assert_problem(await browser.get("/api/search?town=Nulle-Part", headers=token), 400)
    assert problem["errors"][0]["pointer"] == "http.town"


async def test_one_sees_ones_own_appointments_newest_first(core: Core) -> None:
    mine, other = core.regulator, core.population.regulators[2]
    async with core.fhir() as editor:
        for name, operator in (("one", mine), ("two", other), ("three", mine)):
            identifier = Identifier(core.editor().system, name)
            body = core.body(identifier=identifier, operator=operator.identifier)
            assert (await editor.post("/Appointment", content=body, headers=JSON)).status_code == 201
    await core.l02_messages()
    token = await core.token()
    async with core.browser() as browser:
        shown = (await browser.get("/api/appointments", headers=token)).json()["appointments"]
        by_value = (await browser.get("/api/appointments?identifier=one", headers=token)).json()["appointments"]
        pair = f"{core.editor().system}|one"
        by_pair = (await browser.get("/api/appointments", params={"identifier": pair}, headers=token)).json()
        wrong = (await browser.get("/api/appointments?identifier=urn:x|one", headers=token)).json()
    assert [line["identifier"]["value"] for line in shown] == ["three", "one"]
    assert by_value == by_pair["appointments"] == shown[1:]
    assert wrong["appointments"] == []
    assert shown[0]["l02"][0]["state"] == "published"


@pytest.mark.parametrize("identifier", ["", "|", "urn:oid:1.2.250.1.999.1|", "urn:x| ", "a\x00b", "urn:x|a\x1fb"])
async def test_an_identifier_without_a_value_or_with_control_characters_is_refused(core: Core, identifier: str) -> None:
    token = await core.token()
    async with core.browser() as browser:
        answer = await browser.get("/api/appointments", params={"identifier": identifier}, headers=token)
    assert_problem(answer, 400)
    assert answer.json()["errors"][0]["pointer"] == "http.identifier"


async def test_an_appointment_that_passes_to_a_colleague_is_listed_with_him(core: Core) -> None:
    colleague = core.population.regulators[1]
    async with core.fhir() as editor:
        await editor.post("/Appointment", content=core.body(), headers=JSON)
        body = core.body(operator=colleague.identifier)
        value = core.appointment().identifier.value
        await editor.put(f"/Appointment?identifier={value}", content=body, headers=JSON)
    first, second = await core.token(), await core.token(colleague)
    async with core.browser() as browser:
        assert (await browser.get("/api/appointments", headers=first)).json()["appointments"] == []
        assert len((await browser.get("/api/appointments", headers=second)).json()["appointments"]) == 1


async def test_l02_and_appointment_need_no_token_on_loopback_only(core: Core) -> None:
    async with core.fhir() as editor:
        created = await editor.post("/Appointment", content=core.body(), headers=JSON)
    id = created.headers["location"].rpartition("/")[2]
    paths = [f"/api/appointments/{id}", f"/api/l02/fr.health.test.ptfsas_{id}.1"]
    token = await core.token()
    async with core.browser() as near, core.browser(AFAR) as far:
        for path in paths:
            assert (await near.get(path)).status_code == 200
            assert_problem(await far.get(path), 401)
            assert (await far.get(path, headers=token)).status_code == 200


@pytest.mark.parametrize("path", ["l02/fr.health.test.ptfsas_none", "appointments/none", "nothing"])
async def test_what_is_not_there_is_404(core: Core, path: str) -> None:
    async with core.browser() as browser:
        assert_problem(await browser.get(f"/api/{path}"), 404)


async def test_a_wrong_method_is_405_and_names_the_right_one(core: Core) -> None:
    async with core.browser() as browser:
        answer = await browser.get("/api/login")
    assert_problem(answer, 405)
    assert "POST" in answer.headers["allow"]


async def test_regulator_accounts_have_the_state_per_editor(core: Core) -> None:
    token = await core.token()
    async with core.browser() as browser:
        shown = (await browser.get("/api/regulator-accounts", headers=token)).json()
    assert shown["regulator"] == core.regulator.identifier.key
    assert {line["editor"]: line["state"] for line in shown["accounts"]} == {
        "agenda-azur": "known",
        "rdv-commune": "known",
        "garde-plus": "known",
        "entraide-commune": "known",
    }


async def test_when_the_store_fails_the_api_says_so(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> None:
        raise StoreError("closed")

    token = await core.token()
    monkeypatch.setattr(core.sas.appointments, "of_regulator", failing)
    async with core.browser() as browser:
        assert_problem(await browser.get("/api/appointments", headers=token), 503)


async def test_a_defect_of_the_api_is_500_without_its_details(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> None:
        raise ZeroDivisionError("secret detail")

    token = await core.token()
    monkeypatch.setattr(core.sas.appointments, "of_regulator", failing)
    transport = httpx.ASGITransport(core.sas.pages, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as browser:
        problem = assert_problem(await browser.get("/api/appointments", headers=token), 500)
    assert problem["detail"] == "internal error"


async def test_a_token_is_valid_after_a_restart(core: Core) -> None:
    token = (await core.token())["Authorization"].removeprefix("Bearer ")
    account = Tokens(core.context, core.sas.store).account(token)
    named = core.sas.regulators.named(core.regulator.identifier)
    assert named is not None
    assert account == named.id
    for wrong in (token[:-1], token.swapcase(), "é", ""):
        assert Tokens(core.context, core.sas.store).account(wrong) == ""
    other = replace(core.context, master_secret=b"y" * 32)
    assert Tokens(other, core.sas.store).account(token) == ""


async def test_a_token_of_a_deleted_account_is_refused(core: Core) -> None:
    token, _ = Tokens(core.context, core.sas.store).give("gone")
    async with core.browser() as browser:
        answer = await browser.get("/api/search?town=Bordeaux", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401
