"""`sas-sandbox check editor` as a vendor types it: exit codes, report files, and what Ctrl-C leaves behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from load.ports import free_base
from tests.support.checked.regulators import AccountServer
from tests.support.sandboxes import eventually


@contextlib.asynccontextmanager
async def served(server: AccountServer, directory: Path) -> AsyncIterator[Path]:
    """Serve the accounts over plain HTTP; yields the target file."""

    async def answer(request: web.Request) -> web.Response:
        if request.method == "GET":
            made = await server.get(request.path)
        else:
            path = f"Practitioner?{request.query_string}".rstrip("?")
            made = await server.call(request.method, path, headers=request.headers, body=await request.read())
        return web.Response(status=made.status, headers=dict(made.headers), body=made.body, content_type=FHIR)

    application = web.Application()
    application.router.add_route("*", "/fhir/{path:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/fhir"
        file = directory / "recette.yaml"
        file.write_text(f"editors:\n  - slug: essai\n    fhir: {url}\n    flows: [INT_R02]\n", "utf-8")
        yield file
    finally:
        await runner.cleanup()


FHIR = "application/fhir+json"


async def check(*arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    process = await started(*arguments)
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def started(*arguments: str) -> asyncio.subprocess.Process:
    command = [sys.executable, "-m", "sandbox.cli", "check", "editor", *arguments]
    return await asyncio.create_subprocess_exec(*command, stdout=-1, stderr=-1)


async def test_a_server_without_a_fault_ends_with_0_and_all_reports_are_written(tmp_path: Path) -> None:
    files = {form: tmp_path / f"r.{form}" for form in ("junit", "html", "json")}
    options = [word for form, file in files.items() for word in (f"--{form}", str(file))]
    async with served(AccountServer(), tmp_path) as target:
        code, out, err = await check("--target", str(target), "--only", "R02-*", *options)
    assert (code, err) == (0, "")
    assert "16 exigences : 13 satisfaites, 3 non vérifiées." in out
    assert ET.fromstring(files["junit"].read_bytes()).get("failures") == "0"
    assert json.loads(files["json"].read_bytes())["summary"]["passed"] == 13
    assert "<h1>Recette : essai</h1>" in files["html"].read_text("utf-8")


async def test_a_fault_ends_with_1(tmp_path: Path) -> None:
    async with served(AccountServer("accepts: active"), tmp_path) as target:
        code, out, _ = await check("--target", str(target), "--only", "R02-3")
    assert code == 1
    assert "un compte sans active est accepté (3 fois, la première ci-dessous)" in out
    assert "où : Practitioner.active" in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "--target FILE or --endpoints PATH is needed"),
        (["--target", "{target}", "--name", "autre"], "has no editor 'autre' (known: essai)"),
        (["--target", "{target}", "--only", "R99-1"], "no requirement 'R99-1'"),
        (["--target", "nowhere.yaml"], "nowhere.yaml:1: cannot be read"),
        (["--target", "{target}", "--html", "{dir}"], "is no file that could be written"),
        (["--target", "{target}", "--json", "{dir}/no/r.json"], "is no file that could be written"),
    ],
)
async def test_wrong_usage_ends_with_2_and_one_line(tmp_path: Path, arguments: list[str], told: str) -> None:
    server = AccountServer()
    async with served(server, tmp_path) as target:
        code, out, err = await check(*(each.format(target=target, dir=tmp_path) for each in arguments))
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert told in err
    assert server.calls == []


async def test_a_wrong_target_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "t.yaml"
    file.write_text(
        "editors:\n  - slug: essai\n    fhir: https://127.0.0.1/fhir\n    flows: []\ntls:\n  ca: nowhere.pem\n", "utf-8"
    )
    code, _, err = await check("--target", str(file))
    assert code == 2
    assert f"{file}:6: no such file" in err


async def test_nobody_at_the_address_ends_with_3(tmp_path: Path) -> None:
    file = tmp_path / "t.yaml"
    file.write_text(f"editors:\n  - fhir: http://127.0.0.1:{free_base()}/fhir\n    flows: []\n", "utf-8")
    code, out, err = await check("--target", str(file))
    assert (code, out) == (3, "")
    assert "/fhir" in err


async def test_the_list_needs_no_target() -> None:
    code, out, _ = await check("--list", "--only", "SSO-*")
    assert (code, [line.split()[0] for line in out.splitlines()]) == (0, ["SSO-1", "SSO-2", "SSO-3", "SSO-4"])


async def test_ctrl_c_leaves_no_active_account(tmp_path: Path) -> None:
    server = AccountServer()
    async with served(server, tmp_path) as target:
        process = await started("--target", str(target), "--only", "R02-*")
        await eventually(lambda: len(server.accounts) > 5, what="accounts")
        process.send_signal(signal.SIGINT)
        out, _ = await asyncio.wait_for(process.communicate(), 20)
    assert (process.returncode, out) == (130, b"")
    assert len(server.accounts) > 5
    assert not any(account.active for account in server.accounts.values())
