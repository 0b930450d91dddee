"""`sas-sandbox up --host ::`: it prints what it opens, and asks strangers for a password on pages without a login of
their own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import httpx

from sandbox.ground import write_token
from tests.support.sandboxes import command


def test_a_sandbox_that_is_open_to_the_network_says_so_and_asks_for_its_token(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with command(data, "--host", "::", "--preset", "minimal") as running:
        file = data / "admin-token"
        token = file.read_text("ascii").strip()
        assert file.stat().st_mode & 0o777 == 0o600
        document = json.loads((data / "endpoints.json").read_text("utf-8"))
        assert (data / "endpoints.json").stat().st_mode & 0o777 == 0o600
        assert document["control"]["token"] == token
        port = running.base + 10
        lrm = document["lrms"][0]
        for host in ("127.0.0.1", "[::1]"):
            url = f"http://{host}:{port}/__admin/endpoints"
            assert httpx.get(url).status_code == 401
            assert httpx.get(url, headers={"Authorization": f"Bearer {token}"}).status_code == 200
        assert httpx.get(lrm["ui"] + "/").status_code == 401
        assert httpx.get(lrm["ui"] + "/api/orientations").status_code == 401
        assert httpx.get(lrm["ui"] + "/", auth=("x", lrm["password"])).status_code == 200
        assert httpx.get(document["lrms"][1]["ui"] + "/", auth=("x", lrm["password"])).status_code == 401
        login = httpx.get(f"http://127.0.0.1:{running.base + 3}/psc/login").text
        assert "regulation-33" not in login
        assert httpx.get(document["editors"][0]["ui"] + "/boite-envoi").status_code == 401
        assert httpx.get(document["editors"][0]["ui"] + "/boite-envoi", auth=("x", token)).status_code == 200
        arguments = ["hub", "add-client", "fr.health.essai", "--data-dir", str(data)]
        added = subprocess.run([sys.executable, "-m", "sandbox.cli", *arguments], capture_output=True, text=True)
        assert (added.returncode, added.stderr) == (0, "")
        code, out, err = running.end()
    assert code == 0
    for text in (out, err):
        assert "Ouvert au réseau : --host ::" in text
        assert f"port {port}" in text
        assert str(file) in text
        assert "--public-host" in text
    assert token not in out + err


def test_the_token_is_kept_for_its_owner_alone_and_goes_when_it_is_not_needed(tmp_path: Path) -> None:
    file = tmp_path / "admin-token"
    file.write_text("old")
    file.chmod(0o644)
    write_token(tmp_path, "new")
    assert file.read_text("ascii") == "new\n"
    assert file.stat().st_mode & 0o777 == 0o600
    write_token(tmp_path, "")
    assert [*tmp_path.iterdir()] == []
