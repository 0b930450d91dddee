"""INT_R02 in the checker: a right editor has no finding, each defect is found by the requirement meant for it alone."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from sandbox.check.editor.accounts import IDS, check, missing
from sandbox.check.evidence import Exchange
from sandbox.check.requirements import EDITOR
from sandbox.check.target import Target
from sandbox.check.verdicts import Outcome, Verdict, Verdicts
from tests.support.checked.regulators import DEFECTS, TARGET, TOLERATED, AccountServer, subject_of


async def examined(server: AccountServer, *ids: str) -> dict[str, Verdict]:
    found = Verdicts()
    wanted = frozenset(ids) or IDS
    async for observed in check(subject_of(server, wanted)):
        assert observed.requirement in wanted
        found.add(observed)
    return {id: found.verdict(EDITOR[id]) for id in EDITOR if id in wanted}


def outcomes(verdicts: dict[str, Verdict], outcome: Outcome) -> list[str]:
    return [id for id, verdict in verdicts.items() if verdict.outcome is outcome]


@pytest.mark.parametrize("readable", [True, False])
async def test_a_right_editor_meets_every_requirement_and_keeps_no_active_account(readable: bool):
    server = AccountServer(readable=readable)
    verdicts = await examined(server)
    assert outcomes(verdicts, Outcome.PASSED) == [id for id in EDITOR if id in IDS]
    assert not any(account.active for account in server.accounts.values())
    assert len(server.calls) < 250


@pytest.mark.parametrize("defect", DEFECTS)
async def test_a_defect_is_found_by_the_requirement_meant_for_it_and_by_no_other(defect: str):
    verdicts = await examined(AccountServer(defect))
    bad = outcomes(verdicts, Outcome.FAILED) + outcomes(verdicts, Outcome.TOLERATED)
    assert bad == [DEFECTS[defect]], {id: verdicts[id].faults for id in bad}
    verdict = verdicts[DEFECTS[defect]]
    assert (verdict.outcome is Outcome.TOLERATED) is (defect in TOLERATED)
    for fault in verdict.faults:
        assert fault.path
        assert fault.exchange is not None
        assert fault.text.fr != fault.text.en


async def test_a_body_that_is_accepted_in_three_ways_is_one_finding_that_says_how_often_and_where():
    (fault,) = (await examined(AccountServer("accepts: empty e-mail"), "R02-3"))["R02-3"].faults
    assert (fault.count, fault.path) == (3, "Practitioner.telecom[0].value")
    assert fault.found == "POST : 201"
    assert fault.text.fr == "un compte à l'e-mail vide est accepté"


async def test_a_server_that_creates_nothing_fails_the_creation_and_the_rest_is_skipped():
    server = AccountServer(*[defect for defect in DEFECTS if defect == "meta.source is required"])
    server._broken = lambda person: [("all", True)]  # type: ignore[method-assign]
    verdicts = await examined(server)
    assert outcomes(verdicts, Outcome.FAILED)[0] == "R02-1"
    assert "voir R02-1" in verdicts["R02-8"].reasons[0].fr
    assert verdicts["R02-8"].outcome is Outcome.SKIPPED


@pytest.mark.parametrize("after", [0, 1, 20, 60])
async def test_a_server_that_answers_no_more_is_left_alone(after: int):
    server = AccountServer(lost=after)
    verdicts = await examined(server)
    assert len(server.calls) == after + 3
    assert any("ne répond plus" in reason.fr for reason in verdicts["R02-13"].reasons)


async def test_accounts_that_could_not_be_withdrawn_are_named():
    verdicts = await examined(AccountServer("nobody is withdrawn"))
    assert any("restent actifs : controle-" in reason.fr for reason in verdicts["R02-12"].reasons)


async def test_accounts_that_cannot_be_read_are_said():
    verdicts = await examined(AccountServer(readable=False))
    assert any("ne se lisent pas" in reason.fr for reason in verdicts["R02-4"].reasons)


async def test_what_is_created_is_taken_back_when_the_examination_is_given_up():
    server = AccountServer()
    found = check(subject_of(server, IDS))
    async for _ in found:
        if len(server.calls) > 20:
            break
    await found.aclose()  # type: ignore[attr-defined]
    assert not any(account.active for account in server.accounts.values())


class GivenUp(AccountServer):
    """The examination is given up while a call is on its way: the server takes it, and nobody hears the answer."""

    async def call(self, method: str, path: str, *, headers: Mapping[str, str], body: bytes) -> Exchange:
        made = await super().call(method, path, headers=headers, body=body)
        if len(self.calls) == 3:
            raise asyncio.CancelledError
        return made


async def test_what_a_call_created_that_was_given_up_is_taken_back_too():
    server = GivenUp()
    with pytest.raises(asyncio.CancelledError):
        await examined(server, "R02-5")
    assert len(server.accounts) > 1
    assert not any(account.active for account in server.accounts.values())


async def test_one_requirement_alone_is_examined_with_few_calls():
    server = AccountServer()
    assert outcomes(await examined(server, "R02-12"), Outcome.PASSED) == ["R02-12"]
    assert len(server.calls) < 15


def test_accounts_are_only_made_where_the_target_says_so():
    assert missing(TARGET) is None
    found = missing(Target(**{**{name: getattr(TARGET, name) for name in Target.__slots__}, "flows": ("INT_R01",)}))
    assert found is not None
    assert "INT_R02" in found.fr


@pytest.mark.parametrize("status", [0, 100, 200, 201, 204, 302, 400, 500, 999])
@pytest.mark.parametrize("location", ["", "\udcff", "Practitioner/", "https://[/Practitioner/1?x", "x" * 100_000])
async def test_any_answer_at_all_is_judged(status: int, location: str):
    class Junk(AccountServer):
        async def call(self, method: str, path: str, **_: object) -> Exchange:
            return self._made(method, path, b"", status, {"Location": location}, {})

        async def get(self, path: str) -> Exchange:
            return Exchange("GET", path, "sas", status=200, body=b'{"resourceType": "Practitioner", "name": 1, "\xff')

    verdicts = await examined(Junk())
    assert verdicts["R02-1"].outcome is Outcome.FAILED
