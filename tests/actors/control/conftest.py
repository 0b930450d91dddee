"""A running control plane with all its roles, and a caller of its admin API.

Every answer to that caller under `__admin` is held to the OpenAPI document.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from sandbox.config import CONTROL_UI
from sandbox.control.app import Control
from tests.actors.control.controls import attended
from tests.actors.control.described import held


@pytest.fixture
async def control(tmp_path: Path) -> AsyncIterator[Control]:
    made = attended(tmp_path)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def admin(control: Control) -> AsyncIterator[httpx.AsyncClient]:
    base = control.context.settings.http(CONTROL_UI)
    async with httpx.AsyncClient(base_url=base, event_hooks={"response": [held]}) as client:
        yield client
