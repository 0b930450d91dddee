"""`sas-sandbox psc clients`: the secret that it shows is the one that the running provider knows."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from sandbox.cli import main
from sandbox.config import load_settings
from tests.support.sandboxes import sandbox_here

CONFIG = """oidc_clients:
  - {id: mon-agenda, name: Mon Agenda, redirect_uris: ["https://127.0.0.1:9443/psc/retour"]}
"""


async def test_secret_that_is_shown_is_the_one_that_the_provider_knows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(CONFIG, "utf-8")
    command = ["psc", "clients", "--config", str(file), "--data-dir", str(tmp_path / "data")]
    assert await asyncio.to_thread(main, command) == 0
    shown = capsys.readouterr().out
    assert "retour : https://127.0.0.1:9443/psc/retour" in shown
    secret = re.findall(r"secret : (\w+)", shown)[0]
    clients = load_settings({}, {}, file).oidc_clients
    async with sandbox_here(tmp_path / "data", preset="minimal", oidc_clients=clients) as document:
        assert await asyncio.to_thread(main, command) == 0
        assert f"secret : {secret}" in capsys.readouterr().out
        token = f"{document['psc']['issuer']}/token"
        form = {"grant_type": "authorization_code", "client_id": "mon-agenda", "client_secret": secret}
        assert await refusal(token, form) != "invalid_client"
        assert await refusal(token, form | {"client_secret": "wrong"}) == "invalid_client"
        issuer = document["psc"]["realm"]
        assert f"realm de la plateforme : {issuer}" in shown.replace(":8003/", f":{urlsplit(issuer).port}/")
        shared = re.findall(r"secret : (\w+)", shown)[-1]
        there = {**form, "client_id": "sas", "client_secret": shared}
        token = f"{issuer}/protocol/openid-connect/token"
        assert await refusal(token, there) != "invalid_client"
        assert await refusal(token, there | {"client_secret": secret}) == "invalid_client"


async def refusal(url: str, form: dict[str, str]) -> str:
    async with aiohttp.ClientSession() as session, session.post(url, data=form) as answer:
        return str((await answer.json())["error"])


def test_directory_that_cannot_be_made_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["psc", "clients", "--data-dir", "/dev/null/x"]) == 2
    assert capsys.readouterr().err.startswith("sas-sandbox: data directory /dev/null/x: ")
