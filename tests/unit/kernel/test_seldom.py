"""Lines of a log that come now and then, and errors of a store in short."""

from __future__ import annotations

import logging

import pytest

from sandbox.kernel.errors import StoreError
from sandbox.kernel.seldom import Seldom


def test_the_first_line_comes_and_the_next_after_a_while_with_how_many_were_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    moment = 100.0
    line = Seldom(logging.getLogger("seldom"), 60.0, lambda: moment)
    for _ in range(4):
        line.warning("the disk refuses: %s", "full")
    moment = 159.9
    line.error("the disk refuses: %s", "full")
    moment = 160.0
    line.error("the disk refuses: %s", "broken")
    moment = 400.0
    line.warning("the disk refuses: %s", "full")
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "the disk refuses: full"),
        ("ERROR", "the disk refuses: broken (4 more were not told)"),
        ("WARNING", "the disk refuses: full"),
    ]


def test_reason_of_a_store_error_is_without_the_path() -> None:
    assert StoreError("cannot write '/secret/log': No space left on device").reason == "No space left on device"
    assert StoreError("closed").reason == "closed"
