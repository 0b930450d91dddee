"""`sas-sandbox kit preset`: what ANS's acceptance kit reads, for our own editors and for a vendor's."""

from __future__ import annotations

import asyncio
import json
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from sandbox.cli import main
from sandbox.fhir.appointment import receive_appointment
from tests.support.sandboxes import sandbox_here

AS_OF = {"preset": "minimal", "as_of": "2026-11-23T07:00:00"}
PS, CPTS = "ig_launch_1", "ig_launch_2"
INPUTS = [
    "base_url", "mTLS", "gestion_rpps", "gestion_rpps_notes", "gestion_rpps_obligatoire",
    "gestion_rpps_obligatoire_notes", "gestion_idnst", "gestion_idnst_notes", "practitioner_id", "practitioner_id2",
    "practitioner_id3", "practitioner_id4", "type_slot", "type_consultation", "appointment",
]  # fmt: skip
TARGET = "editors: [{slug: mien, fhir: 'http://127.0.0.1:9/fhir', flows: [INT_R01, INT_R02]}]\n"


def preset(*arguments: object) -> int:
    return main(["kit", "preset", *map(str, arguments)])


def read(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "preset.json").read_text("utf-8"))
    return document


def value(document: dict[str, Any], name: str, option: str) -> str:
    """The input's value for that `launch_version`."""
    (row,) = (each for each in document["inputs"] if each["name"] == name)
    for each in row.get("value_for_options", []):
        if each["options"] == [{"name": "launch_version", "value": option}]:
            return str(each["value"])
    return str(row["value"])


def results(path: Path) -> dict[str, str]:
    rows = json.loads(path.read_text("utf-8"))
    return {row.get("test_id") or row.get("test_group_id") or row["test_suite_id"]: row["result"] for row in rows}


async def test_the_preset_of_the_sandbox_has_every_input_that_the_kit_reads(tmp_path: Path) -> None:
    out = tmp_path / "out"
    async with sandbox_here(tmp_path / "data", **AS_OF) as document:
        endpoints = tmp_path / "data" / "endpoints.json"
        assert await asyncio.to_thread(preset, "--endpoints", endpoints, "--out", out) == 0
        examples = document["examples"]
        bases = {editor["slug"]: editor["fhir"] + "/" for editor in document["editors"]}
        context = ssl.create_default_context(cafile=out / "certificats" / "ca.pem")
        context.load_cert_chain(
            out / "certificats" / "inferno-prePROD.pem", out / "certificats" / "inferno-prePROD.key"
        )
        async with (
            aiohttp.ClientSession() as session,
            session.get(bases["agenda-azur"] + "metadata", ssl=context) as answer,
        ):
            assert answer.status == 200
    made = read(out)
    assert made["test_suite_id"] == "sas"
    assert [row["name"] for row in made["inputs"]] == INPUTS
    assert value(made, "base_url", PS) == bases["agenda-azur"]
    assert value(made, "base_url", CPTS) == bases["rdv-commune"]
    assert value(made, "mTLS", PS) == "true"
    assert value(made, "practitioner_id", PS) == examples["practitioner_one_site"]["id"]
    assert value(made, "practitioner_id2", PS) == examples["practitioner_two_sites"]["id"]
    assert [value(made, f"practitioner_id{n}", PS) for n in (3, 4)] == examples["practitioner_pair"]["ids"]
    assert value(made, "practitioner_id", CPTS) == examples["practitioner_cpts"]["id"]
    for option in (PS, CPTS):
        assert set(json.loads(value(made, "type_slot", option))) <= {"PUBLIC", "PRO", "SNP"}
        assert set(json.loads(value(made, "type_consultation", option))) <= {"AMB", "VR", "HH"}
        received = receive_appointment(value(made, "appointment", option).encode())
        assert received.findings == ()
        assert received.appointment.practitioner == value(made, "practitioner_id", option)
    for name in INPUTS:
        assert name.endswith("_notes") or value(made, name, PS), name


async def test_scripts_run_what_they_can_and_expect_it_to_pass(tmp_path: Path) -> None:
    out = tmp_path / "out"
    async with sandbox_here(tmp_path / "data", **AS_OF):
        endpoints = tmp_path / "data" / "endpoints.json"
        assert await asyncio.to_thread(preset, "--endpoints", endpoints, "--out", out) == 0
    made = read(out)
    for name, option in (("ps", PS), ("cpts", CPTS)):
        script = yaml.safe_load((out / f"sas_{name}.yaml").read_text("utf-8"))
        assert script["sessions"] == [
            {"suite": "sas", "preset": made["id"], "suite_options": {"launch_version": option}},
        ]
        steps = script["steps"]
        assert steps[0]["status"] == "created"
        assert [step["last_completed"] for step in steps[1:]] == [step["start_run"]["runnable"] for step in steps[:-1]]
        assert steps[-1]["action"] == "END_SCRIPT"
        expected = results(out / script["comparison_config"]["expected_results_file"])
        assert expected["sas-visual_group-hds"] == "skip"
        assert expected["sas-flux_v2_group-flux_v2_connected_group-sso_lga"] == "omit"
        assert expected["sas-flux_v3_group-v3_validate_appointment"] == "pass"
        assert sum(each.startswith("sas-flux_v1_group-") for each in expected) == 16
    runs = [
        step["start_run"]["runnable"] for step in yaml.safe_load((out / "sas_ps.yaml").read_text("utf-8"))["steps"][:-1]
    ]
    assert runs == ["1.1", "1.2", "3", *(f"4.{n}" for n in range(1, 8)), "5", "6.1", "7"]


def test_what_a_target_lacks_is_empty_named_and_skipped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target, out = tmp_path / "target.yaml", tmp_path / "out"
    target.write_text(TARGET, "utf-8")
    assert preset("--target", target, "--out", out) == 0
    said = capsys.readouterr().out
    for name in ("practitioner_id", "practitioner_id4", "type_slot", "appointment", "gestion_idnst"):
        assert f"`{name}`" in said
        assert value(read(out), name, PS) == ""
        assert f"`{name}`" in (out / "LISEZMOI.md").read_text("utf-8")
    assert value(read(out), "mTLS", PS) == "false"
    expected = results(out / "sas_ps_attendus.json")
    assert expected["sas-tls-mtls_group-Test01"] == "skip"
    assert expected["sas-aggregation_group-multi_lieux_group-slot_search_setup"] == "skip"
    assert expected["sas-flux_v1_group-put_as_create"] == "pass"
    assert not (out / "certificats").exists()


def test_the_target_that_init_writes_has_its_certificates_and_its_appointment(tmp_path: Path) -> None:
    vendor, out, data = tmp_path / "mien", tmp_path / "out", str(tmp_path / "data")
    assert main(["init", "editor", "mien", "--out", str(vendor), "--data-dir", data]) == 0
    assert preset("--target", vendor / "recette.yaml", "--out", out) == 0
    assert value(read(out), "mTLS", PS) == "true"
    received = receive_appointment(value(read(out), "appointment", PS).encode())
    assert received.findings == ()
    for name in ("inferno-prePROD.pem", "invalid_bad_ou.key", "invalid_revoked_certificate.key.crt.ca.pem", "ca.pem"):
        assert (out / "certificats" / name).stat().st_mode & 0o077 == 0


def test_a_directory_of_somebody_else_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target, out = tmp_path / "target.yaml", tmp_path / "out"
    target.write_text(TARGET, "utf-8")
    out.mkdir()
    (out / "preset.json").write_text("mine", "utf-8")
    assert preset("--target", target, "--out", out) == 2
    assert "not empty" in capsys.readouterr().err
    assert [file.name for file in out.iterdir()] == ["preset.json"]
    assert (out / "preset.json").read_text("utf-8") == "mine"


def test_its_own_directory_is_written_again(tmp_path: Path) -> None:
    target, out = tmp_path / "target.yaml", tmp_path / "out"
    target.write_text(TARGET.replace("INT_R01", "INT_R01, INT_R04"), "utf-8")
    assert preset("--target", target, "--out", out) == 0
    assert (out / "sas_cpts.yaml").exists()
    (out / "notes.txt").write_text("mine", "utf-8")
    target.write_text(TARGET, "utf-8")
    assert preset("--target", target, "--out", out) == 0
    assert not (out / "sas_cpts.yaml").exists()
    assert (out / "notes.txt").read_text("utf-8") == "mine"
    assert main(["kit", "collection", "--target", str(target), "--out", str(out)]) == 2


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("editors: [{slug: garde, fhir: 'http://127.0.0.1:9/fhir', flows: [SOS]}]\n", "INT_R01 or INT_R04"),
        (
            "editors: [{fhir: 'http://127.0.0.1:9/a', flows: []}, {fhir: 'http://127.0.0.1:9/b', flows: []}]\n",
            "same slug",
        ),
        ("editors: []\n", "no editor"),
        ("editors: [{fhir: 'ftp://example', flows: [INT_R01]}]\n", "is no URL"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, problem: str
) -> None:
    (tmp_path / "target.yaml").write_text(text, "utf-8")
    assert preset("--target", tmp_path / "target.yaml", "--out", tmp_path / "out") == 2
    assert problem in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_target_file_is_no_endpoints_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "target.yaml").write_text(TARGET, "utf-8")
    assert preset("--endpoints", tmp_path / "target.yaml", "--out", tmp_path / "out") == 2
    assert "--target" in capsys.readouterr().err
