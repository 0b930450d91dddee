"""`sas-sandbox pki` as its user runs it, beside a running sandbox and without one."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sandbox.cli import main
from tests.support.sandboxes import sandbox_here

OU = "399900100000010"  # that of agenda-azur


def pki(*arguments: str) -> int:
    return main(["pki", *arguments])


def tls(document: dict[str, Any], name: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=document["tls"]["ca"])
    context.load_cert_chain(name.with_suffix(name.suffix + ".pem"), name.with_suffix(name.suffix + ".key"))
    return context


async def status(document: dict[str, Any], context: ssl.SSLContext) -> int:
    url = f"{document['sas']['fhir']}/metadata"
    async with aiohttp.ClientSession() as session, session.get(url, ssl=context) as answer:
        return answer.status


@pytest.mark.requirement("TLS-5")
async def test_revocation_reaches_a_running_sandbox_and_leaves_its_connections_alone(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    async with sandbox_here(tmp_path / "data", preset="minimal") as document:
        cn = "agenda-azur.bac-a-sable.invalid"
        issue = ("issue", "--cn", cn, "--ou", OU, "--name", "vendor", "--out", str(tmp_path), "--data-dir", data)
        assert await asyncio.to_thread(pki, *issue) == 0
        context = tls(document, tmp_path / "vendor")
        async with aiohttp.ClientSession() as session:
            url = f"{document['sas']['fhir']}/metadata"
            async with session.get(url, ssl=context) as answer:
                assert answer.status == 200
                await answer.read()
            assert await asyncio.to_thread(pki, "revoke", "vendor", "--data-dir", data) == 0
            with pytest.raises(aiohttp.ClientError):
                await status(document, context)
            async with session.get(url, ssl=context) as answer:  # on the connection of before
                assert answer.status == 200
        own = Path(document["tls"]["clients"]["agenda-azur"]["cert"]).with_suffix("")
        assert await status(document, tls(document, own)) == 200


@pytest.mark.requirement("TLS-2", "TLS-3", "TLS-4", "TLS-5")
async def test_kit_is_let_in_once_and_refused_three_times_by_an_editor_of_the_sandbox(tmp_path: Path) -> None:
    kit = tmp_path / "kit"
    async with sandbox_here(tmp_path / "data", preset="minimal") as document:
        assert await asyncio.to_thread(pki, "export", "--kit", str(kit), "--data-dir", str(tmp_path / "data")) == 0

        async def shown(cert: str, key: str) -> int | None:
            """Status of the answer; None for a handshake that fails."""
            context = ssl.create_default_context(cafile=kit / "ca.pem")
            context.load_cert_chain(kit / cert, kit / key)
            url = f"{document['editors'][0]['fhir']}/metadata"
            try:
                async with aiohttp.ClientSession() as session, session.get(url, ssl=context) as answer:
                    return answer.status
            except aiohttp.ClientError:
                return None

        assert await shown("inferno-prePROD.pem", "inferno-prePROD.key") == 200
        for kind, expected in (("bad_cname", 403), ("bad_ou", 403)):
            assert await shown(f"invalid_{kind}_certificate.key.crt.ca.pem", f"invalid_{kind}.key") == expected
        revoked = "invalid_revoked_certificate"
        assert await shown(f"{revoked}.key.crt.ca.pem", f"{revoked}.key") is None


def test_issue_makes_the_authority_where_no_sandbox_ever_ran(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = str(tmp_path / "data")
    assert pki("issue", "--cn", "Mon.Agenda", "--ou", OU, "--san", "localhost", "--data-dir", data) == 0
    assert (tmp_path / "data" / "pki" / "issued" / "mon.agenda.p12").exists()
    out = capsys.readouterr().out
    assert f"{tmp_path}/data/pki/issued/mon.agenda.pem" in out
    assert pki("revoke", "sas", "--data-dir", data) == 0
    assert "au prochain démarrage" in capsys.readouterr().out
    assert pki("list", "--data-dir", data) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert " valide " in lines["mon.agenda"]
    assert f"CN=Mon.Agenda OU={OU}" in lines["mon.agenda"]
    assert " révoqué " in lines["sas"]
    assert pki("export", "--kit", str(tmp_path / "kit"), "--data-dir", data) == 0
    assert str(tmp_path / "kit" / "inferno-prePROD.pem") in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("list",), "holds no PKI of this sandbox"),
        (("revoke", "x"), "holds no PKI of this sandbox"),
        (("issue", "--cn", "x" * 65, "--ou", OU), "must have 1 to 64 characters"),
        (("issue", "--cn", "!", "--ou", OU), "cannot name a certificate"),
        (("issue", "--cn", "x", "--ou", OU, "--out", "/dev/null/x"), "pki: /dev/null/x: "),
        (("export", "--kit", "/dev/null/x"), "pki: /dev/null/x: "),
    ],
)
def test_a_wrong_use_is_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], reason: str
) -> None:
    assert pki(*arguments, "--data-dir", str(tmp_path / "data")) == 2
    err = capsys.readouterr().err
    assert reason in err
    assert err.count("\n") == 1


def test_a_missing_argument_is_exit_code_2() -> None:
    command = [sys.executable, "-m", "sandbox.cli", "pki", "issue", "--cn", "x"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 2
    assert "--ou" in done.stderr
