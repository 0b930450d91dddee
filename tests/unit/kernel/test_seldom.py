"""Lines of a log that come now and then, and errors of a store in short."""

from __future__ import annotations

from sandbox.kernel.errors import StoreError
from sandbox.kernel.seldom import Seldom


def test_first_line_is_due_and_the_next_after_a_while_with_how_many_were_left_out() -> None:
    moment = 100.0
    line = Seldom(60.0, lambda: moment)
    assert [line.due() for _ in range(4)] == [0, None, None, None]
    moment = 159.9
    assert line.due() is None
    moment = 160.0
    assert [line.due(), line.due()] == [4, None]
    moment = 400.0
    assert line.due() == 1


def test_reason_of_a_store_error_is_without_the_path() -> None:
    assert StoreError("cannot write '/secret/log': No space left on device").reason == "No space left on device"
    assert StoreError("closed").reason == "closed"
