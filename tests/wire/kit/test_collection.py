"""`sas-sandbox kit collection`: every request of the Bruno collection is played against a running sandbox."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from sandbox.cli import main
from tests.support.sandboxes import sandbox_here
from tests.support.vendors.bru import Collection, Request

AS_OF = {"preset": "minimal", "as_of": "2026-11-23T07:00:00"}
FLOWS = {"metadata": 4, "int-r01": 3, "int-r04": 3, "sos": 3, "int-r02": 3, "int-r03": 3, "api-sas": 2}


def collection(*arguments: object) -> int:
    return main(["kit", "collection", *map(str, arguments)])


async def written(data: Path, out: Path, *more: str) -> Collection:
    assert await asyncio.to_thread(collection, "--endpoints", data / "endpoints.json", "--out", out, *more) == 0
    return Collection(out)


def by_folder(made: Collection) -> dict[str, list[Request]]:
    found: dict[str, list[Request]] = {}
    for request in made.requests():
        found.setdefault(request.path.parent.name, []).append(request)
    return found


async def test_every_request_is_answered_as_its_file_says_twice(tmp_path: Path) -> None:
    async with sandbox_here(tmp_path / "data", **AS_OF):
        made = await written(tmp_path / "data", tmp_path / "out")
        assert {folder: len(requests) for folder, requests in by_folder(made).items()} == FLOWS
        for first in (True, False):
            for request in made.requests():
                status, body = await made.play(request)
                where = f"{request.path.name}: {status} {body[:400]!r}"
                assert status in request.statuses, where
                assert not first or status == request.statuses[0], where
                assert request.docs
                if request.path.parent.name in ("int-r01", "int-r04", "sos"):
                    assert json.loads(body)["total"] > 0, where


async def test_one_editor_without_tls_has_its_own_flows_only(tmp_path: Path) -> None:
    async with sandbox_here(tmp_path / "data", mtls=False, **AS_OF):
        made = await written(tmp_path / "data", tmp_path / "out", "--editor", "garde-plus")
        found = by_folder(made)
        assert set(found) == {"metadata", "sos", "int-r02", "api-sas"}
        assert made.manifest["clientCertificates"] == {"enabled": False, "certs": []}
        assert not (tmp_path / "out" / "certificats").exists()
        for request in made.requests():
            status, body = await made.play(request)
            assert status == request.statuses[0], f"{request.path.name}: {status} {body[:400]!r}"


async def test_files_move_with_their_directory(tmp_path: Path) -> None:
    async with sandbox_here(tmp_path / "data", **AS_OF):
        await written(tmp_path / "data", tmp_path / "first")
        (tmp_path / "first").rename(tmp_path / "moved")
        made = Collection(tmp_path / "moved")
        for file in (tmp_path / "moved").rglob("*"):
            if file.suffix in (".bru", ".json", ".md"):
                assert str(tmp_path) not in file.read_text("utf-8")
        for row in made.manifest["clientCertificates"]["certs"]:
            assert (made.folder / row["certFilePath"]).is_file()
            assert (made.folder / row["keyFilePath"]).stat().st_mode & 0o077 == 0
        request = next(each for each in made.requests() if each.path.parent.name == "int-r01")
        assert (await made.play(request))[0] == 200


def test_an_address_of_several_lines_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "target.yaml"
    target.write_text('editors: [{slug: mien, fhir: "http://127.0.0.1:9/\\n}", flows: [INT_R01]}]\n', "utf-8")
    assert collection("--target", target, "--out", tmp_path / "out") == 2
    assert "expected one line" in capsys.readouterr().err


async def test_what_a_target_lacks_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "target.yaml"
    target.write_text(
        "editors: [{slug: mien, fhir: 'http://127.0.0.1:9/fhir', flows: [INT_R01, INT_R03]}]\n"
        "examples: {practitioner_one_site: {id: '819800000010'}}\n",
        "utf-8",
    )
    assert await asyncio.to_thread(collection, "--target", target, "--out", tmp_path / "out") == 0
    said = capsys.readouterr().out
    assert "« Deux lieux » : exemple `practitioner_two_sites`" in said
    assert "`sas.fhir`" in said
    assert "`editors[].system`" in said
    found = by_folder(Collection(tmp_path / "out"))
    assert {folder: len(requests) for folder, requests in found.items()} == {"metadata": 1, "int-r01": 1}
    assert "Ce qui manque" in (tmp_path / "out" / "LISEZMOI.md").read_text("utf-8")
