"""Conditional requests: `If-Match` and `If-None-Match` of resources that carry an ETag (RFC 9110, 13.1).

FHIR's ETags are weak and its version-aware updates name them in `If-Match` (FHIR R4, 3.1.0.5): so tags are compared
weakly there too, where RFC 9110 alone would never let one match. Dates (`If-Modified-Since`) are left aside, as nothing
here carries a Last-Modified.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Literal

from starlette.requests import Request

from sandbox.kernel.errors import Issue, RequestError, malformed

ANY: Literal["*"] = "*"
Tags = frozenset[str] | Literal["*"] | None

_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_TAGS = re.compile(rf"[\s,]*{_TAG}(?:\s*,[\s,]*{_TAG})*[\s,]*")
_EACH = re.compile(r'"([\x21\x23-\x7e\x80-\xff]*)"')


@dataclass(frozen=True, slots=True)
class Conditions:
    """The conditions of a request on the present version of the resource: opaque tags, `*`, or None where the header is
    absent."""

    match: Tags = None
    none_match: Tags = None

    def allow_change(self, etag: str | None) -> None:
        """Raise RequestError 412 unless a resource with this ETag (None: there is none) may be changed by this
        request."""
        self._check_match(etag)
        if self.none_match is not None and _holds(self.none_match, etag):
            raise _failed("If-None-Match", etag)

    def is_fresh(self, etag: str) -> bool:
        """For a read: True when the client already has the present version (304). Raises RequestError 412 for
        If-Match."""
        self._check_match(etag)
        return self.none_match is not None and _holds(self.none_match, etag)

    def _check_match(self, etag: str | None) -> None:
        if self.match is not None and not _holds(self.match, etag):
            raise _failed("If-Match", etag)


UNCONDITIONAL = Conditions()


def conditions_of(request: Request) -> Conditions:
    """The conditions of a request. Raises RequestError 400 when a header holds no entity tags."""
    return Conditions(_tags(request, "If-Match"), _tags(request, "If-None-Match"))


def weak_etag(body: bytes) -> str:
    """An ETag for a resource that has no version: a digest of what is sent."""
    return f'W/"{hashlib.blake2s(body, digest_size=8).hexdigest()}"'


def _tags(request: Request, header: str) -> Tags:
    lines = request.headers.getlist(header)
    if not lines:
        return None
    text = ",".join(lines)
    if text.strip() == ANY:
        return ANY
    if _TAGS.fullmatch(text) is None:
        raise malformed(f'{header} \'{text}\' holds no entity tags (expected W/"…", "…" or *)', f"http.{header}")
    return frozenset(_EACH.findall(text))


def _holds(tags: frozenset[str] | Literal["*"], etag: str | None) -> bool:
    return etag is not None and (tags == ANY or etag.removeprefix("W/").strip('"') in tags)


def _failed(header: str, etag: str | None) -> RequestError:
    found = f"its ETag is {etag}" if etag is not None else "there is none"
    return RequestError(
        412, Issue("conflict", f"{header} does not hold for the present resource: {found}", f"http.{header}")
    )
