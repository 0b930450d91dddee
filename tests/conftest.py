"""What all tests share: the official material beside the project, and the rule about skipping."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is not a defect of what is tested. The gate tries the same examples each time, so that the same code
# has the same verdict and the same coverage; elsewhere new ones are tried.
settings.register_profile(
    "sandbox",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="SANDBOX_TESTS_MAY_NOT_SKIP" in os.environ,
)
settings.load_profile("sandbox")

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The directory of official definitions and examples; skips where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("../shared is absent")
    return SHARED


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Under .ci/run a test may only skip for want of ../shared: everything else is installed there."""
    report = yield
    if report.skipped and os.environ.get("SANDBOX_TESTS_MAY_NOT_SKIP") and not hasattr(report, "wasxfail"):
        reason = str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if "shared" not in reason:
            report.outcome = "failed"
            report.longrepr = f"skipped where nothing may skip: {reason}"
    return report
