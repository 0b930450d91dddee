"""The checker against LRMs through the sandbox's hub: ours and a correct stand-in pass, each defect is found by the
requirement meant for it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sandbox.check.lrm.examination import examine_lrm
from sandbox.check.lrm.target import read_lrm_target
from sandbox.check.requirements import LRM
from sandbox.check.run import chosen
from sandbox.check.verdicts import Outcome, Report
from sandbox.cli import main
from tests.support.checked.wrong_lrm import DEFECTS, StandIn, running
from tests.support.hub import rabbit
from tests.support.sandboxes import sandbox_here
from tests.support.vendors.processes import lrm_arguments

OURS = "fr.health.samu330"
AT_ONCE = 6
TOLERATED = {"milliseconds"}
LONGEST_S = 30.0
WAIT_S = 3.0  # s for an answer, of LRMs on this machine


async def report_of(file: Path, name: str | None, *only: str) -> Report:
    """The check of one LRM."""
    target = read_lrm_target(file, name)
    return await examine_lrm(target, chosen(only, LRM), datetime.now(UTC), wait=WAIT_S)


def faults(report: Report) -> dict[str, list[str]]:
    """Requirement -> its faults in English."""
    return {
        verdict.requirement.id: [f"{each.path}: {each.text.en} ({each.found})" for each in verdict.faults]
        for verdict in report.verdicts
        if verdict.faults
    }


def outcomes(report: Report, outcome: Outcome) -> set[str]:
    return {each.requirement.id for each in report.verdicts if each.outcome is outcome}


async def test_our_own_lrm_passes(tmp_path: Path) -> None:
    async with sandbox_here(tmp_path, preset="minimal") as document:
        began = time.monotonic()
        report = await report_of(tmp_path / "endpoints.json", OURS)
        assert time.monotonic() - began < LONGEST_S
        assert faults(report) == {}
        assert outcomes(report, Outcome.SKIPPED) == {"L02-14"}
        assert report.exit_code == 0
        assert report.requests > 50
        for verdict in report.verdicts:
            assert verdict.exchanges or verdict.reasons, verdict.requirement.id
        file = tmp_path / "xml.json"
        file.write_text(json.dumps({**document, "lrms": [{"client_id": OURS, "format": "xml"}]}))
        in_xml = await report_of(file, None, "L02-14")
        assert outcomes(in_xml, Outcome.PASSED) == {"L02-14"}


async def test_what_only_the_own_broker_shows_is_skipped_with_a_rabbitmq(tmp_path: Path) -> None:
    if why := rabbit.missing():
        pytest.skip(why)
    file, data = tmp_path / "definitions.json", tmp_path / "data"
    command = ["hub", "definitions", "--data-dir", str(data), "--out", str(file), "--no-mtls", "--preset", "minimal"]
    assert main(command) == 0
    node = rabbit.start(tmp_path / "rabbit", None, json.loads(file.read_bytes()))
    try:
        flags = {"preset": "minimal", "mtls": False, "hub_broker": f"amqp://127.0.0.1:{node.port}"}
        async with sandbox_here(data, **flags):
            report = await report_of(data / "endpoints.json", OURS)
    finally:
        node.stop()
    assert faults(report) == {}
    assert outcomes(report, Outcome.SKIPPED) - {"L02-3"} == {"L02-1", "L02-12", "L02-14"}


async def test_each_defect_is_found_by_its_requirement_and_no_other(tmp_path: Path) -> None:
    """Several at once, each between two clients of its own."""
    names = [f"fr.health.{side}{number}" for number in range(AT_ONCE) for side in ("lrm", "samu9")]
    async with sandbox_here(tmp_path, preset="minimal", spare_clients=tuple(names)) as document:
        free: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        for pair in zip(names[::2], names[1::2], strict=True):
            free.put_nowait(pair)

        async def examined(kind: type[StandIn]) -> Report:
            vendor, sender = await free.get()
            file = tmp_path / f"{vendor}.json"
            file.write_text(json.dumps({**document, "hub": {**document["hub"], "sender": sender}}))
            report = await one(file, lrm_arguments(document, vendor), kind)
            free.put_nowait((vendor, sender))
            return report

        # The hub remembers refusals by client id: the one that is refused comes last.
        kinds = {"": (StandIn, ""), **DEFECTS}
        kinds["declares"] = kinds.pop("declares")
        reports = await asyncio.gather(*(examined(kind) for kind, _ in kinds.values()))
    found = dict(zip(kinds, reports, strict=True))
    correct = found.pop("")
    assert faults(correct) == {}
    assert outcomes(correct, Outcome.SKIPPED) == {"L02-13", "L02-14"}
    wrong = {name: faults(report) for name, report in found.items() if faults(report).keys() != {DEFECTS[name][1]}}
    assert not wrong, json.dumps(wrong, indent=1)
    for name, report in found.items():
        assert report.exit_code == (0 if name in TOLERATED else 1), name


async def one(file: Path, arguments: list[str], kind: type[StandIn]) -> Report:
    """The check of a stand-in."""
    with contextlib.ExitStack() as stack:
        await asyncio.to_thread(stack.enter_context, running(arguments, kind))
        report = await report_of(file, arguments[0])
        await asyncio.to_thread(stack.close)
        return report
