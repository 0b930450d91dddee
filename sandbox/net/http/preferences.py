"""The header `Prefer` (RFC 7240): preferences of the client, which a server may ignore."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_QUOTED = r'"(?:[^"\\]|\\.)*"'
_BETWEEN_COMMAS = re.compile(rf'(?:[^",]|{_QUOTED})+')
_PREFERENCE = re.compile(rf"\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*(?:=\s*({_QUOTED}|[^\s;\",]*))?\s*(?:;.*)?", re.DOTALL)


def preferences(lines: Iterable[str]) -> Mapping[str, str]:
    """Name -> value of all preferences of these header lines, both in lower case; their parameters are left aside.

    Of several with one name the first counts; malformed ones are ignored (RFC 7240, 2).

    >>> dict(preferences(['return=minimal; x="a,b", Handling="LENIENT"', "return=representation, wait"]))
    {'return': 'minimal', 'handling': 'lenient', 'wait': ''}
    """
    found: dict[str, str] = {}
    for text in _BETWEEN_COMMAS.findall(",".join(lines)):
        match = _PREFERENCE.fullmatch(text)
        if match is not None:
            name, value = match.groups()
            found.setdefault(name.lower(), _unquoted(value or "").lower())
    return found


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
