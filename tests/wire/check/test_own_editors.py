"""The checker against our own editors over mutual TLS: nothing to say about correct ones, each quirk is found."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sandbox.check.run import chosen, examine
from sandbox.check.target import read_target
from sandbox.check.verdicts import Outcome, Report
from sandbox.kernel.character import QUIRKS
from tests.support.sandboxes import sandbox_here

EDITORS = ("agenda-azur", "rdv-commune", "garde-plus")
LONGEST_S = 60.0
AS_OF = {"preset": "minimal", "as_of": "2026-11-23T07:00:00"}
# quirk -> editor, requirements that find it
FOUND: dict[str, tuple[str, set[str]]] = {
    "unfound-by-prefix": ("agenda-azur", {"R01-29"}),
    "past-slots": ("agenda-azur", {"R01-5"}),
    "outside-window": ("agenda-azur", {"R01-6"}),
    "busy-slots": ("agenda-azur", {"R01-10"}),
    "unprefixed-ids": ("agenda-azur", {"R01-18", "R01-20"}),
    "bad-phone": ("agenda-azur", {"R01-35"}),
    "no-visibility": ("agenda-azur", {"R01-23"}),
    "types-as-text": ("agenda-azur", {"R01-24"}),
    "reasons-as-codes": ("agenda-azur", {"R01-48"}),
    "no-specialty": ("agenda-azur", {"R01-41"}),
    "no-offset": ("agenda-azur", {"R01-45"}),
    "empty-elements": ("agenda-azur", {"R01-9", "R01-13", "R01-31", "R01-32"}),
    "cpts-without-service": ("rdv-commune", {"R04-2"}),
    "cpts-without-organization": ("rdv-commune", {"R04-3"}),
    "merged-places": ("agenda-azur", {"R01-42"}),
    "wrong-practitioner": ("agenda-azur", {"R01-44"}),
    "not-found-if-empty": ("agenda-azur", {"R01-8"}),
    "error-if-empty": ("agenda-azur", {"R01-8"}),
}


async def report_of(data: Path, slug: str, ig: str | None = None, *only: str) -> Report:
    """The check of one editor."""
    target = read_target(data / "endpoints.json", slug, ig)
    return await examine(target, chosen(only), datetime.now(UTC))


def faults(report: Report) -> dict[str, list[str]]:
    """Requirement -> its faults in English, with their paths."""
    return {
        verdict.requirement.id: [f"{each.path}: {each.text.en} ({each.found})" for each in verdict.faults]
        for verdict in report.verdicts
        if verdict.faults
    }


@pytest.mark.parametrize("ig", ["1.1.0", "1.2.0"])
async def test_our_own_editors_pass(tmp_path: Path, ig: str) -> None:
    async with sandbox_here(tmp_path, **AS_OF, ig_version=ig):
        for slug in EDITORS:
            began = time.monotonic()
            report = await report_of(tmp_path, slug, ig)
            assert time.monotonic() - began < LONGEST_S
            assert faults(report) == {}, slug
            assert report.exit_code == 0
            assert report.count(Outcome.PASSED) > 40
            for verdict in report.verdicts:
                assert verdict.reasons or verdict.outcome is not Outcome.SKIPPED, verdict.requirement.id
                assert verdict.exchanges or verdict.outcome is Outcome.SKIPPED, verdict.requirement.id


async def test_each_quirk_is_found_by_the_requirement_meant_for_it(tmp_path: Path) -> None:
    assert FOUND.keys() == QUIRKS.keys()
    async with sandbox_here(tmp_path, **AS_OF) as document, aiohttp.ClientSession() as session:
        for quirk, (slug, expected) in FOUND.items():
            admin = f"{document['control']['api']}/editors/{slug}"
            async with session.put(admin, json={"quirks": {quirk: True}}) as answer:
                assert answer.status == 200
            only = ("R04-*",) if slug == "rdv-commune" else ("R01-*",)
            report = await report_of(tmp_path, slug, None, *only)
            assert faults(report).keys() == expected, (quirk, faults(report))
            async with session.delete(admin) as answer:
                assert answer.status < 300


async def test_pages_are_followed(tmp_path: Path) -> None:
    async with sandbox_here(tmp_path, **AS_OF) as document, aiohttp.ClientSession() as session:
        admin = f"{document['control']['api']}/editors/agenda-azur"
        async with session.put(admin, json={"page_size": 20}) as answer:
            assert answer.status == 200
        report = await report_of(tmp_path, "agenda-azur", None, "R01-*", "ROB-*")
        assert faults(report) == {}


async def test_what_the_target_does_not_tell_is_skipped_with_the_reason(tmp_path: Path) -> None:
    async with sandbox_here(tmp_path / "data", **AS_OF) as document:
        (editor,) = [each for each in document["editors"] if each["slug"] == "agenda-azur"]
        known: dict[str, Any] = {
            "editors": [{"fhir": editor["fhir"], "flows": ["INT_R01"]}],
            "tls": {"ca": document["tls"]["ca"], "clients": {"sas": document["tls"]["clients"]["sas"]}},
            "examples": {"practitioner_one_site": document["examples"]["practitioner_one_site"] | {"editor": ""}},
        }
        file = tmp_path / "target.json"
        file.write_text(json.dumps(known))
        report = await examine(read_target(file, None), chosen(()), datetime.fromisoformat("2026-11-23T07:00:00+01:00"))
        verdicts = {verdict.requirement.id: verdict for verdict in report.verdicts}
        assert faults(report) == {}
        assert verdicts["R01-20"].outcome is Outcome.PASSED
        for id, word in (("TLS-3", "wrong_cn"), ("R01-42", "practitioner_two_sites"), ("R04-1", "INT_R04")):
            assert verdicts[id].outcome is Outcome.SKIPPED
            assert word in verdicts[id].reasons[0].fr
