"""The simple types of the message model in XML: text -> JSON value, and back.

`read` raises ValueError with what is wrong with a text; `text` writes a value of the JSON form, valid or not.
"""

from __future__ import annotations

import calendar
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import partial

from sandbox.edxl.validation import instant

_SPACE = re.compile("[ \t\n\r]+")
_DATE_TIME = re.compile(
    r"(-?(?:[1-9][0-9]{3,}|0[0-9]{3}))-(0[1-9]|1[0-2])-([0-9]{2})T"
    r"(?:([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?|24:00:00(?:\.0+)?)"
    r"(Z|[-+](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))?"
)
_WITH_OFFSET = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[-+][0-9]{2}:[0-9]{2}")
_DECIMAL = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")
_LANGUAGE = re.compile(r"[a-zA-Z]{1,8}(?:-[a-zA-Z0-9]{1,8})*")
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
LONGEST = 1023  # characters of an EDXL string
_LONGEST_NUMBER = 1100  # characters: no JSON number is longer when written without an exponent


@dataclass(frozen=True, slots=True)
class Simple:
    """A simple type."""

    read: Callable[[str], object]
    text: Callable[[object], str] = str


def collapsed(text: str) -> str:
    """White space as XML Schema collapses it.

    >>> collapsed("  a\\n b ")
    'a b'
    """
    return _SPACE.sub(" ", text).strip(" ")


def one_of(*values: str, collapse: bool = False) -> Simple:
    """An enumeration."""
    return Simple(partial(_one_of, values, collapsed if collapse else str))


def _one_of(values: tuple[str, ...], whitespace: Callable[[str], str], text: str) -> str:
    if (found := whitespace(text)) not in values:
        raise ValueError(f"does not have a value in the enumeration [{', '.join(values)}]")
    return found


def matching(pattern: str) -> Simple:
    """A string that matches a pattern as a whole."""
    return Simple(partial(_matching, re.compile(pattern)))


def _matching(pattern: re.Pattern[str], text: str) -> str:
    if not pattern.fullmatch(text):
        raise ValueError(f"does not match the regex pattern {pattern.pattern}")
    return text


def _edxl_string(text: str) -> str:
    found = collapsed(text)
    if not 1 <= len(found) <= LONGEST:
        raise ValueError(f"must have 1 to {LONGEST} characters")
    return found


def _language(text: str) -> str:
    found = collapsed(text)
    if not _LANGUAGE.fullmatch(found):
        raise ValueError("is no language tag (fr-FR, say)")
    return found


def _date_time(text: str) -> str:
    found = collapsed(text)
    match = _DATE_TIME.fullmatch(found)
    if match is None or not _is_day(int(match[1][-4:]), int(match[2]), int(match[3])):
        raise ValueError("is not a date and time (YYYY-MM-DDThh:mm:ss+hh:mm)")
    return found


def _is_day(year: int, month: int, day: int) -> bool:
    """True for a date of the calendar; `year`: its last four digits, as the calendar repeats every 400 years."""
    return 1 <= day <= calendar.monthrange(year % 400 + 2000, month)[1]


def _edxl_date_time(text: str) -> str:
    found = _date_time(text)
    if not _WITH_OFFSET.fullmatch(found):
        raise ValueError("is not a date and time with its offset, without decimals (YYYY-MM-DDThh:mm:ss+hh:mm)")
    return found


def _edxl_date_time_text(value: object) -> str:
    """JSON's envelope admits `Z` and decimals, XML's does not: the same second is written with its offset."""
    try:
        return instant(str(value)).isoformat(timespec="seconds")
    except ValueError:
        return str(value)


def _boolean(text: str) -> bool:
    found = collapsed(text)
    if found not in _BOOLEANS:
        raise ValueError("is neither true nor false")
    return _BOOLEANS[found]


def _boolean_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _decimal(text: str) -> int | float:
    found = collapsed(text)
    if not _DECIMAL.fullmatch(found) or len(found) > _LONGEST_NUMBER:
        raise ValueError("is not a decimal number")
    number = float(found)
    if math.isinf(number):
        raise ValueError("is beyond the numbers that JSON has")
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _decimal_text(value: object) -> str:
    """A number without exponent."""
    return format(Decimal(repr(value)), "f") if isinstance(value, float) else str(value)


STRING = Simple(str)
EDXL_STRING = Simple(_edxl_string)
LANGUAGE = Simple(_language)
DATE_TIME = Simple(_date_time)
EDXL_DATE_TIME = Simple(_edxl_date_time, _edxl_date_time_text)
BOOLEAN = Simple(_boolean, _boolean_text)
DECIMAL = Simple(_decimal, _decimal_text)
