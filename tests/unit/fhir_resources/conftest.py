"""The official profiles, where they are at hand."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[4] / "shared" / "tools" / "profile_check.py"


@pytest.fixture(scope="session")
def profile_errors() -> Callable[..., list[str]]:
    """`errors(resource, ig)` against the definitions of the guide; skips where they are absent."""
    if not TOOL.exists():
        pytest.skip("../shared is absent")
    spec = importlib.util.spec_from_file_location("profile_check", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    errors: Callable[..., list[str]] = module.errors
    return errors
