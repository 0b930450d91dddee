"""Single sign-on in the checker, against pages and a provider in this process: each defect, and what cannot be seen."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from sandbox.check.editor.signon.visitor import Visitor
from sandbox.check.editor.sso import IDS, check
from sandbox.check.evidence import as_data
from sandbox.check.group import Subject
from sandbox.check.reports import document
from sandbox.check.requirements import EDITOR
from sandbox.check.target import Target
from sandbox.check.verdicts import Outcome, Report, Verdict, Verdicts
from sandbox.runner.browser import Form
from tests.support.checked.pages import DEFECTS, EMAIL, LOGIN, PASSWORD, TOLERATED, VendorPages

REGULATOR = {"identifier": LOGIN, "system": "urn:oid:1.2.250.1.213.3.6", "email": EMAIL, "password": PASSWORD}


def target_of(vendor: VendorPages, **changes: Any) -> Target:
    known = Target(
        name="agenda",
        fhir=f"{vendor.vendor}/fhir",
        ui="",
        flows=("INT_R01", "INT_R02"),
        ca=None,
        good=None,
        bad={},
        examples={"practitioner_one_site": ("819800000010",)},
        regulators=(REGULATOR,),
        psc=vendor.provider,
        control="",
        document={"psc": {"issuer": vendor.provider}},
    )
    return dataclasses.replace(known, **changes)


async def examined(vendor: VendorPages, *ids: str, **changes: Any) -> dict[str, Verdict]:
    wanted, found = frozenset(ids) or IDS, Verdicts()
    subject = Subject(target_of(vendor, **changes), vendor, datetime(2026, 11, 23, 9, tzinfo=UTC), wanted, seed=7)  # type: ignore[arg-type]
    async for observed in check(subject):
        assert observed.requirement in wanted
        found.add(observed)
    return {id: found.verdict(EDITOR[id]) for id in EDITOR if id in wanted}


def outcomes(verdicts: dict[str, Verdict], outcome: Outcome) -> list[str]:
    return [id for id, verdict in verdicts.items() if verdict.outcome is outcome]


async def test_right_pages_meet_every_requirement_and_the_account_is_withdrawn_again():
    async with VendorPages().running() as vendor:
        verdicts = await examined(vendor)
        assert outcomes(verdicts, Outcome.PASSED) == [id for id in EDITOR if id in IDS]
        assert vendor.accounts == {LOGIN: False}


@pytest.mark.parametrize("defect", DEFECTS)
async def test_a_defect_is_found_by_the_requirement_meant_for_it_and_by_no_other(defect: str):
    async with VendorPages(defect).running() as vendor:
        verdicts = await examined(vendor)
    bad = outcomes(verdicts, Outcome.FAILED) + outcomes(verdicts, Outcome.TOLERATED)
    assert bad == [DEFECTS[defect]], {id: verdicts[id].faults for id in bad}
    assert (verdicts[DEFECTS[defect]].outcome is Outcome.TOLERATED) is (defect in TOLERATED)
    assert all(fault.exchange is not None for fault in verdicts[DEFECTS[defect]].faults)


async def test_an_account_that_was_there_is_as_before_afterwards():
    async with VendorPages().running() as vendor:
        vendor.accounts[LOGIN], vendor.accepted = True, True
        verdicts = await examined(vendor)
        assert vendor.accounts == {LOGIN: True}
    assert outcomes(verdicts, Outcome.SKIPPED) == ["R02-16"]
    assert "auparavant" in verdicts["R02-16"].reasons[0].fr
    assert not outcomes(verdicts, Outcome.FAILED)


async def test_an_account_that_an_earlier_examination_withdrew_stays_withdrawn():
    async with VendorPages().running() as vendor:
        await examined(vendor)
        verdicts = await examined(vendor)
        assert vendor.accounts == {LOGIN: False}
    assert not outcomes(verdicts, Outcome.FAILED)


async def test_pages_that_scripts_build_are_skipped():
    async with VendorPages(scripted=True).running() as vendor:
        verdicts = await examined(vendor, "SSO-1", "SSO-2", "SSO-3")
    assert outcomes(verdicts, Outcome.SKIPPED) == ["SSO-1", "SSO-2", "SSO-3"]
    assert "scripts" in verdicts["SSO-1"].reasons[0].fr


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"psc": ""}, "psc.issuer"),
        ({"flows": ("INT_R01",)}, "INT_R02"),
        ({"regulators": ()}, "examples.regulators"),
        ({"regulators": ({"identifier": LOGIN},)}, "examples.regulators"),
    ],
)
async def test_without_somebody_who_can_log_in_the_rest_is_examined(changes: dict[str, Any], reason: str):
    async with VendorPages().running() as vendor:
        verdicts = await examined(vendor, **changes)
        assert vendor.accounts == {}
    assert outcomes(verdicts, Outcome.PASSED) == ["R02-14", "SSO-1", "SSO-2"]
    assert reason in verdicts["SSO-3"].reasons[0].fr


@pytest.mark.parametrize("changes", [{"examples": {}}, {"flows": ("INT_R02",)}])
async def test_without_a_slot_there_are_no_pages(changes: dict[str, Any]):
    async with VendorPages().running() as vendor:
        verdicts = await examined(vendor, **changes)
    assert outcomes(verdicts, Outcome.SKIPPED) == [id for id in EDITOR if id in IDS]
    assert "comment" in verdicts["SSO-1"].reasons[0].fr


async def test_the_slots_of_sos_lead_to_pages_too():
    async with VendorPages().running() as vendor:
        verdicts = await examined(vendor, "SSO-1", flows=("SOS",), examples={"sos_one_site": ("399900000000010",)})
        assert vendor.seen[0].startswith("Schedule?")
    assert verdicts["SSO-1"].outcome is Outcome.PASSED


async def test_pages_that_nobody_serves_are_a_fault():
    async with VendorPages().running() as vendor:
        where = target_of(vendor)
    verdicts = await examined(vendor, "SSO-1", "SSO-2")
    assert where.fhir.startswith(vendor.vendor)
    assert outcomes(verdicts, Outcome.FAILED) == ["SSO-1", "SSO-2"]
    assert verdicts["SSO-1"].faults[0].found.startswith("unreachable")


async def test_no_password_code_or_cookie_is_in_the_evidence():
    async with VendorPages("the agenda answers 500").running() as vendor:
        verdicts = await examined(vendor)
    report = Report("editor", "agenda", "x", "2026-11-23T09:00:00+01:00", 1.0, tuple(verdicts.values()))
    content = document.render(report).decode()
    assert PASSWORD not in content
    assert "very-secret" not in content
    shown = [as_data(each) for verdict in verdicts.values() for each in verdict.exchanges]
    assert len(shown) > 4


HOSTILE: dict[str, tuple[int, dict[str, str], bytes]] = {
    "an endless redirect": (303, {"Location": "?again=1"}, b""),
    "a redirect to an application": (303, {"Location": "agenda://open"}, b""),
    "a redirect to no address": (303, {"Location": "http://[::1"}, b""),
    "a redirect to a port that is none": (303, {"Location": "http://127.0.0.1:99999/"}, b""),
    "a charset that is none": (200, {"Content-Type": "text/html; charset=klingon"}, b"<p>mot de passe</p>"),
    "a cookie that is none": (200, {"Set-Cookie": "a b=\x01; =;;; Path"}, b"<p>mot de passe</p>"),
    "markup that is none": (200, {}, b"<![x[<form><select name=a><option></select></form><!-<input name=\xff>"),
    "forms of all kinds": (
        200,
        {},
        b"<form method=get action='http://[::1'><input type=password name=p></form><form method=post action=cgu>"
        b"<input type=checkbox><input type=radio name=r></form> CGU accepter",
    ),
    "an empty answer": (204, {}, b""),
    "another encoding": (200, {"Content-Encoding": "gzip"}, b"not gzip"),
    "a large page": (200, {}, b"<p>" * 2_000_000),
}


@pytest.mark.parametrize("answer", HOSTILE)
async def test_nothing_that_pages_answer_stops_the_examination(answer: str, monkeypatch: pytest.MonkeyPatch):
    status, headers, body = HOSTILE[answer]

    async def answered(request: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Content-Type": "text/html", **headers}, body=body)

    vendor = VendorPages()
    monkeypatch.setattr(vendor, "_vendor", answered)
    async with vendor.running():
        verdicts = await examined(vendor)
        assert vendor.accounts == {} or vendor.accounts == {LOGIN: False}
    assert "SSO-2" in outcomes(verdicts, Outcome.FAILED)


async def test_an_address_that_forms_name_wrongly_is_an_answer_that_never_came():
    async with Visitor(None) as visitor:
        visit = await visitor.submit(Form("http://[::1", "get", {}), {})
    assert (visit.page.status, visit.last.failure) == (0, "unreachable")
