"""A search of slots in the exact form in which the SAS core sends it, read by its parts.

Only three parts differ from one search to the next: the ids and the two instants. A query in any other form is left to
`fhir/queries/search.py`, which reads the whole query tolerantly.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

import msgspec

from sandbox.fhir.queries.offers import PRACTITIONERS
from sandbox.kernel.identifiers import SYSTEM_PERSON

MOST_ACTORS = 25  # practitioners, or associations (⚠ the guide's text says 10 of those, its table 25)
Frame = tuple[str, str, str]


class Parts(msgspec.Struct, gc=False):
    """A query in the exact form in which the SAS core sends it: the parts that differ each time, and the rest
    (`frame`)."""

    frame: Frame
    ids: tuple[str, ...]
    start: datetime
    end: datetime


_FROM, _UNTIL = "&start=ge", "&start=le"
_TOKEN = f"{SYSTEM_PERSON}%7C"
_TOKENS, _NEXT_TOKEN = f"&{PRACTITIONERS}={_TOKEN}", f",{_TOKEN}"
_PREFIXED = frozenset({10, 12})  # number of characters of an ADELI, of an RPPS


def read_by_parts(raw: str) -> Parts | None:
    """None where the form differs in any way from that of the SAS core; the whole query is then read tolerantly."""
    begin, tokens = raw.find(_FROM), raw.find(_TOKENS)
    middle = raw.find(_UNTIL, begin)
    after = raw.find("&", middle + 1)
    if not 0 < begin < middle < after <= tokens:
        return None
    start, end = _plain_instant(raw[begin + 9 : middle]), _plain_instant(raw[middle + 9 : after])
    last = raw.find("&", tokens + 1)
    if last < 0:
        last = len(raw)
    ids = raw[tokens + len(_TOKENS) : last].split(_NEXT_TOKEN)
    joined = "".join(ids)
    if start is None or end is None or len(ids) > MOST_ACTORS or not (joined.isalnum() and joined.isascii()):
        return None
    if not _PREFIXED.issuperset(map(len, ids)):
        return None
    return Parts((raw[:begin], raw[after:tokens], raw[last:]), tuple(dict.fromkeys(ids)), start, end)


@lru_cache(maxsize=1024)
def _plain_instant(text: str) -> datetime | None:
    """An instant as the SAS core writes it, within the sandbox's calendar."""
    text = text.replace("%2B", "+", 1)
    if len(text) != 29 or text[23] != "+" or not "1970" < text[:4] < "2099":
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
