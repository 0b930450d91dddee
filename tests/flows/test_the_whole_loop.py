"""The main job in one process: search, booking, INT_R03, L02, acknowledgement; and the same as a command."""

from __future__ import annotations

import asyncio
import io
import json
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sandbox.runner.loader import find
from sandbox.runner.report import Report
from sandbox.runner.run import play_on
from sandbox.runner.stage import Stage
from sandbox.runner.steps.login import Login
from tests.support.sandboxes import eventually, sandbox_here


@pytest.mark.parametrize("flags", [{}, {"mtls": False}], ids=["mtls", "no-mtls"])
async def test_the_nominal_day_passes(tmp_path: Path, flags: dict[str, Any]) -> None:
    async with sandbox_here(tmp_path, preset="minimal", **flags):
        out = io.StringIO()
        code = await play_on(find("nominal"), tmp_path / "endpoints.json", Report(out))
        text = out.getvalue()
    assert code == 0, text
    for flow in ("INT_R02", "INT_R01", "INT_R04", "SOS", "INT_R03", "INT_L02", "PSC"):
        assert f"  {flow} " in text, f"{flow} is not in the timeline"
    assert "✘" not in text


async def test_national_searches_overseas_at_the_hours_there(tmp_path: Path) -> None:
    async with sandbox_here(tmp_path, preset="national", mtls=False) as document, Stage(document) as stage:
        assert len(document["editors"]) == 26
        await Login("SAS-974").play(stage)
        found = await stage.sas("search", specialty="SM54", insee="97411")
        assert found["partial"] is False
        assert len(found["cards"]) == 5
        slots = [slot for card in found["cards"] for place in card["places"] for slot in place["slots"]]
        assert slots
        assert all(slot["start"].endswith("+04:00") and "07" <= slot["start"][11:13] <= "23" for slot in slots)


async def test_a_step_that_does_not_hold_fails_the_scenario_and_says_why(tmp_path: Path) -> None:
    scenario = tmp_path / "s.yaml"
    scenario.write_text(
        "title: trop\nsteps:\n  - do: login\n    territory: SAS-33\n"
        "  - do: search\n    specialty: SM54\n    town: '33063'\n    cards: 5000\n",
        "utf-8",
    )
    async with sandbox_here(tmp_path / "d", preset="minimal"):
        out = io.StringIO()
        code = await play_on(find(str(scenario)), tmp_path / "d" / "endpoints.json", Report(out))
    assert code == 1
    assert "✘" in out.getvalue()
    assert "attendu 5000" in out.getvalue()


async def test_a_status_fault_at_one_editor_makes_a_partial_answer_that_names_it(tmp_path: Path) -> None:
    async with sandbox_here(tmp_path, preset="minimal") as document, Stage(document) as stage:
        await Login("SAS-33").play(stage)
        fault = {"kind": "status", "target": "editor:agenda-azur", "params": {"code": 503}}
        await stage.call("POST", f"{document['control']['api']}/faults", json=fault)
        found = await stage.sas("search", specialty="SM54", insee="33063")
        assert found["partial"] is True
        failed = [editor["slug"] for editor in found["editors"] if editor["state"] == "failed"]
        assert failed == ["agenda-azur"]
        assert {card["editor"] for card in found["cards"]} == {"rdv-commune", "garde-plus", "sas-agenda"}
        await stage.call("DELETE", f"{document['control']['api']}/faults")
        assert (await stage.sas("search", specialty="SM54", insee="33063"))["partial"] is False


async def test_a_hung_editor_costs_its_time_out_and_nothing_else(tmp_path: Path) -> None:
    async with sandbox_here(tmp_path, preset="minimal", editor_timeout_s=0.5) as document, Stage(document) as stage:
        await Login("SAS-33").play(stage)
        fault = {"kind": "latency", "target": "editor:garde-plus", "flow": "SOS", "params": {"ms": 20_000}}
        await stage.call("POST", f"{document['control']['api']}/faults", json=fault)
        loop = asyncio.get_running_loop()
        began = loop.time()
        found = await stage.sas("search", specialty="SM54", insee="33063")
        assert loop.time() - began < 5
        assert [editor["slug"] for editor in found["editors"] if editor["state"] == "failed"] == ["garde-plus"]
        assert {card["editor"] for card in found["cards"]} == {"rdv-commune", "agenda-azur", "sas-agenda"}


async def test_the_same_seed_and_instant_give_the_same_bytes(tmp_path: Path) -> None:
    async def answers(directory: Path) -> list[bytes]:
        flags = {"as_of": "2026-03-28T12:00:00", "freeze": True, "port_base": 0}
        del flags["port_base"]
        async with sandbox_here(directory, preset="minimal", **flags) as document:
            return [body.replace(_ports(document), b"PORT") for body in await _all_slots(document)]

    assert await answers(tmp_path / "a") == await answers(tmp_path / "b")


def _ports(document: dict[str, Any]) -> bytes:
    return document["sas"]["ui"].rpartition(":")[2].encode()[:3]


async def _all_slots(document: dict[str, Any]) -> list[bytes]:
    tls = ssl.create_default_context(cafile=document["tls"]["ca"])
    tls.load_cert_chain(document["tls"]["clients"]["sas"]["cert"], document["tls"]["clients"]["sas"]["key"])
    bodies = []
    async with aiohttp.ClientSession() as session:
        for name, example in document["examples"].items():
            if not name.startswith("practitioner_"):
                continue
            editor = next(one for one in document["editors"] if one["slug"] == example["editor"])
            ids = ",".join(f"urn:oid:1.2.250.1.71.4.2.1|{one}" for one in example.get("ids", [example.get("id")]))
            query = {
                "status": "free",
                "schedule.actor:Practitioner.identifier": ids,
                "start": "ge2026-03-28T12:00:00",
            }
            url = f"{editor['fhir']}/Slot?start=le2026-03-30T23:59:59&_include=Slot:schedule"
            async with session.get(url, params=query, ssl=tls) as answer:
                assert answer.status == 200
                bodies.append(await answer.read())
    return bodies


async def test_examples_exist_and_have_free_slots_in_the_next_three_days(tmp_path: Path) -> None:
    async with sandbox_here(tmp_path, preset="minimal", as_of="2026-03-27T23:50:00", freeze=True) as document:
        wanted = {
            "practitioner_one_site",
            "practitioner_two_sites",
            "practitioner_pair",
            "practitioner_adeli",
            "practitioner_no_phone",
            "practitioner_no_slots",
            "practitioner_cpts",
            "practitioner_two_cpts_one_slot",
            "practitioner_two_cpts_two_slots",
            "sos_associations",
            "sos_two_sites",
            "practitioners_sas_agenda",
            "practitioner_extra",
            "marketplaces",
            "structure_cds",
            "structure_msp",
            "cpts",
            "regulators",
        }
        assert wanted <= set(document["examples"])
        bodies = [json.loads(body) for body in await _all_slots(document)]
    names = [name for name in document["examples"] if name.startswith("practitioner_")]
    totals = {name: body["total"] for name, body in zip(names, bodies, strict=True)}
    assert totals.pop("practitioner_no_slots") == 0
    assert all(total > 0 for total in totals.values()), totals


async def test_messages_that_others_publish_as_the_platform_are_followed_too(tmp_path: Path) -> None:
    import aio_pika

    from sandbox.edxl.build import Address, report
    from sandbox.kernel.clock import parse_datetime

    async with sandbox_here(tmp_path, preset="minimal") as document:
        client = document["sas"]["hub_client_id"]
        files = document["tls"]["clients"][client]
        tls = ssl.create_default_context(cafile=document["tls"]["ca"])
        tls.load_cert_chain(files["cert"], files["key"])
        connection = await aio_pika.connect(f"{document['hub']['amqp']}?auth=external", ssl_context=tls)
        channel = await connection.channel()
        hubsante = await channel.get_exchange("hubsante", ensure=False)
        sent = parse_datetime(document["now"])
        body = report(
            Address(f"{client}_from-outside", client, document["lrms"][0]["client_id"], sent, sent.replace(year=2099)),
            {
                "appointmentId": "from-outside",
                "method": "CreateAppointment",
                "created": "2026-11-22T10:00:00+01:00",
                "start": "2026-11-23T10:00:00+01:00",
                "status": "booked",
                "regulator": {
                    "regulatorName": "Fictif",
                    "regulatorFirstname": "Camille",
                    "regulatorEmail": "camille@sas.invalid",
                },
            },
        )
        message = aio_pika.Message(body, content_type="application/json", delivery_mode=2)
        await hubsante.publish(message, routing_key=client)
        await connection.close()

        async with aiohttp.ClientSession() as session:

            async def acknowledged() -> bool:
                async with session.get(f"{document['sas']['api']}/l02/{client}_from-outside") as answer:
                    return answer.status == 200 and (await answer.json())["state"] == "acknowledged"

            await eventually(acknowledged, what="the acknowledgement at the SAS core")
