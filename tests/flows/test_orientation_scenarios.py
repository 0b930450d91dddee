"""The scenarios of orientations without an editor, each from the regulator's login to the LRM's case file."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from sandbox.runner.loader import find
from sandbox.runner.report import Report
from sandbox.runner.run import play_on
from tests.support.orientations.scenarios import ORIENTATIONS
from tests.support.sandboxes import sandbox_here

TWICE = "agenda-sas-derniere-place"


@pytest.mark.parametrize("name", ORIENTATIONS)
async def test_the_scenario_passes(tmp_path: Path, name: str) -> None:
    async with sandbox_here(tmp_path, preset="minimal"):
        for _ in range(2 if name == TWICE else 1):  # it leaves a sandbox on which it passes again
            out = io.StringIO()
            code = await play_on(find(name), tmp_path / "endpoints.json", Report(out))
            assert code == 0, out.getvalue()
            assert "✘" not in out.getvalue()
            assert "INTEGRE" in out.getvalue() or "acknowledged" in out.getvalue()
