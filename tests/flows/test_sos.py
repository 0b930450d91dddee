"""SOS Médecins from the booking page to the LRM's case file: pending, then booked with the doctor's name."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson

from sandbox.fhir.appointment import render_appointment
from sandbox.kernel.clock import parse_datetime
from sandbox.kernel.flows import AppointmentStatus
from sandbox.kernel.identifiers import Identifier
from sandbox.kernel.model import Appointment
from sandbox.runner.loader import find
from sandbox.runner.report import Report
from sandbox.runner.run import play_on
from sandbox.runner.stage import Stage
from sandbox.runner.steps.attach import Attach
from sandbox.runner.steps.book import Book
from sandbox.runner.steps.login import Login
from sandbox.runner.steps.search import Search
from sandbox.runner.steps.verify import Verify
from tests.support.sandboxes import eventually, sandbox_here

BORDEAUX = "33063"


async def test_the_scenario_of_sos_passes(tmp_path: Path) -> None:
    async with sandbox_here(tmp_path, preset="minimal", mtls=False):
        out = io.StringIO()
        code = await play_on(find("sos"), tmp_path / "endpoints.json", Report(out))
    assert code == 0, out.getvalue()
    assert "✘" not in out.getvalue()
    assert "garde : pris en charge" in out.getvalue()


async def booked(stage: Stage) -> tuple[str, dict[str, Any]]:
    """A booking at SOS: its id at the editor, and the SAS core's record."""
    await Login("SAS-33").play(stage)
    await Search("SM54", BORDEAUX).play(stage)
    await Book("garde", "SOS").play(stage)
    identifier = stage.learnt.booked["garde"].identifier

    async def record() -> Any:
        token = f"{stage.editor('garde-plus')['system']}|{identifier}"
        return (await stage.sas("appointments", identifier=token))["appointments"]

    return identifier, (await eventually(record))[0]


async def test_the_association_names_its_doctor_and_the_case_file_says_so(tmp_path: Path) -> None:
    flags: dict[str, Any] = {"preset": "minimal", "mtls": False, "sos_take_over_s": 1}
    async with sandbox_here(tmp_path, **flags) as document, Stage(document) as stage:
        identifier, record = await booked(stage)
        await Attach("garde").play(stage)
        await Verify("garde", "booked").play(stage)
        ui = stage.lrm()["ui"]
        orientation = await stage.call("GET", f"{ui}/api/orientations/{record['id']}")
        assert [change["status"] for change in orientation["history"]] == ["pending", "booked"]
        doctor = orientation["appointment"]["practitioner"]
        case_file = await stage.browser.get(f"{ui}/dossiers/{orientation['caseFile']}")
        assert f"{doctor['firstName']} {doctor['lastName']}" in case_file.text
        assert orientation["appointment"]["organization"]["name"] == "SOS Médecins Bordeaux (bac à sable)"
        page = await stage.browser.get(f"{document['sas']['ui']}/sas/orientations/{record['id']}")
        assert f"{doctor['firstName']} {doctor['lastName']}" in page.text
        at_editor = await stage.browser.get(f"{stage.editor('garde-plus')['ui']}/rendez-vous/{identifier}")
        assert f"Dr {doctor['firstName']} {doctor['lastName']}" in at_editor.text


async def test_what_is_taken_with_a_finding_is_in_the_journal_and_in_the_measures(tmp_path: Path) -> None:
    async with sandbox_here(tmp_path, preset="minimal", mtls=False) as document, Stage(document) as stage:
        account = document["examples"]["regulators"][0]
        start = parse_datetime(document["now"]) + timedelta(days=1)
        sent = Appointment(
            identifier=Identifier(stage.editor("agenda-azur")["system"], "r03-11"),
            operator=Identifier(account["system"], account["identifier"], "IDNPS"),
            status=AppointmentStatus.BOOKED,
            start=start,
            end=start + timedelta(minutes=15),
            practitioner=document["examples"]["practitioner_one_site"]["id"],
            participant_status="needs-action",
        )
        body = orjson.loads(render_appointment(sent))
        await stage.call("POST", f"{document['sas']['fhir']}/Appointment", json=body)
        api = document["control"]["api"]

        async def noted() -> Any:
            found = (await stage.call("GET", f"{api}/exchanges?flow=INT_R03"))["exchanges"]
            return [one["note"] for one in found if one.get("ref") == "r03-11" and one.get("note")]

        assert (await eventually(noted))[0].startswith("R03-11 Appointment.participant[0].status: ")
        metric = 'sas_sandbox_editor_findings_total{editor="agenda-azur",requirement="R03-11"} 1.0'

        async def measured() -> bool:
            return metric in (await stage.browser.get(document["control"]["metrics"])).text

        await eventually(measured)
        health = await stage.call("GET", f"{api}/health")
        assert health["roles"]["sas"]["r03_findings"] == {"agenda-azur": {"R03-11": 1}}


async def test_while_time_stands_still_the_doctor_is_not_named_and_once_it_leaps_he_is(tmp_path: Path) -> None:
    flags: dict[str, Any] = {"preset": "minimal", "mtls": False, "as_of": "2026-11-23T10:00:00", "freeze": True}
    async with sandbox_here(tmp_path, **flags) as document, Stage(document) as stage:
        await booked(stage)
        await Verify("garde", "pending").play(stage)
        clock = f"{document['control']['api']}/clock"
        await stage.call("PUT", clock, json={"as_of": "2026-11-23T10:00:19+01:00", "freeze": True})
        await Verify("garde", "pending").play(stage)
        await stage.call("PUT", clock, json={"as_of": "2026-11-23T10:00:20+01:00", "freeze": True})
        await Verify("garde", "booked").play(stage)
