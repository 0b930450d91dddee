"""The platform and an LRM that speak XML: a booking reaches the LRM, and its acknowledgement the platform."""

from __future__ import annotations

import shutil
from pathlib import Path

import aiohttp
import pytest

from sandbox import package_data
from sandbox.cli import main
from sandbox.runner.loader import find
from sandbox.runner.report import Report
from sandbox.runner.run import _play
from tests.sandboxes import sandbox_here


@pytest.fixture
def personas(tmp_path: Path) -> Path:
    """Those of the package, in which the LRM of the Gironde speaks XML."""
