"""The scenarios of orientations without an editor on one sandbox with a process per role, one after the other."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from sandbox.runner.run import play
from tests.support.orientations.scenarios import ORIENTATIONS, OTHERS, names
from tests.support.sandboxes import command

pytestmark = pytest.mark.timeout(240)


def test_all_pass_on_one_sandbox_with_a_process_per_role(tmp_path: Path) -> None:
    with command(tmp_path / "data", "--processes", "--preset", "demo"):
        for name in ORIENTATIONS:
            out = io.StringIO()
            assert play(name, tmp_path / "data" / "endpoints.json", out=out) == 0, out.getvalue()


def test_every_scenario_of_the_package_is_played_by_a_test() -> None:
    assert names() == {*ORIENTATIONS, *OTHERS}
