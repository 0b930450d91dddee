from __future__ import annotations

import pytest

from sandbox.kernel.text.numbers import decimal_number, whole_number

STRANGE = ["", " ", "²", "٣", "1_0", "0x1", "nan", "inf", "1e3", "1e400", "1,5", "--1", "1.2.3", "9" * 16, "."]


@pytest.mark.parametrize("text", [*STRANGE, "-1", "+1", "1.0", " 1"])
def test_what_is_no_whole_number(text: str) -> None:
    assert whole_number(text) is None


@pytest.mark.parametrize("text", STRANGE)
def test_what_is_no_decimal_number(text: str) -> None:
    assert decimal_number(text) is None


def test_what_is_one() -> None:
    assert (whole_number("007"), whole_number("999", 3), whole_number("1000", 3)) == (7, 999, None)
    assert [decimal_number(text) for text in ("1", "-1.5", "+.25", "1.")] == [1.0, -1.5, 0.25, 1.0]
