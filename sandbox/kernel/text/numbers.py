"""Numbers as callers write them: ASCII digits, and nothing else that Python would take for one (`²`, `1_0`, `nan`)."""

from __future__ import annotations

import re

_DECIMAL = re.compile(r"[+-]?(?:[0-9]{1,15}(?:\.[0-9]{0,15})?|\.[0-9]{1,15})")


def whole_number(text: str, digits: int = 15) -> int | None:
    """A whole number of at most so many digits, without a sign; None for any other text.

    >>> whole_number("12"), whole_number("²"), whole_number("1_0")
    (12, None, None)
    """
    return int(text) if text.isascii() and text.isdigit() and len(text) <= digits else None


def decimal_number(text: str) -> float | None:
    """A decimal number with a point, at most 15 digits on either side of it; None for any other text.

    >>> decimal_number("-12.5"), decimal_number("1e400"), decimal_number("nan")
    (-12.5, None, None)
    """
    return float(text) if _DECIMAL.fullmatch(text) else None
