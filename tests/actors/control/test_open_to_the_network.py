"""A control plane that other machines reach: everything but its style sheets asks for the token."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from sandbox.config import CONTROL_UI
from sandbox.control.app import Control
from tests.actors.control.controls import attended

PATHS = ("/", "/hub", "/metrics", "/__admin/health", "/__admin/endpoints", "/__admin/exchanges", "/__admin/nowhere")
SECRET = "a-token-of-my-own-0123456789"


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Control]:
    made = attended(tmp_path, host="0.0.0.0")
    await made.start()
    yield made
    await made.stop()


def caller(control: Control, **options: object) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=control.context.settings.http(CONTROL_UI), **options)  # type: ignore[arg-type]


async def test_a_stranger_is_told_nothing(opened: Control) -> None:
    async with caller(opened) as stranger:
        for path in PATHS:
            answer = await stranger.get(path)
            assert answer.status_code == 401, path
            assert "Basic" in answer.headers["www-authenticate"]
            assert "regulation-33" not in answer.text
        made = await stranger.post("/__admin/faults", json={"kind": "status", "target": "sas"})
        assert made.status_code == 401
        assert made.headers["content-type"] == "application/problem+json"
        assert "admin-token" in made.json()["title"]
        page = await stranger.get("/")
        assert "jeton d&#39;administration" in page.text
        (style, *_) = re.findall(r'href="(/static/[^"]+\.css)"', page.text)
        assert (await stranger.get(style)).status_code == 200
    assert opened.plane.worlds.world.faults == ()


async def test_the_token_opens_everything_as_bearer_or_as_password(opened: Control) -> None:
    token = opened.context.admin_token
    assert len(token) == 64
    headers = {"Authorization": f"Bearer {token}"}
    async with caller(opened, headers=headers) as admin, caller(opened, auth=("x", token)) as browser:
        for one in (admin, browser):
            assert [(await one.get(path)).status_code for path in PATHS[:1] + PATHS[2:6]] == [200] * 5
        document = (await admin.get("/__admin/endpoints")).json()
        assert document["control"]["token"] == token
        passwords = [lrm["password"] for lrm in document["lrms"]]
        assert len({*passwords}) == len(passwords)
        page = (await browser.get("/")).text
        assert "regulation-33" in page
        assert "Pro Santé Connect, Aurore ROUVEYRAN (agenda SAS)" in page
        assert all(password in page for password in passwords)


async def test_on_loopback_nobody_is_asked_unless_a_token_is_configured(tmp_path: Path) -> None:
    plain = attended(tmp_path / "a")
    guarded = attended(tmp_path / "b", admin_token=SECRET)
    for control in (plain, guarded):
        await control.start()
    try:
        async with caller(plain) as one, caller(guarded) as other:
            document = (await one.get("/__admin/endpoints")).json()
            assert document["control"]["token"] is None
            assert {lrm["password"] for lrm in document["lrms"]} == {None}
            assert '<h2 id="acces">' not in (await one.get("/")).text
            assert (await other.get("/__admin/health")).status_code == 401
            told = await other.get("/__admin/health", headers={"Authorization": f"Bearer {SECRET}"})
            assert told.status_code == 200
    finally:
        for control in (plain, guarded):
            await control.stop()
