"""A running control plane with all its roles, and a caller of its admin API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from sandbox.config import CONTROL_UI
from sandbox.control.app import Control
from tests.actors.control.controls import attended


@pytest.fixture
async def control(tmp_path: Path) -> AsyncIterator[Control]:
    made = attended(tmp_path)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def admin(control: Control) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=control.context.settings.http(CONTROL_UI)) as client:
        yield client
